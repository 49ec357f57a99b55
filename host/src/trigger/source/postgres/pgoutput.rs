//! Messages of `pgoutput`, PostgreSQL's own output plugin, version 1 of its protocol.
//!
//! Source: "Logical Replication Message Formats" of PostgreSQL's documentation.

/// Microseconds between 1970 and 2000, where PostgreSQL's time begins.
const EPOCH: i64 = 946_684_800_000_000;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A transaction begins; its commit is at this time, in microseconds since 1970.
    Begin {
        committed: i64,
    },
    /// It ends; everything before `end` is told.
    Commit {
        end: Lsn,
    },
    /// What the table with this id is, from here on.
    Relation(u32, Relation),
    Insert {
        relation: u32,
        new: Tuple,
    },
    /// `old` is the old key if it changed, or the whole old row of a table with full replica identity.
    Update {
        relation: u32,
        old: Option<Tuple>,
        new: Tuple,
    },
    Delete {
        relation: u32,
        old: Tuple,
    },
    /// Tables were emptied.
    Truncate,
    /// Of types, origins, and of the application: nothing about rows.
    Other,
}

/// A position in the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lsn(pub(super) u64);

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// The OID of its type.
    pub(super) data_type: u32,
}

/// A row: one cell for each column of the table.
pub(super) type Tuple = Vec<Cell>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    /// A long value that did not change, and so is not sent.
    Unchanged,
    /// The value as text.
    Text(String),
}

/// A message that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("PostgreSQL sent a message of logical replication that cannot be read: {0}")]
pub(super) struct Malformed(&'static str);

/// Reads a message.
pub(super) fn decode(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut input = Input(bytes);
    let message = match input.u8()? {
        b'B' => {
            let commit = Lsn(input.u64()?);
            Message::Begin { commit, committed: input.i64()?.saturating_add(EPOCH) }
        }
        b'C' => {
            let (_flags, _commit) = (input.u8()?, input.u64()?);
            Message::Commit { end: Lsn(input.u64()?) }
        }
        b'R' => input.relation()?,
        b'I' => {
            let relation = input.u32()?;
            input.marker(b"N")?;
            Message::Insert { relation, new: input.tuple()? }
        }
        b'U' => {
            let relation = input.u32()?;
            let old = match input.marker(b"KON")? {
                b'N' => None,
                _ => {
                    let old = input.tuple()?;
                    input.marker(b"N")?;
                    Some(old)
                }
            };
            Message::Update { relation, old, new: input.tuple()? }
        }
        b'D' => {
            let relation = input.u32()?;
            input.marker(b"KO")?;
            Message::Delete { relation, old: input.tuple()? }
        }
        b'T' => Message::Truncate,
        b'Y' | b'O' | b'M' => Message::Other,
        _ => return Err(Malformed("its kind is unknown")),
    };
    Ok(message)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed("it ends early"))
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    fn marker(&mut self, allowed: &[u8]) -> Result<u8, Malformed> {
        self.u8().and_then(|marker| {
            if allowed.contains(&marker) { Ok(marker) } else { Err(Malformed("a row is not where it should be")) }
        })
    }

    /// Text up to a zero byte.
    fn string(&mut self) -> Result<String, Malformed> {
        let length = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed("a name has no end"))?;
        let bytes = self.take(length)?;
        self.u8()?;
        text(bytes)
    }

    fn relation(&mut self) -> Result<Message, Malformed> {
        let id = self.u32()?;
        // An empty name stands for the catalog.
        let (schema, table) = (self.string()?, self.string()?);
        let _identity = self.u8()?;
        let columns = (0..self.u16()?).map(|_| {
            let _flags = self.u8()?;
            let column = Column { name: self.string()?, data_type: self.u32()? };
            let _modifier = self.u32()?;
            Ok(column)
        });
        let columns = columns.collect::<Result<_, Malformed>>()?;
        Ok(Message::Relation(id, Relation { schema, table, columns }))
    }

    fn tuple(&mut self) -> Result<Tuple, Malformed> {
        (0..self.u16()?)
            .map(|_| match self.u8()? {
                b'n' => Ok(Cell::Null),
                b'u' => Ok(Cell::Unchanged),
                b't' => {
                    let length = usize::try_from(self.u32()?).map_err(|_| Malformed("a value is too long"))?;
                    text(self.take(length)?).map(Cell::Text)
                }
                _ => Err(Malformed("a value has an unknown form")),
            })
            .collect()
    }
}

/// The connection's encoding is UTF-8.
fn text(bytes: &[u8]) -> Result<String, Malformed> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Malformed("a text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: &[u8] =
        b"U\x00\x00\x40\x01K\x00\x02t\x00\x00\x00\x011nN\x00\x03t\x00\x00\x00\x012ut\x00\x00\x00\x03abc";

    #[test]
    fn transactions_have_a_time_and_an_end() {
        let mut begin = b"B".to_vec();
        begin.extend(7_u64.to_be_bytes());
        begin.extend(1_000_000_i64.to_be_bytes());
        begin.extend(3_u32.to_be_bytes());
        assert_eq!(decode(&begin), Ok(Message::Begin { commit: Lsn(7), committed: 946_684_801_000_000 }));

        let mut commit = b"C\x00".to_vec();
        commit.extend(7_u64.to_be_bytes());
        commit.extend(0x1_0000_00ff_u64.to_be_bytes());
        commit.extend(1_000_000_i64.to_be_bytes());
        assert_eq!(decode(&commit), Ok(Message::Commit { end: Lsn(0x1_0000_00ff) }));
        assert_eq!(Lsn(0x1_0000_00ff).to_string(), "1/FF");
    }

    #[test]
    fn a_table_has_named_columns() {
        let mut bytes = b"R\x00\x00\x40\x01public\x00orders\x00d\x00\x02".to_vec();
        bytes.extend(b"\x01id\x00\x00\x00\x00\x17\xff\xff\xff\xff");
        bytes.extend(b"\x00note\x00\x00\x00\x00\x19\xff\xff\xff\xff");
        let column = |name: &str, data_type| Column { name: name.into(), data_type };
        let columns = vec![column("id", 23), column("note", 25)];
        let relation = Relation { schema: "public".into(), table: "orders".into(), columns };
        assert_eq!(decode(&bytes), Ok(Message::Relation(0x4001, relation)));
    }

    #[test]
    fn an_update_may_have_the_old_key() {
        let old = Some(vec![Cell::Text("1".into()), Cell::Null]);
        let new = vec![Cell::Text("2".into()), Cell::Unchanged, Cell::Text("abc".into())];
        assert_eq!(decode(UPDATE), Ok(Message::Update { relation: 0x4001, old, new }));
    }

    #[test]
    fn what_is_cut_off_or_strange_is_an_error() {
        for length in 0..UPDATE.len() {
            assert!(decode(&UPDATE[..length]).is_err(), "{length}");
        }
        assert!(decode(b"X").is_err());
        assert!(decode(b"D\x00\x00\x40\x01N\x00\x00").is_err());
        assert!(decode(b"I\x00\x00\x40\x01N\x00\x01t\xff\xff\xff\xff").is_err());
    }
}
