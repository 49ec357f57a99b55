//! The embedded backend: one SQLite file, written ahead, synchronized at every commit.
//!
//! One table holds all kinds: every question is for a key or for a range of keys, and the rules between records are
//! kept by whoever commits, under one lock. Columns and foreign keys would state the same rules a second time, in a form
//! that a key-value backend could not have.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use rusqlite_migration::{M, Migrations};

use super::{Expect, Key, Kind, Record, Storage, StoreError, Write};

/// Every schema there ever was: a step that has been released is never changed, only followed by another.
const MIGRATIONS: &[M<'_>] = &[M::up(
    "CREATE TABLE records (
         kind TEXT NOT NULL,
         scope TEXT NOT NULL,
         name TEXT NOT NULL,
         revision INTEGER NOT NULL,
         document TEXT NOT NULL,
         PRIMARY KEY (kind, scope, name)
     ) WITHOUT ROWID, STRICT;
     CREATE TABLE commits (number INTEGER NOT NULL) STRICT;
     INSERT INTO commits VALUES (0);",
)];

/// How long a write waits for another process, such as a backup, to let go of the file.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// An open catalog file.
pub struct SqliteStorage {
    connection: Mutex<Connection>,
    /// Held as long as the file is open: what another process wrote would never be served by this one.
    _lock: File,
}

impl SqliteStorage {
    /// Opens or makes the catalog in `directory`, and brings its schema up to date.
    ///
    /// # Errors
    /// If another process has it open, or it cannot be read, written or migrated.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let lock = locked(directory)?;
        let path = directory.join("catalog.db");
        let open = || -> anyhow::Result<Connection> {
            // It holds the variables of functions and the keys of certificates. SQLite's other files take over its mode.
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            let mut connection = Connection::open(&path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
            Ok(connection)
        };
        let connection = open().with_context(|| format!("the catalog {} cannot be opened", path.display()))?;
        Ok(Self { connection: Mutex::new(connection), _lock: lock })
    }
}

fn locked(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join("catalog.lock");
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    lock.try_lock().map_err(|_| {
        anyhow::anyhow!(
            "another wisp uses the data directory {}: stop it, or give this one another `server.data_dir`",
            directory.display()
        )
    })?;
    Ok(lock)
}

impl Storage for SqliteStorage {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let connection = self.connection.lock();
        let mut query = connection
            .prepare_cached(
                "SELECT scope, name, revision, document FROM records WHERE kind = ?1 AND scope = ?2 AND name = ?3",
            )
            .map_err(failed)?;
        query
            .query_row(params![key.kind.as_str(), key.scope, key.name], |row| record(key.kind, row))
            .optional()
            .map_err(failed)
    }

    fn list(&self, kind: Kind, scope: Option<&str>) -> Result<Vec<Record>, StoreError> {
        let connection = self.connection.lock();
        let mut query = connection
            .prepare_cached(
                "SELECT scope, name, revision, document FROM records WHERE kind = ?1 AND (?2 IS NULL OR scope = ?2) ORDER BY scope, name",
            )
            .map_err(failed)?;
        let rows = query.query_map(params![kind.as_str(), scope], |row| record(kind, row)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn commit(&self, writes: &[Write]) -> Result<i64, StoreError> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let number: i64 = transaction
            .query_row("UPDATE commits SET number = number + 1 RETURNING number", [], |row| row.get(0))
            .map_err(failed)?;
        for write in writes {
            apply(&transaction, write, number)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(number)
    }
}

fn apply(transaction: &Transaction<'_>, write: &Write, number: i64) -> Result<(), StoreError> {
    match write {
        Write::Put { key, document, expect } => {
            if !holds(transaction, key, *expect)? {
                return Err(StoreError::Conflict(key.clone()));
            }
            execute(
                transaction,
                "INSERT OR REPLACE INTO records (kind, scope, name, revision, document) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![key.kind.as_str(), key.scope, key.name, number, document],
            )
        }
        Write::Delete(key) => execute(
            transaction,
            "DELETE FROM records WHERE kind = ?1 AND scope = ?2 AND name = ?3",
            params![key.kind.as_str(), key.scope, key.name],
        ),
        Write::DeleteAll(kind, scope) => {
            execute(transaction, "DELETE FROM records WHERE kind = ?1 AND scope = ?2", params![kind.as_str(), scope])
        }
    }
}

fn execute(transaction: &Transaction<'_>, sql: &str, params: impl rusqlite::Params) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
    statement.execute(params).map(drop).map_err(failed)
}

fn holds(transaction: &Transaction<'_>, key: &Key, expect: Expect) -> Result<bool, StoreError> {
    let expected = match expect {
        Expect::Anything => return Ok(true),
        Expect::Absent => None,
        Expect::Revision(revision) => Some(revision),
    };
    let mut statement = transaction
        .prepare_cached("SELECT revision FROM records WHERE kind = ?1 AND scope = ?2 AND name = ?3")
        .map_err(failed)?;
    let revision: Option<i64> = statement
        .query_row(params![key.kind.as_str(), key.scope, key.name], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    Ok(revision == expected)
}

fn record(kind: Kind, row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        key: Key { kind, scope: row.get(0)?, name: row.get(1)? },
        revision: row.get(2)?,
        document: row.get(3)?,
    })
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_migrates_from_nothing() {
        Migrations::from_slice(MIGRATIONS).validate().unwrap();
    }

    #[test]
    fn a_second_opener_is_refused_with_the_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let _first = SqliteStorage::open(directory.path()).unwrap();
        let message = SqliteStorage::open(directory.path()).err().unwrap().to_string();
        assert!(message.contains("data_dir"), "{message}");
    }

    #[test]
    fn what_was_committed_is_there_when_it_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let key = Key::new(Kind::Scope, "s", "a");
        let put = Write::Put { key: key.clone(), document: "{}".into(), expect: Expect::Absent };
        let number = SqliteStorage::open(directory.path()).unwrap().commit(&[put]).unwrap();
        let reopened = SqliteStorage::open(directory.path()).unwrap();
        assert_eq!(reopened.get(&key).unwrap().unwrap().revision, number);
        assert!(reopened.commit(&[]).unwrap() > number);
    }
}
