//! What is stored of each thing. Attributes are kept as the API has checked them: most of them are the caller's own, to be
//! read back, and only a few mean something to wisp.

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    store::{Record, StoreError},
    telemetry::timestamp,
};

/// Checked attributes by their names in the API.
pub(crate) type Attributes = Map<String, Value>;

/// A record with the number of the commit that wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub(crate) revision: i64,
    pub(crate) value: T,
}

impl<T: DeserializeOwned> Stored<T> {
    pub(crate) fn parse(record: &Record) -> Result<Self, StoreError> {
        let value = serde_json::from_str(&record.document).map_err(|error| {
            StoreError::Failed(format!("{} '{}': {error}", record.key.kind.as_str(), record.key.name))
        })?;
        Ok(Self { revision: record.revision, value })
    }
}

impl<T> Stored<T> {
    /// What an `If-Match` names this state by.
    pub(crate) fn etag(&self) -> String {
        format!("{:016x}", self.revision)
    }
}

/// JSON of a record. What wisp stores has no maps with other keys than texts, so this cannot fail.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A service, or the scope of an FC 3.0 function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceRecord {
    pub(crate) id: String,
    pub(crate) created: String,
    pub(crate) modified: String,
    /// The number of the version published last: numbers are never used again.
    pub(crate) last_version: u32,
    pub(crate) attributes: Attributes,
}

/// The head of a function, or its copy in a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunctionRecord {
    pub(crate) id: String,
    pub(crate) created: String,
    pub(crate) modified: String,
    pub(crate) code: Option<Code>,
    pub(crate) attributes: Attributes,
}

/// A code package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    /// SHA-256 of the package, in hex: where it lies.
    pub(crate) digest: String,
    /// CRC-64 of the package, in decimal.
    pub(crate) checksum: String,
    /// Bytes of the package.
    pub(crate) size: u64,
    /// The component that is served, by its path beside the package.
    pub(crate) component: String,
}

/// A published version: nothing in it ever changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub(crate) number: u32,
    pub(crate) description: String,
    pub(crate) created: String,
    pub(crate) service: Attributes,
    pub(crate) functions: BTreeMap<String, FunctionRecord>,
}

/// Anything else: an alias, a trigger, a domain, a setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) created: String,
    pub(crate) modified: String,
    pub(crate) attributes: Attributes,
}

impl Document {
    pub(crate) fn new(attributes: Attributes) -> Self {
        let now = now();
        Self { id: new_id(), created: now.clone(), modified: now, attributes }
    }

    /// The same thing with other attributes.
    pub(crate) fn with(&self, attributes: Attributes) -> Self {
        Self { modified: now(), attributes, ..self.clone() }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        text(&self.attributes, name)
    }
}

/// A text attribute; empty if it is not there.
pub(crate) fn text<'a>(attributes: &'a Attributes, name: &str) -> &'a str {
    attributes.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number attribute.
pub(crate) fn number(attributes: &Attributes, name: &str) -> Option<u64> {
    attributes.get(name).and_then(Value::as_u64)
}

/// What replaces, over what was: an attribute that the change does not name stays.
pub(crate) fn merged(old: &Attributes, change: Attributes) -> Attributes {
    let mut attributes = old.clone();
    attributes.extend(change);
    attributes
}

/// RFC 3339 in UTC, as the real service writes its times.
pub(crate) fn now() -> String {
    timestamp(SystemTime::now())
}

pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
