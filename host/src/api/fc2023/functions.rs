//! Functions.

use serde_json::{Value, json};

use super::{Located, function_arn, name_of, tags};
use crate::{
    api::{
        call::{Answer, Call, with_defaults},
        download, fields, functions, instances,
        schema::{self, Field, Shape, field},
    },
    catalog::{LATEST, ScopeId},
    control::{Attributes, Draft, FunctionRecord, Stored, text},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// The longest name.
const NAME: usize = 64;

const RESTRICTION: &[Field] =
    &[field("reason", Shape::Text(fields::DESCRIPTION)), field("abortOngoingRequest", Shape::Boolean)];

pub(super) async fn create(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let (name, draft) = functions::draft(host, call, fields::FUNCTION_2023, true).await?;
    schema::name("FunctionName", &name, NAME)?;
    let id = ScopeId::Function(name.clone());
    let stored = host.create_function(&id, &name, draft).await?;
    Ok(Answer::of(&stored, show(host, &name, &id, &name, &stored.value)))
}

pub(super) async fn list(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let generation = call.parameter("fcVersion").unwrap_or_default();
    let runtime = call.parameter("runtime");
    let wanted_tags = tags::wanted(call, "tags")?;
    let all_tags = if wanted_tags.is_empty() { None } else { Some(host.all_tags().await?) };
    let mut functions = Vec::new();
    for (id, name, record) in host.all_functions() {
        let full = name_of(&id, &name);
        let is_wanted = match generation {
            "v2" => matches!(id, ScopeId::Service(_)),
            "v3" => matches!(id, ScopeId::Function(_)),
            _ => true,
        };
        let fits = runtime.is_none_or(|runtime| text(&record.attributes, "runtime") == runtime)
            && call.parameter("functionName").is_none_or(|part| full.contains(part))
            && call.parameter("description").is_none_or(|part| text(&record.attributes, "description").contains(part));
        let is_tagged =
            all_tags.as_ref().is_none_or(|all| tags::has(all.get(&format!("functions/{full}")), &wanted_tags));
        if is_wanted && fits && is_tagged {
            functions.push((full, (id, name, record)));
        }
    }
    functions.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(call.page(functions)?.answer("functions", |full, (id, name, record)| show(host, full, id, name, record)))
}

pub(super) async fn get(host: &FunctionHost, call: &Call, wanted: &Located<'_>) -> Result<Answer, PlatformError> {
    let state = host.scope(&wanted.id)?;
    let (revision, record) = state.function_in(wanted.function, qualifier(call))?;
    let shown = show(host, wanted.name, &wanted.id, wanted.function, record);
    Ok(Answer::of(&Stored { revision, value: () }, shown))
}

pub(super) fn qualifier(call: &Call) -> &str {
    call.parameter("qualifier").unwrap_or_default()
}

pub(super) async fn update(host: &FunctionHost, call: &Call, wanted: &Located<'_>) -> Result<Answer, PlatformError> {
    let (_, draft) = functions::draft(host, call, fields::FUNCTION_2023, false).await?;
    let stored = host.update_function(&wanted.id, wanted.function, draft, call.if_match()).await?;
    Ok(Answer::of(&stored, show(host, wanted.name, &wanted.id, wanted.function, &stored.value)))
}

pub(super) async fn delete(host: &FunctionHost, call: &Call, wanted: &Located<'_>) -> Result<Answer, PlatformError> {
    host.delete_function(&wanted.id, wanted.function, call.if_match()).await?;
    Ok(Answer::nothing())
}

pub(super) async fn code(host: &FunctionHost, call: &Call, wanted: &Located<'_>) -> Result<Answer, PlatformError> {
    let state = host.scope(&wanted.id)?;
    let (_, record) = state.function_in(wanted.function, qualifier(call))?;
    let (url, checksum) = download::link(host, call, wanted.name, record)?;
    Ok(Answer::ok(json!({ "url": url, "checksum": checksum })))
}

pub(super) async fn instances(host: &FunctionHost, call: &Call, wanted: &Located<'_>) -> Result<Answer, PlatformError> {
    host.scope(&wanted.id)?.function_in(wanted.function, qualifier(call))?;
    Ok(instances::list(host, call, &wanted.id, wanted.function, qualifier(call)))
}

/// Switches invocations off or on again.
pub(super) async fn restrict(
    host: &FunctionHost,
    call: &Call,
    wanted: &Located<'_>,
    disable: bool,
) -> Result<Answer, PlatformError> {
    let body = call.attributes(RESTRICTION)?;
    let mut attributes = Attributes::new();
    attributes.insert("disableInvocation".into(), disable.into());
    attributes.insert("disableReason".into(), text(&body, "reason").into());
    let draft = Draft { attributes, package: None };
    host.update_function(&wanted.id, wanted.function, draft, None).await?;
    Ok(Answer::ok(json!({ "success": true })))
}

fn show(host: &FunctionHost, full: &str, id: &ScopeId, name: &str, record: &FunctionRecord) -> Value {
    let defaults = json!({
        "description": "",
        "timeout": 3,
        "memorySize": 128,
        "diskSize": 512,
        "environmentVariables": {},
        "instanceConcurrency": 1,
        "internetAccess": true,
        "lastUpdateStatus": "Successful",
    });
    let mut shown = with_defaults(defaults, &record.attributes);
    let disabled = shown.remove("disableInvocation").and_then(|value| value.as_bool()) == Some(true);
    let reason = shown.remove("disableReason").unwrap_or_default();
    if disabled {
        shown.insert("invocationRestriction".into(), json!({ "disable": true, "reason": reason }));
    }
    if let Some(Value::Array(layers)) = shown.get_mut("layers") {
        layers.iter_mut().for_each(|layer| *layer = json!({ "arn": layer, "size": 0 }));
    }
    let (state, reason) = state(host, id, name);
    let mut insert = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    insert("state", state.into());
    if let Some(reason) = reason {
        insert("stateReason", reason.into());
        insert("stateReasonCode", "InternalServerError".into());
    }
    insert("functionName", full.into());
    insert("functionId", record.id.as_str().into());
    insert("functionArn", function_arn(host, full, "").into());
    insert("codeChecksum", record.code.as_ref().map_or("", |code| code.checksum.as_str()).into());
    insert("codeSize", record.code.as_ref().map_or(0, |code| code.size).into());
    insert("createdTime", record.created.as_str().into());
    insert("lastModifiedTime", record.modified.as_str().into());
    Value::Object(shown)
}

/// Whether the head of a function is served, or why not.
fn state(host: &FunctionHost, id: &ScopeId, name: &str) -> (&'static str, Option<String>) {
    let catalog = host.catalog();
    let routes = catalog.scope(id).and_then(|scope| scope.functions.get(name));
    match routes.and_then(|routes| routes.choice(LATEST)).map(|choice| &choice.main) {
        Some(Err(reason)) => ("Failed", Some(reason.to_string())),
        _ => ("Active", None),
    }
}
