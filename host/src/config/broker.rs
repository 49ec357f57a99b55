//! Sources with a broker: where it is, who wisp is there, what is read.

use std::{fmt, sync::Arc, time::Duration};

use url::Url;

use super::Secret;

/// Where a broker is, and who wisp is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its URL without user and password.
    url: Url,
    /// The user, if the broker asks for one.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The certificates, in PEM, that vouch for the broker's; default: the public ones.
    pub authorities: Option<Arc<str>>,
}

impl Broker {
    /// A broker by its URL, which may have a user and a password.
    ///
    /// # Errors
    /// If it is no URL of one of `schemes`, or names no host. No error repeats the URL: it may hold a password.
    pub fn parse(url: &str, schemes: &[&str]) -> Result<Self, String> {
        let form = format!("give {}://[user:password@]host[:port]", schemes.join(":// or "));
        let mut url = Url::parse(url).map_err(|error| format!("is no URL: {error}; {form}"))?;
        if !schemes.contains(&url.scheme()) {
            return Err(format!("has the scheme {:?}; {form}", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("names no host; {form}"));
        }
        let user = (!url.username().is_empty()).then(|| unescaped(url.username()));
        let password = url.password().map(|password| Secret::new(unescaped(password)));
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| format!("names no host; {form}"))?;
        Ok(Self { url, user, password, authorities: None })
    }

    /// The host's name or address; IPv6 without brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// The port, or the protocol's own.
    pub fn port(&self, default: u16) -> u16 {
        self.url.port().unwrap_or(default)
    }

    /// What follows the host, without the first `/`.
    pub fn path(&self) -> String {
        unescaped(self.url.path().trim_start_matches('/'))
    }

    /// The URL's scheme.
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }
}

/// The URL without user and password.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({})", self.url)
    }
}

/// `type = "nats"`: messages of a subject. The server keeps none: what is published while nobody listens is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsConfig {
    /// The server.
    pub broker: Broker,
    /// The subject, with `*` for any token of it and `>` for all that follow.
    pub subject: String,
    /// What queue groups are called, with the trigger's name behind: hosts that give the same share the messages.
    pub consumer: String,
}

/// `type = "jetstream"`: messages of a stream of JetStream, by a durable pull consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JetStreamConfig {
    /// The server.
    pub broker: Broker,
    /// The stream, which is there already.
    pub stream: String,
    /// Only messages of this subject; default: all.
    pub subject: Option<String>,
    /// What consumers are called, with the trigger's name behind.
    pub consumer: String,
    /// Where a new consumer begins.
    pub start: Start,
    /// How long the server waits for an acknowledgement before it sends a message again.
    pub ack_wait: Duration,
    /// How messages become batches.
    pub batching: Batching,
}

/// `type = "mqtt"`: messages of topics, in a persistent session with QoS 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttConfig {
    /// The broker.
    pub broker: Broker,
    /// The topic filter, with `+` for one level and `#` for all that follow.
    pub topic: String,
    /// What clients are called, with the trigger's name behind: the broker keeps a session by its client's name.
    pub consumer: String,
}

/// `type = "redis"`: entries of a Redis stream, read as a consumer of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisConfig {
    /// The server.
    pub broker: Broker,
    /// The number of the database, the path of the URL.
    pub database: i64,
    /// The stream's key. It need not be there yet.
    pub stream: String,
    /// What groups are called, with the trigger's name behind. A group is made if it is not there.
    pub consumer: String,
    /// Where a new group begins.
    pub start: Start,
    /// How long another consumer of the group may keep an entry without an acknowledgement before it is taken over.
    pub claim_after: Duration,
    /// How entries become batches.
    pub batching: Batching,
}

/// `type = "postgres"`: changes of a PostgreSQL table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresConfig {
    /// The server.
    pub broker: Broker,
    /// The database, the path of the URL.
    pub database: String,
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The publication, which is made for the table if it is not there.
    pub publication: String,
    /// What replication slots are called, with the trigger's name behind. A slot is made if it is not there.
    pub consumer: String,
    /// Whether the connection is encrypted, and the server's certificate checked.
    pub tls: bool,
    /// How often the slot is read when there is nothing new.
    pub poll_interval: Duration,
    /// The most changes of a batch.
    pub batch_records: usize,
}

/// How much is delivered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The most messages of a batch, 1 or more.
    pub records: usize,
    /// How long to wait for more once the first is there; 0 takes what has come already.
    pub window: Duration,
}

/// Where a new consumer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// `"all"`: with the oldest that is there.
    All,
    /// `"new"`: with what comes from then on.
    New,
}

fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_taken_out_of_the_url() {
        let broker = Broker::parse("redis://me:s%40cret@localhost:7000/2", &["redis", "rediss"]).unwrap();
        assert_eq!(broker.to_string(), "redis://localhost:7000/2");
        assert_eq!((broker.host(), broker.port(6379), broker.path().as_str()), ("localhost", 7000, "2"));
        assert_eq!(broker.user.as_deref(), Some("me"));
        assert_eq!(broker.password.as_ref().map(Secret::expose), Some("s@cret"));
        assert!(!format!("{broker:?}").contains("cret"), "{broker:?}");
    }

    #[test]
    fn the_port_is_the_protocols_unless_it_is_given() {
        let broker = Broker::parse("nats://[::1]", &["nats"]).unwrap();
        assert_eq!((broker.host(), broker.port(4222)), ("::1", 4222));
        assert_eq!((broker.user, broker.password), (None, None));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for (url, reason) in [
            ("http://me:hidden@host", "has the scheme \"http\"; give nats://"),
            ("nats:hidden", "names no host"),
            ("hidden", "is no URL: relative URL without a base"),
        ] {
            let error = Broker::parse(url, &["nats", "tls"]).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hidden"), "{error}");
        }
    }
}
