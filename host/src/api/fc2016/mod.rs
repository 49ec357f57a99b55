//! The management API 2016-08-15, as npm `@alicloud/fc2` and PyPI `aliyun-fc2` call it.

use super::{
    aliases,
    call::{Answer, Call},
    domains, schema, versions,
};
use crate::{catalog::ScopeId, host::FunctionHost, platform_error::PlatformError};

pub(super) use self::account::no_layer;

mod account;
mod functions;
mod services;
mod settings;
mod tags;
mod triggers;

pub(super) const VERSION: &str = "2016-08-15";

/// Answers one call.
pub(super) async fn handle(host: &FunctionHost, call: Call) -> Result<Answer, PlatformError> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let method = call.method.as_str();
    match (method, path.as_slice()) {
        ("POST", ["services"]) => services::create(host, &call).await,
        ("GET", ["services"]) => services::list(host, &call).await,
        ("GET", ["services", service]) => services::get(host, &Qualified::parse(service)).await,
        ("PUT", ["services", service]) => services::update(host, &call, service).await,
        ("DELETE", ["services", service]) => services::delete(host, &call, service).await,
        (_, ["services", service, "functions", rest @ ..]) => {
            functions::route(host, &call, &Qualified::parse(service), rest).await
        }
        (_, ["services", service, "versions", rest @ ..]) => {
            known(&call, versions::route(host, &call, &scope(service), rest).await?)
        }
        (_, ["services", service, "aliases", rest @ ..]) => {
            known(&call, aliases::route(host, &call, &scope(service), rest).await?)
        }
        (_, ["custom-domains", rest @ ..]) => known(&call, domains::route(host, &call, VERSION, rest).await?),
        (_, ["tag" | "tags"]) => tags::route(host, &call).await,
        ("GET", ["provision-configs"]) => settings::list_provision(host, &call).await,
        ("GET", ["on-demand-configs"]) => settings::list_on_demand(host, &call).await,
        _ => account::route(host, &call, &path).await,
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

/// `service.qualifier`.
#[derive(Debug)]
struct Qualified<'a> {
    id: ScopeId,
    qualifier: &'a str,
}

impl<'a> Qualified<'a> {
    fn parse(text: &'a str) -> Self {
        let (service, qualifier) = text.split_once('.').unwrap_or((text, ""));
        Self { id: scope(service), qualifier }
    }
}

fn scope(service: &str) -> ScopeId {
    ScopeId::Service(service.to_owned())
}

/// The name of a resource as other services see it.
fn arn(host: &FunctionHost, resource: &str) -> String {
    let server = host.server();
    format!("acs:fc:{}:{}:{resource}", server.region, server.account_id)
}

/// A name in a path or a body.
fn check_name(label: &str, name: &str, longest: usize) -> Result<(), PlatformError> {
    schema::name(label, name, longest)
}
