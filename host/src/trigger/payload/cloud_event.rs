//! CloudEvents, and what EventBridge and CDN triggers make of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::About;
use crate::trigger::settings::{CdnSettings, DeliveryMode, EventBridgeSettings, EventSchema};

/// An event of the CloudEvents specification, 1.0. Serialized, it is the JSON form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CloudEvent {
    pub(crate) id: String,
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(rename = "datacontenttype", default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data_base64: Option<String>,
    /// All other attributes.
    #[serde(flatten)]
    pub(crate) extensions: BTreeMap<String, Value>,
}

/// In the order of Function Compute's samples.
#[derive(Serialize)]
struct Envelope<'a> {
    id: &'a str,
    source: &'a str,
    specversion: &'static str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(flatten)]
    extensions: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<&'a str>,
}

impl CloudEvent {
    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            id: &self.id,
            source: &self.source,
            specversion: "1.0",
            kind: &self.kind,
            datacontenttype: self.content_type.as_deref(),
            subject: self.subject.as_deref(),
            time: self.time.as_deref(),
            extensions: &self.extensions,
            data: self.data.as_ref(),
            data_base64: self.data_base64.as_deref(),
        }
    }
}

/// `None` if the pattern leaves it out.
pub(super) fn eventbridge(event: &CloudEvent, settings: &EventBridgeSettings) -> Option<Bytes> {
    by_rule(&event.envelope(), event.data.as_ref().unwrap_or(&Value::Null), settings)
}

/// What a rule makes of an event; `None` if its pattern leaves it out.
pub(super) fn by_rule(event: &impl Serialize, data: &impl Serialize, settings: &EventBridgeSettings) -> Option<Bytes> {
    if !settings.pattern.takes(&serde_json::to_value(event).unwrap_or_default()) {
        return None;
    }
    let one = match settings.schema {
        EventSchema::CloudEvents => serde_json::to_string(event),
        EventSchema::RawData => serde_json::to_string(data),
    };
    let one = one.unwrap_or_default();
    let text = match settings.mode {
        DeliveryMode::EventDriven => one,
        DeliveryMode::EventStreaming => format!("[{one}]"),
    };
    Some(text.into())
}

/// `None` if the trigger is for another event, or for other domains.
pub(super) fn cdn(event: &CloudEvent, settings: &CdnSettings, about: &About<'_>) -> Option<Bytes> {
    let name = event.kind.rsplit([':', '.']).next().unwrap_or(&event.kind);
    let data = event.data.clone().unwrap_or_else(|| json!({}));
    let domain = data.get("domain").and_then(Value::as_str).or(event.subject.as_deref()).unwrap_or_default();
    let is_wanted = settings.domains.is_empty() || settings.domains.iter().any(|wanted| wanted == domain);
    if name != settings.event_name || !is_wanted {
        return None;
    }
    let event = CdnEvent {
        event_name: name,
        event_version: &settings.event_version,
        event_source: "cdn",
        region: about.region,
        event_time: event.time.as_deref().unwrap_or_default(),
        trace_id: &event.id,
        resource: json!({ "domain": domain }),
        event_parameter: &data,
        user_identity: json!({ "aliUid": about.account }),
    };
    Some(serde_json::to_vec(&CdnEvents { events: [event] }).unwrap_or_default().into())
}

#[derive(Serialize)]
struct CdnEvents<'a> {
    events: [CdnEvent<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CdnEvent<'a> {
    event_name: &'a str,
    event_version: &'a str,
    event_source: &'static str,
    region: &'a str,
    event_time: &'a str,
    trace_id: &'a str,
    resource: Value,
    event_parameter: &'a Value,
    user_identity: Value,
}

#[cfg(test)]
mod tests {
    use super::{
        super::{mns, mns::Message, occurrence::tests::about_with},
        *,
    };
    use crate::trigger::settings::TriggerSettings;

    fn settings(config: Value) -> EventBridgeSettings {
        match TriggerSettings::parse("eventbridge", &config).unwrap() {
            TriggerSettings::EventBridge(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    fn order() -> CloudEvent {
        let text = r#"{"specversion":"1.0","id":"1","source":"shop","type":"order:created","data":{"n":1},"x":"y"}"#;
        let mut event: CloudEvent = serde_json::from_str(text).unwrap();
        event.extensions.remove("specversion");
        event
    }

    #[test]
    fn a_rule_passes_the_event_on_as_it_is() {
        let expected =
            r#"{"id":"1","source":"shop","specversion":"1.0","type":"order:created","x":"y","data":{"n":1}}"#;
        assert_eq!(eventbridge(&order(), &settings(json!({}))).unwrap(), expected);
        let other = json!({ "eventRuleFilterPattern": "{\"source\":[\"other\"]}" });
        assert!(eventbridge(&order(), &settings(other)).is_none());
    }

    #[test]
    fn raw_data_is_the_data_alone_and_a_stream_is_a_list() {
        let option = |option: Value| settings(json!({ "eventSinkConfig": { "deliveryOption": option } }));
        assert_eq!(eventbridge(&order(), &option(json!({ "eventSchema": "RawData" }))).unwrap(), r#"{"n":1}"#);
        let stream = option(json!({ "eventSchema": "RawData", "mode": "event-streaming" }));
        assert_eq!(eventbridge(&order(), &stream).unwrap(), r#"[{"n":1}]"#);
    }

    #[test]
    fn a_message_of_a_queue_has_function_computes_envelope() {
        let trigger = about_with(TriggerSettings::EventBridge(settings(json!({}))));
        let about = About { trigger: &trigger, region: "cn-hangzhou", account: "1649" };
        let message = Message {
            id: "M1".into(),
            topic: "zeus".into(),
            body: b"TEST".to_vec(),
            tag: None,
            attributes: BTreeMap::new(),
            time: "2021-04-08T06:28:17.093Z".parse().unwrap(),
            depth: 0,
        };
        let event = mns::of_queue(&message, &settings(json!({})), &about).unwrap().unwrap();
        let expected = concat!(
            r#"{"id":"M1","source":"MNS-Function-t","specversion":"1.0","type":"mns:Queue:SendMessage","#,
            r#""datacontenttype":"application/json; charset=utf-8","subject":"acs:mns:cn-hangzhou:1649:queues/zeus","#,
            r#""time":"2021-04-08T06:28:17.093Z","aliyunaccountid":"1649","#,
            r#""aliyunpublishtime":"2021-04-08T06:28:17.093Z","aliyunoriginalaccountid":"1649","#,
            r#""aliyuneventbusname":"MNS-Function-t","aliyunregionid":"cn-hangzhou","aliyunpublishaddr":"127.0.0.1","#,
            r#""data":{"requestId":"M1","messageId":"M1","messageBody":"TEST"}}"#,
        );
        assert_eq!(event, expected);
    }

    #[test]
    fn a_cdn_event_has_the_form_of_its_trigger() {
        let config = json!({ "eventName": "CachedObjectsRefreshed", "filter": { "domain": ["example.com"] } });
        let parsed = TriggerSettings::parse("cdn_events", &config).unwrap();
        let trigger = about_with(parsed.clone());
        let about = About { trigger: &trigger, region: "cn-hangzhou", account: "1xxx" };
        let TriggerSettings::Cdn(settings) = parsed else { panic!() };
        let event = CloudEvent {
            id: "cf89".into(),
            kind: "cdn:CachedObjectsRefreshed".into(),
            time: Some("2018-03-16T14:19:55+08:00".into()),
            data: Some(json!({ "domain": "example.com", "objectType": "File" })),
            ..order()
        };
        let expected = concat!(
            r#"{"events":[{"eventName":"CachedObjectsRefreshed","eventVersion":"1.0.0","eventSource":"cdn","#,
            r#""region":"cn-hangzhou","eventTime":"2018-03-16T14:19:55+08:00","traceId":"cf89","#,
            r#""resource":{"domain":"example.com"},"#,
            r#""eventParameter":{"domain":"example.com","objectType":"File"},"userIdentity":{"aliUid":"1xxx"}}]}"#,
        );
        assert_eq!(cdn(&event, &settings, &about).unwrap(), expected);
        let elsewhere = CloudEvent { data: Some(json!({ "domain": "example.org" })), ..event };
        assert!(cdn(&elsewhere, &settings, &about).is_none());
    }
}
