//! As much of the MySQL client/server protocol as a small function needs: a login by `mysql_native_password`, and
//! queries with results as texts. No TLS, so it is for a database on the same machine or in the same private network.

use std::{fmt, io};

use sha1::{Digest as _, Sha1};
use wisp_sdk::net::TcpStream;

/// Rows of columns; `NULL` is none.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// The most that one answer may have, in bytes: an instance has 16 MB.
const MAX_ANSWER: usize = 4 << 20;
/// The largest packet; a longer message would come in several.
const MAX_PACKET: usize = 0xff_ffff;

// Capabilities: CLIENT_LONG_PASSWORD, CLIENT_CONNECT_WITH_DB, CLIENT_PROTOCOL_41, CLIENT_TRANSACTIONS,
// CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
/// utf8mb4_general_ci.
const CHARSET: u8 = 45;
const NATIVE_PASSWORD: &str = "mysql_native_password";
const COM_QUERY: u8 = 3;

/// Who connects, and to which database.
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
}

/// A connection that is logged in.
pub(crate) struct Connection {
    stream: TcpStream,
    sequence: u8,
}

/// Why a query has no result.
#[derive(Debug)]
pub(crate) enum QueryError {
    /// The connection broke, or there is none.
    Connection(io::Error),
    /// The server refuses, with its own number and message.
    Server(u16, String),
    /// The server says what this client does not understand.
    Protocol(&'static str),
}

/// A text as a literal of SQL. In hexadecimal, so that no character of it means anything, whatever the server's mode.
pub(crate) fn literal(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("CONVERT(X'{digits}' USING utf8mb4)")
}

impl Connection {
    /// Connects to `host:port` and logs in.
    pub(crate) async fn open(address: &str, login: &Login) -> Result<Self, QueryError> {
        let mut connection = Self { stream: TcpStream::connect(address).await?, sequence: 0 };
        let greeting = connection.receive().await?;
        let challenge = challenge(&greeting)?;
        connection.send(&login_packet(login, &challenge)).await?;
        let mut answer = connection.receive().await?;
        // A request for another method, and perhaps with another challenge.
        if answer.first() == Some(&0xfe) {
            let mut fields = Reader(answer.get(1..).unwrap_or_default());
            if fields.text()? != NATIVE_PASSWORD {
                return Err(QueryError::Protocol("the server wants another login than mysql_native_password"));
            }
            let challenge = fields.0.strip_suffix(&[0]).unwrap_or(fields.0).to_vec();
            connection.send(&scramble(&login.password, &challenge)).await?;
            answer = connection.receive().await?;
        }
        succeeded(&answer).map(|()| connection)
    }

    /// Runs one statement.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Rows, QueryError> {
        self.sequence = 0;
        self.send(&[&[COM_QUERY], sql.as_bytes()].concat()).await?;
        let answer = self.receive().await?;
        match answer.first() {
            Some(0x00 | 0xff) => succeeded(&answer).map(|()| Rows::new()),
            Some(_) => self.rows(Reader(&answer).number()?).await,
            None => Err(QueryError::Protocol("an empty answer")),
        }
    }

    async fn rows(&mut self, columns: usize) -> Result<Rows, QueryError> {
        // The definitions of the columns, and their end.
        for _ in 0..=columns {
            self.receive().await?;
        }
        let (mut rows, mut size) = (Rows::new(), 0);
        loop {
            let packet = self.receive().await?;
            match packet.first() {
                Some(0xfe) if packet.len() < 9 => return Ok(rows),
                Some(0xff) => return Err(server_error(&packet)),
                _ => {}
            }
            size += packet.len();
            if size > MAX_ANSWER {
                return Err(QueryError::Protocol("the answer is too long: ask for fewer rows"));
            }
            let mut reader = Reader(&packet);
            rows.push((0..columns).map(|_| reader.value()).collect::<Result<_, _>>()?);
        }
    }

    /// A packet: three bytes of length, one of its number, and what it carries.
    async fn receive(&mut self) -> Result<Vec<u8>, QueryError> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await?;
        let [a, b, c, sequence] = head;
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        if length > MAX_ANSWER {
            return Err(QueryError::Protocol("a packet is too long"));
        }
        let mut packet = vec![0; length];
        self.stream.read_exact(&mut packet).await?;
        self.sequence = sequence.wrapping_add(1);
        Ok(packet)
    }

    async fn send(&mut self, packet: &[u8]) -> Result<(), QueryError> {
        if packet.len() >= MAX_PACKET {
            return Err(QueryError::Protocol("the statement is too long"));
        }
        let [a, b, c, _] = (packet.len() as u32).to_le_bytes();
        let message = [&[a, b, c, self.sequence], packet].concat();
        Ok(self.stream.write_all(&message).await?)
    }
}

/// The 20 random bytes of a greeting, which come in two parts.
fn challenge(greeting: &[u8]) -> Result<Vec<u8>, QueryError> {
    let mut reader = Reader(greeting);
    match reader.take(1)? {
        [10] => {}
        [0xff] => return Err(server_error(greeting)),
        _ => return Err(QueryError::Protocol("the server speaks another protocol")),
    }
    reader.text()?;
    reader.take(4)?;
    let first = reader.take(8)?.to_vec();
    // A filler, capabilities, the character set, the status, the length of the challenge, and a reserve.
    reader.take(1 + 2 + 1 + 2 + 2 + 1 + 10)?;
    Ok([&first, reader.take(12)?].concat())
}

fn login_packet(login: &Login, challenge: &[u8]) -> Vec<u8> {
    let mut packet = CAPABILITIES.to_le_bytes().to_vec();
    packet.extend((MAX_PACKET as u32).to_le_bytes());
    packet.push(CHARSET);
    packet.extend([0; 23]);
    packet.extend(login.user.bytes().chain([0]));
    let proof = scramble(&login.password, challenge);
    packet.push(proof.len() as u8);
    packet.extend(proof);
    packet.extend(login.database.bytes().chain([0]));
    packet.extend(NATIVE_PASSWORD.bytes().chain([0]));
    packet
}

/// Proves that the password is known, without sending it.
fn scramble(password: &str, challenge: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    let mask = Sha1::new().chain_update(challenge).chain_update(twice).finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

fn succeeded(answer: &[u8]) -> Result<(), QueryError> {
    match answer.first() {
        Some(0x00) => Ok(()),
        Some(0xff) => Err(server_error(answer)),
        _ => Err(QueryError::Protocol("neither yes nor no")),
    }
}

fn server_error(packet: &[u8]) -> QueryError {
    let mut reader = Reader(packet.get(1..).unwrap_or_default());
    let number = reader.take(2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    // `#` and five characters of SQLSTATE, once the login began.
    let message = if reader.0.first() == Some(&b'#') { reader.0.get(6..).unwrap_or_default() } else { reader.0 };
    QueryError::Server(number, String::from_utf8_lossy(message).into_owned())
}

/// What is left of a packet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], QueryError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(QueryError::Protocol("a packet is too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// A text that ends with a zero.
    fn text(&mut self) -> Result<&'a str, QueryError> {
        let length = self.0.iter().position(|byte| *byte == 0).ok_or(QueryError::Protocol("a text without an end"))?;
        let text = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(text).map_err(|_| QueryError::Protocol("a text that is not UTF-8"))
    }

    /// A number of variable length.
    fn number(&mut self) -> Result<usize, QueryError> {
        let length = match self.take(1)? {
            [0xfc] => 2,
            [0xfd] => 3,
            [0xfe] => 8,
            [small] => return Ok(usize::from(*small)),
            _ => 0,
        };
        let bytes = self.take(length)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A column of a row.
    fn value(&mut self) -> Result<Option<String>, QueryError> {
        if self.0.first() == Some(&0xfb) {
            self.take(1)?;
            return Ok(None);
        }
        let length = self.number()?;
        Ok(Some(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }
}

impl From<io::Error> for QueryError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(formatter),
            Self::Server(number, message) => write!(formatter, "the database refuses: {message} ({number})"),
            Self::Protocol(problem) => write!(formatter, "the database cannot be understood: {problem}"),
        }
    }
}

impl std::error::Error for QueryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_has_no_character_that_means_something() {
        assert_eq!(literal("a'; --"), "CONVERT(X'61273b202d2d' USING utf8mb4)");
    }

    #[test]
    fn numbers_and_values_are_read_by_their_lengths() {
        let mut reader = Reader(&[0xfc, 0x01, 0x02, 0xfb, 2, b'a', b'b', 5]);
        assert_eq!(reader.number().unwrap(), 0x0201);
        assert_eq!(reader.value().unwrap(), None);
        assert_eq!(reader.value().unwrap().as_deref(), Some("ab"));
        assert!(reader.value().is_err(), "five bytes are announced, and none is there");
    }
}
