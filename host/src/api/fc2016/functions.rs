//! Functions of a service, and what belongs to one.

use serde_json::{Value, json};

use super::{Qualified, check_name, settings, triggers, unsupported};
use crate::{
    api::{
        call::{Answer, Call, with_defaults},
        download, fields, functions, instances,
    },
    control::{FunctionRecord, Stored},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// The longest name.
const NAME: usize = 64;

pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    wanted: &Qualified<'_>,
    rest: &[&str],
) -> Result<Answer, PlatformError> {
    match (call.method.as_str(), rest) {
        ("POST", []) => create(host, call, wanted).await,
        ("GET", []) => list(host, call, wanted).await,
        ("GET", [function]) => get(host, wanted, function).await,
        ("PUT", [function]) => update(host, call, wanted, function).await,
        ("DELETE", [function]) => {
            host.delete_function(&wanted.id, function, call.if_match()).await?;
            Ok(Answer::nothing())
        }
        ("GET", [function, "code"]) => code(host, call, wanted, function).await,
        ("GET", [function, "instances"]) => {
            host.scope(&wanted.id)?.function_in(function, wanted.qualifier)?;
            Ok(instances::list(host, call, &wanted.id, function, wanted.qualifier))
        }
        (_, [function, "triggers", rest @ ..]) => triggers::route(host, call, &wanted.id, function, rest).await,
        (_, [function, rest @ ..]) => settings::route(host, call, wanted, function, rest).await,
        _ => unsupported(call),
    }
}

async fn create(host: &FunctionHost, call: &Call, wanted: &Qualified<'_>) -> Result<Answer, PlatformError> {
    let (name, draft) = functions::draft(host, call, fields::FUNCTION_2016, true).await?;
    check_name("FunctionName", &name, NAME)?;
    let stored = host.create_function(&wanted.id, &name, draft).await?;
    Ok(Answer::of(&stored, show(&name, &stored.value)))
}

async fn list(host: &FunctionHost, call: &Call, wanted: &Qualified<'_>) -> Result<Answer, PlatformError> {
    let state = host.scope(&wanted.id)?;
    let functions: Vec<(String, FunctionRecord)> = match state.version_of(wanted.qualifier)? {
        None => state.functions.iter().map(|(name, function)| (name.clone(), function.value.clone())).collect(),
        Some(version) => version.value.functions.clone().into_iter().collect(),
    };
    Ok(call.page(functions)?.answer("functions", show))
}

async fn get(host: &FunctionHost, wanted: &Qualified<'_>, name: &str) -> Result<Answer, PlatformError> {
    let state = host.scope(&wanted.id)?;
    let (revision, function) = state.function_in(name, wanted.qualifier)?;
    Ok(Answer::of(&Stored { revision, value: () }, show(name, function)))
}

async fn update(host: &FunctionHost, call: &Call, wanted: &Qualified<'_>, name: &str) -> Result<Answer, PlatformError> {
    let (_, draft) = functions::draft(host, call, fields::FUNCTION_2016, false).await?;
    let stored = host.update_function(&wanted.id, name, draft, call.if_match()).await?;
    Ok(Answer::of(&stored, show(name, &stored.value)))
}

async fn code(host: &FunctionHost, call: &Call, wanted: &Qualified<'_>, name: &str) -> Result<Answer, PlatformError> {
    let state = host.scope(&wanted.id)?;
    let (_, function) = state.function_in(name, wanted.qualifier)?;
    let (url, checksum) = download::link(host, call, name, function)?;
    Ok(Answer::ok(json!({ "url": url, "checksum": checksum })))
}

pub(super) fn show(name: &str, function: &FunctionRecord) -> Value {
    let defaults = json!({
        "description": "",
        "initializer": "",
        "initializationTimeout": 3,
        "timeout": 3,
        "memorySize": 128,
        "environmentVariables": {},
        "instanceConcurrency": 1,
        "instanceType": "e1",
        "layers": [],
    });
    let mut shown = with_defaults(defaults, &function.attributes);
    shown.insert("functionName".into(), name.into());
    shown.insert("functionId".into(), function.id.as_str().into());
    shown.insert("codeChecksum".into(), function.code.as_ref().map_or("", |code| code.checksum.as_str()).into());
    shown.insert("codeSize".into(), function.code.as_ref().map_or(0, |code| code.size).into());
    shown.insert("createdTime".into(), function.created.as_str().into());
    shown.insert("lastModifiedTime".into(), function.modified.as_str().into());
    Value::Object(shown)
}
