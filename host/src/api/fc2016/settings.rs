//! What belongs to a function under a qualifier: provision, on-demand and asynchronous settings.

use serde_json::{Value, json};

use super::{Qualified, unsupported};
use crate::{
    api::{
        call::{Answer, Call, with_defaults},
        settings::{self, ASYNC_2016, ON_DEMAND},
        stateful::{self, Function},
    },
    catalog::LATEST,
    control::{Attributes, Document, Setting, SettingName, Stored, current_instances},
    host::FunctionHost,
    platform_error::PlatformError,
    store::Kind,
};

pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    wanted: &Qualified<'_>,
    function: &str,
    rest: &[&str],
) -> Result<Answer, PlatformError> {
    let name = |kind| SettingName { kind, function, qualifier: wanted.qualifier };
    match (call.method.as_str(), rest) {
        (_, ["provision-config"]) => provision(host, call, wanted, name(Kind::Provision)).await,
        (_, ["on-demand-config"]) => on_demand(host, call, wanted, name(Kind::OnDemand)).await,
        (_, ["async-invoke-config"]) => asynchronous(host, call, wanted, name(Kind::AsyncConfig)).await,
        ("GET", ["async-invoke-configs"]) => {
            let state = host.scope(&wanted.id)?;
            state.function_in(function, wanted.qualifier)?;
            let all = host.settings(Kind::AsyncConfig);
            let own = all.into_iter().filter(|it| it.id == wanted.id && it.function == function);
            let named = own.map(|setting| (setting.qualifier.clone(), setting));
            Ok(call.page(named)?.answer("configs", |_, setting| show_async(setting)))
        }
        (_, ["stateful-async-invocations", rest @ ..]) => {
            host.scope(&wanted.id)?.function_in(function, wanted.qualifier)?;
            let function = Function { service: wanted.id.service(), name: function, qualifier: wanted.qualifier };
            stateful::invocations(host, call, function, rest).await?.map_or_else(|| unsupported(call), Ok)
        }
        _ => unsupported(call),
    }
}

async fn provision(
    host: &FunctionHost,
    call: &Call,
    wanted: &Qualified<'_>,
    name: SettingName<'_>,
) -> Result<Answer, PlatformError> {
    let qualified = |document: Stored<Document>| setting(wanted, name, document);
    match call.method.as_str() {
        "GET" => {
            let state = host.scope(&wanted.id)?;
            state.function_in(name.function, name.qualifier)?;
            let document = match state.setting(name.kind, name.function, name.qualifier) {
                Some(document) => document.clone(),
                // None was put: nothing is kept.
                None => Stored { revision: 0, value: Document::new(Attributes::new()) },
            };
            Ok(Answer::ok(show_provision(host, &qualified(document))))
        }
        "PUT" => {
            let attributes = settings::provision(call)?;
            let document = host.put_setting(&wanted.id, name, attributes).await?;
            Ok(Answer::of(&document.clone(), show_provision(host, &qualified(document))))
        }
        "DELETE" => {
            host.delete_setting(&wanted.id, name).await?;
            Ok(Answer::nothing())
        }
        _ => unsupported(call),
    }
}

fn setting(wanted: &Qualified<'_>, name: SettingName<'_>, document: Stored<Document>) -> Setting {
    let qualifier = if name.qualifier.is_empty() { LATEST } else { name.qualifier };
    Setting { id: wanted.id.clone(), function: name.function.to_owned(), qualifier: qualifier.to_owned(), document }
}

pub(super) async fn list_provision(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let settings = listed(host, call, Kind::Provision).await?;
    Ok(call.page(settings)?.answer("provisionConfigs", |_, setting| show_provision(host, setting)))
}

pub(super) async fn list_on_demand(host: &FunctionHost, call: &Call) -> Result<Answer, PlatformError> {
    let settings = listed(host, call, Kind::OnDemand).await?;
    Ok(call.page(settings)?.answer("configs", |_, setting| show_on_demand(host, setting)))
}

/// The settings of services by resource, those of one service or qualifier if the caller says so.
async fn listed(host: &FunctionHost, call: &Call, kind: Kind) -> Result<Vec<(String, Setting)>, PlatformError> {
    let (service, qualifier) = (call.parameter("serviceName"), call.parameter("qualifier"));
    if qualifier.is_some() && service.is_none() {
        return Err(PlatformError::invalid_argument("ServiceName is required when Qualifier is given"));
    }
    let all = host.settings(kind);
    let wanted = all.into_iter().filter(|setting| {
        !setting.id.service().is_empty()
            && service.is_none_or(|service| setting.id.service() == service)
            && qualifier.is_none_or(|qualifier| setting.qualifier == qualifier)
    });
    Ok(wanted.map(|setting| (resource(host, &setting), setting)).collect())
}

/// `<account>#<service>#<qualifier>#<function>`
fn resource(host: &FunctionHost, setting: &Setting) -> String {
    let account = &host.server().account_id;
    format!("{account}#{}#{}#{}", setting.id.service(), setting.qualifier, setting.function)
}

fn show_provision(host: &FunctionHost, setting: &Setting) -> Value {
    let defaults = json!({
        "target": 0,
        "scheduledActions": null,
        "targetTrackingPolicies": null,
        "alwaysAllocateCPU": false,
        "currentError": "",
    });
    let mut shown = with_defaults(defaults, &setting.document.value.attributes);
    shown.insert("resource".into(), resource(host, setting).into());
    shown.insert("current".into(), current_instances(host, setting).into());
    Value::Object(shown)
}

async fn on_demand(
    host: &FunctionHost,
    call: &Call,
    wanted: &Qualified<'_>,
    name: SettingName<'_>,
) -> Result<Answer, PlatformError> {
    let not_found = || {
        PlatformError::not_found(
            "OnDemandConfigNotFound",
            format!(
                "on-demand config of function '{}' under qualifier '{}' does not exist",
                name.function, name.qualifier
            ),
        )
    };
    match call.method.as_str() {
        "GET" => {
            let state = host.scope(&wanted.id)?;
            state.function_in(name.function, name.qualifier)?;
            let found = state.setting(name.kind, name.function, name.qualifier).cloned().ok_or_else(not_found)?;
            Ok(Answer::of(&found.clone(), show_on_demand(host, &setting(wanted, name, found))))
        }
        "PUT" => {
            let attributes = call.attributes(ON_DEMAND)?;
            if !attributes.contains_key("maximumInstanceCount") {
                return Err(PlatformError::invalid_argument("MaximumInstanceCount is required"));
            }
            let document = host.put_setting(&wanted.id, name, attributes).await?;
            Ok(Answer::of(&document.clone(), show_on_demand(host, &setting(wanted, name, document))))
        }
        "DELETE" => match host.delete_setting(&wanted.id, name).await? {
            true => Ok(Answer::nothing()),
            false => Err(not_found()),
        },
        _ => unsupported(call),
    }
}

fn show_on_demand(host: &FunctionHost, setting: &Setting) -> Value {
    let mut shown = setting.document.value.attributes.clone();
    shown.insert("resource".into(), resource(host, setting).into());
    Value::Object(shown)
}

async fn asynchronous(
    host: &FunctionHost,
    call: &Call,
    wanted: &Qualified<'_>,
    name: SettingName<'_>,
) -> Result<Answer, PlatformError> {
    let not_found = || {
        PlatformError::not_found(
            "AsyncConfigNotExists",
            format!("async config of function '{}' under qualifier '{}' does not exist", name.function, name.qualifier),
        )
    };
    match call.method.as_str() {
        "GET" => {
            let state = host.scope(&wanted.id)?;
            state.function_in(name.function, name.qualifier)?;
            let found = state.setting(name.kind, name.function, name.qualifier).cloned().ok_or_else(not_found)?;
            Ok(Answer::of(&found.clone(), show_async(&setting(wanted, name, found))))
        }
        "PUT" => {
            let attributes = settings::asynchronous(call, ASYNC_2016)?;
            let document = host.put_setting(&wanted.id, name, attributes).await?;
            Ok(Answer::of(&document.clone(), show_async(&setting(wanted, name, document))))
        }
        "DELETE" => match host.delete_setting(&wanted.id, name).await? {
            true => Ok(Answer::nothing()),
            false => Err(not_found()),
        },
        _ => unsupported(call),
    }
}

fn show_async(setting: &Setting) -> Value {
    let document = &setting.document.value;
    let defaults = json!({
        "destinationConfig": { "onSuccess": null, "onFailure": null },
        "maxAsyncRetryAttempts": 3,
        "maxAsyncEventAgeInSeconds": 86400,
        "statefulInvocation": false,
    });
    let mut shown = with_defaults(defaults, &document.attributes);
    shown.insert("service".into(), setting.id.service().into());
    shown.insert("function".into(), setting.function.as_str().into());
    shown.insert("qualifier".into(), setting.qualifier.as_str().into());
    shown.insert("createdTime".into(), document.created.as_str().into());
    shown.insert("lastModifiedTime".into(), document.modified.as_str().into());
    Value::Object(shown)
}
