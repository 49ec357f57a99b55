//! Configuration: as written (`wisp.toml`) → as meant ([`Config`]).
//!
//! `file` owns the written form: tables whose keys are taken one by one; what nobody asked for is an unknown key. `check`
//! turns it into the types of this page,
//! with real units and resolved paths, and reports every error at once. Nothing downstream validates again.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustls::pki_types::CertificateDer;

mod access_key;
mod broker;
mod check;
mod environment;
mod file;
mod nearest;
mod source;
pub mod template;
pub mod units;

pub use access_key::{Access, AccessKeyConfig, AccessScope, Secret};
pub use broker::{Batching, Broker, JetStreamConfig, MqttConfig, NatsConfig, PostgresConfig, RedisConfig, Start};
pub use check::{ConfigError, Problem, load, load_with, parse, parse_with};
pub use environment::Environment;
pub(crate) use nearest::hint;
pub use source::{BucketConfig, InboxConfig, InboxKind, SourceConfig, TriggerConfig};

pub use crate::catalog::RewriteRule;

pub use crate::delivery::Destination;

pub use crate::tls::{Certificate, CertificateError, TlsVersions};

/// What a host is told to do: the checked form of `wisp.toml`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listeners and the host as a whole.
    pub server: ServerConfig,
    /// What a request, a response and an instance may not exceed.
    pub limits: Limits,
    /// Who may ask the API; none: everybody who reaches it.
    pub access_keys: Vec<AccessKeyConfig>,
    /// The queue of asynchronous invocations.
    pub events: EventsConfig,
    /// The functions, ordered by service and name.
    pub functions: Vec<FunctionConfig>,
    /// Where events come from, by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// Triggers of the functions, other than HTTP triggers.
    pub triggers: Vec<TriggerConfig>,
    /// Custom domains by their name in lower case.
    pub domains: BTreeMap<String, DomainConfig>,
    /// What has no effect, for people to know.
    pub warnings: Vec<Problem>,
    /// Every file that this was read from: the configuration itself first, then what it includes.
    pub files: Vec<PathBuf>,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where HTTP triggers are served. Default `127.0.0.1:9000`.
    pub listen: SocketAddr,
    /// Where the management and invocation API is served. Default `127.0.0.1:9001`; loopback only, as long as no access
    /// keys are configured.
    pub api_listen: SocketAddr,
    /// Where custom domains with a certificate are served by HTTPS. Default: nowhere.
    pub tls_listen: Option<SocketAddr>,
    /// Where compiled artifacts and other state live. Default: `.wisp` beside the configuration file.
    pub data_dir: PathBuf,
    /// How many bytes the compiled artifacts may take before the least recently used go. Default 4 GB.
    pub artifact_cache: u64,
    /// How many bytes of compiled code may be mapped before what no instance runs is unmapped, least recently used first;
    /// it comes back with the next instance. Default 2 GB.
    pub mapped_code: u64,
    /// Networks whose `x-forwarded-for` is believed. Default: none.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Root certificates by which guests know HTTPS servers, beside the well-known ones. Default: none.
    pub trusted_certificates: Vec<CertificateDer<'static>>,
    /// How long what runs may go on after a stop signal. Default 30 s.
    pub grace_period: Duration,
    /// How many instances may live at once, over all functions. Default 1000.
    pub max_instances: NonZeroUsize,
    /// How many connections a listener holds at once. Default 10,000.
    pub max_connections: NonZeroUsize,
    /// How long an invocation may wait for an instance, first come first served. Default 10 s.
    pub queue_timeout: Duration,
    /// How many invocations of one function may wait for an instance. Default 1000.
    pub queue_length: usize,
    /// Whether a worker stays awake for the next request while they come in quick succession from several connections.
    /// `None` is the default: where the process may use two cores or more in full.
    pub busy_poll: Option<bool>,
    /// The account that functions are told they belong to. Default `000000000000`.
    pub account_id: Arc<str>,
    /// The region that functions are told they run in. Default `local`.
    pub region: Arc<str>,
    /// Whether code packages with sources are built here, which runs a compiler on what callers send. Default: as long as
    /// the API is served on a loopback address.
    pub build_sources: bool,
}

/// `[limits]`: CONTRACTS §5.1. The default is the named set `classic`; `current` is what Function Compute has today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sum of the request headers' names and values, in bytes. Default 4 KB; `current` 8 KB.
    pub request_headers: usize,
    /// Path and query, in bytes. Default 4 KB.
    pub request_target: usize,
    /// Body of a synchronous request, in bytes. Default 16 MB; `current` 32 MB.
    pub sync_body: usize,
    /// Body of an asynchronous invocation, in bytes. Default 128 KB.
    pub async_body: usize,
    /// Sum of the response headers' names and values, in bytes. Default 4 KB; `current` 8 KB.
    pub response_headers: usize,
    /// Body of a response that is not streamed, in bytes. Default 16 MB; `current` 32 MB.
    pub response_body: usize,
    /// How much log an invocation may leave, in bytes; more is dropped and counted. Default 256 KB.
    pub log: usize,
    /// How many host resources (descriptors, sockets, streams, …) an instance may hold. Default 1024.
    pub resources: usize,
    /// How many elements the tables of an instance may have together. Default 200,000.
    pub table_elements: usize,
}

/// One function: `[functions.<name>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionConfig {
    /// Letters, digits, `_` and `-`, not starting with a digit or `-`; 1 to 64.
    pub name: Arc<str>,
    /// The service that owns the function; same alphabet, 1 to 128. Default `default`.
    pub service: Arc<str>,
    /// The file to serve: a component, or a core module that can be made one.
    pub component: PathBuf,
    /// How `component` is made from source; `None` if it is given as it is.
    pub build: Option<BuildConfig>,
    /// The handler in the sources, such as `index.handler`, and what the guest is told it is. Default empty: a language
    /// runtime looks for one.
    pub handler: Arc<str>,
    /// What the guest is told its initializer is. For a `wasi:http` component it also switches `POST /initialize` on.
    pub initializer: Option<Arc<str>>,
    /// Timeout of one invocation. Default 3 s, 1 s to 86,400 s.
    pub timeout: Duration,
    /// Timeout of the initializer. Default 3 s, 1 s to 300 s.
    pub initialization_timeout: Duration,
    /// What becomes of an instance whose initializer failed.
    pub initialization_failure: InitializationFailure,
    /// For a `wasi:http` component: `GET /pre-freeze` after a request that no other follows. Default off; on if a handler
    /// is named.
    pub pre_freeze: bool,
    /// The pre-freeze hook in the sources, such as `index.preFreeze`. Default: none.
    pub pre_freeze_handler: Option<Arc<str>>,
    /// For a `wasi:http` component: `GET /pre-stop` before an instance goes. Default off; on if a handler is named.
    pub pre_stop: bool,
    /// The pre-stop hook in the sources, such as `index.preStop`. Default: none.
    pub pre_stop_handler: Option<Arc<str>>,
    /// Whether the initializer runs once, when the function is deployed, and every instance starts with the state that it
    /// left. Default off.
    pub snapshot: bool,
    /// What is called in an instance that was started from a snapshot, such as `index.afterRestore`. Default: none.
    pub after_restore: Option<Arc<str>>,
    /// What the handler in the sources takes; `None`: the language runtime finds out.
    pub handler_type: Option<HandlerType>,
    /// Timeout of the pre-freeze and pre-stop hooks. Default 3 s, at most 90 s.
    pub hook_timeout: Duration,
    /// Memory of the whole instance in bytes: the sum over its memories. Default 128 MB, 1 MB to 4 GB.
    pub memory: u64,
    /// Bytes in the instance's `/tmp`. Default 512 MB; 0: there is none.
    pub scratch: u64,
    /// Directory that the guest sees read-only as `/code`. Default: none.
    pub code_dir: Option<PathBuf>,
    /// How many invocations an instance handles at once. Default 1, at most 200.
    pub instance_concurrency: NonZeroUsize,
    /// Instances kept ready. Default 0.
    pub min_instances: usize,
    /// Instances at most. Default 100.
    pub max_instances: NonZeroUsize,
    /// How long an instance beyond `min_instances` may be idle. Default 60 s.
    pub idle_timeout: Duration,
    /// Invocations after which an instance is replaced. Default: any number.
    pub max_requests_per_instance: Option<NonZeroU32>,
    /// Whether instances are reused.
    pub isolation: Isolation,
    /// Environment variables; 4 KB of names and values at most, none named `FC_*`.
    pub environment: BTreeMap<String, String>,
    /// Where the guest may connect to, in the form of [`crate::capability::outbound`]. Default: nowhere.
    pub allowed_outbound: Vec<String>,
    /// The log project and store that the guest is told of. Default empty.
    pub log_project: Arc<str>,
    /// See `log_project`.
    pub log_store: Arc<str>,
    /// The HTTP trigger; `None`: reached by event invokes only.
    pub http: Option<HttpTriggerConfig>,
    /// What becomes of its asynchronous invocations.
    pub asynchronous: AsyncConfig,
}

/// `[functions.<name>.async]`, the file's form of Function Compute's async-invoke-config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncConfig {
    /// How often a call that failed by the function's own error is repeated. Default 3, 0 to 8.
    pub max_retry_attempts: u32,
    /// How long after its acceptance, or its delay, an event may still be called. Default 1 day, 1 s to 7 days.
    pub max_event_age: Duration,
    /// Who is told of an event that was handled.
    pub on_success: Option<Destination>,
    /// Who is told of an event that was given up. `None`: it is kept as a dead letter.
    pub on_failure: Option<Destination>,
    /// Whether the state and the result of every asynchronous invocation are kept. Default: of those that ask for it.
    pub stateful: bool,
}

impl Default for AsyncConfig {
    fn default() -> Self {
        Self {
            max_retry_attempts: 3,
            max_event_age: Duration::from_secs(86_400),
            on_success: None,
            on_failure: None,
            stateful: false,
        }
    }
}

/// `[events]`: the queue of asynchronous invocations, over all functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// How many events of one function may be waiting or running. Default 10,000; beyond it 429.
    pub function_queue_length: usize,
    /// How many events may be waiting or running, over all functions. Default 100,000; beyond it 429.
    pub queue_length: usize,
    /// Bytes that their payloads may have together. Default 1 GB; beyond it 429.
    pub queue_size: u64,
    /// How many events of one function may run at once, besides the function's own caps. Default 32.
    pub function_concurrency: NonZeroUsize,
    /// How many events may run at once, over all functions. Default 128.
    pub concurrency: NonZeroUsize,
    /// How long the state of a finished stateful invocation is kept, and its id refused. Default 7 days.
    pub retention: Duration,
    /// How many dead letters are kept; the oldest go first. Default 10,000.
    pub dead_letters: usize,
}

/// `[functions.<name>.build]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildConfig {
    /// Directory of the sources. Default: the configuration file's own.
    pub source: PathBuf,
    /// The source language; `None`: told by the files in `source`.
    pub language: Option<Language>,
    /// A shell command to run in `source` in place of wisp's own recipe. It must write `component`.
    pub command: Option<String>,
    /// The world of `wit/` that JavaScript or Python sources implement, which componentize-js or componentize-py then
    /// builds; `None`, the default: they are loaded into wisp's own runtime of their language.
    pub world: Option<String>,
    /// When the top level of sources that a language runtime loads is run.
    pub evaluate: Evaluate,
}

/// `evaluate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evaluate {
    /// `"build"`, the default: when the component is built; every instance begins with what it left.
    Build,
    /// `"start"`: in each instance, before its first call.
    Start,
}

/// `handler_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandlerType {
    /// `"event"`: bytes in, bytes out; an HTTP trigger goes through a payload format.
    Event,
    /// `"http"`: requests.
    Http,
    /// `"either"`: whoever calls decides, where the handler itself does not: an event invoke hands an event over, an HTTP
    /// trigger a request.
    Either,
}

/// A source language that wisp knows a recipe for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// `Cargo.toml`.
    Rust,
    /// `*.js` and `*.ts`.
    JavaScript,
    /// `*.py`.
    Python,
}

impl Language {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}

/// `initialization_failure`: CONTRACTS §3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitializationFailure {
    /// `"retry"`, FC 2.0 and the default: the same instance tries again at the next invocation, until it succeeds.
    Retry,
    /// `"replace"`, FC 3.0: the instance goes, the next invocation starts another.
    Replace,
}

/// `isolation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// `"instance"`, the default: an instance serves many invocations, one function's only.
    Instance,
    /// `"request"`: every invocation has an instance of its own.
    Request,
}

/// `[functions.<name>.http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTriggerConfig {
    /// Methods that the trigger takes, of HEAD, POST, PUT, GET, DELETE, PATCH, OPTIONS. Default: all of them.
    pub methods: Vec<http::Method>,
    /// How a request becomes an event, for functions that export an event handler. Default `fc3`.
    pub payload_format: PayloadFormat,
    /// Whether callers must sign. Default `anonymous`.
    pub auth: TriggerAuth,
    /// Whether the function's own addresses are served; custom domains are in any case. Default true.
    pub own_addresses: bool,
}

/// `auth` of an HTTP trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerAuth {
    /// `"anonymous"`: anybody may call.
    Anonymous,
    /// `"function"`: requests carry a valid signature of an access key.
    Function,
}

/// `payload_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadFormat {
    /// `"fc3"`: CONTRACTS §3.8.
    Fc3,
    /// `"cloudbase"`: CONTRACTS §8.1 and §8.2.
    Cloudbase,
    /// `"api-gateway"`: CONTRACTS §6.2, API gateway.
    ApiGateway,
}

/// `[domains."<name>"]`.
#[derive(Clone, Debug, Default)]
pub struct DomainConfig {
    /// How it may be asked. Default: by HTTP, and by HTTPS if it has a certificate.
    pub protocol: DomainProtocol,
    /// What it is served with by HTTPS. Default: none, and no HTTPS.
    pub certificate: Option<Certificate>,
    /// Routes as written; the trigger orders them by CONTRACTS §2.4.
    pub routes: Vec<RouteConfig>,
}

/// `protocol` of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DomainProtocol {
    /// `"http"`: by HTTP alone.
    Http,
    /// `"https"`: by HTTPS alone; through a trusted proxy that says `x-forwarded-proto: https`, too.
    Https,
    /// `"http,https"`: by both.
    #[default]
    Both,
}

/// One entry of a domain's `routes`.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// A path, or a prefix that ends in `/*`.
    pub path: String,
    /// The service of the function. Default `default`.
    pub service: Arc<str>,
    /// The function; it has an HTTP trigger.
    pub function: Arc<str>,
    /// Default `LATEST`.
    pub qualifier: Arc<str>,
    /// Methods that the route takes; empty: those of the trigger.
    pub methods: Vec<http::Method>,
    /// How the path is rewritten before the function sees it. Default: not at all.
    pub rewrite: Vec<RewriteRule>,
}
