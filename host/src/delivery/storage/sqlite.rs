//! The embedded backend: one SQLite file, written ahead, synchronized at every commit.
//!
//! Payloads have a table of their own: an event's progress is written several times, and would take its payload along.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, ToSql, Transaction, params};
use rusqlite_migration::{M, Migrations};

use super::{
    Applied, Change, Event, EventKey, EventReader, EventStorage, EventsError, Filter, Progress, SourceReader,
    StatefulFunction, Submission, sources,
};

/// Every schema there ever was: a step that has been released is never changed, only followed by another.
const MIGRATIONS: &[M<'_>] = &[
    M::up(
        "CREATE TABLE events (
         seq INTEGER PRIMARY KEY AUTOINCREMENT,
         request_id TEXT NOT NULL,
         service TEXT NOT NULL,
         function TEXT NOT NULL,
         qualifier TEXT NOT NULL,
         invocation_id TEXT,
         trace_parent TEXT,
         received INTEGER NOT NULL,
         depth INTEGER NOT NULL,
         open INTEGER NOT NULL,
         dead INTEGER NOT NULL,
         status TEXT NOT NULL,
         started INTEGER,
         ended INTEGER,
         progress TEXT NOT NULL
     ) STRICT;
     CREATE INDEX by_request ON events (request_id);
     CREATE UNIQUE INDEX by_invocation ON events (service, function, invocation_id) WHERE invocation_id IS NOT NULL;
     CREATE INDEX dead_letters ON events (seq) WHERE dead = 1;
     CREATE TABLE payloads (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;
     CREATE TABLE responses (seq INTEGER PRIMARY KEY, response BLOB NOT NULL) STRICT;",
    ),
    M::up(
        "ALTER TABLE events ADD COLUMN trigger_name TEXT;
     CREATE TABLE marks (
         owner TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (owner, name)
     ) WITHOUT ROWID, STRICT;
     CREATE TABLE messages (seq INTEGER PRIMARY KEY AUTOINCREMENT, inbox TEXT NOT NULL, content BLOB NOT NULL) STRICT;
     CREATE INDEX by_inbox ON messages (inbox, seq);",
    ),
];

/// How long an access waits for another process, such as a backup, to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const COLUMNS: &str = "seq, request_id, service, function, qualifier, invocation_id, trace_parent, received, \
                       depth, progress, trigger_name";

/// An open file of events: the side that writes.
pub(crate) struct SqliteEvents {
    connection: Connection,
    path: PathBuf,
    /// Held as long as the file is open: two hosts would both execute what is in it.
    _lock: File,
}

/// The side that reads.
pub(crate) struct SqliteReader(Connection);

impl SqliteEvents {
    /// Opens or makes the events in `directory`, and brings their schema up to date.
    ///
    /// # Errors
    /// If another process has them open, or they cannot be read, written or migrated.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let lock = locked(directory)?;
        let path = directory.join("events.db");
        let open = || -> anyhow::Result<Connection> {
            let mut connection = Connection::open(&path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            Migrations::from_slice(MIGRATIONS).to_latest(&mut connection)?;
            Ok(connection)
        };
        let connection = open().with_context(|| format!("the events {} cannot be opened", path.display()))?;
        Ok(Self { connection, path, _lock: lock })
    }

    /// A reader of the same file.
    ///
    /// # Errors
    /// If it cannot be opened once more.
    pub(crate) fn reader(&self) -> anyhow::Result<SqliteReader> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)
            .with_context(|| format!("the events {} cannot be opened", self.path.display()))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(SqliteReader(connection))
    }
}

fn locked(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join("events.lock");
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    lock.try_lock().map_err(|_| {
        anyhow::anyhow!(
            "another wisp uses the data directory {}: stop it, or give this one another `server.data_dir`",
            directory.display()
        )
    })?;
    Ok(lock)
}

impl EventStorage for SqliteEvents {
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Applied>, EventsError> {
        let transaction = self.connection.transaction().map_err(failed)?;
        let applied =
            changes.iter().map(|change| apply(&transaction, change)).collect::<Result<_, _>>().map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(applied)
    }
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<Applied> {
    match change {
        Change::Insert(new) => insert(transaction, &new.0, &new.1),
        Change::Update(seq, progress) => update(transaction, number(*seq), progress).map(Applied::Done),
        Change::Remove(seq) => remove(transaction, number(*seq)).map(Applied::Done),
        Change::Prune { ended_before, dead_kept } => {
            prune(transaction, number(*ended_before), *dead_kept).map(Applied::Done)
        }
        Change::Note(note) => sources::note(transaction, note).map(|()| Applied::Done(0)),
    }
}

fn insert(transaction: &Transaction<'_>, new: &Submission, progress: &Progress) -> rusqlite::Result<Applied> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO events (request_id, service, function, qualifier, invocation_id, trace_parent, received,
             depth, open, dead, status, started, ended, progress, trigger_name)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING",
    )?;
    let inserted = statement.execute(params![
        new.request_id,
        new.service,
        new.function,
        new.qualifier,
        new.invocation_id,
        new.trace_parent,
        number(new.received),
        new.depth,
        progress.is_open(),
        progress.dead,
        progress.status.as_str(),
        progress.started.map(number),
        progress.ended.map(number),
        text(progress)?,
        new.trigger,
    ])?;
    if inserted == 0 {
        return Ok(Applied::Duplicate);
    }
    let seq = transaction.last_insert_rowid();
    transaction
        .prepare_cached("INSERT INTO payloads (seq, payload) VALUES (?1, ?2)")?
        .execute(params![seq, &*new.payload])?;
    Ok(Applied::Inserted(unsigned(seq)))
}

fn update(transaction: &Transaction<'_>, seq: i64, progress: &Progress) -> rusqlite::Result<usize> {
    let mut statement = transaction.prepare_cached(
        "UPDATE events SET open = ?2, dead = ?3, status = ?4, started = ?5, ended = ?6, progress = ?7 WHERE seq = ?1",
    )?;
    let updated = statement.execute(params![
        seq,
        progress.is_open(),
        progress.dead,
        progress.status.as_str(),
        progress.started.map(number),
        progress.ended.map(number),
        text(progress)?,
    ])?;
    if updated > 0 && !progress.response.is_empty() {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO responses (seq, response) VALUES (?1, ?2)")?
            .execute(params![seq, &*progress.response])?;
    }
    Ok(0)
}

fn remove(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<usize> {
    transaction.prepare_cached("DELETE FROM payloads WHERE seq = ?1")?.execute([seq])?;
    transaction.prepare_cached("DELETE FROM responses WHERE seq = ?1")?.execute([seq])?;
    transaction.prepare_cached("DELETE FROM events WHERE seq = ?1")?.execute([seq])
}

fn prune(transaction: &Transaction<'_>, ended_before: i64, dead_kept: usize) -> rusqlite::Result<usize> {
    let old = "SELECT seq FROM events WHERE open = 0 AND dead = 0 AND ended < ?1
               UNION ALL
               SELECT seq FROM (SELECT seq FROM events WHERE dead = 1 ORDER BY seq DESC LIMIT -1 OFFSET ?2)";
    let kept = i64::try_from(dead_kept).unwrap_or(i64::MAX);
    let mut statement = transaction.prepare_cached(old)?;
    let seqs: Vec<i64> = statement.query_map([ended_before, kept], |row| row.get(0))?.collect::<Result<_, _>>()?;
    seqs.into_iter().try_fold(0, |removed, seq| Ok(removed + remove(transaction, seq)?))
}

impl EventReader for SqliteReader {
    fn event(&self, key: EventKey<'_>) -> Result<Option<Event>, EventsError> {
        let (condition, values): (_, Vec<&dyn ToSql>) = match &key {
            EventKey::RequestId(id) => ("request_id = ?1 ORDER BY seq DESC LIMIT 1", vec![id]),
            EventKey::Invocation { service, function, id } => {
                ("service = ?1 AND function = ?2 AND invocation_id = ?3", vec![service, function, id])
            }
        };
        let mut statement =
            self.0.prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE {condition}")).map_err(failed)?;
        let found = statement.query_row(&*values, event).optional().map_err(failed)?;
        found.map(|event| self.complete(event)).transpose()
    }

    fn list(&self, filter: &Filter) -> Result<Vec<Event>, EventsError> {
        let (sql, values) = query(filter);
        let mut statement = self.0.prepare_cached(&sql).map_err(failed)?;
        let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
        let events: Vec<Event> =
            statement.query_map(&*values, event).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
        if filter.payloads { events.into_iter().map(|event| self.complete(event)).collect() } else { Ok(events) }
    }

    fn open(&self, after: u64, limit: usize) -> Result<Vec<(Event, usize)>, EventsError> {
        // By the order of the table: there is no index of what is open, because most of what is there is.
        let sql = format!(
            "SELECT {COLUMNS}, (SELECT length(payload) FROM payloads WHERE payloads.seq = events.seq) FROM events
             WHERE seq > ?1 AND open = 1 ORDER BY seq LIMIT ?2"
        );
        let mut statement = self.0.prepare_cached(&sql).map_err(failed)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([number(after), limit], |row| {
            let length: i64 = row.get(11)?;
            Ok((event(row)?, usize::try_from(length).unwrap_or_default()))
        });
        rows.map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
    }

    fn payload(&self, seq: u64) -> Result<Option<Bytes>, EventsError> {
        self.bytes("SELECT payload FROM payloads WHERE seq = ?1", seq)
    }

    fn response(&self, seq: u64) -> Result<Bytes, EventsError> {
        Ok(self.bytes("SELECT response FROM responses WHERE seq = ?1", seq)?.unwrap_or_default())
    }

    fn stateful_functions(&self) -> Result<Vec<StatefulFunction>, EventsError> {
        let sql =
            "SELECT DISTINCT service, function, qualifier FROM events WHERE invocation_id IS NOT NULL ORDER BY 1, 2, 3";
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn last(&self) -> Result<u64, EventsError> {
        let last = self.0.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0));
        last.map(unsigned).map_err(failed)
    }

    fn dead(&self) -> Result<usize, EventsError> {
        let sql = "SELECT count(*) FROM events WHERE dead = 1";
        let count: i64 = self.0.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
        Ok(usize::try_from(count).unwrap_or_default())
    }
}

impl SourceReader for SqliteReader {
    fn marks(&self, owner: &str) -> Result<BTreeMap<String, String>, EventsError> {
        sources::marks(&self.0, owner).map_err(failed)
    }

    fn remembered(&self) -> Result<Vec<String>, EventsError> {
        sources::remembered(&self.0).map_err(failed)
    }

    fn messages(&self, inbox: &str, after: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, EventsError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let messages = sources::messages(&self.0, inbox, number(after), limit).map_err(failed)?;
        Ok(messages.into_iter().map(|(seq, content)| (unsigned(seq), Bytes::from(content))).collect())
    }

    fn waiting(&self) -> Result<BTreeMap<String, usize>, EventsError> {
        let waiting = sources::waiting(&self.0).map_err(failed)?;
        Ok(waiting.into_iter().map(|(inbox, count)| (inbox, usize::try_from(count).unwrap_or_default())).collect())
    }
}

impl SqliteReader {
    fn bytes(&self, sql: &str, seq: u64) -> Result<Option<Bytes>, EventsError> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        let bytes = statement.query_row([number(seq)], |row| row.get::<_, Vec<u8>>(0)).optional().map_err(failed)?;
        Ok(bytes.map(Bytes::from))
    }

    fn complete(&self, mut event: Event) -> Result<Event, EventsError> {
        event.submission.payload = self.payload(event.seq)?.unwrap_or_default();
        event.progress.response = self.response(event.seq)?;
        Ok(event)
    }
}

type Query = (String, Vec<Box<dyn ToSql>>);

fn query(filter: &Filter) -> Query {
    let (mut conditions, mut values) = (vec!["1".to_owned()], Vec::<Box<dyn ToSql>>::new());
    let mut add = |condition: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(condition.replace('?', &format!("?{}", values.len())));
        }
    };
    let given = |text: &Option<String>| text.clone().map(|text| Box::new(text) as Box<dyn ToSql>);
    let time = |time: Option<u64>| time.map(|time| Box::new(number(time)) as Box<dyn ToSql>);
    add("service = ?", given(&filter.service));
    add("function = ?", given(&filter.function));
    add("qualifier = ?", given(&filter.qualifier));
    add("status = ?", filter.status.map(|status| Box::new(status.as_str()) as Box<dyn ToSql>));
    add("dead = ?", filter.dead.then(|| Box::new(true) as Box<dyn ToSql>));
    add("(invocation_id IS NOT NULL) = ?", filter.stateful.then(|| Box::new(true) as Box<dyn ToSql>));
    add("substr(invocation_id, 1, length(?)) = ?", given(&filter.id_prefix));
    add("started >= ?", time(filter.started_begin));
    add("started <= ?", time(filter.started_end));
    add(if filter.newest_first { "seq < ?" } else { "seq > ?" }, time(filter.after));
    let order = if filter.newest_first { "DESC" } else { "ASC" };
    let limit = if filter.limit == 0 { -1 } else { i64::try_from(filter.limit).unwrap_or(-1) };
    let conditions = conditions.join(" AND ");
    (format!("SELECT {COLUMNS} FROM events WHERE {conditions} ORDER BY seq {order} LIMIT {limit}"), values)
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let shared = |index| row.get::<_, String>(index).map(Arc::from);
    let time = |index| row.get::<_, i64>(index).map(unsigned);
    let progress: String = row.get(9)?;
    let progress = serde_json::from_str(&progress)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(9, rusqlite::types::Type::Text, error.into()))?;
    let submission = Submission {
        request_id: row.get(1)?,
        service: shared(2)?,
        function: shared(3)?,
        qualifier: shared(4)?,
        invocation_id: row.get(5)?,
        trace_parent: row.get(6)?,
        received: time(7)?,
        depth: row.get(8)?,
        trigger: row.get::<_, Option<String>>(10)?.map(Arc::from),
        payload: Bytes::new(),
    };
    Ok(Event { seq: time(0)?, submission, progress })
}

fn text(progress: &Progress) -> rusqlite::Result<String> {
    serde_json::to_string(progress).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// SQLite's integers are signed.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn failed(error: rusqlite::Error) -> EventsError {
    EventsError(error.to_string())
}
