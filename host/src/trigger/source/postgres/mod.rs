//! Changes of a PostgreSQL table, by logical replication with the server's own output plugin.
//!
//! The slot is read over an ordinary connection: `peek` shows what was committed since the slot's position, and the
//! position is moved once that is delivered. A replication connection would tell of changes sooner, but no kept client
//! library of Rust both speaks that protocol and leaves the TLS stack to us.

use std::{collections::HashMap, time::Duration};

use tokio_postgres::{Client, Config, NoTls, config::SslMode, types::PgLsn};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::{
    pgoutput::{Message, Relation, decode},
    rows::Table,
};
use super::{Lost, Records, Sink, broker::Broker};
use crate::trigger::payload::tablestore::RowRecord;

mod pgoutput;
mod rows;

/// What URLs of PostgreSQL begin with.
pub const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

const PORT: u16 = 5432;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far the slot may lie behind while nothing of the table changed, in bytes. The server keeps its log from there on.
const IDLE_LAG: u64 = 1 << 20;

/// Changes of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresTable {
    /// The server. The path of its URL is the database.
    pub broker: Broker,
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The publication, which is made for the table if it is not there.
    pub publication: String,
    /// The replication slot, which is made if it is not there.
    pub slot: String,
    /// How TLS is spoken.
    pub tls: Tls,
    /// How often the slot is read when there is nothing new.
    pub poll_interval: Duration,
    /// The most changes of a batch; a transaction is read as a whole.
    pub records: usize,
}

/// `tls` of a PostgreSQL source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// `"require"`: the connection is encrypted, and the server's certificate checked.
    Require,
    /// `"disable"`: it is not.
    Disable,
}

/// What the slot had.
struct Peeked {
    changes: Vec<RowRecord>,
    /// Where the last transaction ends.
    end: Option<u64>,
}

impl PostgresTable {
    /// Delivers changes and moves the slot, until the connection is lost.
    pub(super) async fn run(&self, sink: &Sink) -> Result<(), Lost> {
        let client = self.connect().await?;
        self.set_up(&client).await?;
        let key = self.primary_key(&client).await?;
        sink.connected();
        loop {
            // Taken before the slot is read: all that was committed before it is read as well.
            let (flushed, confirmed) = self.positions(&client).await?;
            sink.set_lag(flushed.saturating_sub(confirmed));
            let peeked = self.peek(&client, &key).await?;
            let is_idle = peeked.end.is_none();
            for batch in peeked.changes.chunks(self.records) {
                sink.deliver(Records::Rows(batch.to_vec())).await;
            }
            match peeked.end {
                Some(end) => self.advance(&client, end).await?,
                None if flushed.saturating_sub(confirmed) > IDLE_LAG => self.advance(&client, flushed).await?,
                None => {}
            }
            if is_idle {
                tokio::time::sleep(self.poll_interval).await;
            }
        }
    }

    async fn connect(&self) -> Result<Client, Lost> {
        let mut config = Config::new();
        config.host(self.broker.host()).port(self.broker.port(PORT)).dbname(self.broker.path());
        config.application_name("wisp").connect_timeout(PATIENCE).keepalives_idle(Duration::from_secs(30));
        if let Some(user) = &self.broker.user {
            config.user(user);
        }
        if let Some(password) = &self.broker.password {
            config.password(password.expose());
        }
        let failed = |error| self.failed(&format!("cannot connect to {}", self.broker), &error);
        if self.tls == Tls::Disable {
            let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await.map_err(failed)?;
            // It ends with the client.
            tokio::spawn(connection);
            return Ok(client);
        }
        let tls = MakeRustlsConnect::new(self.broker.tls().map_err(Lost::from)?);
        let (client, connection) = config.ssl_mode(SslMode::Require).connect(tls).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Makes the publication and the slot unless they are there. The slot begins at its making.
    async fn set_up(&self, client: &Client) -> Result<(), Lost> {
        let publication = "SELECT FROM pg_publication WHERE pubname = $1";
        let cannot = |error| self.failed(&format!("cannot make the publication '{}'", self.publication), &error);
        if client.query_opt(publication, &[&self.publication]).await.map_err(cannot)?.is_none() {
            let (name, schema, table) = (quoted(&self.publication), quoted(&self.schema), quoted(&self.table));
            let create = format!("CREATE PUBLICATION {name} FOR TABLE {schema}.{table}");
            client.batch_execute(&create).await.map_err(cannot)?;
        }
        let slot = "SELECT plugin::text FROM pg_replication_slots WHERE slot_name = $1";
        let cannot = |error| self.failed(&format!("cannot make the replication slot '{}'", self.slot), &error);
        let row = client.query_opt(slot, &[&self.slot]).await.map_err(cannot)?;
        let Some(row) = row else {
            let create = "SELECT pg_create_logical_replication_slot($1, 'pgoutput')";
            return client.query_one(create, &[&self.slot]).await.map(drop).map_err(cannot);
        };
        match row.get::<_, Option<String>>(0).as_deref() {
            Some("pgoutput") => Ok(()),
            other => Err(Lost::from(format!(
                "the replication slot '{}' is of the plugin {}: give another `slot`, or drop it",
                self.slot,
                other.unwrap_or("of no logical replication"),
            ))),
        }
    }

    /// The columns of the table's primary key, in its order.
    async fn primary_key(&self, client: &Client) -> Result<Vec<String>, Lost> {
        let query = "SELECT a.attname::text FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
             JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position) ON true \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum \
             WHERE n.nspname = $1 AND c.relname = $2 ORDER BY k.position";
        let rows = client.query(query, &[&self.schema, &self.table]).await;
        let rows = rows.map_err(|error| self.failed("cannot find the primary key", &error))?;
        if rows.is_empty() {
            let (schema, table) = (&self.schema, &self.table);
            let message = format!("the table '{schema}.{table}' has no primary key: its rows cannot be named; add one");
            return Err(Lost::from(message));
        }
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Where the server's log is durable, and where the slot is.
    async fn positions(&self, client: &Client) -> Result<(u64, u64), Lost> {
        let query = "SELECT pg_current_wal_flush_lsn(), confirmed_flush_lsn \
             FROM pg_replication_slots WHERE slot_name = $1";
        let row = client.query_one(query, &[&self.slot]).await;
        let row = row.map_err(|error| self.failed("cannot find the position of the replication slot", &error))?;
        Ok((row.get::<_, PgLsn>(0).into(), row.get::<_, PgLsn>(1).into()))
    }

    async fn peek(&self, client: &Client, key: &[String]) -> Result<Peeked, Lost> {
        let query = "SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, $2, \
             'proto_version', '1', 'publication_names', $3)";
        // The server ends at the first end of a transaction after so many changes.
        let count = i32::try_from(self.records).unwrap_or(i32::MAX);
        let rows = client.query(query, &[&self.slot, &count, &quoted(&self.publication)]).await;
        let rows = rows.map_err(|error| self.failed("cannot read the replication slot", &error))?;
        let mut reading = Reading { source: self, key, tables: HashMap::new(), committed: 0, changes: Vec::new() };
        let mut end = None;
        for row in rows {
            let message = decode(row.get(0)).map_err(|error| Lost::from(error.to_string()))?;
            if let Message::Commit { end: position } = message {
                end = Some(position.0);
            } else {
                reading.take(message)?;
            }
        }
        Ok(Peeked { changes: reading.changes, end })
    }

    async fn advance(&self, client: &Client, end: u64) -> Result<(), Lost> {
        let query = "SELECT pg_replication_slot_advance($1, $2)";
        let advanced = client.query_one(query, &[&self.slot, &PgLsn::from(end)]).await;
        advanced.map(drop).map_err(|error| self.failed("cannot move the replication slot", &error))
    }

    /// An error with what the server said of it; PostgreSQL's own errors do not repeat passwords.
    fn failed(&self, what: &str, error: &tokio_postgres::Error) -> Lost {
        let reason = error.as_db_error().map_or_else(|| causes(error), |error| error.message().to_owned());
        let hint = match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("42501") => "; the user needs the REPLICATION attribute, and owns the table if the publication is to be made",
            Some("55000") if reason.contains("wal_level") => "; set it in postgresql.conf, and start the server again",
            Some("53400") => "; raise max_replication_slots, or drop a slot that nobody reads",
            _ => "",
        };
        Lost::new(what, format!("{reason}{hint}"))
    }
}

/// What is known while the slot's messages are read.
struct Reading<'a> {
    source: &'a PostgresTable,
    key: &'a [String],
    /// `None` for tables of the publication that are not the source's.
    tables: HashMap<u32, Option<Table>>,
    committed: i64,
    changes: Vec<RowRecord>,
}

impl Reading<'_> {
    fn take(&mut self, message: Message) -> Result<(), Lost> {
        let committed = self.committed;
        match message {
            Message::Begin { committed } => self.committed = committed,
            Message::Relation(id, relation) => {
                let table = self.table(relation)?;
                self.tables.insert(id, table);
            }
            Message::Insert { relation, new } => {
                self.changes.extend(self.known(relation).map(|table| table.insert(committed, &new)));
            }
            Message::Update { relation, old, new } => {
                let records = self.known(relation).map(|table| table.update(committed, old.as_ref(), &new));
                self.changes.extend(records.into_iter().flatten());
            }
            Message::Delete { relation, old } => {
                self.changes.extend(self.known(relation).map(|table| table.delete(committed, &old)));
            }
            // Tablestore has no such change: rows cannot be told one by one.
            Message::Truncate => tracing::warn!(table = self.source.table, "a table was truncated: no event tells of it"),
            Message::Commit { .. } | Message::Other => {}
        }
        Ok(())
    }

    fn known(&self, relation: u32) -> Option<&Table> {
        self.tables.get(&relation)?.as_ref()
    }

    fn table(&self, relation: Relation) -> Result<Option<Table>, Lost> {
        if relation.schema != self.source.schema || relation.table != self.source.table {
            return Ok(None);
        }
        let table = Table::new(relation, self.key);
        let publication = &self.source.publication;
        let lacking = || format!("the publication '{publication}' leaves out columns of the primary key: publish them");
        table.map(Some).ok_or_else(|| Lost::from(lacking()))
    }
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
