//! `[functions.<name>]` with its `build`, `http`, `async` and `environment`.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::Method;

use super::{
    Section, asynchronous,
    server::{ANY_TIME, COUNT, COUNT_OR_NONE, at_least_one},
    text::{self, told},
};
use crate::{
    capability::outbound::OutboundPolicy,
    component::source,
    config::{
        BuildConfig, Evaluate, FunctionConfig, HandlerType, HttpTriggerConfig, InitializationFailure, Isolation,
        Language, PayloadFormat, TriggerAuth,
        units::{ByteSize, Span},
    },
};

/// The service of functions that name none.
pub(super) const SERVICE: &str = "default";

/// Function Compute's default for the handler, the initializer and the hooks alike.
const TIMEOUT: Span = Span(Duration::from_secs(3));
const TIMEOUT_RANGE: RangeInclusive<Span> = seconds(1, 86_400);
const INITIALIZATION_RANGE: RangeInclusive<Span> = seconds(1, 300);
const HOOK_RANGE: RangeInclusive<Span> = Span(Duration::from_millis(1))..=Span(Duration::from_secs(90));

/// Function Compute's smallest, though a wasm instance may do with less.
const MEMORY: ByteSize = ByteSize(128 << 20);
const MEMORY_RANGE: RangeInclusive<ByteSize> = ByteSize(1 << 20)..=ByteSize(4 << 30);

/// Function Compute's smaller disk.
const SCRATCH: ByteSize = ByteSize(512 << 20);

/// More would share one memory and one deadline clock among too many.
const CONCURRENCY: RangeInclusive<usize> = 1..=200;

/// As many as can be counted.
const REQUESTS: RangeInclusive<usize> = 1..=u32::MAX as usize;

/// Function Compute's quota of a region.
const MAX_INSTANCES: usize = 100;

/// Long enough for the next click, short enough to give memory back.
const IDLE_TIMEOUT: Span = Span(Duration::from_secs(60));

/// Names and values of the environment together, in bytes.
const ENVIRONMENT: usize = 4096;

pub(super) const fn seconds(least: u64, most: u64) -> RangeInclusive<Span> {
    Span(Duration::from_secs(least))..=Span(Duration::from_secs(most))
}

/// `[functions.<name>]`.
pub(super) fn function(name: &str, section: &mut Section<'_>) -> FunctionConfig {
    if let Err(reason) = text::name(name, text::FUNCTION_NAME) {
        section.problem_here(&reason);
    }
    let handler = told(section, "handler", "");
    let build = section.table("build", build);
    let build = build.map(|build| with_language(build, &handler)).or_else(|| build_here(section, &handler));
    let (pre_freeze, pre_freeze_handler) = hook(section, "pre_freeze");
    let (pre_stop, pre_stop_handler) = hook(section, "pre_stop");
    let function = FunctionConfig {
        name: name.into(),
        service: service(section),
        component: component(name, build.as_ref(), section),
        code_dir: section.path("code_dir").or_else(|| code_of(build.as_ref())),
        build,
        handler,
        initializer: named_handler(section, "initializer"),
        timeout: section.within("timeout", TIMEOUT, TIMEOUT_RANGE).0,
        initialization_timeout: section.within("initialization_timeout", TIMEOUT, INITIALIZATION_RANGE).0,
        initialization_failure: section
            .choice("initialization_failure", &FAILURES)
            .unwrap_or(InitializationFailure::Retry),
        pre_freeze,
        pre_freeze_handler,
        pre_stop,
        pre_stop_handler,
        snapshot: section.or("snapshot", false),
        after_restore: hook_handler(section, "after_restore"),
        handler_type: section.choice("handler_type", &HANDLER_TYPES),
        hook_timeout: section.within("hook_timeout", TIMEOUT, HOOK_RANGE).0,
        memory: section.within("memory", MEMORY, MEMORY_RANGE).0,
        scratch: section.or("scratch", SCRATCH).0,
        instance_concurrency: at_least_one(section, "instance_concurrency", 1, CONCURRENCY),
        min_instances: section.count("min_instances", 0, COUNT_OR_NONE),
        max_instances: at_least_one(section, "max_instances", MAX_INSTANCES, COUNT),
        idle_timeout: section.within("idle_timeout", IDLE_TIMEOUT, ANY_TIME).0,
        max_requests_per_instance: max_requests(section),
        isolation: section.choice("isolation", &ISOLATIONS).unwrap_or(Isolation::Instance),
        environment: section.table("environment", environment).unwrap_or_default(),
        allowed_outbound: allowed_outbound(section),
        log_project: told(section, "log_project", ""),
        log_store: told(section, "log_store", ""),
        http: section.table("http", http_trigger),
        asynchronous: section.table("async", asynchronous::function).unwrap_or_default(),
    };
    check_instances(&function, section);
    function
}

const FAILURES: [(&str, InitializationFailure); 2] =
    [("retry", InitializationFailure::Retry), ("replace", InitializationFailure::Replace)];

const ISOLATIONS: [(&str, Isolation); 2] = [("instance", Isolation::Instance), ("request", Isolation::Request)];

const HANDLER_TYPES: [(&str, HandlerType); 3] =
    [("event", HandlerType::Event), ("http", HandlerType::Http), ("either", HandlerType::Either)];

const EVALUATE: [(&str, Evaluate); 2] = [("build", Evaluate::Build), ("start", Evaluate::Start)];
const AUTHS: [(&str, TriggerAuth); 2] = [("anonymous", TriggerAuth::Anonymous), ("function", TriggerAuth::Function)];

const LANGUAGES: [(&str, Language); 3] =
    [("rust", Language::Rust), ("javascript", Language::JavaScript), ("python", Language::Python)];

const PAYLOAD_FORMATS: [(&str, PayloadFormat); 3] =
    [("fc3", PayloadFormat::Fc3), ("cloudbase", PayloadFormat::Cloudbase), ("api-gateway", PayloadFormat::ApiGateway)];

const METHODS: [Method; 7] =
    [Method::HEAD, Method::POST, Method::PUT, Method::GET, Method::DELETE, Method::PATCH, Method::OPTIONS];

/// The key `service` of a function or a route.
pub(super) fn service(section: &mut Section<'_>) -> Arc<str> {
    let name: String = section.or("service", SERVICE.to_owned());
    if let Err(reason) = text::name(&name, text::NAME) {
        section.problem("service", reason);
    }
    name.into()
}

fn component(name: &str, build: Option<&BuildConfig>, section: &mut Section<'_>) -> PathBuf {
    match (section.path("component"), build) {
        (Some(path), _) => path,
        (None, Some(build)) => build.source.join(format!("{name}.wasm")),
        (None, None) => {
            if !section.has("component") {
                section
                    .problem("component", format!("is missing; give a .wasm file, or how to make it in {name}.build"));
            }
            PathBuf::new()
        }
    }
}

fn named_handler(section: &mut Section<'_>, key: &'static str) -> Option<Arc<str>> {
    let name = told(section, key, "");
    (!name.is_empty()).then_some(name)
}

/// A hook is switched on for `wasi:http` components, and named for sources; a named one is on.
fn hook(section: &mut Section<'_>, key: &'static str) -> (bool, Option<Arc<str>>) {
    if section.is_bool(key) {
        return (section.or(key, false), None);
    }
    let name = hook_handler(section, key);
    (name.is_some(), name)
}

/// A hook's handler has a file before its last dot: a slip such as `"yes"` has none.
fn hook_handler(section: &mut Section<'_>, key: &'static str) -> Option<Arc<str>> {
    let name = named_handler(section, key)?;
    if !name.contains('.') {
        section.problem(key, format!("{name:?} is no handler; give one such as \"index.{key}\""));
    }
    Some(name)
}

/// A function that names neither a component nor a `build` is made of the sources beside the file, if there are any that
/// a language runtime takes.
fn build_here(section: &mut Section<'_>, handler: &str) -> Option<BuildConfig> {
    if section.has("component") || section.has("build") {
        return None;
    }
    let source = own_directory(section.file.directory());
    let here = BuildConfig { source, language: None, command: None, world: None, evaluate: Evaluate::Build };
    let here = with_language(here, handler);
    let language = here.language.or_else(|| source::detect(&here.source))?;
    (language != Language::Rust).then_some(here)
}

/// The file that the handler is in says it, before the files that tools look for do: a `package.json` may stand beside
/// Python for the sake of its web pages.
fn with_language(build: BuildConfig, handler: &str) -> BuildConfig {
    let language = build.language.or_else(|| source::language_of_handler(&build.source, handler));
    BuildConfig { language, ..build }
}

/// What a language runtime loaded, it may want to read again: data files, modules that are imported late.
fn code_of(build: Option<&BuildConfig>) -> Option<PathBuf> {
    let build = build?;
    source::runtime_of(build).map(|_| build.source.clone())
}

fn max_requests(section: &mut Section<'_>) -> Option<NonZeroU32> {
    let key = "max_requests_per_instance";
    let given = section.has(key).then(|| section.count(key, 1, REQUESTS))?;
    u32::try_from(given).ok().and_then(NonZeroU32::new)
}

fn allowed_outbound(section: &mut Section<'_>) -> Vec<String> {
    let rules: Vec<String> = section.or("allowed_outbound", Vec::new());
    for reason in OutboundPolicy::parse(&rules).err().unwrap_or_default() {
        section.problem("allowed_outbound", reason);
    }
    rules
}

fn check_instances(function: &FunctionConfig, section: &Section<'_>) {
    let (min, max) = (function.min_instances, function.max_instances.get());
    if min > max {
        let reason = format!("{min} is more than `max_instances`, which is {max}; lower the one or raise the other");
        section.problem("min_instances", reason);
    }
    let concurrency = function.instance_concurrency;
    if function.isolation == Isolation::Request && concurrency > NonZeroUsize::MIN {
        let reason = format!("{concurrency} contradicts `isolation = \"request\"`, which is one at a time; remove one");
        section.problem("instance_concurrency", reason);
    }
}

fn build(section: &mut Section<'_>) -> BuildConfig {
    BuildConfig {
        source: section.path("source").unwrap_or_else(|| own_directory(section.file.directory())),
        language: section.choice("language", &LANGUAGES),
        command: section.get("command"),
        world: section.get("world"),
        evaluate: section.choice("evaluate", &EVALUATE).unwrap_or(Evaluate::Build),
    }
}

/// An empty path is no directory to run a command in.
fn own_directory(directory: &Path) -> PathBuf {
    if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory.to_owned() }
}

fn http_trigger(section: &mut Section<'_>) -> HttpTriggerConfig {
    let trigger = HttpTriggerConfig {
        methods: methods(section).unwrap_or_else(|| METHODS.to_vec()),
        payload_format: section.choice("payload_format", &PAYLOAD_FORMATS).unwrap_or(PayloadFormat::Fc3),
        auth: section.choice("auth", &AUTHS).unwrap_or(TriggerAuth::Anonymous),
        own_addresses: true,
    };
    if trigger.methods.is_empty() {
        section.problem("methods", "is empty; give some, or leave the key out for all");
    }
    trigger
}

/// The key `methods` of a trigger or a route.
pub(super) fn methods(section: &mut Section<'_>) -> Option<Vec<Method>> {
    let names: Vec<String> = section.get("methods")?;
    Some(names.iter().filter_map(|name| method(name, section)).collect())
}

fn method(name: &str, section: &Section<'_>) -> Option<Method> {
    let method = METHODS.iter().find(|method| method.as_str() == name);
    if method.is_none() {
        let known: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
        section.problem("methods", format!("{name:?} is none of {}", known.join(", ")));
    }
    method.cloned()
}

fn environment(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let variables: BTreeMap<String, String> = section.rest().into_iter().collect();
    for (name, value) in &variables {
        check_variable(name, value, section);
    }
    let size: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > ENVIRONMENT {
        section.problem_here(&format!("names and values have {size} bytes together; {ENVIRONMENT} is the most"));
    }
    variables
}

fn check_variable(name: &str, value: &str, section: &Section<'_>) {
    if let Err(reason) = text::variable(name) {
        section.problem(name, reason);
    }
    if value.contains('\0') {
        section.problem(name, "has a zero byte in its value, which no environment can hold");
    }
}
