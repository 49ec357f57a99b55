//! Changes of rows as Tablestore's records: pure.

use super::pgoutput::{Cell, Column, Relation, Tuple};
use crate::trigger::payload::tablestore::{CellValue, RowChange, RowRecord};

const BOOL: u32 = 16;
const BYTEA: u32 = 17;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const OID: u32 = 26;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;

/// A table whose primary key is known.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    /// Indices of the key's columns, in the order of the key.
    key: Vec<usize>,
}

impl Table {
    /// `None` if a column of the key is not among those that are published.
    pub(super) fn new(relation: Relation, key: &[String]) -> Option<Self> {
        let index_of = |name: &String| relation.columns.iter().position(|column| column.name == *name);
        let key = key.iter().map(index_of).collect::<Option<Vec<_>>>()?;
        Some(Self { columns: relation.columns, key })
    }

    pub(super) fn insert(&self, timestamp: i64, new: &Tuple) -> RowRecord {
        // A column without a value is one that a row of Tablestore does not have.
        let columns = self.rest(new).filter_map(|(column, cell)| {
            let value = value(column, cell)?;
            Some((column.name.clone(), Some(value)))
        });
        self.record(RowChange::Put, timestamp, new, columns.collect())
    }

    /// One record; two if the row was given another key, because Tablestore's rows cannot be.
    pub(super) fn update(&self, timestamp: i64, old: Option<&Tuple>, new: &Tuple) -> Vec<RowRecord> {
        if let Some(old) = old.filter(|old| self.key.iter().any(|index| old.get(*index) != new.get(*index))) {
            // A long value that stayed is not sent again; it is known if the whole old row is.
            let stayed = |(index, cell): (usize, &Cell)| match cell {
                Cell::Unchanged => old.get(index).cloned().unwrap_or(Cell::Null),
                cell => cell.clone(),
            };
            let whole = new.iter().enumerate().map(stayed).collect();
            return vec![self.delete(timestamp, old), self.insert(timestamp, &whole)];
        }
        let columns = self.columns.iter().enumerate().filter(|(index, _)| !self.key.contains(index));
        let columns = columns.filter_map(|(index, column)| {
            let cell = new.get(index)?;
            // With the whole old row, what is as it was need not be told.
            let same = old.is_some_and(|old| old.get(index) == Some(cell));
            if same || *cell == Cell::Unchanged { None } else { Some((column.name.clone(), value(column, cell))) }
        });
        vec![self.record(RowChange::Update, timestamp, new, columns.collect())]
    }

    pub(super) fn delete(&self, timestamp: i64, old: &Tuple) -> RowRecord {
        self.record(RowChange::Delete, timestamp, old, Vec::new())
    }

    fn record(
        &self,
        change: RowChange,
        timestamp: i64,
        row: &Tuple,
        columns: Vec<(String, Option<CellValue>)>,
    ) -> RowRecord {
        let key = self.key.iter().filter_map(|index| self.columns.get(*index).zip(row.get(*index)));
        let primary_key = key.filter_map(|(column, cell)| Some((column.name.clone(), key_value(column, cell)?)));
        RowRecord { change, timestamp, primary_key: primary_key.collect(), columns }
    }

    /// The columns that are not of the key, with their cells.
    fn rest<'a>(&'a self, row: &'a Tuple) -> impl Iterator<Item = (&'a Column, &'a Cell)> {
        let pairs = self.columns.iter().zip(row).enumerate();
        pairs.filter(|(index, _)| !self.key.contains(index)).map(|(_, pair)| pair)
    }
}

/// The value of a column; numbers that Tablestore has no type for, and everything else, are text.
fn value(column: &Column, cell: &Cell) -> Option<CellValue> {
    let Cell::Text(text) = cell else { return None };
    let typed = match column.data_type {
        BOOL => Some(CellValue::Boolean(text == "t")),
        INT2 | INT4 | INT8 | OID => text.parse().ok().map(CellValue::Integer),
        FLOAT4 | FLOAT8 => text.parse().ok().map(CellValue::Double),
        BYTEA => text.strip_prefix("\\x").and_then(unhex).map(CellValue::Blob),
        _ => None,
    };
    Some(typed.unwrap_or_else(|| CellValue::String(text.clone())))
}

/// Keys are integers, strings or blobs.
fn key_value(column: &Column, cell: &Cell) -> Option<CellValue> {
    match (value(column, cell)?, cell) {
        (CellValue::Boolean(_) | CellValue::Double(_), Cell::Text(text)) => Some(CellValue::String(text.clone())),
        (value, _) => Some(value),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |name: &str, data_type| Column { name: name.into(), data_type };
        let columns = vec![
            column("note", 25),
            column("id", INT8),
            column("paid", BOOL),
            column("price", FLOAT8),
            column("blob", BYTEA),
            column("region", 25),
        ];
        let relation = Relation { schema: "public".into(), table: "orders".into(), columns };
        Table::new(relation, &["region".into(), "id".into()]).unwrap()
    }

    fn row(cells: [&str; 6]) -> Tuple {
        let cell = |text: &str| match text {
            "null" => Cell::Null,
            "unchanged" => Cell::Unchanged,
            text => Cell::Text(text.into()),
        };
        cells.into_iter().map(cell).collect()
    }

    fn string(text: &str) -> CellValue {
        CellValue::String(text.into())
    }

    #[test]
    fn a_new_row_has_its_key_in_order_and_the_columns_that_have_values() {
        let record = table().insert(5, &row(["hello", "7", "t", "1.5", "\\x01ff", "eu"]));
        assert_eq!((record.change, record.timestamp), (RowChange::Put, 5));
        let key = [("region".to_owned(), string("eu")), ("id".to_owned(), CellValue::Integer(7))];
        assert_eq!(record.primary_key, key);
        let column = |name: &str, value| (name.to_owned(), Some(value));
        let expected = [
            column("note", string("hello")),
            column("paid", CellValue::Boolean(true)),
            column("price", CellValue::Double(1.5)),
            column("blob", CellValue::Blob(vec![1, 255])),
        ];
        assert_eq!(record.columns, expected);
        let sparse = table().insert(5, &row(["null", "7", "null", "null", "null", "eu"]));
        assert_eq!(sparse.columns, []);
    }

    #[test]
    fn an_update_tells_values_and_their_absence_but_not_what_stayed() {
        let new = row(["null", "7", "f", "1.5", "unchanged", "eu"]);
        let names = |records: Vec<RowRecord>| {
            let [record] = <[_; 1]>::try_from(records).unwrap();
            assert_eq!(record.change, RowChange::Update);
            record.columns
        };
        let told = names(table().update(5, None, &new));
        let column = |name: &str, value| (name.to_owned(), value);
        let paid = column("paid", Some(CellValue::Boolean(false)));
        assert_eq!(told, [column("note", None), paid.clone(), column("price", Some(CellValue::Double(1.5)))]);
        let old = row(["null", "7", "t", "1.5", "\\x00", "eu"]);
        assert_eq!(names(table().update(5, Some(&old), &new)), [paid]);
    }

    #[test]
    fn another_key_is_another_row() {
        let old = row(["null", "7", "null", "null", "null", "eu"]);
        let new = row(["hello", "8", "t", "1.5", "\\x00", "eu"]);
        let records = table().update(5, Some(&old), &new);
        assert_eq!(records, [table().delete(5, &old), table().insert(5, &new)]);
        let (old, new) =
            (row(["long", "7", "t", "1", "\\x00", "eu"]), row(["unchanged", "8", "t", "1", "\\x00", "eu"]));
        let whole = row(["long", "8", "t", "1", "\\x00", "eu"]);
        assert_eq!(table().update(5, Some(&old), &new)[1], table().insert(5, &whole));
    }

    #[test]
    fn what_has_no_type_in_tablestore_is_text() {
        let numeric = Column { name: "n".into(), data_type: 1700 };
        assert_eq!(value(&numeric, &Cell::Text("12.30".into())), Some(string("12.30")));
        let flag = Column { name: "b".into(), data_type: BOOL };
        assert_eq!(key_value(&flag, &Cell::Text("t".into())), Some(string("t")));
    }

    #[test]
    fn a_key_that_is_not_published_makes_no_table() {
        let relation = Relation { schema: "s".into(), table: "t".into(), columns: Vec::new() };
        assert!(Table::new(relation, &["id".into()]).is_none());
    }
}
