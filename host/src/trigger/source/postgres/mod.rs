//! Changes of a PostgreSQL table, by logical replication with the server's own output plugin.
//!
//! The slot is read over an ordinary connection: `peek` shows what was committed since the slot's position, and the
//! position is moved once that is delivered. A replication connection would tell of changes sooner, but no kept client
//! library of Rust both speaks that protocol and leaves the TLS stack to us.

use std::{collections::HashMap, time::Duration};

use futures_util::future::BoxFuture;
use tokio_postgres::{Client, Config, NoTls, config::SslMode, types::PgLsn};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::{
    pgoutput::{Message, Relation, decode},
    rows::Table,
};
use super::{
    Sink, Source, SourceError,
    connection::{consumer_name, failed, tls},
    records::Records,
};
use crate::{config::PostgresConfig, delivery::Note, trigger::payload::tablestore::RowRecord};

mod pgoutput;
mod rows;

const PORT: u16 = 5432;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may be silent before the system asks whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How far the slot may lie behind while nothing of the table changed, in bytes. The server keeps its log from there on.
const IDLE_LAG: u64 = 1 << 20;

/// A table.
pub(super) struct PostgresTable(pub(super) PostgresConfig);

impl Source for PostgresTable {
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>> {
        let slot = consumer_name(&self.0.consumer, &sink.bound().trigger);
        Box::pin(async move {
            let client = connect(&self.0).await?;
            let mut reader = Reader { config: &self.0, slot, client, key: Vec::new() };
            reader.read_on(sink).await
        })
    }
}

/// Drops a slot, so that the server keeps no log for it. The publication stays: it costs nothing, and others may use it.
///
/// # Errors
/// If the server is not reached, or does not drop it.
pub(super) async fn drop_slot(config: &PostgresConfig, slot: &str) -> Result<(), SourceError> {
    let client = connect(config).await?;
    let drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1";
    let dropped = client.query_opt(drop, &[&slot]).await;
    dropped.map(|_| ()).map_err(|error| explained(&format!("cannot drop the replication slot '{slot}'"), &error))
}

/// Where a change is: the place of its transaction's commit, and its number in the transaction.
type Position = (u64, usize);

/// What the slot had.
struct Peeked {
    changes: Vec<(Position, RowRecord)>,
    /// Where the last transaction ends.
    end: Option<u64>,
}

struct Reader<'a> {
    config: &'a PostgresConfig,
    slot: String,
    client: Client,
    /// The columns of the table's primary key, in its order.
    key: Vec<String>,
}

impl Reader<'_> {
    async fn read_on(&mut self, sink: &Sink) -> Result<(), SourceError> {
        self.key = self.primary_key().await?;
        if self.set_up().await? {
            // The positions of another slot, or of another server, mean nothing here.
            sink.delivery().note(vec![mark(sink, None)]).await?;
        }
        let mut delivered = last_delivered(sink).await?;
        sink.connected();
        while !sink.is_stopped() {
            // Taken before the slot is read: all that was committed before it is read as well.
            let (flushed, confirmed) = self.positions().await?;
            sink.waiting(flushed.saturating_sub(confirmed));
            let peeked = self.peek().await?;
            // The slot moves by transactions, and after their events are durable: what of it is an event already is known by
            // the position that was noted together with the event.
            let new: Vec<_> = peeked.changes.into_iter().filter(|(position, _)| *position > delivered).collect();
            for batch in new.chunks(self.config.batch_records) {
                delivered = batch.last().map_or(delivered, |(position, _)| *position);
                let rows = batch.iter().map(|(_, row)| row.clone()).collect();
                sink.hand_over(&Records::Rows(rows), vec![mark(sink, Some(delivered))]).await?;
            }
            match peeked.end {
                Some(end) => self.advance(end).await?,
                None if flushed.saturating_sub(confirmed) > IDLE_LAG => self.advance(flushed).await?,
                None => {}
            }
            if peeked.end.is_none() && sink.pause(self.config.poll_interval).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes the publication and the slot unless they are there; whether the slot is new. It begins at its making.
    async fn set_up(&self) -> Result<bool, SourceError> {
        let publication = "SELECT FROM pg_publication WHERE pubname = $1";
        let cannot = |error| explained(&format!("cannot make the publication '{}'", self.config.publication), &error);
        if self.client.query_opt(publication, &[&self.config.publication]).await.map_err(cannot)?.is_none() {
            let (name, schema, table) =
                (quoted(&self.config.publication), quoted(&self.config.schema), quoted(&self.config.table));
            let create = format!("CREATE PUBLICATION {name} FOR TABLE {schema}.{table}");
            self.client.batch_execute(&create).await.map_err(cannot)?;
        }
        let slot = "SELECT plugin::text FROM pg_replication_slots WHERE slot_name = $1";
        let cannot = |error| explained(&format!("cannot make the replication slot '{}'", self.slot), &error);
        let row = self.client.query_opt(slot, &[&self.slot]).await.map_err(cannot)?;
        let Some(row) = row else {
            let create = "SELECT pg_create_logical_replication_slot($1, 'pgoutput')";
            return self.client.query_one(create, &[&self.slot]).await.map(|_| true).map_err(cannot);
        };
        match row.get::<_, Option<String>>(0).as_deref() {
            Some("pgoutput") => Ok(false),
            other => Err(SourceError(format!(
                "the replication slot '{}' is of the plugin {}: give another `consumer`, or drop it",
                self.slot,
                other.unwrap_or("of no logical replication"),
            ))),
        }
    }

    /// The columns of the table's primary key, in its order.
    async fn primary_key(&self) -> Result<Vec<String>, SourceError> {
        let query = "SELECT a.attname::text FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
             JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position) ON true \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum \
             WHERE n.nspname = $1 AND c.relname = $2 ORDER BY k.position";
        let rows = self.client.query(query, &[&self.config.schema, &self.config.table]).await;
        let rows = rows.map_err(|error| explained("cannot find the primary key", &error))?;
        if rows.is_empty() {
            let (schema, table) = (&self.config.schema, &self.config.table);
            let message = format!("the table '{schema}.{table}' has no primary key: its rows cannot be named; add one");
            return Err(SourceError(message));
        }
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Where the server's log is durable, and where the slot is.
    async fn positions(&self) -> Result<(u64, u64), SourceError> {
        let query = "SELECT pg_current_wal_flush_lsn(), confirmed_flush_lsn \
             FROM pg_replication_slots WHERE slot_name = $1";
        let row = self.client.query_one(query, &[&self.slot]).await;
        let row = row.map_err(|error| explained("cannot find the position of the replication slot", &error))?;
        Ok((row.get::<_, PgLsn>(0).into(), row.get::<_, PgLsn>(1).into()))
    }

    async fn peek(&self) -> Result<Peeked, SourceError> {
        let query = "SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, $2, \
             'proto_version', '1', 'publication_names', $3)";
        // The server ends at the first end of a transaction after so many changes.
        let count = i32::try_from(self.config.batch_records).unwrap_or(i32::MAX);
        let rows = self.client.query(query, &[&self.slot, &count, &quoted(&self.config.publication)]).await;
        let rows = rows.map_err(|error| explained("cannot read the replication slot", &error))?;
        let mut reading = Reading {
            config: self.config,
            key: &self.key,
            tables: HashMap::new(),
            commit: 0,
            committed: 0,
            index: 0,
            changes: Vec::new(),
        };
        let mut end = None;
        for row in rows {
            let message = decode(row.get(0)).map_err(|error| SourceError(error.to_string()))?;
            if let Message::Commit { end: position } = message {
                end = Some(position.0);
            } else {
                reading.take(message)?;
            }
        }
        Ok(Peeked { changes: reading.changes, end })
    }

    async fn advance(&self, end: u64) -> Result<(), SourceError> {
        let query = "SELECT pg_replication_slot_advance($1, $2)";
        let advanced = self.client.query_one(query, &[&self.slot, &PgLsn::from(end)]).await;
        advanced.map(drop).map_err(|error| explained("cannot move the replication slot", &error))
    }
}

async fn connect(config: &PostgresConfig) -> Result<Client, SourceError> {
    let broker = &config.broker;
    let mut connecting = Config::new();
    connecting.host(broker.host()).port(broker.port(PORT)).dbname(&config.database);
    connecting.application_name("wisp").connect_timeout(PATIENCE).keepalives_idle(KEEP_ALIVE);
    if let Some(user) = &broker.user {
        connecting.user(user);
    }
    if let Some(password) = &broker.password {
        connecting.password(password.expose());
    }
    let cannot = |error| explained(&format!("cannot connect to {broker}"), &error);
    if !config.tls {
        let (client, connection) = connecting.ssl_mode(SslMode::Disable).connect(NoTls).await.map_err(cannot)?;
        // It ends with the client.
        tokio::spawn(connection);
        return Ok(client);
    }
    let tls = MakeRustlsConnect::new(tls(broker)?);
    let (client, connection) = connecting.ssl_mode(SslMode::Require).connect(tls).await.map_err(cannot)?;
    tokio::spawn(connection);
    Ok(client)
}

/// An error with what the server said of it, and the way out. PostgreSQL's errors repeat no passwords.
fn explained(what: &str, error: &tokio_postgres::Error) -> SourceError {
    let reason = error.as_db_error().map_or_else(|| causes(error), |error| error.message().to_owned());
    let hint = match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("42501") => "; the user needs the attribute REPLICATION, and the table if the publication is to be made",
        Some("55000") if reason.contains("wal_level") => "; set it in postgresql.conf, and start the server again",
        Some("53400") => "; raise max_replication_slots, or drop a slot that nobody reads",
        _ => "",
    };
    failed(what, format!("{reason}{hint}"))
}

/// What is known while the slot's messages are read.
struct Reading<'a> {
    config: &'a PostgresConfig,
    key: &'a [String],
    /// `None` for tables of the publication that are not the source's.
    tables: HashMap<u32, Option<Table>>,
    commit: u64,
    committed: i64,
    /// How many changes of the transaction came.
    index: usize,
    changes: Vec<(Position, RowRecord)>,
}

impl Reading<'_> {
    fn take(&mut self, message: Message) -> Result<(), SourceError> {
        let committed = self.committed;
        match message {
            Message::Begin { commit, committed } => {
                (self.commit, self.committed, self.index) = (commit.0, committed, 0);
            }
            Message::Relation(id, relation) => {
                let table = self.table(relation)?;
                self.tables.insert(id, table);
            }
            Message::Insert { relation, new } => {
                let record = self.known(relation).map(|table| table.insert(committed, &new));
                self.add(record);
            }
            Message::Update { relation, old, new } => {
                let records = self.known(relation).map(|table| table.update(committed, old.as_ref(), &new));
                self.add(records.into_iter().flatten());
            }
            Message::Delete { relation, old } => {
                let record = self.known(relation).map(|table| table.delete(committed, &old));
                self.add(record);
            }
            // Tablestore has no such change: rows cannot be told one by one.
            Message::Truncate => {
                tracing::warn!(table = self.config.table, "a table was truncated: no event tells of it")
            }
            Message::Commit { .. } | Message::Other => {}
        }
        Ok(())
    }

    fn add(&mut self, records: impl IntoIterator<Item = RowRecord>) {
        for record in records {
            self.changes.push(((self.commit, self.index), record));
            self.index += 1;
        }
    }

    fn known(&self, relation: u32) -> Option<&Table> {
        self.tables.get(&relation)?.as_ref()
    }

    fn table(&self, relation: Relation) -> Result<Option<Table>, SourceError> {
        if relation.schema != self.config.schema || relation.table != self.config.table {
            return Ok(None);
        }
        let table = Table::new(relation, self.key);
        let publication = &self.config.publication;
        let lacking = || format!("the publication '{publication}' leaves out columns of the primary key: publish them");
        table.map(Some).ok_or_else(|| SourceError(lacking()))
    }
}

/// What the position is noted under.
const DELIVERED: &str = "postgres";

/// Of the last change that is an event; before the first, the beginning.
async fn last_delivered(sink: &Sink) -> Result<Position, SourceError> {
    let marks = sink.delivery().marks(&sink.id()).await?;
    let position = marks.get(DELIVERED).and_then(|mark| serde_json::from_str(mark).ok());
    Ok(position.unwrap_or_default())
}

fn mark(sink: &Sink, position: Option<Position>) -> Note {
    let value = position.and_then(|position| serde_json::to_string(&position).ok());
    Note::Mark { owner: sink.id(), name: DELIVERED.to_owned(), value }
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An error with those that led to it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
