//! A message as brokers have it, whatever the broker.

use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One message of a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// The subject, topic or stream that it was published to.
    pub(crate) topic: String,
    /// 32 hexadecimal digits, upper case; the same whenever the message comes, if the broker gives it a place.
    pub(crate) id: String,
    /// The broker's position of it; empty if it has none.
    pub(crate) sequence: String,
    /// The position after it.
    pub(crate) end: String,
    /// When it was published.
    pub(crate) published: SystemTime,
    /// What the publisher sent along.
    pub(crate) attributes: Vec<(String, String)>,
    /// Its fields, for a message that consists of such.
    pub(crate) columns: Option<Vec<Bytes>>,
    /// The message.
    pub(crate) body: Bytes,
}
