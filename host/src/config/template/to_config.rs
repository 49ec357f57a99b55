//! A project → the configuration that a `wisp.toml` would have given.
//!
//! It is written as a `wisp.toml` and read like one, so that defaults, ranges and what must fit together stand in one
//! place; what is wrong then is told by the line of the deployment file.

use std::{
    fmt::{Display, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value as Json;

use super::{Project, ProjectFunction, ProjectTrigger};
use crate::{
    component::package::{Contents, PackageError, Tree},
    config::{Config, ConfigError, Environment, Problem, parse_with},
    delivery::Destination,
};

/// The service of functions that have none.
const SERVICE: &str = "default";

/// Where components are built, beside the deployment file: not among the sources, which are sent as they are.
const BUILT: &str = ".wisp/components";

/// The variables that an access key comes from.
const KEY_ID: &str = "WISP_ACCESS_KEY_ID";
const KEY_SECRET: &str = "WISP_ACCESS_KEY_SECRET";

/// The configuration of `project`, which stands in the file `path`.
pub(super) fn config(project: Project, path: &Path, environment: Environment<'_>) -> Result<Config, ConfigError> {
    let key = environment.get(KEY_ID).filter(|_| environment.get(KEY_SECRET).is_some());
    let mut writer = Writer {
        path,
        has_key: key.is_some(),
        text: String::new(),
        origins: Vec::new(),
        warnings: project.warnings,
        served: Vec::new(),
    };
    if let Some(id) = key {
        let text = format!("access_keys = [{{ id = {}, secret_env = {} }}]", quoted(&id), quoted(KEY_SECRET));
        writer.line(1, &format!("{KEY_ID} and {KEY_SECRET}"), text);
    }
    for function in &project.functions {
        let service = function.service.as_ref().and_then(|service| project.services.get(service));
        let owner = service.unwrap_or(&function.attributes);
        writer.function(function, owner);
    }
    for (name, domain) in &project.domains {
        writer.domain(name, &domain.attributes, domain.line);
    }
    if writer.served.is_empty() {
        let reasons = writer.warnings;
        let none =
            Problem { file: path.to_owned(), line: None, message: "has no function that wisp can serve".to_owned() };
        return Err(ConfigError { problems: std::iter::once(none).chain(reasons).collect() });
    }
    let Writer { text, origins, warnings, .. } = writer;
    match parse_with(&text, path, environment) {
        Ok(config) => Ok(Config { warnings, ..config }),
        Err(error) => {
            Err(ConfigError { problems: error.problems.into_iter().map(|it| at_origin(it, &origins)).collect() })
        }
    }
}

/// Where a line of the text comes from.
#[derive(Clone)]
struct Origin {
    line: usize,
    /// How the deployment file names it.
    what: String,
}

fn at_origin(problem: Problem, origins: &[Origin]) -> Problem {
    let origin = problem.line.and_then(|line| origins.get(line.checked_sub(1)?));
    let Some(Origin { line, what }) = origin else { return problem };
    // What comes before names keys and tables that the deployment file does not have.
    let reason = problem.message.split_once("]: ").map_or(problem.message.as_str(), |(_, reason)| reason);
    Problem { line: Some(*line), message: format!("{what}: {reason}"), ..problem }
}

struct Writer<'a> {
    path: &'a Path,
    /// Whether callers can sign at all.
    has_key: bool,
    text: String,
    origins: Vec<Origin>,
    warnings: Vec<Problem>,
    /// Service and name of what is written.
    served: Vec<(Arc<str>, Arc<str>)>,
}

impl Writer<'_> {
    fn line(&mut self, line: usize, what: &str, text: impl Display) {
        let _ = writeln!(self.text, "{text}");
        self.origins.push(Origin { line, what: what.to_owned() });
    }

    fn warn(&mut self, line: usize, message: String) {
        self.warnings.push(Problem { file: self.path.to_owned(), line: Some(line), message });
    }

    fn function(&mut self, function: &ProjectFunction, owner: &serde_json::Map<String, Json>) {
        let what = format!("function {}", function.name);
        let code = match code(function) {
            Ok(code) => code,
            Err(reason) => return self.warn(function.line, format!("{what} is left out: {reason}")),
        };
        let service: Arc<str> = function.service.clone().unwrap_or_else(|| SERVICE.into());
        self.line(function.line, &what, format_args!("[functions.{}]", quoted(&function.name)));
        self.line(function.line, &what, format_args!("service = {}", quoted(&service)));
        self.attributes(function, &what);
        self.life(function, &what);
        self.owned(owner, function.line, &what);
        self.code(function, &service, &code, &what);
        self.environment(function, &what);
        self.asynchronous(function, &what);
        for trigger in &function.triggers {
            self.trigger(function, trigger);
        }
        self.served.push((service, Arc::clone(&function.name)));
    }

    fn attributes(&mut self, function: &ProjectFunction, what: &str) {
        let attributes: [(&str, &str, &str); 6] = [
            ("handler", "handler", ""),
            ("initializer", "initializer", ""),
            ("timeout", "timeout", " s"),
            ("initializationTimeout", "initialization_timeout", " s"),
            ("memorySize", "memory", " MB"),
            ("diskSize", "scratch", " MB"),
        ];
        for (attribute, key, unit) in attributes {
            let Some(value) = function.attributes.get(attribute) else { continue };
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !text.is_empty() {
                self.attribute(function, attribute, what, format_args!("{key} = {}", quoted(&format!("{text}{unit}"))));
            }
        }
        if function.attributes.get("snapshot") == Some(&Json::Bool(true)) {
            self.attribute(function, "snapshot", what, format_args!("snapshot = true"));
        }
        if let Some(value) = function.attributes.get("instanceConcurrency") {
            self.attribute(function, "instanceConcurrency", what, format_args!("instance_concurrency = {value}"));
        }
    }

    /// A line that comes from an attribute.
    fn attribute(&mut self, function: &ProjectFunction, attribute: &str, what: &str, text: impl Display) {
        match function.origins.get(attribute) {
            Some(origin) => self.line(origin.line, &format!("`{}` of {what}", origin.key), text),
            None => self.line(function.line, what, text),
        }
    }

    /// `instanceLifecycleConfig`.
    fn life(&mut self, function: &ProjectFunction, what: &str) {
        let attribute = "instanceLifecycleConfig";
        let Some(config) = function.attributes.get(attribute) else { return };
        let hook = |name: &str| config.get(name);
        let handler = |name: &str| hook(name)?.get("handler")?.as_str().filter(|handler| !handler.is_empty());
        let timeout = |name: &str| hook(name)?.get("timeout")?.as_u64();
        if let Some(handler) = handler("initializer") {
            self.attribute(function, attribute, what, format_args!("initializer = {}", quoted(handler)));
        }
        if let Some(seconds) = timeout("initializer") {
            self.attribute(function, attribute, what, format_args!("initialization_timeout = \"{seconds} s\""));
        }
        for (name, key) in [("preFreeze", "pre_freeze"), ("preStop", "pre_stop")] {
            if let Some(handler) = handler(name) {
                self.attribute(function, attribute, what, format_args!("{key} = {}", quoted(handler)));
            }
        }
        if let Some(seconds) = timeout("preStop").into_iter().chain(timeout("preFreeze")).max() {
            self.attribute(function, attribute, what, format_args!("hook_timeout = \"{seconds} s\""));
        }
        if function.service.is_none() {
            self.line(function.line, what, "initialization_failure = \"replace\"");
        }
    }

    /// What a service of 2.0 and a function of 3.0 say about the world outside.
    fn owned(&mut self, owner: &serde_json::Map<String, Json>, line: usize, what: &str) {
        // Function Compute grants the internet unless it is switched off; private networks are another matter.
        if owner.get("internetAccess") != Some(&Json::Bool(false)) {
            self.line(line, what, "allowed_outbound = [\"*:*\"]");
        }
        let config = owner.get("logConfig");
        for (attribute, key) in [("project", "log_project"), ("logstore", "log_store")] {
            if let Some(text) = config.and_then(|config| config.get(attribute)).and_then(Json::as_str) {
                self.line(line, what, format_args!("{key} = {}", quoted(text)));
            }
        }
    }

    fn code(&mut self, function: &ProjectFunction, service: &str, code: &Code, what: &str) {
        let line = function.line;
        match code {
            Code::Component { file, directory } => {
                self.line(line, what, format_args!("component = {}", quoted_path(file)));
                if let Some(directory) = directory {
                    self.line(line, what, format_args!("code_dir = {}", quoted_path(directory)));
                }
            }
            Code::Sources { directory, language } => {
                let component = Path::new(BUILT).join(service).join(format!("{}.wasm", function.name));
                self.line(line, what, format_args!("component = {}", quoted_path(&component)));
                self.line(line, what, format_args!("code_dir = {}", quoted_path(directory)));
                let build = format!("{{ source = {}, language = \"{language}\" }}", quoted_path(directory));
                self.line(line, what, format_args!("build = {build}"));
            }
        }
    }

    /// The asynchronous configuration; destinations in services of the cloud are none here.
    fn asynchronous(&mut self, function: &ProjectFunction, what: &str) {
        let Some(config) = &function.async_config else { return };
        let mut keys = Vec::new();
        if let Some(attempts) = config.get("maxAsyncRetryAttempts").and_then(Json::as_u64) {
            keys.push(format!("max_retry_attempts = {attempts}"));
        }
        if let Some(seconds) = config.get("maxAsyncEventAgeInSeconds").and_then(Json::as_u64) {
            keys.push(format!("max_event_age = \"{seconds} s\""));
        }
        if config.get("statefulInvocation").or(config.get("asyncTask")) == Some(&Json::Bool(true)) {
            keys.push("stateful = true".to_owned());
        }
        for (name, key) in [("onSuccess", "on_success"), ("onFailure", "on_failure")] {
            let destination = config.get("destinationConfig").and_then(|it| it.get(name)?.get("destination")?.as_str());
            match destination.map(|text| (text, text.parse::<Destination>())) {
                Some((text, Ok(destination))) if destination.source().is_some() => {
                    let reason =
                        "a template has no sources; give them in wisp.toml, and deploy the template to that host";
                    self.warn(function.line, format!("destination {text} of {what} is left out: {reason}"));
                }
                Some((text, Ok(_))) => keys.push(format!("{key} = {}", quoted(text))),
                Some((text, Err(reason))) => {
                    self.warn(function.line, format!("destination {text} of {what} is left out: {reason}"));
                }
                None => {}
            }
        }
        self.line(function.line, what, format_args!("async = {{ {} }}", keys.join(", ")));
    }

    fn environment(&mut self, function: &ProjectFunction, what: &str) {
        let variables = function.attributes.get("environmentVariables").and_then(Json::as_object);
        let pairs = variables.into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_str()?)));
        let pairs: Vec<_> = pairs.map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        if !pairs.is_empty() {
            let text = format!("environment = {{ {} }}", pairs.join(", "));
            self.attribute(function, "environmentVariables", what, text);
        }
    }

    fn trigger(&mut self, function: &ProjectFunction, trigger: &ProjectTrigger) {
        let what = format!("trigger {} of function {}", trigger.name, function.name);
        let has_http = function.triggers.iter().any(|trigger| trigger.kind == "http");
        match trigger.kind.as_str() {
            "http" => {}
            "timer" if has_http => {
                let reason = "has no effect here: the function has an HTTP trigger, beside which no other stands";
                return self.warn(trigger.line, format!("{what} {reason}"));
            }
            "timer" => return self.timer(trigger, &what),
            kind => {
                let reason = format!("has no effect here: sources of triggers of the type {kind} stand in a wisp.toml");
                return self.warn(trigger.line, format!("{what} {reason}"));
            }
        }
        let config = trigger.attributes.get("triggerConfig");
        let get = |key: &str| config.and_then(|config| config.get(key));
        let mut keys = Vec::new();
        if let Some(methods) = get("methods") {
            keys.push(format!("methods = {methods}"));
        }
        if get("authType").and_then(Json::as_str) != Some("anonymous") {
            keys.push("auth = \"function\"".to_owned());
            if !self.has_key {
                let message = format!(
                    "{what} refuses everybody: callers must sign, and there is no access key; set {KEY_ID} and {KEY_SECRET}"
                );
                self.warn(trigger.line, message);
            }
        }
        self.line(trigger.line, &what, format_args!("http = {{ {} }}", keys.join(", ")));
    }

    fn timer(&mut self, trigger: &ProjectTrigger, what: &str) {
        let config = trigger.attributes.get("triggerConfig");
        let get = |key: &str| config.and_then(|config| config.get(key));
        let mut keys = vec!["type = \"timer\"".to_owned()];
        // As the API has it: who says nothing wants no timer that fires.
        keys.push(format!("enabled = {}", get("enable") == Some(&Json::Bool(true))));
        for key in ["cronExpression", "payload"] {
            keys.extend(get(key).and_then(Json::as_str).map(|text| format!("{key} = {}", quoted(text))));
        }
        keys.extend(
            trigger.attributes.get("qualifier").and_then(Json::as_str).map(|it| format!("qualifier = {}", quoted(it))),
        );
        self.line(trigger.line, what, format_args!("triggers.{} = {{ {} }}", quoted(&trigger.name), keys.join(", ")));
    }

    fn domain(&mut self, name: &str, attributes: &serde_json::Map<String, Json>, line: usize) {
        let what = format!("domain {name}");
        let routes = attributes.get("routeConfig").and_then(|config| config.get("routes")).and_then(Json::as_array);
        let mut written = Vec::new();
        for route in routes.into_iter().flatten() {
            let text = |key: &str| route.get(key).and_then(Json::as_str);
            let (service, function) =
                (text("serviceName").unwrap_or(SERVICE), text("functionName").unwrap_or_default());
            let served = self.served.iter().any(|(owner, name)| (&**owner, &**name) == (service, function));
            let path = text("path").unwrap_or_default();
            if !served {
                self.warn(line, format!("route {path} of {what} is left out: its function {function} is not served"));
                continue;
            }
            if route.get("rewriteConfig").is_some_and(|config| config.as_object().is_some_and(|it| !it.is_empty())) {
                self.warn(line, format!("`rewriteConfig` of route {path} of {what} has no effect here"));
            }
            let mut keys = vec![
                format!("path = {}", quoted(path)),
                format!("service = {}", quoted(service)),
                format!("function = {}", quoted(function)),
            ];
            keys.extend(text("qualifier").map(|qualifier| format!("qualifier = {}", quoted(qualifier))));
            keys.extend(route.get("methods").map(|methods| format!("methods = {methods}")));
            written.push(format!("{{ {} }}", keys.join(", ")));
        }
        if !written.is_empty() {
            self.line(line, &what, format_args!("[domains.{}]", quoted(name)));
            self.line(line, &what, format_args!("routes = [{}]", written.join(", ")));
            self.encryption(&what, attributes, line);
        }
    }

    /// The certificate of a domain, which a `wisp.toml` has in files, and its protocol.
    fn encryption(&mut self, what: &str, attributes: &serde_json::Map<String, Json>, line: usize) {
        let protocol = attributes.get("protocol").and_then(Json::as_str).unwrap_or("HTTP");
        let file = |key: &str| attributes.get("certConfig")?.get(key)?.as_str().filter(|text| !text.is_empty());
        match (file("certificate"), file("privateKey")) {
            (Some(certificate), Some(key)) if ![certificate, key].iter().any(|text| text.contains("-----BEGIN")) => {
                self.line(line, what, format_args!("certificate = {}", quoted(certificate)));
                self.line(line, what, format_args!("private_key = {}", quoted(key)));
                self.line(line, what, format_args!("protocol = {}", quoted(&protocol.to_ascii_lowercase())));
            }
            (None, None) if protocol == "HTTP" => {}
            _ => {
                let message = format!(
                    "{what} is served by HTTP alone: its certificate is not in files; `wisp deploy` sends the text of one"
                );
                self.warn(line, message);
            }
        }
    }
}

/// What a function is served from.
enum Code {
    Component {
        file: PathBuf,
        /// What the guest sees of the files around it.
        directory: Option<PathBuf>,
    },
    Sources {
        directory: PathBuf,
        language: &'static str,
    },
}

/// What is at a function's code, or why that is nothing to serve.
fn code(function: &ProjectFunction) -> Result<Code, String> {
    let text = |attribute: &str| function.attributes.get(attribute).and_then(Json::as_str).unwrap_or_default();
    let (runtime, handler) = (text("runtime"), text("handler"));
    if runtime == "custom-container" {
        return Err("wisp runs no containers".to_owned());
    }
    let path = function.code.as_deref().ok_or("there is no code on this machine")?;
    if path.is_file() {
        let component = path.extension().is_some_and(|extension| extension == "wasm");
        return match component {
            true => Ok(Code::Component { file: absolute(path), directory: None }),
            false => Err(format!("{} is packed; give the directory, or deploy it with `wisp deploy`", path.display())),
        };
    }
    let unreadable = |error| format!("its code at {} cannot be read: {error}", path.display());
    if path.join("Cargo.toml").is_file() {
        return Ok(Code::Sources { directory: absolute(path), language: "rust" });
    }
    let directory = absolute(path);
    match Tree::read(path).map_err(unreadable)?.contents(handler, runtime) {
        Ok(Contents::Component { path }) => {
            Ok(Code::Component { file: directory.join(path), directory: Some(directory) })
        }
        Ok(Contents::JavaScript { .. }) => Ok(Code::Sources { directory, language: "javascript" }),
        Ok(Contents::Python { .. }) => Ok(Code::Sources { directory, language: "python" }),
        Err(PackageError::Unusable(reason)) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A text as TOML and JSON have it.
fn quoted(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
