//! Triggers of a function: their configuration is a text here.

use serde_json::{Value, json};

use super::{Located, function_arn, known, name_of};
use crate::{
    api::{
        call::{Answer, Call, with_defaults},
        triggers,
    },
    catalog::ScopeId,
    control::Document,
    host::FunctionHost,
    platform_error::PlatformError,
};

pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    wanted: &Located<'_>,
    rest: &[&str],
) -> Result<Answer, PlatformError> {
    known(call, triggers::route(host, call, &wanted.id, wanted.function, rest, show).await?)
}

fn show(host: &FunctionHost, id: &ScopeId, function: &str, name: &str, trigger: &Document) -> Value {
    let full = name_of(id, function);
    let defaults = json!({
        "description": "",
        "qualifier": "LATEST",
        "invocationRole": "",
        "status": "",
        "targetArn": function_arn(host, &full, ""),
    });
    let mut shown = with_defaults(defaults, &trigger.attributes);
    if trigger.text("triggerType") == "http" {
        let url = triggers::url(host, id, function, trigger);
        shown.insert("httpTrigger".into(), json!({ "urlInternet": url, "urlIntranet": url }));
    }
    let config = trigger.attributes.get("triggerConfig").map(Value::to_string).unwrap_or_default();
    shown.insert("triggerConfig".into(), config.into());
    shown.insert("triggerName".into(), name.into());
    shown.insert("triggerId".into(), trigger.id.as_str().into());
    shown.insert("createdTime".into(), trigger.created.as_str().into());
    shown.insert("lastModifiedTime".into(), trigger.modified.as_str().into());
    Value::Object(shown)
}
