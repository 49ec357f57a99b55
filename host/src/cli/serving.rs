//! Deploy ▸ bind ▸ serve until a signal: what `wisp serve` and `wisp up` share.

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use wisp::{
    config::{Config, DomainProtocol, FunctionConfig, TriggerConfig},
    delivery,
    engine::Allocation,
    host::{DeployError, FunctionHost},
    server::{self, Listeners},
    trigger,
};

use super::{
    Failure,
    activity::{Show, deploy_progress},
    runtimes::RuntimesArgs,
    terminal::{FAINT, STRONG, counted, full_name, paint, warn},
};

/// Where the path form of a trigger's address begins.
pub(super) const PROXY_PREFIX: &str = "/2016-08-15/proxy";

/// Where `wisp invoke` asks if nobody tells it anything.
const DEFAULT_API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// The addresses that may be given on the command line.
#[derive(Clone, Debug, Args)]
pub(super) struct ListenArgs {
    /// Where HTTP triggers are served; port 0 takes a free one [default: `server.listen`, or 127.0.0.1:9000]
    #[arg(long, env = "WISP_LISTEN", value_name = "ADDRESS", hide_env_values = true, value_parser = address)]
    listen: Option<SocketAddr>,
    /// Where the API is served [default: `server.api_listen`, or 127.0.0.1:9001]
    #[arg(long, env = "WISP_API_LISTEN", value_name = "ADDRESS", hide_env_values = true, value_parser = address)]
    api_listen: Option<SocketAddr>,
    /// Where custom domains with a certificate are served by HTTPS [default: `server.tls_listen`, or nowhere]
    #[arg(long, env = "WISP_TLS_LISTEN", value_name = "ADDRESS", hide_env_values = true, value_parser = address)]
    tls_listen: Option<SocketAddr>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give an address and a port, such as 127.0.0.1:9000".to_owned())
}

impl ListenArgs {
    /// What was typed goes before what is written.
    pub(super) fn apply(&self, config: &mut Config) -> Result<(), Failure> {
        let server = &mut config.server;
        server.listen = self.listen.unwrap_or(server.listen);
        server.api_listen = self.api_listen.unwrap_or(server.api_listen);
        server.tls_listen = self.tls_listen.or(server.tls_listen);
        if server.api_listen.ip().is_loopback() || !config.access_keys.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(anyhow!(
            "--api-listen {} can be reached from other machines, but no access keys are configured; add \
             [[access_keys]] to the configuration, or give a loopback address such as 127.0.0.1:9001",
            server.api_listen
        )))
    }
}

/// A host with all functions of the configuration.
pub(super) async fn deployed(config: &Config, runtimes: &RuntimesArgs) -> Result<FunctionHost, Failure> {
    let host = empty(config)?;
    host.build_packages_with(runtimes.open(host.loader().clone(), config)?);
    put_in_force(&host, config).await?;
    Ok(host)
}

/// Opens the catalog, deploys the configuration's functions, and starts events and triggers, which need them.
pub(super) async fn put_in_force(host: &FunctionHost, config: &Config) -> Result<(), Failure> {
    host.open_catalog().await?;
    deploy(host, config).await?;
    delivery::start(host, &config.events, &config.server.data_dir)?;
    Ok(trigger::start(host)?)
}

/// A host without functions.
pub(super) fn empty(config: &Config) -> Result<FunctionHost, Failure> {
    raise_open_files();
    let host = FunctionHost::new(config.server.clone(), config.limits.clone())?;
    host.set_access_keys(&config.access_keys);
    warn_of_allocation(&host);
    Ok(host)
}

/// Puts all functions of the configuration in force.
pub(super) async fn deploy(host: &FunctionHost, config: &Config) -> Result<(), Failure> {
    Ok(host.deploy(config, deploy_progress(Show::fitting())).await.map_err(|errors| undeployed(&errors))?)
}

/// All functions that cannot be served, one a line.
pub(super) fn undeployed(errors: &[DeployError]) -> anyhow::Error {
    let lines: Vec<_> = errors.iter().map(|error| format!("\n  {error}")).collect();
    anyhow!("{} cannot be served:{}", counted(errors.len(), "function"), lines.concat())
}

/// Every connection is an open file. The lower limit only protects programs that cannot count further.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

fn warn_of_allocation(host: &FunctionHost) {
    let wanted = host.server().max_instances.get();
    match host.loader().engines().allocation() {
        Allocation::Pool(slots) if slots >= wanted => {}
        Allocation::Pool(slots) => warn(&format!(
            "the address space holds a pool of {slots} instances, not of {wanted}; `wisp doctor` says what to do"
        )),
        Allocation::OnDemand => {
            warn("the address space holds no pool, so instances start slowly; `wisp doctor` says what to do");
        }
    }
}

/// Serves until SIGTERM or SIGINT and drains; a second signal ends at once.
pub(super) async fn until_stopped(host: FunctionHost, listeners: Listeners) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let grace = host.server().grace_period;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = server::serve(host, listeners, async {
        // Nothing is ever sent: the dropped sender is the signal.
        let _ = stopped.await;
    });
    let signalled = async {
        signals.next().await;
        anstream::eprintln!("stopping: what runs has {} s to finish; again to end at once", grace.as_secs());
        drop(stop);
        signals.next().await
    };
    tokio::select! {
        () = serving => Ok(ExitCode::SUCCESS),
        number = signalled => Ok(ExitCode::from(128 + number)),
    }
}

/// The signals that ask to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or_default()
    }
}

/// Says on stderr where everything is reached.
pub(super) fn announce(host: &FunctionHost, config: &Config, listeners: &Listeners) {
    let (listen, api) = (listeners.trigger_address(), listeners.api_address());
    let head = format!("wisp {}", env!("CARGO_PKG_VERSION"));
    let stored = host.catalog().function_count().saturating_sub(config.functions.len());
    let kept = if stored == 0 { String::new() } else { format!(", and {stored} of the API's catalog") };
    anstream::eprintln!("{} serves {}{kept}", paint(STRONG, &head), counted(config.functions.len(), "function"));
    let secure =
        listeners.tls_address().map(|address| format!("\n  HTTPS     {address}, for domains with a certificate"));
    anstream::eprintln!("  triggers  http://{listen}\n  API       http://{api}{}\n", secure.unwrap_or_default());
    if config.functions.is_empty() && stored == 0 {
        warn("the configuration has no function; add a [functions.<name>] section");
    }
    for function in &config.functions {
        anstream::eprintln!("  {}", paint(STRONG, &full_name(&function.service, &function.name)));
        for line in ways_in(function, listen, api).into_iter().chain(triggers(config, function)) {
            anstream::eprintln!("    {line}");
        }
    }
    for (domain, settings) in &config.domains {
        let scheme = if settings.protocol == DomainProtocol::Https { "https" } else { "http" };
        anstream::eprintln!("  {} {}", paint(STRONG, &format!("{scheme}://{domain}")), paint(FAINT, "(custom domain)"));
        if settings.certificate.is_some() && listeners.tls_address().is_none() {
            warn(&format!(
                "domain {domain} has a certificate, but nothing is served by HTTPS: set `server.tls_listen`"
            ));
        }
    }
}

/// The same for programs: one line of JSON on stdout.
pub(super) fn announce_json(config: &Config, listeners: &Listeners) -> io::Result<()> {
    let listen = listeners.trigger_address();
    let functions: Vec<_> = config
        .functions
        .iter()
        .map(|function| {
            json!({ "service": &*function.service, "name": &*function.name, "urls": urls(function, listen) })
        })
        .collect();
    let line = json!({
        "listen": listen.to_string(),
        "apiListen": listeners.api_address().to_string(),
        "tlsListen": listeners.tls_address().map(|address| address.to_string()),
        "functions": functions,
    });
    writeln!(io::stdout(), "{line}")
}

fn ways_in(function: &FunctionConfig, listen: SocketAddr, api: SocketAddr) -> Vec<String> {
    let urls = urls(function, listen);
    if !urls.is_empty() {
        return urls;
    }
    let server = if api == DEFAULT_API { String::new() } else { format!(" --server {api}") };
    vec![format!("wisp invoke {}{server}", function.name)]
}

/// What else calls a function: its triggers by name, type and source.
fn triggers(config: &Config, function: &FunctionConfig) -> Vec<String> {
    let own = |trigger: &&TriggerConfig| trigger.service == function.service && trigger.function == function.name;
    let described = config.triggers.iter().filter(own).map(|trigger| {
        let source = trigger.source.as_ref().map(|source| format!(" of {source}")).unwrap_or_default();
        let disabled = if trigger.enabled { "" } else { ", disabled" };
        format!(
            "trigger {} {}",
            trigger.name,
            paint(FAINT, &format!("({}{source}{disabled})", trigger.settings.kind()))
        )
    });
    described.collect()
}

fn urls(function: &FunctionConfig, listen: SocketAddr) -> Vec<String> {
    if function.http.is_none() {
        return Vec::new();
    }
    let (service, name, port) = (&function.service, &function.name, listen.port());
    vec![
        format!("http://{listen}{PROXY_PREFIX}/{service}/{name}/"),
        format!("http://{name}.{service}.localhost:{port}/"),
    ]
}
