//! Events of a stream: records of a DataHub topic.
//!
//! Source: "DataHub triggers" of Function Compute's help.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;

/// One record of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The broker's position of it.
    pub(crate) sequence: String,
    /// Milliseconds since 1970 when it was written.
    pub(crate) written: u64,
    /// What was written.
    pub(crate) data: Data,
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// The columns of a tuple, in order.
    Tuple(Vec<Vec<u8>>),
    /// Bytes of any kind.
    Blob(Vec<u8>),
}

/// Where records come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream<'a> {
    /// The project, which is the source's name.
    pub(crate) project: &'a str,
    /// The topic: a stream of the broker.
    pub(crate) topic: &'a str,
    /// The host's region.
    pub(crate) region: &'a str,
}

/// The event of some records: `data` is a JSON array of columns in a string, or the bytes as text. What is not UTF-8 is in
/// base64.
pub(crate) fn event(stream: &Stream<'_>, records: &[Record]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Event<'a> {
        event_source: &'static str,
        event_name: &'static str,
        #[serde(rename = "eventSourceARN")]
        event_source_arn: String,
        region: &'a str,
        records: Vec<Entry<'a>>,
    }
    let event = Event {
        event_source: "acs:datahub",
        event_name: "acs:datahub:putRecord",
        event_source_arn: format!("/projects/{}/topics/{}", stream.project, stream.topic),
        region: stream.region,
        records: records.iter().map(Entry::from).collect(),
    };
    serde_json::to_vec(&event).unwrap_or_default()
}

/// How many bytes a record adds to an event, at most, with the comma before it.
pub(crate) fn size(record: &Record) -> usize {
    serde_json::to_vec(&Entry::from(record)).unwrap_or_default().len() + 1
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    event_id: String,
    system_time: u64,
    data: Cow<'a, str>,
}

impl<'a> From<&'a Record> for Entry<'a> {
    fn from(record: &'a Record) -> Self {
        let data = match &record.data {
            Data::Blob(bytes) => text(bytes),
            Data::Tuple(columns) => {
                let columns: Vec<_> = columns.iter().map(|column| text(column)).collect();
                serde_json::to_string(&columns).unwrap_or_default().into()
            }
        };
        // One shard: a stream of a broker is in one order.
        Self { event_id: format!("0:{}", record.sequence), system_time: record.written, data }
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| BASE64_STANDARD.encode(bytes).into(), Cow::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Stream<'_> = Stream { project: "test_project_name", topic: "test_topic_name", region: "cn-hangzhou" };

    fn tuple(sequence: &str, written: u64) -> Record {
        let columns = vec![b"col1's value".to_vec(), b"col2's value".to_vec()];
        Record { sequence: sequence.into(), written, data: Data::Tuple(columns) }
    }

    #[test]
    fn the_event_of_tuples_is_the_documented_one() {
        let expected = concat!(
            r#"{"eventSource":"acs:datahub","eventName":"acs:datahub:putRecord","#,
            r#""eventSourceARN":"/projects/test_project_name/topics/test_topic_name","region":"cn-hangzhou","#,
            r#""records":[{"eventId":"0:12345","systemTime":1463000123000,"data":"[\"col1's value\",\"col2's value\"]"},"#,
            r#"{"eventId":"0:12346","systemTime":1463000156000,"data":"[\"col1's value\",\"col2's value\"]"}]}"#,
        );
        let records = [tuple("12345", 1_463_000_123_000), tuple("12346", 1_463_000_156_000)];
        assert_eq!(String::from_utf8(event(&STREAM, &records)).unwrap(), expected);
    }

    #[test]
    fn a_blob_is_a_string() {
        let blob = |data: &[u8]| Record { sequence: "1".into(), written: 2, data: Data::Blob(data.to_vec()) };
        let text = String::from_utf8(event(&STREAM, &[blob(b"a\"b"), blob(&[0xff, 0x00])])).unwrap();
        assert!(text.contains(r#"{"eventId":"0:1","systemTime":2,"data":"a\"b"},"#), "{text}");
        assert!(text.contains(r#"{"eventId":"0:1","systemTime":2,"data":"/wA="}"#), "{text}");
    }

    #[test]
    fn the_size_of_a_record_is_what_it_adds() {
        let (one, two) = (tuple("1", 1), tuple("2", 2));
        let with_one = event(&STREAM, std::slice::from_ref(&one)).len();
        assert_eq!(event(&STREAM, &[one, two.clone()]).len() - with_one, size(&two));
    }
}
