//! A Redis stream, read as a consumer of a group.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, TlsCertificates, aio::MultiplexedConnection, cmd,
};
use tokio::time::Instant;

use super::{Lost, Message, Records, Sink, Start, broker::Broker, gather::Batching};
use crate::trigger::payload::mns::message_id;

/// What URLs of Redis begin with.
pub const SCHEMES: [&str; 2] = ["redis", "rediss"];

const PORT: u16 = 6379;

/// How long a connection, and an answer, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a read waits for entries; a connection that is gone without a word is noticed after this and [`PATIENCE`].
const BLOCK: Duration = Duration::from_secs(5);

/// Entries of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisStream {
    /// The server. The path of its URL is the number of the database.
    pub broker: Broker,
    /// The stream's key. It need not be there yet.
    pub stream: String,
    /// The group, which is made if it is not there. Of its consumers, one gets an entry.
    pub group: String,
    /// The consumer's name in the group.
    pub consumer: String,
    /// Where a new group begins.
    pub start: Start,
    /// How long another consumer may keep an entry without an acknowledgement before it is taken over.
    pub claim_after: Duration,
    /// How entries become batches.
    pub batching: Batching,
}

/// `None` for the fields of an entry that was deleted before it was acknowledged.
type Entry = (String, Option<Vec<(Bytes, Bytes)>>);

impl RedisStream {
    /// Delivers entries and acknowledges them, until the connection is lost.
    pub(super) async fn run(&self, sink: &Sink) -> Result<(), Lost> {
        let mut connection = self.connect().await?;
        self.open_group(&mut connection).await?;
        sink.connected();
        // What was read before, and not acknowledged, comes first.
        let mut after = Some("0".to_owned());
        let mut claim_at = Instant::now();
        loop {
            if after.is_none() && Instant::now() >= claim_at {
                if self.claim(&mut connection).await? {
                    after = Some("0".to_owned());
                }
                claim_at = Instant::now() + self.claim_after;
            }
            let entries = match &after {
                Some(id) => self.read(&mut connection, id, self.batching.records, None).await?,
                None => self.gather(&mut connection).await?,
            };
            if after.is_some() {
                after = entries.last().map(|(id, _)| id.clone());
            }
            self.deliver(&mut connection, sink, entries).await?;
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Lost> {
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: self.broker.authorities.as_ref().map(|pem| pem.as_bytes().to_vec()),
        };
        let cannot = |error: RedisError| Lost::new(&format!("cannot connect to {}", self.broker), told(&error));
        let secure = self.broker.scheme() == "rediss";
        let info = self.connection_info(secure).map_err(cannot)?;
        let client = if secure { Client::build_with_tls(info, certificates) } else { Client::open(info) };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(BLOCK + PATIENCE));
        let client = client.map_err(cannot)?;
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(cannot)
    }

    fn connection_info(&self, secure: bool) -> Result<ConnectionInfo, RedisError> {
        let (host, port) = (self.broker.host().to_owned(), self.broker.port(PORT));
        let address = if secure {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut login = RedisConnectionInfo::default().set_db(self.database().unwrap_or_default());
        if let Some(user) = &self.broker.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.broker.password {
            login = login.set_password(password.expose());
        }
        Ok(address.into_connection_info()?.set_redis_settings(login))
    }

    /// The number of the database; `None` if the URL's path is no number.
    pub fn database(&self) -> Option<i64> {
        let path = self.broker.path();
        if path.is_empty() { Some(0) } else { path.parse().ok() }
    }

    async fn open_group(&self, connection: &mut MultiplexedConnection) -> Result<(), Lost> {
        let start = match self.start {
            Start::All => "0",
            Start::New => "$",
        };
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.stream).arg(&self.group).arg(start).arg("MKSTREAM");
        match create.query_async::<()>(connection).await {
            // It is there already.
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            made => made.map_err(|error| self.failed("make the group", &error)),
        }
    }

    /// Takes over what other consumers did not acknowledge; whether there was anything.
    async fn claim(&self, connection: &mut MultiplexedConnection) -> Result<bool, Lost> {
        let idle = u64::try_from(self.claim_after.as_millis()).unwrap_or(u64::MAX);
        let mut claim = cmd("XAUTOCLAIM");
        claim.arg(&self.stream).arg(&self.group).arg(&self.consumer).arg(idle).arg("0");
        claim.arg("COUNT").arg(self.batching.records).arg("JUSTID");
        let claimed: (String, Vec<String>) = self.ask(&claim, connection, "claim entries").await?;
        Ok(!claimed.1.is_empty())
    }

    /// A batch of new entries; none if none came for a while.
    async fn gather(&self, connection: &mut MultiplexedConnection) -> Result<Vec<Entry>, Lost> {
        let mut batch = self.read(connection, ">", self.batching.records, Some(BLOCK)).await?;
        let until = Instant::now() + self.batching.window;
        while !batch.is_empty() && batch.len() < self.batching.records && size(&batch) < self.batching.bytes {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let room = self.batching.records - batch.len();
            batch.extend(self.read(connection, ">", room, Some(left.min(BLOCK))).await?);
        }
        Ok(batch)
    }

    /// Entries after an id: of this consumer's own that it has not acknowledged, or, after `>`, new ones.
    async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        after: &str,
        count: usize,
        block: Option<Duration>,
    ) -> Result<Vec<Entry>, Lost> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.group).arg(&self.consumer).arg("COUNT").arg(count);
        if let Some(block) = block {
            // 0 would wait for ever.
            read.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        read.arg("STREAMS").arg(&self.stream).arg(after);
        let streams: Option<Vec<(String, Vec<Entry>)>> = self.ask(&read, connection, "read").await?;
        Ok(streams.into_iter().flatten().flat_map(|(_, entries)| entries).collect())
    }

    async fn deliver(
        &self,
        connection: &mut MultiplexedConnection,
        sink: &Sink,
        entries: Vec<Entry>,
    ) -> Result<(), Lost> {
        if entries.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = entries.iter().map(|(id, _)| id.clone()).collect();
        let records: Vec<_> = entries.into_iter().filter_map(|entry| self.record(entry)).collect();
        if !records.is_empty() {
            sink.deliver(Records::Messages(records)).await;
        }
        let mut acknowledge = cmd("XACK");
        acknowledge.arg(&self.stream).arg(&self.group).arg(&ids);
        let _: usize = self.ask(&acknowledge, connection, "acknowledge").await?;
        self.tell_lag(connection, sink).await
    }

    /// Entries that the group has not read. Redis before 7 does not count them.
    async fn tell_lag(&self, connection: &mut MultiplexedConnection, sink: &Sink) -> Result<(), Lost> {
        let mut info = cmd("XINFO");
        info.arg("GROUPS").arg(&self.stream);
        let groups: redis::streams::StreamInfoGroupsReply = self.ask(&info, connection, "ask for the lag").await?;
        let group = groups.groups.into_iter().find(|group| group.name == self.group);
        if let Some(lag) = group.and_then(|group| group.lag) {
            sink.set_lag(lag as u64);
        }
        Ok(())
    }

    /// One field is the body; of several, the one that is called so, and all are columns.
    fn record(&self, (id, fields): Entry) -> Option<Message> {
        let fields = fields?;
        let columns = (fields.len() > 1).then(|| fields.iter().map(|(_, value)| value.clone()).collect());
        let named = fields.iter().position(|(name, _)| matches!(&**name, b"body" | b"data"));
        let body = named.or((fields.len() == 1).then_some(0));
        let mut body_bytes = Bytes::new();
        let mut attributes = Vec::new();
        for (index, (name, value)) in fields.into_iter().enumerate() {
            if Some(index) == body {
                body_bytes = value;
            } else {
                attributes.push((text(&name), text(&value)));
            }
        }
        let (milliseconds, number) = parts(&id);
        Some(Message {
            topic: self.stream.clone(),
            id: message_id(&format!("{}:{id}", self.stream)),
            end: format!("{milliseconds}-{}", number.saturating_add(1)),
            sequence: id,
            published: SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds),
            attributes,
            columns,
            body: body_bytes,
        })
    }

    async fn ask<T: FromRedisValue>(
        &self,
        command: &redis::Cmd,
        connection: &mut MultiplexedConnection,
        what: &str,
    ) -> Result<T, Lost> {
        command.query_async(connection).await.map_err(|error| self.failed(what, &error))
    }

    fn failed(&self, what: &str, error: &RedisError) -> Lost {
        Lost::new(&format!("cannot {what} of the stream '{}' at {}", self.stream, self.broker), told(error))
    }
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An error without what the server was told, which may be a password.
fn told(error: &RedisError) -> String {
    error.detail().map_or_else(|| error.category().to_owned(), |detail| format!("{}: {detail}", error.category()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str) -> RedisStream {
        RedisStream {
            broker: Broker::parse(url, &SCHEMES).unwrap(),
            stream: "orders".into(),
            group: "wisp".into(),
            consumer: "wisp".into(),
            start: Start::All,
            claim_after: Duration::from_secs(60),
            batching: Batching { records: 1, bytes: 1, window: Duration::ZERO },
        }
    }

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        ("1529480209655-3".into(), Some(fields.iter().map(|(name, value)| (bytes(name), bytes(value))).collect()))
    }

    #[test]
    fn a_single_field_is_the_body() {
        let record = source("redis://h").record(entry(&[("any", "hello")])).unwrap();
        assert_eq!((&*record.body, record.columns, record.attributes), (&b"hello"[..], None, Vec::new()));
        assert_eq!((record.sequence.as_str(), record.end.as_str()), ("1529480209655-3", "1529480209655-4"));
        assert_eq!(record.published, SystemTime::UNIX_EPOCH + Duration::from_millis(1_529_480_209_655));
    }

    #[test]
    fn several_fields_are_columns_and_one_may_be_the_body() {
        let record = source("redis://h").record(entry(&[("b", "2"), ("body", "hello"), ("a", "1")])).unwrap();
        assert_eq!(record.columns.unwrap(), ["2", "hello", "1"]);
        assert_eq!(&*record.body, b"hello");
        assert_eq!(record.attributes, [("b".into(), "2".into()), ("a".into(), "1".into())]);
    }

    #[test]
    fn a_deleted_entry_is_no_record() {
        assert!(source("redis://h").record(("1-1".into(), None)).is_none());
    }

    #[test]
    fn the_path_is_the_database() {
        assert_eq!(source("redis://h").database(), Some(0));
        assert_eq!(source("redis://h/3").database(), Some(3));
        assert_eq!(source("redis://h/x").database(), None);
    }
}
