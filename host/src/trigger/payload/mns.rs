//! The events of topics and queues (MNS).

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::{About, cloud_event};
use crate::trigger::settings::{ContentFormat, EventBridgeSettings, TopicSettings};

/// A message of a topic or a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Given when it was published: 32 hex digits in capitals, if it was published here.
    pub(crate) id: String,
    /// The topic, the subject or the queue.
    pub(crate) topic: String,
    #[serde(with = "base64_bytes")]
    pub(crate) body: Vec<u8>,
    pub(crate) tag: Option<String>,
    /// What the publisher says besides.
    pub(crate) attributes: BTreeMap<String, String>,
    /// When it was published.
    pub(crate) time: Timestamp,
    /// How many events led to it by their destinations.
    #[serde(default)]
    pub(crate) depth: u32,
}

/// `None` if the tag is another one.
pub(super) fn event(message: &Message, settings: &TopicSettings, about: &About<'_>) -> Result<Option<Bytes>, String> {
    if settings.filter_tag.is_some() && settings.filter_tag != message.tag {
        return Ok(None);
    }
    match settings.format {
        ContentFormat::Stream if message.attributes.is_empty() => Ok(Some(message.body.clone().into())),
        ContentFormat::Stream => {
            let event = Streamed { body: text(message)?, attrs: &message.attributes };
            Ok(Some(serde_json::to_vec(&event).unwrap_or_default().into()))
        }
        ContentFormat::Json => json(message, about).map(Some),
    }
}

#[derive(Serialize)]
struct Streamed<'a> {
    body: &'a str,
    attrs: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Notification<'a> {
    topic_owner: &'a str,
    message: &'a str,
    subscriber: &'a str,
    publish_time: i64,
    subscription_name: &'a str,
    #[serde(rename = "MessageMD5")]
    message_md5: String,
    topic_name: &'a str,
    message_id: &'a str,
    #[serde(flatten)]
    attributes: BTreeMap<&'a str, &'a str>,
}

const FIELDS: [&str; 8] =
    ["TopicOwner", "Message", "Subscriber", "PublishTime", "SubscriptionName", "MessageMD5", "TopicName", "MessageId"];

fn json(message: &Message, about: &About<'_>) -> Result<Bytes, String> {
    // An attribute hides none of the message's own fields.
    let attributes = message.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let notification = Notification {
        topic_owner: about.account,
        message: text(message)?,
        subscriber: about.account,
        publish_time: message.time.as_millisecond(),
        subscription_name: &about.trigger.name,
        message_md5: md5(&message.body),
        topic_name: &message.topic,
        message_id: &message.id,
        attributes: attributes.filter(|(name, _)| !FIELDS.contains(name)).collect(),
    };
    Ok(serde_json::to_vec(&notification).unwrap_or_default().into())
}

/// A message of a queue as EventBridge passes it on, in the order of Function Compute's sample.
#[derive(Serialize)]
struct QueueEvent<'a> {
    id: &'a str,
    source: &'a str,
    specversion: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    datacontenttype: &'static str,
    subject: String,
    time: &'a str,
    aliyunaccountid: &'a str,
    aliyunpublishtime: &'a str,
    aliyunoriginalaccountid: &'a str,
    aliyuneventbusname: &'a str,
    aliyunregionid: &'a str,
    aliyunpublishaddr: &'static str,
    data: QueueData<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueData<'a> {
    request_id: &'a str,
    message_id: &'a str,
    message_body: &'a str,
}

/// `None` if the pattern leaves it out.
pub(super) fn of_queue(
    message: &Message,
    settings: &EventBridgeSettings,
    about: &About<'_>,
) -> Result<Option<Bytes>, String> {
    let (region, account) = (about.region, about.account);
    let bus = format!("MNS-Function-{}", about.trigger.name);
    let time = message.time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let event = QueueEvent {
        id: &message.id,
        source: &bus,
        specversion: "1.0",
        kind: "mns:Queue:SendMessage",
        datacontenttype: "application/json; charset=utf-8",
        subject: format!("acs:mns:{region}:{account}:queues/{}", message.topic),
        time: &time,
        aliyunaccountid: account,
        aliyunpublishtime: &time,
        aliyunoriginalaccountid: account,
        aliyuneventbusname: &bus,
        aliyunregionid: region,
        aliyunpublishaddr: "127.0.0.1",
        data: QueueData { request_id: &message.id, message_id: &message.id, message_body: text(message)? },
    };
    Ok(cloud_event::by_rule(&event, &event.data, settings))
}

fn text(message: &Message) -> Result<&str, String> {
    std::str::from_utf8(&message.body).map_err(|_| {
        format!("message {} is no UTF-8 text; only the STREAM form without attributes takes any bytes", message.id)
    })
}

/// In hex, in capitals.
pub(crate) fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Bytes in JSON.
mod base64_bytes {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::occurrence::tests::about_with, *};
    use crate::trigger::settings::TriggerSettings;

    fn message(attributes: &[(&str, &str)]) -> Message {
        Message {
            id: "2F5B".into(),
            topic: "test-topic".into(),
            body: b"hello topic".to_vec(),
            tag: Some("red".into()),
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            time: Timestamp::from_millisecond(1_550_216_480_040).unwrap(),
            depth: 0,
        }
    }

    fn event_of(message: &Message, config: serde_json::Value) -> Result<Option<Bytes>, String> {
        let settings = TriggerSettings::parse("mns_topic", &config).unwrap();
        let trigger = about_with(settings.clone());
        let about = About { trigger: &trigger, region: "cn-hangzhou", account: "118620210433" };
        let TriggerSettings::MnsTopic(settings) = settings else { panic!() };
        event(message, &settings, &about)
    }

    #[test]
    fn a_stream_is_the_body_or_with_attributes_a_document() {
        assert_eq!(event_of(&message(&[]), json!({})).unwrap().unwrap(), "hello topic");
        let expected = r#"{"body":"hello topic","attrs":{"Extend":"{\"key\":\"value\"}"}}"#;
        let message = message(&[("Extend", r#"{"key":"value"}"#)]);
        assert_eq!(event_of(&message, json!({ "notifyContentFormat": "STREAM" })).unwrap().unwrap(), expected);
    }

    #[test]
    fn json_says_where_it_comes_from_and_has_attributes_beside_it() {
        let expected = concat!(
            r#"{"TopicOwner":"118620210433","Message":"hello topic","Subscriber":"118620210433","#,
            r#""PublishTime":1550216480040,"SubscriptionName":"t","#,
            r#""MessageMD5":"57C83EDBC8DE2FD0F1A1B8A9F5D3D1E5","TopicName":"test-topic","MessageId":"2F5B","#,
            r#""key":"value"}"#,
        );
        let expected = expected.replace("57C83EDBC8DE2FD0F1A1B8A9F5D3D1E5", &md5(b"hello topic"));
        let message = message(&[("key", "value"), ("MessageId", "hidden")]);
        assert_eq!(event_of(&message, json!({ "notifyContentFormat": "JSON" })).unwrap().unwrap(), expected);
        assert_eq!(md5(b""), "D41D8CD98F00B204E9800998ECF8427E");
    }

    #[test]
    fn a_tag_lets_only_its_messages_through() {
        assert!(event_of(&message(&[]), json!({ "filterTag": "red" })).unwrap().is_some());
        assert!(event_of(&message(&[]), json!({ "filterTag": "blue" })).unwrap().is_none());
    }

    #[test]
    fn bytes_go_through_a_stream_only() {
        let bytes = Message { body: vec![0xff], ..message(&[]) };
        assert_eq!(event_of(&bytes, json!({})).unwrap().unwrap(), &[0xff_u8][..]);
        assert!(event_of(&bytes, json!({ "notifyContentFormat": "JSON" })).is_err());
    }
}
