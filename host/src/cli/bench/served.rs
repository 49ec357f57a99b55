//! Functions served by this process, on a free port.

use wisp::{
    config::Config,
    host::FunctionHost,
    server::{self, Listeners},
};

use crate::cli::{Failure, serving};

/// A running server; it ends with the process' runtime.
pub(super) struct Served {
    /// Host and port of the HTTP triggers.
    pub(super) authority: String,
}

/// A host without functions, and without what a server has beside them: events, stored functions, access keys.
pub(super) fn empty(config: &Config) -> Result<FunctionHost, Failure> {
    serving::empty(&Config { access_keys: Vec::new(), ..config.clone() })
}

/// Puts the functions of a configuration in force.
pub(super) async fn deploy(host: &FunctionHost, config: &Config) -> Result<(), Failure> {
    serving::deploy(host, config).await
}

/// Serves a host's functions.
pub(super) async fn serve(host: &FunctionHost) -> anyhow::Result<Served> {
    let listeners = Listeners::bind(host.server()).await?;
    let authority = listeners.trigger_address().to_string();
    tokio::spawn(server::serve(host.clone(), listeners, std::future::pending()));
    Ok(Served { authority })
}

/// Where a function's HTTP trigger is; a function without a service is one of FC 3.0.
pub(super) fn path(service: Option<&str>, function: &str, inside: &str) -> String {
    match service {
        Some(service) => format!("{}/{service}/{function}/{inside}", serving::PROXY_PREFIX),
        None => format!("/2023-03-30/proxy/{function}/{inside}"),
    }
}
