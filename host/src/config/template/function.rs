//! The attributes of a function, which the dialects share but for the spelling of their keys.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value as Json, json};

use super::{
    Origin,
    fields::{Fields, put},
    yaml::{Entry, Node, Value},
};

/// How a dialect spells what the API calls `memorySize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `MemorySize`: Fun.
    Upper,
    /// `memorySize`: Serverless Devs.
    Lower,
}

impl Spelling {
    /// An attribute as the dialect writes it.
    pub(super) fn of(self, attribute: &str) -> String {
        match (self, attribute) {
            (Self::Lower, _) => attribute.to_owned(),
            (Self::Upper, "caPort") => "CAPort".to_owned(),
            (Self::Upper, _) => capitalized(attribute),
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `memorySize` of `MemorySize`.
pub(super) fn uncapitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// What an attribute holds.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// A number, which may be written as a text.
    Number,
    Flag,
    /// Names and values.
    Texts,
    /// Maps and lists, whose keys are spelled as the dialect does.
    Json,
}

/// An attribute of the API, and why it has no effect on wisp if it has none.
type Attribute = (&'static str, Kind, Option<&'static str>);

const NO_NETWORK: Option<&str> = Some("has no effect: wisp is in no virtual network");
const NO_MOUNT: Option<&str> = Some("has no effect: wisp mounts no file systems of the cloud");
const NO_CLOUD: Option<&str> = Some("has no effect: wisp gives functions no credentials of the cloud");
const NO_TRACING: Option<&str> = Some("has no effect: wisp sends no traces for functions");
const NO_LAYER: Option<&str> = Some("has no effect: wisp has no layers; put what they hold into the code");
const NO_MACHINE: Option<&str> = Some("has no effect: a WebAssembly instance has no such thing");
const NO_CONTAINER: Option<&str> = Some("has no effect: wisp runs no containers");

/// Of both versions.
const COMMON: [Attribute; 19] = [
    ("handler", Kind::Text, None),
    ("runtime", Kind::Text, None),
    ("description", Kind::Text, None),
    ("timeout", Kind::Number, None),
    ("memorySize", Kind::Number, None),
    ("environmentVariables", Kind::Texts, None),
    ("instanceConcurrency", Kind::Number, None),
    ("diskSize", Kind::Number, None),
    ("cpu", Kind::Number, None),
    ("instanceLifecycleConfig", Kind::Json, None),
    ("customRuntimeConfig", Kind::Json, Some("has no effect: wisp runs components, not programs")),
    ("customContainerConfig", Kind::Json, NO_CONTAINER),
    ("customDNS", Kind::Json, NO_MACHINE),
    ("customHealthCheckConfig", Kind::Json, NO_CONTAINER),
    ("layers", Kind::Json, NO_LAYER),
    ("gpuMemorySize", Kind::Number, NO_MACHINE),
    ("gpuConfig", Kind::Json, NO_MACHINE),
    ("caPort", Kind::Number, None),
    // wisp's own.
    ("snapshot", Kind::Flag, None),
];

/// Of Function Compute 2.0.
const OF_2: [Attribute; 4] = [
    ("initializer", Kind::Text, None),
    ("initializationTimeout", Kind::Number, None),
    ("instanceType", Kind::Text, None),
    ("instanceSoftConcurrency", Kind::Number, None),
];

/// Of Function Compute 3.0, where a function has what a service had.
const OF_3: [Attribute; 7] = [
    ("internetAccess", Kind::Flag, None),
    ("logConfig", Kind::Json, None),
    ("role", Kind::Text, NO_CLOUD),
    ("vpcConfig", Kind::Json, NO_NETWORK),
    ("nasConfig", Kind::Json, NO_MOUNT),
    ("ossMountConfig", Kind::Json, NO_MOUNT),
    ("tracingConfig", Kind::Json, NO_TRACING),
];

/// Of a service of Function Compute 2.0.
const OF_SERVICE: [Attribute; 8] = [
    ("description", Kind::Text, None),
    ("internetAccess", Kind::Flag, None),
    ("logConfig", Kind::Json, None),
    ("role", Kind::Text, NO_CLOUD),
    ("vpcConfig", Kind::Json, NO_NETWORK),
    ("nasConfig", Kind::Json, NO_MOUNT),
    ("ossMountConfig", Kind::Json, NO_MOUNT),
    ("tracingConfig", Kind::Json, NO_TRACING),
];

/// Attributes, and where each was written.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) values: Map<String, Json>,
    pub(super) origins: BTreeMap<String, Origin>,
}

/// The attributes of a function of 2.0.
pub(super) fn function_2(fields: &mut Fields<'_>, spelling: Spelling) -> Attributes {
    read(COMMON.iter().chain(&OF_2), fields, spelling)
}

/// The attributes of a function of 3.0.
pub(super) fn function_3(fields: &mut Fields<'_>) -> Attributes {
    read(COMMON.iter().chain(&OF_3), fields, Spelling::Lower)
}

/// The attributes of a service.
pub(super) fn service(fields: &mut Fields<'_>, spelling: Spelling) -> Map<String, Json> {
    read(OF_SERVICE.iter(), fields, spelling).values
}

fn read<'t>(
    attributes: impl Iterator<Item = &'t Attribute>,
    fields: &mut Fields<'_>,
    spelling: Spelling,
) -> Attributes {
    let mut found = Attributes::default();
    for (name, kind, without_effect) in attributes {
        let key = spelling.of(name);
        let Some(entry) = fields.entry(&key) else { continue };
        if let Some(reason) = without_effect {
            // `auto` and `Enable` are words of the tools, which make something of the cloud's and put its name there.
            fields.report.warn(entry.line, format!("`{key}` of {} {reason}", fields.what()));
            if !matches!(entry.node.value, Value::Map(_) | Value::List(_)) {
                continue;
            }
        }
        if let Some(value) = value(*kind, entry, fields, spelling) {
            found.origins.insert((*name).to_owned(), Origin { key, line: entry.line });
            found.values.insert((*name).to_owned(), value);
        }
    }
    found
}

fn value(kind: Kind, entry: &Entry, fields: &Fields<'_>, spelling: Spelling) -> Option<Json> {
    let node = &entry.node;
    let wrong = |expected: &str| {
        fields.wrong(&entry.key, node, expected);
        None
    };
    match kind {
        Kind::Text => node.text().map(Json::String).or_else(|| wrong("a text")),
        Kind::Number => number(node).or_else(|| wrong("a number")),
        Kind::Flag => match node.text().as_deref() {
            Some("true") => Some(json!(true)),
            Some("false") => Some(json!(false)),
            _ => wrong("true or false"),
        },
        Kind::Texts => texts(node, fields),
        Kind::Json if spelling == Spelling::Upper => Some(node.to_json_with(&uncapitalized)),
        Kind::Json => Some(node.to_json()),
    }
}

fn number(node: &Node) -> Option<Json> {
    let number: serde_json::Number = serde_json::from_str(node.text()?.trim()).ok()?;
    Some(Json::Number(number))
}

fn texts(node: &Node, fields: &Fields<'_>) -> Option<Json> {
    if !matches!(node.value, Value::Map(_)) {
        fields.wrong("environment variables", node, "a map");
        return None;
    }
    let pairs = node.entries().iter().filter_map(|Entry { key, node, .. }| {
        let text = if node.is_null() { Some(String::new()) } else { node.text() };
        if text.is_none() {
            fields.wrong(key, node, "a text");
        }
        Some((key.clone(), Json::String(text?)))
    });
    Some(Json::Object(pairs.collect()))
}

/// What the code of a function is: a directory, a zip or a component beside the file.
pub(super) fn code(node: Option<&Node>, fields: &Fields<'_>) -> Option<PathBuf> {
    let node = node?;
    let source = match &node.value {
        Value::Map(_) => node.get("src").or(node.get("Src")),
        _ => Some(node),
    };
    match source.and_then(Node::text) {
        Some(uri) if uri.starts_with("oss://") => {
            fields
                .report
                .warn(node.line, format!("the code of {} is in a bucket, where wisp does not reach", fields.what()));
            None
        }
        Some(path) => Some(fields.report.directory().join(path)),
        None => {
            let message = format!("the code of {} is nowhere on this machine; give a directory", fields.what());
            fields.report.warn(node.line, message);
            None
        }
    }
}

/// `asyncConfiguration` of the tools → the body of `PutFunctionAsyncInvokeConfig`.
pub(super) fn async_config(fields: &mut Fields<'_>, spelling: Spelling) -> Option<Map<String, Json>> {
    let mut fields = fields.map(&spelling.of("asyncConfiguration"))?;
    let mut body = Map::new();
    if let Some(mut destination) = fields.map(&spelling.of("destination")) {
        let mut config = Map::new();
        for name in ["onSuccess", "onFailure"] {
            let arn = destination.text(&spelling.of(name));
            put(&mut config, name, arn.map(|arn| json!({ "destination": arn })));
        }
        destination.finish();
        body.insert("destinationConfig".to_owned(), Json::Object(config));
    }
    for name in ["maxAsyncEventAgeInSeconds", "maxAsyncRetryAttempts"] {
        put(&mut body, name, fields.get(&spelling.of(name)).and_then(number));
    }
    put(&mut body, "statefulInvocation", fields.get(&spelling.of("statefulInvocation")).map(Node::to_json));
    fields.finish();
    Some(body)
}
