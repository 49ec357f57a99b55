//! A Redis stream, read as a consumer of a group, and acknowledged once its entries are events.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, TlsCertificates, aio::MultiplexedConnection, cmd, streams::StreamInfoGroupsReply,
};
use tokio::time::Instant;

use super::{
    Sink, Source, SourceError,
    connection::{consumer_name, failed},
    records::{Message, Records, message_id},
};
use crate::{
    config::{RedisConfig, Start},
    delivery::Note,
};

const PORT: u16 = 6379;

/// How long a connection, and an answer, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a read waits for entries; a connection that is gone without a word is noticed after this and [`PATIENCE`].
const BLOCK: Duration = Duration::from_secs(5);

/// What wisp is called in its groups: one that starts again goes on with what the one before it had.
const CONSUMER: &str = "wisp";

/// What the entries are noted under that became events last, in one commit with the event.
const DELIVERED: &str = "redis";

/// A stream.
pub(super) struct RedisStream(pub(super) RedisConfig);

impl Source for RedisStream {
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>> {
        let group = consumer_name(&self.0.consumer, &sink.bound().trigger);
        Box::pin(async move {
            let connection = connect(&self.0).await?;
            let marks = sink.delivery().marks(&sink.id()).await?;
            let delivered = marks.get(DELIVERED).map(|ids| ids.split(' ').map(str::to_owned).collect());
            let delivered = delivered.unwrap_or_default();
            Reader { config: &self.0, group, connection, delivered }.read_on(sink).await
        })
    }
}

/// `None` for the fields of an entry that was deleted before it was acknowledged.
type Entry = (String, Option<Vec<(Bytes, Bytes)>>);

struct Reader<'a> {
    config: &'a RedisConfig,
    group: String,
    connection: MultiplexedConnection,
    /// The batch that became events last before this start: it may not have been acknowledged.
    delivered: HashSet<String>,
}

impl Reader<'_> {
    async fn read_on(&mut self, sink: &Sink) -> Result<(), SourceError> {
        self.open_group().await?;
        sink.connected();
        // What was read before, and not acknowledged, comes first.
        let mut after = Some("0".to_owned());
        let mut claim_at = Instant::now();
        while !sink.is_stopped() {
            if after.is_none() && Instant::now() >= claim_at {
                after = self.claim().await?.then(|| "0".to_owned());
                claim_at = Instant::now() + self.config.claim_after;
            }
            let entries = match &after {
                Some(id) => self.read(id, self.config.batching.records, None).await?,
                None => tokio::select! {
                    entries = self.gather(sink.limit(), claim_at) => entries?,
                    () = sink.stopped() => return Ok(()),
                },
            };
            if after.is_some() {
                after = entries.last().map(|(id, _)| id.clone());
            }
            self.deliver(sink, entries).await?;
        }
        Ok(())
    }

    async fn open_group(&mut self) -> Result<(), SourceError> {
        let start = match self.config.start {
            Start::All => "0",
            Start::New => "$",
        };
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.config.stream).arg(&self.group).arg(start).arg("MKSTREAM");
        match create.query_async::<()>(&mut self.connection).await {
            // It is there already.
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            made => made.map_err(|error| self.failed("make a group", &error)),
        }
    }

    /// Takes over what other consumers did not acknowledge; whether there was anything.
    async fn claim(&mut self) -> Result<bool, SourceError> {
        let mut claim = cmd("XAUTOCLAIM");
        claim.arg(&self.config.stream).arg(&self.group).arg(CONSUMER).arg(milliseconds(self.config.claim_after));
        claim.arg("0").arg("COUNT").arg(self.config.batching.records).arg("JUSTID");
        // Redis 7 adds the entries that are deleted.
        let answer: Vec<redis::Value> = self.ask(&claim, "claim entries").await?;
        Ok(answer.get(1).and_then(redis::Value::as_sequence).is_some_and(|claimed| !claimed.is_empty()))
    }

    /// A batch of new entries; none if none came for a while.
    async fn gather(&mut self, bytes: usize, claim_at: Instant) -> Result<Vec<Entry>, SourceError> {
        let batching = self.config.batching;
        let wait = claim_at.saturating_duration_since(Instant::now()).min(BLOCK);
        let mut batch = self.read(">", batching.records, Some(wait)).await?;
        let until = Instant::now() + batching.window;
        while !batch.is_empty() && batch.len() < batching.records && size(&batch) < bytes {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            batch.extend(self.read(">", batching.records - batch.len(), Some(left.min(BLOCK))).await?);
        }
        Ok(batch)
    }

    /// Entries after an id: of this consumer's own that it has not acknowledged, or, after `>`, new ones.
    async fn read(&mut self, after: &str, count: usize, block: Option<Duration>) -> Result<Vec<Entry>, SourceError> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.group).arg(CONSUMER).arg("COUNT").arg(count);
        if let Some(block) = block {
            // 0 would wait for ever.
            read.arg("BLOCK").arg(milliseconds(block).max(1));
        }
        read.arg("STREAMS").arg(&self.config.stream).arg(after);
        let streams: Option<Vec<(String, Vec<Entry>)>> = self.ask(&read, "read").await?;
        Ok(streams.into_iter().flatten().flat_map(|(_, entries)| entries).collect())
    }

    async fn deliver(&mut self, sink: &Sink, entries: Vec<Entry>) -> Result<(), SourceError> {
        if entries.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = entries.iter().map(|(id, _)| id.clone()).collect();
        let new = entries.into_iter().filter(|(id, _)| !self.delivered.contains(id));
        let records: Vec<_> = new.filter_map(|entry| record(&self.config.stream, entry)).collect();
        if !records.is_empty() {
            let mark = Note::Mark { owner: sink.id(), name: DELIVERED.to_owned(), value: Some(ids.join(" ")) };
            sink.hand_over(&Records::Messages(records), vec![mark]).await?;
        }
        let mut acknowledge = cmd("XACK");
        acknowledge.arg(&self.config.stream).arg(&self.group).arg(&ids);
        let _: usize = self.ask(&acknowledge, "acknowledge entries").await?;
        self.tell_lag(sink).await
    }

    /// Entries that the group has not read. Redis before 7 does not count them.
    async fn tell_lag(&mut self, sink: &Sink) -> Result<(), SourceError> {
        let mut info = cmd("XINFO");
        info.arg("GROUPS").arg(&self.config.stream);
        let groups: StreamInfoGroupsReply = self.ask(&info, "ask for the groups").await?;
        let group = groups.groups.into_iter().find(|group| group.name == self.group);
        if let Some(lag) = group.and_then(|group| group.lag) {
            sink.waiting(lag as u64);
        }
        Ok(())
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd, what: &str) -> Result<T, SourceError> {
        let answer = command.query_async(&mut self.connection).await;
        answer.map_err(|error| self.failed(what, &error))
    }

    fn failed(&self, what: &str, error: &RedisError) -> SourceError {
        failed(&format!("cannot {what} of the stream '{}' at {}", self.config.stream, self.config.broker), told(error))
    }
}

pub(super) async fn connect(config: &RedisConfig) -> Result<MultiplexedConnection, SourceError> {
    let cannot = |error: RedisError| failed(&format!("cannot connect to {}", config.broker), told(&error));
    let secure = config.broker.scheme() == "rediss";
    let info = connection_info(config, secure).map_err(cannot)?;
    let root_cert = config.broker.authorities.as_ref().map(|pem| pem.as_bytes().to_vec());
    let certificates = TlsCertificates { client_tls: None, root_cert };
    let client = if secure { Client::build_with_tls(info, certificates) } else { Client::open(info) };
    let connecting = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(BLOCK + PATIENCE));
    client.map_err(cannot)?.get_multiplexed_async_connection_with_config(&connecting).await.map_err(cannot)
}

fn connection_info(config: &RedisConfig, secure: bool) -> Result<ConnectionInfo, RedisError> {
    let (host, port) = (config.broker.host().to_owned(), config.broker.port(PORT));
    let address = if secure {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let mut login = RedisConnectionInfo::default().set_db(config.database);
    if let Some(user) = &config.broker.user {
        login = login.set_username(user);
    }
    if let Some(password) = &config.broker.password {
        login = login.set_password(password.expose());
    }
    Ok(address.into_connection_info()?.set_redis_settings(login))
}

/// One field is the body; of several, the one that is called so, and all are columns.
fn record(stream: &str, (id, fields): Entry) -> Option<Message> {
    let fields = fields?;
    let columns = (fields.len() > 1).then(|| fields.iter().map(|(_, value)| value.clone()).collect());
    let named = fields.iter().position(|(name, _)| matches!(&**name, b"body" | b"data"));
    let body = named.or((fields.len() == 1).then_some(0));
    let attributes = fields.iter().enumerate().filter(|(index, _)| Some(*index) != body);
    let (milliseconds, number) = parts(&id);
    Some(Message {
        topic: stream.to_owned(),
        id: message_id(&format!("{stream}:{id}")),
        end: format!("{milliseconds}-{}", number.saturating_add(1)),
        sequence: id,
        published: SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds),
        attributes: attributes.map(|(_, (name, value))| (text(name), text(value))).collect(),
        columns,
        body: body.and_then(|index| fields.get(index)).map(|(_, value)| value.clone()).unwrap_or_default(),
    })
}

fn size(entries: &[Entry]) -> usize {
    let fields = entries.iter().flat_map(|(_, fields)| fields.iter().flatten());
    fields.map(|(name, value)| name.len() + value.len()).sum()
}

/// The time and the number that an id consists of.
fn parts(id: &str) -> (u64, u64) {
    let (milliseconds, number) = id.split_once('-').unwrap_or((id, "0"));
    (milliseconds.parse().unwrap_or_default(), number.parse().unwrap_or_default())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An error without what the server was told, which may be a password.
pub(super) fn told(error: &RedisError) -> String {
    error.detail().map_or_else(|| error.category().to_owned(), |detail| format!("{}: {detail}", error.category()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        ("1529480209655-3".into(), Some(fields.iter().map(|(name, value)| (bytes(name), bytes(value))).collect()))
    }

    #[test]
    fn a_single_field_is_the_body() {
        let record = record("orders", entry(&[("any", "hello")])).unwrap();
        assert_eq!((&*record.body, record.columns, record.attributes), (&b"hello"[..], None, Vec::new()));
        assert_eq!((record.sequence.as_str(), record.end.as_str()), ("1529480209655-3", "1529480209655-4"));
        assert_eq!(record.published, SystemTime::UNIX_EPOCH + Duration::from_millis(1_529_480_209_655));
    }

    #[test]
    fn several_fields_are_columns_and_one_may_be_the_body() {
        let record = record("orders", entry(&[("b", "2"), ("body", "hello"), ("a", "1")])).unwrap();
        assert_eq!(record.columns.unwrap(), ["2", "hello", "1"]);
        assert_eq!(&*record.body, b"hello");
        assert_eq!(record.attributes, [("b".into(), "2".into()), ("a".into(), "1".into())]);
    }

    #[test]
    fn a_deleted_entry_is_no_record() {
        assert!(record("orders", ("1-1".into(), None)).is_none());
    }
}
