//! Triggers: those that wisp serves, by the kinds' names in each dialect.

use serde_json::{Map, Value as Json, json};

use super::{
    ProjectTrigger,
    fields::{Fields, put},
    function::uncapitalized,
    yaml::Node,
};

/// The kinds that wisp has, by the API's names.
const KINDS: [&str; 6] = ["http", "timer", "oss", "mns_topic", "cdn_events", "eventbridge"];

/// The API's name of a kind.
fn kind(written: &str) -> String {
    match written.to_ascii_lowercase().as_str() {
        // Fun's names.
        "mnstopic" => "mns_topic".to_owned(),
        "cdn" => "cdn_events".to_owned(),
        lower => lower.to_owned(),
    }
}

/// One of Fun's `Events`: `{Type, Properties}`.
pub(super) fn of_fun(name: &str, mut fields: Fields<'_>) -> Option<ProjectTrigger> {
    let written = fields.required("Type");
    let (line, kind) = (fields.line, kind(&written));
    let mut properties = fields.map("Properties");
    let trigger = is_served(name, &written, &kind, &fields).then(|| {
        let mut attributes = Map::new();
        if let Some(properties) = &mut properties {
            put(&mut attributes, "qualifier", properties.text("Qualifier"));
            properties.pass(&["InvocationRole"]);
            for key in ["BucketName", "TopicName"] {
                put(&mut attributes, "sourceArn", properties.text(key).map(|name| arn(&kind, &name)));
            }
            let pairs = properties.rest().into_iter().map(|entry| {
                let value = entry.node.to_json_with(&uncapitalized);
                (uncapitalized(&entry.key), if entry.key == "AuthType" { lower(&value) } else { value })
            });
            attributes.insert("triggerConfig".to_owned(), Json::Object(pairs.collect()));
        }
        ProjectTrigger { name: name.to_owned(), kind, attributes, line }
    });
    fields.pass(&["Properties"]);
    fields.finish();
    trigger
}

/// What the API knows a bucket or a topic by. Of it, only the last part means something to wisp.
fn arn(kind: &str, name: &str) -> String {
    match kind {
        "mns_topic" => format!("acs:mns:local:000000000000:/topics/{name}"),
        _ => format!("acs:oss:local:000000000000:{name}"),
    }
}

/// Fun takes `ANONYMOUS` as well as `anonymous`.
fn lower(value: &Json) -> Json {
    value.as_str().map_or_else(|| value.clone(), |text| json!(text.to_ascii_lowercase()))
}

/// One of the first edition's `triggers`: `{name, type, config, …}`.
pub(super) fn of_devs_1(fields: Fields<'_>) -> Option<ProjectTrigger> {
    of_devs(fields, "name", "type", "config")
}

/// One of the third edition's `triggers`: `{triggerName, triggerType, triggerConfig, …}`.
pub(super) fn of_devs_3(fields: Fields<'_>) -> Option<ProjectTrigger> {
    of_devs(fields, "triggerName", "triggerType", "triggerConfig")
}

fn of_devs(mut fields: Fields<'_>, name: &str, type_: &str, config: &str) -> Option<ProjectTrigger> {
    let name = fields.required(name);
    let written = fields.required(type_);
    let (line, kind) = (fields.line, kind(&written));
    let mut attributes = Map::new();
    for key in ["qualifier", "description"] {
        put(&mut attributes, key, fields.text(key));
    }
    put(&mut attributes, "triggerConfig", fields.get(config).map(Node::to_json));
    put(&mut attributes, "sourceArn", fields.text("sourceArn"));
    fields.pass(&["role", "invocationRole"]);
    // The first edition names the bucket or the topic among the settings.
    if let Some(Json::Object(config)) = attributes.get_mut("triggerConfig") {
        let named = ["bucketName", "topicName"].into_iter().find_map(|key| config.remove(key));
        if let Some(name) = named.as_ref().and_then(Json::as_str) {
            attributes.entry("sourceArn").or_insert_with(|| json!(arn(&kind, name)));
        }
    }
    let served = is_served(&name, &written, &kind, &fields);
    fields.finish();
    served.then_some(ProjectTrigger { name, kind, attributes, line })
}

fn is_served(name: &str, written: &str, kind: &str, fields: &Fields<'_>) -> bool {
    let served = KINDS.contains(&kind);
    if !served && !written.is_empty() {
        let message = format!("trigger {name} is left out: wisp has no source of events of the type {written}");
        fields.report.warn(fields.line, message);
    }
    served
}
