//! Triggers of a function.

use serde_json::{Value, json};

use super::{arn, known};
use crate::{
    api::{
        call::{Answer, Call, with_defaults},
        triggers,
    },
    catalog::{LATEST, ScopeId},
    control::Document,
    host::FunctionHost,
    platform_error::PlatformError,
};

pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    id: &ScopeId,
    function: &str,
    rest: &[&str],
) -> Result<Answer, PlatformError> {
    known(call, triggers::route(host, call, id, function, rest, show).await?)
}

fn show(host: &FunctionHost, id: &ScopeId, function: &str, name: &str, trigger: &Document) -> Value {
    let target = format!("services/{}.{LATEST}/functions/{function}", id.name());
    let defaults = json!({
        "description": "",
        "qualifier": null,
        "sourceArn": null,
        "invocationRole": "",
        "targetARN": arn(host, &target),
        "domainName": "",
    });
    let mut shown = with_defaults(defaults, &trigger.attributes);
    if trigger.text("triggerType") == "http" {
        let url = triggers::url(host, id, function, trigger);
        shown.insert("urlInternet".into(), url.as_str().into());
        shown.insert("urlIntranet".into(), url.into());
    }
    shown.insert("triggerName".into(), name.into());
    shown.insert("triggerId".into(), trigger.id.as_str().into());
    shown.insert("createdTime".into(), trigger.created.as_str().into());
    shown.insert("lastModifiedTime".into(), trigger.modified.as_str().into());
    Value::Object(shown)
}
