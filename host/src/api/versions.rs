//! Lists of versions: the newest first, unless the caller wants it the other way round.

use serde_json::Value;

use super::{
    call::{Answer, Call},
    schema::invalid,
};
use crate::{catalog::ScopeId, control::VersionRecord, host::FunctionHost, platform_error::PlatformError};

/// Names that are ordered as the caller wants the versions: numbers for `FORWARD`, what is left of them for `BACKWARD`.
fn ordinal(number: u32, forward: bool) -> String {
    format!("{:010}", if forward { number } else { u32::MAX - number })
}

pub(super) async fn list(
    host: &FunctionHost,
    call: &Call,
    id: &ScopeId,
    show: fn(&VersionRecord) -> Value,
) -> Result<Answer, PlatformError> {
    let direction = call.parameter("direction").unwrap_or("BACKWARD");
    let forward = match direction {
        "FORWARD" => true,
        "BACKWARD" => false,
        other => return Err(invalid("Direction", "FORWARD | BACKWARD", &other.into())),
    };
    let state = host.scope(id).await?;
    let mut versions: Vec<_> =
        state.versions.values().map(|version| (ordinal(version.value.number, forward), version.value.clone())).collect();
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
