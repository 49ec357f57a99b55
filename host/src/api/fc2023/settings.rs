//! What belongs to a function: provision, scaling, concurrency, asynchronous invocations, VPC bindings, sessions.

use serde_json::{Map, Value, json};

use super::{Located, function_arn, functions::qualifier, name_of, unsupported};
use crate::{
    api::{
        call::{Answer, Call, with_defaults},
        schema::{self, Field, Shape, field},
        settings,
        stateful::{self, Function},
    },
    catalog::LATEST,
    control::{Attributes, Document, Setting, SettingName, Stored, current_instances},
    host::FunctionHost,
    platform_error::PlatformError,
    store::Kind,
};

const CONCURRENCY: &[Field] = &[field("reservedConcurrency", Shape::Integer(0, 1_000_000))];

const VPC: &[Field] = &[field("vpcId", Shape::Text(128))];

/// The settings there are, by the path of one and of all, the kind, and the code of one that is not there.
const RESOURCES: [(&str, &str, Kind, &str); 4] = [
    ("async-invoke-config", "async-invoke-configs", Kind::AsyncConfig, "AsyncConfigNotExists"),
    ("concurrency", "concurrency-configs", Kind::Concurrency, "ConcurrencyConfigNotFound"),
    ("provision-config", "provision-configs", Kind::Provision, "ProvisionConfigNotFound"),
    ("scaling-config", "scaling-configs", Kind::Scaling, "ScalingConfigNotFound"),
];

pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    wanted: &Located<'_>,
    rest: &[&str],
) -> Result<Answer, PlatformError> {
    if let [path] = rest
        && let Some((_, _, kind, missing)) = RESOURCES.iter().find(|(one, ..)| one == path)
    {
        return one(host, call, wanted, *kind, missing).await;
    }
    match rest {
        ["vpc-bindings", rest @ ..] => vpc(host, call, wanted, rest).await,
        ["async-tasks", rest @ ..] => tasks(host, call, wanted, rest).await,
        ["sessions", ..] => Err(PlatformError::invalid_argument(
            "wisp has no sessions: instances are chosen for each request, and none is kept for one caller",
        )),
        ["snapshots", ..] => Err(PlatformError::invalid_argument(
            "wisp has no snapshots by this API: a snapshot is a part of a function's build",
        )),
        _ => unsupported(call),
    }
}

async fn one(
    host: &FunctionHost,
    call: &Call,
    wanted: &Located<'_>,
    kind: Kind,
    missing: &'static str,
) -> Result<Answer, PlatformError> {
    // The concurrency is reserved for a function, not for a qualifier.
    let qualifier = if kind == Kind::Concurrency { "" } else { qualifier(call) };
    let name = SettingName { kind, function: wanted.function, qualifier };
    let whole = |document: Stored<Document>| Setting {
        id: wanted.id.clone(),
        function: wanted.function.to_owned(),
        qualifier: if qualifier.is_empty() { LATEST } else { qualifier }.to_owned(),
        document,
    };
    let not_found = || {
        let message = format!("the {} of function '{}' does not exist", kind.as_str(), wanted.name);
        PlatformError::not_found(missing, message)
    };
    match call.method.as_str() {
        "GET" => {
            let state = host.scope(&wanted.id)?;
            state.function_in(wanted.function, qualifier)?;
            let document = match (state.setting(kind, wanted.function, qualifier), kind) {
                (Some(document), _) => document.clone(),
                // None was put: nothing is kept, nothing reserved.
                (None, Kind::Provision | Kind::Scaling) => {
                    Stored { revision: 0, value: Document::new(Attributes::new()) }
                }
                (None, _) => return Err(not_found()),
            };
            Ok(Answer::ok(show(host, kind, &whole(document))))
        }
        "PUT" => {
            let document = host.put_setting(&wanted.id, name, read(call, kind)?).await?;
            Ok(Answer::ok(show(host, kind, &whole(document))))
        }
        "DELETE" => match host.delete_setting(&wanted.id, name).await? || kind == Kind::Provision {
            true => Ok(Answer::nothing()),
            false => Err(not_found()),
        },
        _ => unsupported(call),
    }
}

fn read(call: &Call, kind: Kind) -> Result<Attributes, PlatformError> {
    match kind {
        Kind::AsyncConfig => settings::asynchronous(call, settings::ASYNC_2023),
        Kind::Provision => settings::provision(call),
        Kind::Scaling => settings::scaling(call),
        _ => {
            let attributes = call.attributes(CONCURRENCY)?;
            match attributes.contains_key("reservedConcurrency") {
                true => Ok(attributes),
                false => Err(PlatformError::invalid_argument("ReservedConcurrency is required")),
            }
        }
    }
}

fn show(host: &FunctionHost, kind: Kind, setting: &Setting) -> Value {
    let document = &setting.document.value;
    let full = name_of(&setting.id, &setting.function);
    let arn = function_arn(host, &full, if kind == Kind::Concurrency { "" } else { &setting.qualifier });
    let defaults = match kind {
        Kind::AsyncConfig => json!({
            "destinationConfig": {},
            "maxAsyncRetryAttempts": 3,
            "maxAsyncEventAgeInSeconds": 86400,
            "asyncTask": false,
            "createdTime": document.created,
            "lastModifiedTime": document.modified,
        }),
        Kind::Provision => json!({
            "target": 0,
            "defaultTarget": document.attributes.get("target"),
            "scheduledActions": [],
            "targetTrackingPolicies": [],
            "alwaysAllocateCPU": false,
            "current": current_instances(host, setting),
            "currentError": "",
        }),
        Kind::Scaling => json!({
            "minInstances": 0,
            "horizontalScalingPolicies": [],
            "scheduledPolicies": [],
            "enableOnDemandScaling": true,
            "targetInstances": document.attributes.get("minInstances").cloned().unwrap_or_else(|| 0.into()),
            "currentInstances": current_instances(host, setting),
            "currentError": "",
        }),
        _ => Value::Object(Map::new()),
    };
    let mut shown = with_defaults(defaults, &document.attributes);
    shown.insert("functionArn".into(), arn.into());
    Value::Object(shown)
}

/// The settings of a kind of all functions, or of one.
pub(super) async fn list(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let path = call.path.first().map(String::as_str);
    let Some((_, _, kind, _)) = RESOURCES.iter().find(|(_, all, ..)| Some(*all) == path) else {
        return unsupported(call);
    };
    let wanted = call.parameter("functionName");
    let settings = host.settings(*kind).into_iter().filter_map(|setting| {
        let full = name_of(&setting.id, &setting.function);
        let is_wanted = wanted.is_none_or(|wanted| wanted == full);
        is_wanted.then(|| (format!("{full}/{}", setting.qualifier), setting))
    });
    let mut settings: Vec<_> = settings.collect();
    settings.sort_by(|(a, _), (b, _)| a.cmp(b));
    let name = match kind {
        Kind::Provision => "provisionConfigs",
        Kind::Scaling => "scalingConfigs",
        _ => "configs",
    };
    Ok(call.page(settings)?.answer(name, |_, setting| show(host, *kind, setting)))
}

/// A binding is kept and read back; there is no network for it to open.
async fn vpc(host: &FunctionHost, call: &Call, wanted: &Located<'_>, rest: &[&str]) -> Result<Answer, PlatformError> {
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let state = host.scope(&wanted.id)?;
            state.function(wanted.function)?;
            let bound = state
                .settings
                .keys()
                .filter(|(kind, (function, _))| *kind == Kind::VpcBinding && function == wanted.function);
            let ids: Vec<_> = bound.map(|(_, (_, vpc))| vpc.as_str()).collect();
            Ok(Answer::ok(json!({ "vpcIds": ids })))
        }
        ("POST", []) => {
            let body = call.attributes(VPC)?;
            let vpc = schema::required(&body, "vpcId")?;
            schema::name("VpcId", vpc, 128)?;
            let name = SettingName { kind: Kind::VpcBinding, function: wanted.function, qualifier: vpc };
            host.put_setting(&wanted.id, name, Attributes::new()).await?;
            Ok(Answer::nothing())
        }
        ("DELETE", [vpc]) => {
            let name = SettingName { kind: Kind::VpcBinding, function: wanted.function, qualifier: vpc };
            match host.delete_setting(&wanted.id, name).await? {
                true => Ok(Answer::nothing()),
                false => Err(PlatformError::not_found(
                    "VpcBindingNotFound",
                    format!("function '{}' is not bound to '{vpc}'", wanted.name),
                )),
            }
        }
        _ => unsupported(call),
    }
}

async fn tasks(host: &FunctionHost, call: &Call, wanted: &Located<'_>, rest: &[&str]) -> Result<Answer, PlatformError> {
    host.scope(&wanted.id)?.function_in(wanted.function, qualifier(call))?;
    let function = Function {
        service: wanted.id.service(),
        name: wanted.function,
        qualifier: call.parameter("qualifier").unwrap_or_default(),
    };
    stateful::tasks(host, call, function, rest).await?.map_or_else(|| unsupported(call), Ok)
}
