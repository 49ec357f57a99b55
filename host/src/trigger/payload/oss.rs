//! The event of a bucket.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::About;

/// A change of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectChange {
    /// Such as `ObjectCreated:PutObject`.
    pub(crate) event: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Bytes now; 0 after a removal.
    pub(crate) size: u64,
    /// Bytes more than before.
    pub(crate) delta: i64,
    pub(crate) etag: String,
    pub(crate) mime_type: Option<String>,
    pub(crate) time: Timestamp,
    /// Whose request changed it, and which.
    pub(crate) source_ip: String,
    pub(crate) request_id: String,
}

#[derive(Serialize)]
struct Events<'a> {
    events: [Event<'a>; 1],
}

/// In the order of Function Compute's sample.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_name: &'a str,
    event_source: &'static str,
    event_time: String,
    event_version: &'static str,
    oss: Oss<'a>,
    region: &'a str,
    request_parameters: Value,
    response_elements: Value,
    user_identity: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Oss<'a> {
    bucket: Bucket<'a>,
    object: Object<'a>,
    oss_schema_version: &'static str,
    rule_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket<'a> {
    arn: String,
    name: &'a str,
    owner_identity: &'a str,
    virtual_bucket: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    delta_size: i64,
    e_tag: &'a str,
    key: &'a str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_meta: Option<Value>,
}

pub(super) fn event(change: &ObjectChange, about: &About<'_>) -> Bytes {
    let (region, account) = (about.region, about.account);
    let event = Event {
        event_name: &change.event,
        event_source: "acs:oss",
        event_time: change.time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        event_version: "1.0",
        oss: Oss {
            bucket: Bucket {
                arn: format!("acs:oss:{region}:{account}:{}", change.bucket),
                name: &change.bucket,
                owner_identity: account,
                virtual_bucket: "",
            },
            object: Object {
                delta_size: change.delta,
                e_tag: &change.etag,
                key: &change.key,
                size: change.size,
                object_meta: change.mime_type.as_ref().map(|mime_type| json!({ "mimeType": mime_type })),
            },
            oss_schema_version: "1.0",
            rule_id: rule_id(&about.trigger.id()),
        },
        region,
        request_parameters: json!({ "sourceIPAddress": change.source_ip }),
        response_elements: json!({ "requestId": change.request_id }),
        user_identity: json!({ "principalId": account }),
    };
    serde_json::to_vec(&Events { events: [event] }).unwrap_or_default().into()
}

/// The same for all events of a trigger: 40 hex digits.
fn rule_id(trigger: &str) -> String {
    Sha256::digest(trigger).iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::occurrence::tests::about_with, *};
    use crate::trigger::settings::TriggerSettings;

    #[test]
    fn a_change_is_function_computes_event() {
        let settings = TriggerSettings::parse("oss", &json!({ "events": ["oss:ObjectCreated:*"] })).unwrap();
        let change = ObjectChange {
            event: "ObjectCreated:PutObject".into(),
            bucket: "testbucket".into(),
            key: "source/a.png".into(),
            size: 122_539,
            delta: 122_539,
            etag: "688A7BF4F233DC9C88A80BF985AB7329".into(),
            mime_type: Some("image/jpeg".into()),
            time: "2022-08-13T06:45:43Z".parse().unwrap(),
            source_ip: "140.205.1.2".into(),
            request_id: "58F9FF2D3DF792092E12044C".into(),
        };
        let trigger = about_with(settings);
        let about = About { trigger: &trigger, region: "cn-hangzhou", account: "123456789" };
        let expected = concat!(
            r#"{"events":[{"eventName":"ObjectCreated:PutObject","eventSource":"acs:oss","#,
            r#""eventTime":"2022-08-13T06:45:43.000Z","eventVersion":"1.0","#,
            r#""oss":{"bucket":{"arn":"acs:oss:cn-hangzhou:123456789:testbucket","name":"testbucket","#,
            r#""ownerIdentity":"123456789","virtualBucket":""},"#,
            r#""object":{"deltaSize":122539,"eTag":"688A7BF4F233DC9C88A80BF985AB7329","key":"source/a.png","#,
            r#""size":122539,"objectMeta":{"mimeType":"image/jpeg"}},"ossSchemaVersion":"1.0","#,
            r#""ruleId":"RULE"},"region":"cn-hangzhou","#,
            r#""requestParameters":{"sourceIPAddress":"140.205.1.2"},"#,
            r#""responseElements":{"requestId":"58F9FF2D3DF792092E12044C"},"#,
            r#""userIdentity":{"principalId":"123456789"}}]}"#,
        );
        assert_eq!(event(&change, &about), expected.replace("RULE", &rule_id(&trigger.id())));
    }
}
