//! The tables of what sources of events remember.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::Note;

pub(super) fn note(transaction: &Transaction<'_>, note: &Note) -> rusqlite::Result<()> {
    match note {
        Note::Mark { owner, name, value: Some(value) } => transaction
            .prepare_cached("INSERT OR REPLACE INTO marks (owner, name, value) VALUES (?1, ?2, ?3)")?
            .execute(params![owner, name, value]),
        Note::Mark { owner, name, value: None } => {
            transaction.prepare_cached("DELETE FROM marks WHERE owner = ?1 AND name = ?2")?.execute([owner, name])
        }
        Note::Unmark { owner } => transaction.prepare_cached("DELETE FROM marks WHERE owner = ?1")?.execute([owner]),
        Note::Post { inbox, content } => transaction
            .prepare_cached("INSERT INTO messages (inbox, content) VALUES (?1, ?2)")?
            .execute(params![inbox, &**content]),
        Note::Taken(seq) => {
            let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
            transaction.prepare_cached("DELETE FROM messages WHERE seq = ?1")?.execute([seq])
        }
        Note::Empty { inbox } => transaction.prepare_cached("DELETE FROM messages WHERE inbox = ?1")?.execute([inbox]),
    }
    .map(drop)
}

pub(super) fn marks(connection: &Connection, owner: &str) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut query = connection.prepare_cached("SELECT name, value FROM marks WHERE owner = ?1")?;
    query.query_map([owner], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Owners of marks, and inboxes. From one to the next by the index: a bucket's trigger has a mark for each of its files.
pub(super) fn remembered(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = Vec::new();
    for next in ["SELECT min(owner) FROM marks WHERE owner > ?1", "SELECT min(inbox) FROM messages WHERE inbox > ?1"] {
        let mut query = connection.prepare_cached(next)?;
        let mut last = String::new();
        while let Some(name) = query.query_row([&last], |row| row.get::<_, Option<String>>(0))? {
            found.push(name.clone());
            last = name;
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Numbers and contents.
pub(super) fn messages(
    connection: &Connection,
    inbox: &str,
    after: i64,
    limit: i64,
) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let sql = "SELECT seq, content FROM messages WHERE inbox = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let mut query = connection.prepare_cached(sql)?;
    query.query_map(params![inbox, after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

pub(super) fn waiting(connection: &Connection) -> rusqlite::Result<BTreeMap<String, i64>> {
    let mut query = connection.prepare_cached("SELECT inbox, count(*) FROM messages GROUP BY inbox")?;
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
