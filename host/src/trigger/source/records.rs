//! What brokers bring, and the events that a trigger makes of it: pure but for the handing over.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value};

use super::{Sink, Stopped};
use crate::{
    config::SourceConfig,
    delivery::Note,
    trigger::{
        payload::{
            self, Occurrence, datahub, sls,
            tablestore::{self, RowRecord},
        },
        settings::TriggerSettings,
    },
};

/// One message of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The subject, topic or stream that it was published to.
    pub(super) topic: String,
    /// 32 hexadecimal digits, upper case; the same whenever the message comes, if the broker gives it a place.
    pub(super) id: String,
    /// The broker's position of it; empty if it has none.
    pub(super) sequence: String,
    /// The position after it.
    pub(super) end: String,
    /// When it was published.
    pub(super) published: SystemTime,
    /// What the publisher sent along.
    pub(super) attributes: Vec<(String, String)>,
    /// Its fields, for a message that consists of such.
    pub(super) columns: Option<Vec<Bytes>>,
    /// The message.
    pub(super) body: Bytes,
}

/// The id of a message from what identifies it at its broker.
pub(crate) fn message_id(place: &str) -> String {
    let digest = Md5::digest(place.as_bytes());
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// What a source delivers at once, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Records {
    /// Messages of a broker.
    Messages(Vec<Message>),
    /// Changes of a table.
    Rows(Vec<RowRecord>),
}

/// Who gets records, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// The host's region.
    region: &'a str,
    /// The trigger by service, function and name.
    path: &'a str,
    /// The source's name.
    source: &'a str,
    /// The broker's URL without user and password.
    endpoint: &'a str,
    /// The most bytes of an event.
    limit: usize,
}

impl Sink {
    /// Hands over what a broker brought, in order. When this returns, all of it is durable, or nobody can ever take it;
    /// `notes` are durable in one commit with the last of it.
    ///
    /// # Errors
    /// The source is to stop meanwhile; some of it may be durable.
    pub(super) async fn hand_over(&self, records: &Records, notes: Vec<Note>) -> Result<(), Stopped> {
        let trigger = &self.bound().trigger;
        let context = Context {
            region: &self.server.region,
            path: &trigger.id(),
            source: trigger.source.as_deref().unwrap_or_default(),
            endpoint: &self.bound().source.as_ref().map(SourceConfig::endpoint).unwrap_or_default(),
            limit: self.limit(),
        };
        let mut occurrences = occurrences(&trigger.settings, &context, records);
        let last = occurrences.pop();
        for occurrence in occurrences {
            self.deliver(&occurrence, Vec::new()).await?;
        }
        match last {
            Some(last) => self.deliver(&last, notes).await.map(drop),
            None => Ok(()),
        }
    }

    /// The most bytes of an event.
    pub(super) fn limit(&self) -> usize {
        self.delivery().payload_limit()
    }
}

/// What the trigger is told, in order. A record that is too long for any event is an event by itself, which nobody takes.
fn occurrences(settings: &TriggerSettings, context: &Context<'_>, records: &Records) -> Vec<Occurrence> {
    let events = |events: Vec<Bytes>| events.into_iter().map(Occurrence::Event).collect();
    match (settings, records) {
        (TriggerSettings::Log(settings), Records::Messages(messages)) => {
            events(range(context, &settings.parameter, messages).into_iter().collect())
        }
        (TriggerSettings::DataHub, Records::Messages(messages)) => events(streams(context, messages)),
        (TriggerSettings::Tablestore, Records::Rows(rows)) => events(rows_events(context, rows)),
        (_, Records::Messages(messages)) => messages.iter().map(|it| Occurrence::Message(topic_message(it))).collect(),
        // Which source feeds which trigger is checked when the configuration is read.
        (_, Records::Rows(_)) => Vec::new(),
    }
}

/// The attribute that holds a message's tag.
const TAG: &str = "MessageTag";

fn topic_message(message: &Message) -> payload::Message {
    let mut attributes: BTreeMap<_, _> = message.attributes.iter().cloned().collect();
    payload::Message {
        id: message.id.clone(),
        topic: message.topic.clone(),
        body: message.body.to_vec(),
        tag: attributes.remove(TAG),
        attributes,
        time: Timestamp::try_from(message.published).unwrap_or_default(),
        depth: 0,
    }
}

fn rows_events(context: &Context<'_>, rows: &[RowRecord]) -> Vec<Bytes> {
    let fixed = tablestore::event(&[]).len() + LENGTH_OF_ARRAY;
    let batches = portions(rows, fixed, context.limit, tablestore::size);
    batches.into_iter().map(|rows| tablestore::event(rows).into()).collect()
}

/// CBOR has the length of a long array in up to so many bytes more than that of an empty one.
const LENGTH_OF_ARRAY: usize = 8;

/// `None` of messages that have no position: their broker keeps no log.
fn range(context: &Context<'_>, parameter: &Map<String, Value>, messages: &[Message]) -> Option<Bytes> {
    let (first, last) = (messages.first()?, messages.last()?);
    let event = sls::event(&sls::LogRange {
        parameter,
        endpoint: context.endpoint,
        project: context.source,
        logstore: &first.topic,
        trigger: context.path,
        begin: &first.sequence,
        end: &last.end,
        written: since_1970(last.published).as_secs(),
    });
    Some(event.into())
}

fn streams(context: &Context<'_>, messages: &[Message]) -> Vec<Bytes> {
    let records: Vec<_> = messages.iter().map(record).collect();
    let mut events = Vec::new();
    // A stream's event names its topic; messages of a wildcard have several.
    let mut rest = (messages, records.as_slice());
    while let Some(first) = rest.0.first() {
        let same = rest.0.iter().take_while(|message| message.topic == first.topic).count();
        let (of_topic, other) = rest.1.split_at(same);
        let stream = datahub::Stream { project: context.source, topic: &first.topic, region: context.region };
        let fixed = datahub::event(&stream, &[]).len();
        let batches = portions(of_topic, fixed, context.limit, datahub::size);
        events.extend(batches.into_iter().map(|records| datahub::event(&stream, records).into()));
        rest = (&rest.0[same..], other);
    }
    events
}

fn record(message: &Message) -> datahub::Record {
    datahub::Record {
        sequence: message.sequence.clone(),
        written: u64::try_from(since_1970(message.published).as_millis()).unwrap_or(u64::MAX),
        data: match &message.columns {
            Some(columns) => datahub::Data::Tuple(columns.iter().map(|column| column.to_vec()).collect()),
            None => datahub::Data::Blob(message.body.to_vec()),
        },
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Cuts records into portions whose event has at most `limit` bytes, where one record alone does not have more.
fn portions<T>(records: &[T], fixed: usize, limit: usize, size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut portions = Vec::new();
    let (mut begin, mut bytes) = (0, fixed);
    for (index, record) in records.iter().enumerate() {
        let size = size(record);
        if index > begin && bytes + size > limit {
            portions.push(&records[begin..index]);
            (begin, bytes) = (index, fixed);
        }
        bytes += size;
    }
    if begin < records.len() {
        portions.push(&records[begin..]);
    }
    portions
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_STANDARD};

    use super::*;
    use crate::trigger::{
        payload::tablestore::{CellValue, RowChange},
        settings::LogSettings,
    };

    const CONTEXT: Context<'_> =
        Context { region: "local", path: "default/f/t", source: "orders", endpoint: "redis://h", limit: 400 };

    fn message(topic: &str, number: u64, body: &str) -> Message {
        Message {
            topic: topic.into(),
            id: message_id(&number.to_string()),
            sequence: number.to_string(),
            end: (number + 1).to_string(),
            published: SystemTime::UNIX_EPOCH + Duration::from_millis(1500 * number),
            attributes: Vec::new(),
            columns: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn events(settings: &TriggerSettings, records: &Records) -> Vec<Bytes> {
        let event = |occurrence| match occurrence {
            Occurrence::Event(event) => event,
            other => panic!("{other:?}"),
        };
        occurrences(settings, &CONTEXT, records).into_iter().map(event).collect()
    }

    fn json(payload: &Bytes) -> Value {
        serde_json::from_slice(payload).unwrap()
    }

    #[test]
    fn a_log_has_an_event_a_batch_that_says_where_it_is() {
        let records = Records::Messages(vec![message("a", 1, "one"), message("a", 2, "two"), message("a", 4, "x")]);
        let payloads = events(&TriggerSettings::Log(LogSettings { parameter: Map::new() }), &records);
        let [event] = payloads.as_slice() else { panic!("{payloads:?}") };
        let source = &json(event)["source"];
        assert_eq!(source["beginCursor"], BASE64_STANDARD.encode("1"));
        assert_eq!(source["endCursor"], BASE64_STANDARD.encode("5"));
        assert_eq!((&source["logstoreName"], &json(event)["cursorTime"]), (&Value::from("a"), &Value::from(6)));
    }

    #[test]
    fn a_stream_is_cut_where_an_event_would_be_too_long_or_the_topic_changes() {
        let long = "x".repeat(100);
        let messages = vec![message("a", 1, &long), message("a", 2, &long), message("a", 3, "x"), message("b", 4, "x")];
        let payloads = events(&TriggerSettings::DataHub, &Records::Messages(messages));
        assert!(payloads.iter().all(|payload| payload.len() <= CONTEXT.limit), "{payloads:?}");
        let ids = payloads.iter().map(|payload| {
            let records = json(payload)["records"].as_array().unwrap().clone();
            records.iter().map(|record| record["eventId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(ids.collect::<Vec<_>>(), [vec!["0:1"], vec!["0:2", "0:3"], vec!["0:4"]]);
    }

    #[test]
    fn rows_are_cut_likewise_and_none_is_lost_for_being_too_long() {
        let row = |length: usize| RowRecord {
            change: RowChange::Put,
            timestamp: 1,
            primary_key: vec![("id".into(), CellValue::String("x".repeat(length)))],
            columns: Vec::new(),
        };
        let rows = Records::Rows(vec![row(10), row(10), row(500), row(10)]);
        let lengths: Vec<_> = events(&TriggerSettings::Tablestore, &rows).iter().map(Bytes::len).collect();
        assert_eq!(lengths.len(), 3);
        assert!(lengths[1] > CONTEXT.limit, "{lengths:?}");
    }

    #[test]
    fn messages_of_a_topic_are_told_one_by_one() {
        let topic = TriggerSettings::parse("mns_topic", &serde_json::json!({})).unwrap();
        let records = Records::Messages(vec![message("a", 1, "one"), message("a", 2, "two")]);
        assert_eq!(occurrences(&topic, &CONTEXT, &records).len(), 2);
        assert!(occurrences(&topic, &CONTEXT, &Records::Rows(Vec::new())).is_empty());
    }
}
