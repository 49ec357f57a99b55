//! Versions, which both APIs have in the same form. Lists begin with the newest, unless the caller wants it the other way
//! round.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call},
    fields::DESCRIPTION,
    schema::{Field, Shape, field, invalid},
};
use crate::{
    catalog::ScopeId,
    control::{VersionRecord, text},
    host::FunctionHost,
    platform_error::PlatformError,
};

const FIELDS: &[Field] = &[field("description", Shape::Text(DESCRIPTION))];

/// `None` if there is no such operation.
pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    id: &ScopeId,
    rest: &[&str],
) -> Result<Option<Answer>, PlatformError> {
    let answer = match (call.method.as_str(), rest) {
        ("POST", []) => {
            let attributes = call.attributes(FIELDS)?;
            let version = host.publish_version(id, text(&attributes, "description"), call.if_match()).await?;
            Answer::of(&version, show(&version.value))
        }
        ("GET", []) => list(host, call, id).await?,
        ("DELETE", [version]) => {
            host.delete_version(id, version).await?;
            Answer::nothing()
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn show(version: &VersionRecord) -> Value {
    json!({
        "versionId": version.number.to_string(),
        "description": version.description,
        "createdTime": version.created,
        "lastModifiedTime": version.created,
    })
}

/// Names that are ordered as the caller wants the versions: numbers for `FORWARD`, what is left of them for `BACKWARD`.
fn ordinal(number: u32, forward: bool) -> String {
    format!("{:010}", if forward { number } else { u32::MAX - number })
}

async fn list(host: &FunctionHost, call: &Call, id: &ScopeId) -> Result<Answer, PlatformError> {
    let direction = call.parameter("direction").unwrap_or("BACKWARD");
    let forward = match direction {
        "FORWARD" => true,
        "BACKWARD" => false,
        other => return Err(invalid("Direction", "FORWARD | BACKWARD", &other.into())),
    };
    let state = host.scope(id)?;
    let mut versions: Vec<_> = state
        .versions
        .values()
        .map(|version| (ordinal(version.value.number, forward), version.value.clone()))
        .collect();
    versions.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut call = call.clone();
    if let Some((_, start)) = call.query.iter_mut().find(|(name, _)| name == "startKey")
        && let Ok(number) = start.parse()
    {
        *start = ordinal(number, forward);
    }
    let mut answer = call.page(versions)?.answer("versions", |_, version| show(version));
    if let Some(Value::Object(body)) = &mut answer.body {
        body.insert("direction".into(), direction.into());
    }
    Ok(answer)
}
