//! Events of a topic, as the Message Service delivers them: the body itself (STREAM), or a document about it (JSON).
//!
//! Source: "MNS topic triggers" of Function Compute's help, and the notification formats of the Message Service.

use std::time::SystemTime;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use md5::{Digest as _, Md5};
use serde::{
    Serialize,
    ser::{SerializeMap as _, Serializer},
};

/// A message of a topic, and who gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicMessage<'a> {
    /// The account that the topic belongs to, and its subscription.
    pub(crate) account: &'a str,
    /// The topic.
    pub(crate) topic: &'a str,
    /// The subscription, which is the trigger's name.
    pub(crate) subscription: &'a str,
    /// 32 hexadecimal digits, upper case: the same whenever the message is delivered. See [`message_id`].
    pub(crate) id: &'a str,
    /// When it was published.
    pub(crate) published: SystemTime,
    /// What the publisher sent along.
    pub(crate) attributes: &'a [(String, String)],
    /// The message.
    pub(crate) body: &'a [u8],
}

/// The body as it is; with attributes, `{"body":…,"attrs":{"Extend":…}}`, where `Extend` is a JSON object in a string.
pub(crate) fn stream(message: &TopicMessage<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Attrs {
        #[serde(rename = "Extend")]
        extend: String,
    }
    #[derive(Serialize)]
    struct Stream<'a> {
        body: &'a str,
        attrs: Attrs,
    }
    if message.attributes.is_empty() {
        return message.body.to_vec();
    }
    let extend = bytes_of(&Pairs(message.attributes));
    let attrs = Attrs { extend: String::from_utf8_lossy(&extend).into_owned() };
    bytes_of(&Stream { body: &text(message.body), attrs })
}

/// The document about a message; attributes come first, as keys of their own.
pub(crate) fn json(message: &TopicMessage<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(flatten)]
        attributes: Pairs<'a>,
        #[serde(rename = "TopicOwner")]
        topic_owner: &'a str,
        #[serde(rename = "Message")]
        message: &'a str,
        #[serde(rename = "Subscriber")]
        subscriber: &'a str,
        #[serde(rename = "PublishTime")]
        publish_time: u128,
        #[serde(rename = "SubscriptionName")]
        subscription_name: &'a str,
        #[serde(rename = "MessageMD5")]
        message_md5: String,
        #[serde(rename = "TopicName")]
        topic_name: &'a str,
        #[serde(rename = "MessageId")]
        message_id: &'a str,
    }
    /// What an attribute may not be called: the document would have the key twice.
    const OWN: [&str; 8] = [
        "TopicOwner",
        "Message",
        "Subscriber",
        "PublishTime",
        "SubscriptionName",
        "MessageMD5",
        "TopicName",
        "MessageId",
    ];
    let attributes: Vec<_> =
        message.attributes.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).cloned().collect();
    let published = message.published.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    bytes_of(&Document {
        attributes: Pairs(&attributes),
        topic_owner: message.account,
        message: &text(message.body),
        subscriber: message.account,
        publish_time: published.as_millis(),
        subscription_name: message.subscription,
        message_md5: hex_upper(&Md5::digest(message.body)),
        topic_name: message.topic,
        message_id: message.id,
    })
}

/// The id of a message from what identifies it at its broker.
pub(crate) fn message_id(place: &str) -> String {
    hex_upper(&Md5::digest(place.as_bytes()))
}

/// A body in a JSON document: as text, or in base64 if it is none.
fn text(body: &[u8]) -> std::borrow::Cow<'_, str> {
    std::str::from_utf8(body).map_or_else(|_| BASE64_STANDARD.encode(body).into(), Into::into)
}

fn hex_upper(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// Serialization of such documents cannot fail: their keys are strings, and writing goes to memory.
fn bytes_of(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

/// A JSON object in the order of its pairs; of equal names the last one counts.
struct Pairs<'a>(&'a [(String, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            if !self.0[index + 1..].iter().any(|(later, _)| later == name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    fn message<'a>(body: &'a [u8], attributes: &'a [(String, String)]) -> TopicMessage<'a> {
        TopicMessage {
            account: "118620210433",
            topic: "test-topic",
            subscription: "test-fc-subscribe",
            id: "2F5B3C281B283D4EAC694B7425288675",
            published: SystemTime::UNIX_EPOCH + Duration::from_millis(1_550_216_480_040),
            attributes,
            body,
        }
    }

    fn attribute(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn the_stream_form_is_the_body_itself() {
        assert_eq!(stream(&message(b"hello topic", &[])), b"hello topic");
        assert_eq!(stream(&message(&[0xff, 0x00], &[])), [0xff, 0x00]);
    }

    #[test]
    fn the_stream_form_wraps_a_body_with_attributes() {
        let attributes = [attribute("key", "value")];
        let expected = br#"{"body":"hello topic","attrs":{"Extend":"{\"key\":\"value\"}"}}"#;
        assert_eq!(stream(&message(b"hello topic", &attributes)), expected);
    }

    #[test]
    fn the_json_form_is_the_documented_one() {
        let expected = concat!(
            r#"{"TopicOwner":"118620210433","Message":"hello topic","Subscriber":"118620210433","#,
            r#""PublishTime":1550216480040,"SubscriptionName":"test-fc-subscribe","#,
            r#""MessageMD5":"D6206122A430035E4EC1463CDD704B59","TopicName":"test-topic","#,
            r#""MessageId":"2F5B3C281B283D4EAC694B7425288675"}"#,
        );
        assert_eq!(String::from_utf8(json(&message(b"hello topic", &[]))).unwrap(), expected);
    }

    #[test]
    fn attributes_come_first_in_the_json_form_and_replace_none_of_its_keys() {
        let attributes = [attribute("key", "first"), attribute("Message", "forged"), attribute("key", "value")];
        let document = String::from_utf8(json(&message(b"hello topic", &attributes))).unwrap();
        assert!(
            document.starts_with(r#"{"key":"value","TopicOwner":"118620210433","Message":"hello topic","#),
            "{document}"
        );
    }

    #[test]
    fn a_body_that_is_no_text_is_base64_in_documents() {
        let document: Value = serde_json::from_slice(&json(&message(&[0xff, 0x00], &[]))).unwrap();
        assert_eq!(document["Message"], "/wA=");
    }

    #[test]
    fn an_id_is_the_same_for_the_same_place() {
        assert_eq!(message_id("ORDERS:7"), message_id("ORDERS:7"));
        assert_ne!(message_id("ORDERS:7"), message_id("ORDERS:8"));
        assert_eq!(message_id("x").len(), 32);
    }
}
