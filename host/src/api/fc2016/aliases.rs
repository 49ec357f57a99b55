//! Aliases of a service.

use serde_json::{Value, json};

use super::unsupported;
use crate::{
    api::{
        aliases,
        call::{Answer, Call, with_defaults},
    },
    catalog::ScopeId,
    control::Document,
    host::FunctionHost,
    platform_error::PlatformError,
};

pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    id: &ScopeId,
    rest: &[&str],
) -> Result<Answer, PlatformError> {
    match aliases::route(host, call, id, rest, show).await? {
        Some(answer) => Ok(answer),
        None => unsupported(call),
    }
}

fn show(name: &str, alias: &Document) -> Value {
    let defaults = json!({ "description": "", "additionalVersionWeight": {} });
    let mut shown = with_defaults(defaults, &alias.attributes);
    shown.insert("aliasName".into(), name.into());
    shown.insert("createdTime".into(), alias.created.as_str().into());
    shown.insert("lastModifiedTime".into(), alias.modified.as_str().into());
    Value::Object(shown)
}
