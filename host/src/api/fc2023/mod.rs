//! The management API 2023-03-30, as npm `@alicloud/fc20230330` and PyPI `alibabacloud-fc20230330` call it.
//!
//! A function of this API is a scope of its own, with versions and aliases. Functions of services are seen as
//! `<service>$<function>`, as in Function Compute; those that `wisp.toml` declares without a service by their plain name.

use super::{
    aliases,
    call::{Answer, Call},
    domains, versions,
};
use crate::{
    catalog::{DEFAULT_SERVICE, ScopeId},
    host::FunctionHost,
    platform_error::PlatformError,
};

mod account;
mod functions;
mod settings;
mod tags;
mod triggers;

pub(super) const VERSION: &str = "2023-03-30";

/// Answers one call.
pub(super) async fn handle(host: &FunctionHost, call: Call) -> Result<Answer, PlatformError> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let method = call.method.as_str();
    match (method, path.as_slice()) {
        ("POST", ["functions"]) => functions::create(host, &call).await,
        ("GET", ["functions"]) => functions::list(host, &call).await,
        (_, ["functions", name, rest @ ..]) => of_function(host, &call, &Located::of(host, name), rest).await,
        (_, ["custom-domains", rest @ ..]) => known(&call, domains::route(host, &call, VERSION, rest).await?),
        (_, ["tags-v2"]) => tags::route(host, &call).await,
        ("GET", ["async-invoke-configs" | "concurrency-configs" | "provision-configs" | "scaling-configs"]) => {
            settings::list(host, &call).await
        }
        _ => account::route(host, &call, &path),
    }
}

async fn of_function(
    host: &FunctionHost,
    call: &Call,
    wanted: &Located<'_>,
    rest: &[&str],
) -> Result<Answer, PlatformError> {
    match (call.method.as_str(), rest) {
        ("GET", []) => functions::get(host, call, wanted).await,
        ("PUT", []) => functions::update(host, call, wanted).await,
        ("DELETE", []) => functions::delete(host, call, wanted).await,
        ("GET", ["code"]) => functions::code(host, call, wanted).await,
        ("GET", ["instances"]) => functions::instances(host, call, wanted).await,
        ("POST", ["invoke", "disable"]) => functions::restrict(host, call, wanted, true).await,
        ("POST", ["invoke", "enable"]) => functions::restrict(host, call, wanted, false).await,
        (_, ["triggers", rest @ ..]) => triggers::route(host, call, wanted, rest).await,
        (_, ["versions", rest @ ..]) => known(call, versions::route(host, call, &wanted.id, rest).await?),
        (_, ["aliases", rest @ ..]) => known(call, aliases::route(host, call, &wanted.id, rest).await?),
        _ => settings::route(host, call, wanted, rest).await,
    }
}

/// The answer, if there is such an operation.
fn known(call: &Call, answer: Option<Answer>) -> Result<Answer, PlatformError> {
    answer.map_or_else(|| unsupported(call), Ok)
}

/// What no operation has.
fn unsupported<T>(call: &Call) -> Result<T, PlatformError> {
    let path = format!("/{VERSION}/{}", call.path.join("/"));
    Err(PlatformError::path_not_supported(&call.method, &path))
}

/// A function as this API names it, and where it is.
struct Located<'a> {
    /// As the caller wrote it.
    name: &'a str,
    id: ScopeId,
    /// The name in its scope.
    function: &'a str,
}

impl<'a> Located<'a> {
    fn of(host: &FunctionHost, name: &'a str) -> Self {
        if let Some((service, function)) = name.split_once('$') {
            return Self { name, id: ScopeId::Service(service.to_owned()), function };
        }
        let (alone, default) = (ScopeId::Function(name.to_owned()), ScopeId::Service(DEFAULT_SERVICE.to_owned()));
        let catalog = host.catalog();
        let has = |id: &ScopeId| catalog.scope(id).is_some_and(|scope| scope.functions.contains_key(name));
        let id = if !has(&alone) && has(&default) { default } else { alone };
        Self { name, id, function: name }
    }
}

/// The name of a resource as other services see it.
fn arn(host: &FunctionHost, resource: &str) -> String {
    let server = host.server();
    format!("acs:fc:{}:{}:{resource}", server.region, server.account_id)
}

/// The name of a function under a qualifier.
fn function_arn(host: &FunctionHost, name: &str, qualifier: &str) -> String {
    match qualifier {
        "" => arn(host, &format!("functions/{name}")),
        qualifier => arn(host, &format!("functions/{name}/{qualifier}")),
    }
}

/// The name that this API has for a function of a scope.
fn name_of(id: &ScopeId, function: &str) -> String {
    match id {
        ScopeId::Function(_) => function.to_owned(),
        ScopeId::Service(service) if service == DEFAULT_SERVICE => function.to_owned(),
        ScopeId::Service(service) => format!("{service}${function}"),
    }
}
