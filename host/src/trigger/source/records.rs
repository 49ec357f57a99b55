//! What brokers bring, and the events that a trigger makes of it: pure but for the handing over.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Sink, Stopped};
use crate::trigger::payload::{
    Occurrence, datahub, mns, sls,
    tablestore::{self, RowRecord},
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

/// What a source delivers at once, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Records {
    /// Messages of a broker.
    Messages(Vec<Message>),
    /// Changes of a table.
    Rows(Vec<RowRecord>),
}

/// What a trigger makes of records, by its type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    /// `mns_topic` with `notifyContentFormat` STREAM: an event a message.
    TopicStream,
    /// `mns_topic` with JSON: an event a message.
    TopicJson,
    /// `log`: an event a batch, with the trigger's `functionParameter`.
    Log(Map<String, Value>),
    /// `datahub`: an event a batch, or several if one would be too long.
    DataHub,
    /// `tablestore`: likewise.
    Table,
}

/// Who gets records, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// The account's id.
    account: &'a str,
    /// The host's region.
    region: &'a str,
    /// The trigger's name.
    trigger: &'a str,
    /// The trigger by service, function and name.
    path: &'a str,
    /// The source's name.
    source: &'a str,
    /// The broker's URL without user and password.
    endpoint: &'a str,
    /// The most bytes of an event.
    limit: usize,
}

impl Form {
    /// The events, in order. A record that is too long for any event is an event by itself, which nobody takes.
    fn payloads(&self, context: &Context<'_>, records: &Records) -> Vec<Bytes> {
        match (self, records) {
            (Self::TopicStream, Records::Messages(messages)) => each(context, messages, mns::stream),
            (Self::TopicJson, Records::Messages(messages)) => each(context, messages, mns::json),
            (Self::Log(parameter), Records::Messages(messages)) => {
                range(context, parameter, messages).into_iter().collect()
            }
            (Self::DataHub, Records::Messages(messages)) => streams(context, messages),
            (Self::Table, Records::Rows(rows)) => {
                let fixed = tablestore::event(&[]).len() + LENGTH_OF_ARRAY;
                let batches = portions(rows, fixed, context.limit, tablestore::size);
                batches.into_iter().map(|rows| tablestore::event(rows).into()).collect()
            }
            // Which source feeds which trigger is checked when the configuration is read.
            (Self::Table, Records::Messages(_)) | (_, Records::Rows(_)) => Vec::new(),
        }
    }
}

/// CBOR has the length of a long array in up to so many bytes more than that of an empty one.
const LENGTH_OF_ARRAY: usize = 8;

fn each(
    context: &Context<'_>,
    messages: &[Message],
    form: impl Fn(&mns::TopicMessage<'_>) -> Vec<u8>,
) -> Vec<Bytes> {
    let topic_message = |message: &Message| {
        form(&mns::TopicMessage {
            account: context.account,
            topic: &message.topic,
            subscription: context.trigger,
            id: &message.id,
            published: message.published,
            attributes: &message.attributes,
            body: &message.body,
        })
    };
    messages.iter().map(|message| topic_message(message).into()).collect()
}

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
    use crate::trigger::payload::tablestore::{CellValue, RowChange, RowRecord};

    const CONTEXT: Context<'_> = Context {
        account: "1",
        region: "local",
        trigger: "t",
        path: "default/f/t",
        source: "orders",
        endpoint: "redis://h",
        limit: 400,
    };

    fn message(topic: &str, number: u64, body: &str) -> Message {
        Message {
            topic: topic.into(),
            id: mns::message_id(&number.to_string()),
            sequence: number.to_string(),
            end: (number + 1).to_string(),
            published: SystemTime::UNIX_EPOCH + Duration::from_millis(1500 * number),
            attributes: Vec::new(),
            columns: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn json(payload: &Bytes) -> Value {
        serde_json::from_slice(payload).unwrap()
    }

    #[test]
    fn a_topic_has_an_event_a_message() {
        let records = Records::Messages(vec![message("a", 1, "one"), message("a", 2, "two")]);
        assert_eq!(Form::TopicStream.payloads(&CONTEXT, &records), ["one", "two"]);
        let documents = Form::TopicJson.payloads(&CONTEXT, &records);
        assert_eq!((documents.len(), &json(&documents[1])["Message"]), (2, &Value::from("two")));
    }

    #[test]
    fn a_log_has_an_event_a_batch_that_says_where_it_is() {
        let records = Records::Messages(vec![message("a", 1, "one"), message("a", 2, "two"), message("a", 4, "x")]);
        let payloads = Form::Log(Map::new()).payloads(&CONTEXT, &records);
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
        let payloads = Form::DataHub.payloads(&CONTEXT, &Records::Messages(messages));
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
        let payloads = Form::Table.payloads(&CONTEXT, &Records::Rows(vec![row(10), row(10), row(500), row(10)]));
        assert_eq!(payloads.len(), 3);
        assert!(payloads[1].len() > CONTEXT.limit);
    }

    #[test]
    fn what_does_not_fit_the_trigger_makes_no_event() {
        assert!(Form::Table.payloads(&CONTEXT, &Records::Messages(vec![message("a", 1, "one")])).is_empty());
    }
}
