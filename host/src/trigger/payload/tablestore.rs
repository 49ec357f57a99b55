//! Events of a table: changes of its rows, as Tablestore gives them, in CBOR (RFC 8949).
//!
//! Source: "Tablestore triggers" of Function Compute's help.

use minicbor::{Encoder, encode::write::Write};

const VERSION: &str = "Sync-v1";

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowChange {
    /// It is new, or written as a whole.
    Put,
    /// Some of its columns changed.
    Update,
    /// It is gone.
    Delete,
}

/// A change of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowRecord {
    /// What happened.
    pub(crate) change: RowChange,
    /// Microseconds since 1970 when it was committed.
    pub(crate) timestamp: i64,
    /// The columns that name the row, in the order of the key.
    pub(crate) primary_key: Vec<(String, CellValue)>,
    /// Other columns; `None` for one that has no value any more.
    pub(crate) columns: Vec<(String, Option<CellValue>)>,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CellValue {
    /// `Integer`
    Integer(i64),
    /// `Boolean`
    Boolean(bool),
    /// `Double`
    Double(f64),
    /// `String`
    String(String),
    /// `Blob`, a byte string of CBOR.
    Blob(Vec<u8>),
}

/// The event of some records.
pub(crate) fn event(records: &[RowRecord]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // Writing to a vector cannot fail.
    let _ = encode(&mut encoder, records);
    encoder.into_writer()
}

/// How many bytes a record adds to an event.
pub(crate) fn size(record: &RowRecord) -> usize {
    let mut encoder = Encoder::new(Vec::new());
    let _ = encode_record(&mut encoder, record);
    encoder.into_writer().len()
}

type Encoded<W> = Result<(), minicbor::encode::Error<<W as Write>::Error>>;

fn encode<W: Write>(encoder: &mut Encoder<W>, records: &[RowRecord]) -> Encoded<W> {
    encoder.map(2)?.str("Version")?.str(VERSION)?.str("Records")?.array(records.len() as u64)?;
    records.iter().try_for_each(|record| encode_record(encoder, record))
}

fn encode_record<W: Write>(encoder: &mut Encoder<W>, record: &RowRecord) -> Encoded<W> {
    let kind = match record.change {
        RowChange::Put => "PutRow",
        RowChange::Update => "UpdateRow",
        RowChange::Delete => "DeleteRow",
    };
    encoder.map(4)?.str("Type")?.str(kind)?;
    encoder.str("Info")?.map(1)?.str("Timestamp")?.i64(record.timestamp)?;
    encoder.str("PrimaryKey")?.array(record.primary_key.len() as u64)?;
    for (name, value) in &record.primary_key {
        encoder.map(2)?.str("ColumnName")?.str(name)?;
        encode_value(encoder, value)?;
    }
    encoder.str("Columns")?.array(record.columns.len() as u64)?;
    for (name, value) in &record.columns {
        encode_column(encoder, name, value.as_ref(), record.timestamp)?;
    }
    Ok(())
}

/// Versions of columns are in milliseconds, the rows' time in microseconds.
fn encode_column<W: Write>(
    encoder: &mut Encoder<W>,
    name: &str,
    value: Option<&CellValue>,
    timestamp: i64,
) -> Encoded<W> {
    let (fields, kind) = if value.is_some() { (4, "Put") } else { (3, "DeleteAllVersions") };
    encoder.map(fields)?.str("Type")?.str(kind)?.str("ColumnName")?.str(name)?;
    if let Some(value) = value {
        encode_value(encoder, value)?;
    }
    encoder.str("Timestamp")?.i64(timestamp.div_euclid(1000))?;
    Ok(())
}

fn encode_value<W: Write>(encoder: &mut Encoder<W>, value: &CellValue) -> Encoded<W> {
    encoder.str("Value")?;
    match value {
        CellValue::Integer(integer) => encoder.i64(*integer)?,
        CellValue::Boolean(boolean) => encoder.bool(*boolean)?,
        CellValue::Double(double) => encoder.f64(*double)?,
        CellValue::String(string) => encoder.str(string)?,
        CellValue::Blob(blob) => encoder.bytes(blob)?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMESTAMP: i64 = 1_506_416_585_740_836;

    fn record(change: RowChange, columns: Vec<(String, Option<CellValue>)>) -> RowRecord {
        let key = ("pk_0".to_owned(), CellValue::Integer(-1));
        RowRecord { change, timestamp: TIMESTAMP, primary_key: vec![key], columns }
    }

    /// CBOR as its diagnostic notation shows it.
    fn shown(bytes: &[u8]) -> String {
        minicbor::display(bytes).to_string()
    }

    #[test]
    fn the_event_is_the_documented_one() {
        let columns = vec![("attr_0".to_owned(), Some(CellValue::String("hello_table_store".into())))];
        let expected = concat!(
            r#"{"Version": "Sync-v1", "Records": [{"Type": "PutRow", "Info": {"Timestamp": 1506416585740836}, "#,
            r#""PrimaryKey": [{"ColumnName": "pk_0", "Value": -1}], "Columns": [{"Type": "Put", "#,
            r#""ColumnName": "attr_0", "Value": "hello_table_store", "Timestamp": 1506416585740}]}]}"#,
        );
        assert_eq!(shown(&event(&[record(RowChange::Put, columns)])), expected);
    }

    #[test]
    fn the_bytes_are_those_of_the_shortest_encoding() {
        let mut expected = b"\xa2\x67Version\x67Sync-v1\x67Records\x81\xa4\x64Type\x69DeleteRow\x64Info".to_vec();
        expected.extend(b"\xa1\x69Timestamp\x1b");
        expected.extend(TIMESTAMP.to_be_bytes());
        expected.extend(b"\x6aPrimaryKey\x81\xa2\x6aColumnName\x64pk_0\x65Value\x20\x67Columns\x80");
        assert_eq!(event(&[record(RowChange::Delete, Vec::new())]), expected);
    }

    #[test]
    fn every_kind_of_value_has_its_own_kind_of_cbor() {
        let columns = vec![
            ("i".to_owned(), Some(CellValue::Integer(i64::MIN))),
            ("b".to_owned(), Some(CellValue::Boolean(true))),
            ("d".to_owned(), Some(CellValue::Double(1.5))),
            ("x".to_owned(), Some(CellValue::Blob(vec![1, 255]))),
            ("gone".to_owned(), None),
        ];
        let text = shown(&event(&[record(RowChange::Update, columns)]));
        for part in [
            r#""Type": "UpdateRow""#,
            r#""i", "Value": -9223372036854775808, "#,
            r#""b", "Value": true, "#,
            r#""x", "Value": h'01 ff', "#,
            r#"{"Type": "DeleteAllVersions", "ColumnName": "gone", "Timestamp": 1506416585740}"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn the_size_of_a_record_is_what_it_adds() {
        let one = record(RowChange::Delete, Vec::new());
        let with_one = event(std::slice::from_ref(&one)).len();
        assert_eq!(event(&[one.clone(), one.clone()]).len() - with_one, size(&one));
    }
}
