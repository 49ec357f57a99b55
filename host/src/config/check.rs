//! The written form → [`Config`]: defaults, ranges, and what must fit together.
//!
//! A wrong value is reported and read as its default, so that one pass finds everything that is wrong.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    AccessKeyConfig, Config, Environment, EventsConfig, FunctionConfig, Limits, ServerConfig, SourceConfig,
    TriggerConfig,
    file::{File, Lines, Place, Problems, Section},
    nearest::hint,
    template,
};

mod access_key;
mod asynchronous;
mod domain;
mod function;
mod server;
mod source;
mod text;
mod trigger;

#[cfg(test)]
#[path = "tests/check.rs"]
mod tests;

/// Everything that is wrong with a configuration; displayed with one line for each problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct ConfigError {
    /// At least one, ordered by file and line.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, displayed as `wisp.toml:12: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file to change.
    pub file: PathBuf,
    /// The line to change, from 1; `None`: the file as a whole.
    pub line: Option<usize>,
    /// The key, its value, the reason, the way out.
    pub message: String,
}

impl ConfigError {
    fn lines(&self) -> String {
        let lines: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        lines.join("\n")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, "{line}:"))?;
        write!(f, " {}", self.message)
    }
}

/// The configuration in the file at `path`; variables of the environment that it names are not set.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    load_with(path, Environment::empty())
}

/// The configuration in the file at `path`: a `wisp.toml`, or a deployment file of another tool.
pub fn load_with(path: &Path, environment: Environment<'_>) -> Result<Config, ConfigError> {
    if template::is_template(path) {
        return template::Project::load(path, environment)?.into_config(path, environment);
    }
    match fs::read_to_string(path) {
        Ok(text) => parse_with(&text, path, environment),
        Err(error) => {
            let message = format!("cannot be read: {error}");
            Err(ConfigError { problems: vec![Problem { file: path.to_owned(), line: None, message }] })
        }
    }
}

/// The configuration that `text` says; `path` is where its relative paths start from and what its problems are
/// reported for.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    parse_with(text, path, Environment::empty())
}

/// The same, with an environment that it may refer to.
pub fn parse_with(text: &str, path: &Path, environment: Environment<'_>) -> Result<Config, ConfigError> {
    let problems = Problems::default();
    let mut found = Found { opened: vec![identity(path)], ..Found::default() };
    let lines = Lines::of(text);
    let host = File { path, text, lines: &lines, problems: &problems, environment }.read(|top| {
        let access_keys = access_key::access_keys(top);
        let has_keys = top.has("access_keys");
        let server = top.table_or_empty("server", |section| server::server(section, has_keys));
        let limits = top.table_or_empty("limits", server::limits);
        let events = top.table_or_empty("events", asynchronous::events);
        found.collect(top);
        (access_keys, server, limits, events)
    });
    found.check_routes(&problems);
    found.check_triggers(&problems);
    found.check_destinations(&problems);
    let problems = problems.into_sorted();
    match host {
        Some(host) if problems.is_empty() => Ok(found.into_config(host)),
        _ => Err(ConfigError { problems }),
    }
}

/// What only the first file may say.
type HostConfig = (Vec<AccessKeyConfig>, ServerConfig, Limits, EventsConfig);

/// Service and name.
type FunctionKey = (Arc<str>, Arc<str>);

/// What the file and those that it includes have brought together.
#[derive(Default)]
struct Found {
    functions: BTreeMap<FunctionKey, (Place, FunctionConfig)>,
    sources: BTreeMap<String, (Place, SourceConfig)>,
    triggers: Vec<(Place, TriggerConfig)>,
    /// What has no effect as things are.
    warnings: Vec<Problem>,
    domains: BTreeMap<String, (Place, domain::Domain)>,
    /// Every file there was; the last is being read and the ones before may still be.
    opened: Vec<PathBuf>,
}

impl Found {
    fn collect(&mut self, top: &mut Section<'_>) {
        top.tables("functions", |name, section| {
            let place = section.here();
            let function = function::function(name, section);
            self.add_triggers(&function, section);
            self.add_function(place, function, section);
        });
        self.add_sources(top);
        top.tables("domains", |name, section| {
            let place = section.here();
            self.add_domain(place, name, domain::domain(name, section), section);
        });
        for include in top.or::<Vec<PathBuf>>("include", Vec::new()) {
            self.include(&include, top);
        }
    }

    fn add_function(&mut self, place: Place, function: FunctionConfig, section: &Section<'_>) {
        let key = (Arc::clone(&function.service), Arc::clone(&function.name));
        match self.functions.get(&key) {
            Some((first, _)) => section.clash(&format!("function {} of service {}", key.1, key.0), first),
            None => drop(self.functions.insert(key, (place, function))),
        }
    }

    fn add_domain(&mut self, place: Place, name: &str, domain: domain::Domain, section: &Section<'_>) {
        // Host names have no case.
        let key = name.to_ascii_lowercase();
        match self.domains.get(&key) {
            Some((first, _)) => section.clash(&format!("domain {key}"), first),
            None => drop(self.domains.insert(key, (place, domain))),
        }
    }

    fn include(&mut self, include: &Path, top: &Section<'_>) {
        let path = top.file.directory().join(include);
        let identity = identity(&path);
        if self.opened.contains(&identity) {
            let reason =
                format!("{:?} is read already; every file is included once, and none includes itself", include);
            return top.problem("include", reason);
        }
        self.opened.push(identity);
        match fs::read_to_string(&path) {
            Ok(text) => self.read_included(File { path: &path, text: &text, lines: &Lines::of(&text), ..top.file }),
            Err(error) => top.problem("include", format!("{include:?} cannot be read: {error}")),
        }
    }

    fn read_included(&mut self, file: File<'_>) {
        file.read(|top| {
            self.collect(top);
            for key in ["server", "limits", "events", "access_keys"] {
                top.refuse(key, "belongs in the file that wisp is started with");
            }
        });
    }

    /// Routes may lead to functions of other files, so they are followed when all files are read.
    fn check_routes(&self, problems: &Problems) {
        let routes = self.domains.values().flat_map(|(_, domain)| &domain.routes);
        // A route without a function is reported where it is read.
        for route in routes.filter(|route| !route.config.function.is_empty()) {
            if let Err(reason) = self.check_target(&route.config.service, &route.config.function) {
                problems.report(&route.place, format!("route `{}`: {reason}", route.config.path));
            }
        }
    }

    fn check_target(&self, service: &Arc<str>, function: &Arc<str>) -> Result<(), String> {
        match self.functions.get(&(Arc::clone(service), Arc::clone(function))) {
            Some((_, target)) if target.http.is_some() => Ok(()),
            Some(_) => Err(format!("function {function} has no HTTP trigger; add [functions.{function}.http]")),
            None => {
                let siblings = self.functions.keys().filter(|(owner, _)| owner == service).map(|(_, name)| &**name);
                Err(format!("no function {function} in service {service}{}", hint(function, siblings)))
            }
        }
    }

    fn into_config(self, (access_keys, server, limits, events): HostConfig) -> Config {
        let functions = self.functions.into_values().map(|(_, function)| function).collect();
        let domains = self.domains.into_iter().map(|(name, (_, domain))| (name, domain.into())).collect();
        let sources = self.sources.into_iter().map(|(name, (_, source))| (name, source)).collect();
        let triggers = self.triggers.into_iter().map(|(_, trigger)| trigger).collect();
        Config {
            server,
            limits,
            events,
            access_keys,
            functions,
            sources,
            triggers,
            domains,
            warnings: self.warnings,
            files: self.opened,
        }
    }
}

/// What tells whether two paths are one file.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
