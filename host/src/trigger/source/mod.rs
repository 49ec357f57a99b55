//! Sources: what brings events from elsewhere.

use std::{fmt::Display, time::SystemTime};

use bytes::Bytes;

use crate::trigger::payload::tablestore::RowRecord;

pub mod broker;
pub mod gather;
pub mod mqtt;
pub mod nats;
pub mod payloads;
pub mod postgres;
pub mod redis_stream;

/// One message of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The subject, topic or stream that it was published to.
    pub topic: String,
    /// 32 hexadecimal digits, upper case; the same whenever the message comes, if the broker gives it a place.
    pub id: String,
    /// The broker's position of it; empty if it has none.
    pub sequence: String,
    /// The position after it.
    pub end: String,
    /// When it was published.
    pub published: SystemTime,
    /// What the publisher sent along.
    pub attributes: Vec<(String, String)>,
    /// Its fields, for a message that consists of such.
    pub columns: Option<Vec<Bytes>>,
    /// The message.
    pub body: Bytes,
}

/// What a source delivers at once, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Records {
    /// Messages of a broker.
    Messages(Vec<Message>),
    /// Changes of a table.
    Rows(Vec<RowRecord>),
}

/// Where a new consumer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// `"all"`: with the oldest that is there.
    All,
    /// `"new"`: with what comes from then on.
    New,
}

/// Why a source ended: the connection is lost, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Lost(String);

impl Lost {
    fn new(what: &str, reason: impl Display) -> Self {
        Self(format!("{what}: {reason}"))
    }

    fn connection(broker: &broker::Broker) -> Self {
        Self(format!("the connection to {broker} is lost"))
    }
}

impl From<String> for Lost {
    fn from(message: String) -> Self {
        Self(message)
    }
}

pub struct Sink(tokio::sync::mpsc::Sender<Records>);
impl Sink {
    async fn deliver(&self, records: Records) { let _ = self.0.send(records).await; }
    fn set_lag(&self, _: u64) {}
    fn connected(&self) {}
}
