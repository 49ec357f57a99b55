//! What is measured: functions of a project, or files, with settings of their own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::Path,
};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use clap::Args;
use wisp::{
    bench::call::Payload,
    config::{self, Config, FunctionConfig},
};

use crate::cli::{
    Failure,
    activity::Show,
    builds::{self, Builder, Outcome, Which},
    project::{self, ConfigArgs},
    runtimes::{self, RuntimesArgs},
    terminal::counted,
};

/// Memory that a component's file is given, unless a setting says another: enough for every language runtime.
const MEMORY: &str = "256 MB";

/// The settings that a subject may have behind its colon.
const SETTINGS: [&str; 8] = [
    "initialization_timeout",
    "initializer",
    "instance_concurrency",
    "isolation",
    "max_instances",
    "memory",
    "scratch",
    "timeout",
];

/// Which functions, and what they are called with.
#[derive(Debug, Args)]
pub(super) struct SubjectArgs {
    /// A function, or a component's file, with or without settings
    #[arg(value_name = "SUBJECT")]
    subjects: Vec<String>,
    /// Measure several side by side, in turns
    #[arg(long, value_name = "SUBJECT", num_args = 2.., conflicts_with = "subjects")]
    compare: Vec<String>,
    /// Call them with this event
    #[arg(long, short, value_name = "TEXT", conflicts_with = "path")]
    event: Option<String>,
    /// Call them with a GET of this path [default: `/`, or an empty event for what takes only events]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    runtimes: RuntimesArgs,
}

/// What is measured, ready to be deployed.
pub(super) struct Subjects {
    /// With no function but those that are measured, each under a name of its own.
    pub(super) config: Config,
    /// Name as it was typed, and function.
    pub(super) list: Vec<(String, FunctionConfig)>,
    /// What was asked to call them with.
    pub(super) payload: Option<Payload>,
    /// Whatever `config` needs as long as it is used.
    _directory: Option<tempfile::TempDir>,
}

impl SubjectArgs {
    /// Whether none was named.
    pub(super) fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.compare.is_empty()
    }

    /// The path of a request, without the slash at its beginning.
    pub(super) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default().trim_start_matches('/')
    }

    /// Finds them, and builds those whose sources are newer than their component.
    pub(super) fn find(&self) -> Result<Subjects, Failure> {
        let typed: Vec<_> = self.subjects.iter().chain(&self.compare).map(|text| Typed::parse(text)).collect();
        let (mut config, directory) = match typed.iter().all(|typed| typed.is_file()) && !typed.is_empty() {
            true => without_project()?,
            false => (self.config.load_or_infer()?, None),
        };
        let mut list = Vec::new();
        if typed.is_empty() {
            list.extend(config.functions.iter().map(|function| (function.name.to_string(), function.clone())));
        }
        for typed in &typed {
            list.push((typed.short(), typed.function(&config)?));
        }
        if list.is_empty() {
            return Err(Failure::usage(anyhow!("the project has no function to measure; name a component's file")));
        }
        name_apart(&mut list);
        config.functions = list.iter().map(|(_, function)| function.clone()).collect();
        config.domains.clear();
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        (config.server.listen, config.server.api_listen) = (anywhere, anywhere);
        self.build(&config)?;
        Ok(Subjects { config, list, payload: self.payload(), _directory: directory })
    }

    fn payload(&self) -> Option<Payload> {
        let event = self.event.as_ref().map(|event| Payload::Event(Bytes::from(event.clone())));
        event.or_else(|| self.path.as_ref().map(|_| Payload::Get(format!("/{}", self.path()))))
    }

    fn build(&self, config: &Config) -> Result<(), Failure> {
        let runtimes = self.runtimes.open_alone(config)?;
        let outcomes = Builder::new(config, runtimes.as_ref(), Show::fitting()).run(&config.functions, Which::Stale);
        let failed = outcomes.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Failed(error) => Some(error),
            Outcome::Fresh | Outcome::Built => None,
        });
        match failed.inspect(|error| builds::report(error)).count() {
            0 => Ok(()),
            count => Err(anyhow!("{} could not be built", counted(count, "component")).into()),
        }
    }
}

/// A subject as it was typed.
struct Typed<'a> {
    text: &'a str,
    target: &'a str,
    settings: Option<&'a str>,
}

impl<'a> Typed<'a> {
    fn parse(text: &'a str) -> Self {
        let (target, settings) = match text.rsplit_once(':') {
            Some((target, settings)) if settings.contains('=') => (target, Some(settings)),
            _ => (text, None),
        };
        Self { text, target, settings }
    }

    /// Names of functions have neither dots nor slashes.
    fn is_file(&self) -> bool {
        self.target.contains(['.', '/'])
    }

    /// As it was typed, but for the directories of a file: pictures and tables have little room.
    fn short(&self) -> String {
        let start = self.target.rfind('/').map_or(0, |slash| slash + 1);
        self.text.get(start..).unwrap_or(self.text).to_owned()
    }

    fn function(&self, config: &Config) -> Result<FunctionConfig, Failure> {
        let mut function = match self.is_file() {
            true => of_file(Path::new(self.target))?,
            false => (*project::named(config, &[self.target.to_owned()])?.first().context("no function")?).clone(),
        };
        // What has no trigger is measured over HTTP as well.
        if function.http.is_none() {
            function.http = parsed("")?.http;
        }
        for setting in self.settings.iter().flat_map(|settings| settings.split(',')) {
            set(&mut function, setting).map_err(|error| Failure::usage(error.context(self.text.to_owned())))?;
        }
        Ok(function)
    }
}

fn of_file(file: &Path) -> Result<FunctionConfig, Failure> {
    let context = || format!("the component {} cannot be read", file.display());
    let component = file.canonicalize().with_context(context).map_err(Failure::usage)?;
    let mut function = parsed(&format!("memory = \"{MEMORY}\""))?;
    function.name = project::name_of(&component.with_extension("")).into();
    function.component = component;
    Ok(function)
}

/// One setting, read as `wisp.toml` would.
fn set(function: &mut FunctionConfig, setting: &str) -> anyhow::Result<()> {
    let (key, value) = setting.split_once('=').with_context(|| format!("'{setting}' is no `KEY=VALUE`"))?;
    let (key, value) = (key.trim(), value.trim());
    let is_plain = value.parse::<f64>().is_ok() || value.parse::<bool>().is_ok();
    let value = if is_plain { value.to_owned() } else { format!("{value:?}") };
    let read = parsed(&format!("{key} = {value}")).map_err(Failure::into_error)?;
    match key {
        "initialization_timeout" => function.initialization_timeout = read.initialization_timeout,
        "initializer" => function.initializer = read.initializer,
        "instance_concurrency" => function.instance_concurrency = read.instance_concurrency,
        "isolation" => function.isolation = read.isolation,
        "max_instances" => function.max_instances = read.max_instances,
        "memory" => function.memory = read.memory,
        "scratch" => function.scratch = read.scratch,
        "timeout" => function.timeout = read.timeout,
        _ => return Err(anyhow!("`{key}` cannot be set here; {} can", SETTINGS.join(", "))),
    }
    Ok(())
}

/// A function with an HTTP trigger and these settings.
fn parsed(settings: &str) -> Result<FunctionConfig, Failure> {
    let text = format!("[functions.f]\ncomponent = \"f.wasm\"\n{settings}\n[functions.f.http]\n");
    let config = config::parse(&text, Path::new("the settings"));
    let config = config.map_err(|error| Failure::usage(project::problems(&error)))?;
    Ok(config.functions.into_iter().next().context("a table that is there is read")?)
}

/// Files are measured without a project: what is compiled goes to the user's cache.
fn without_project() -> Result<(Config, Option<tempfile::TempDir>), Failure> {
    let mut config = project::default_config()?;
    let directory = match runtimes::user_cache() {
        Some(cache) => {
            config.server.data_dir = cache.join("bench");
            None
        }
        None => Some(tempfile::tempdir().context("there is no place for compiled code")?),
    };
    if let Some(directory) = &directory {
        config.server.data_dir = directory.path().to_owned();
    }
    Ok((config, directory))
}

/// A function may be measured several times, with other settings.
fn name_apart(list: &mut [(String, FunctionConfig)]) {
    let mut seen = std::collections::HashMap::<String, NonZeroUsize>::new();
    for (_, function) in list {
        let count = seen.entry(function.name.to_string()).and_modify(|count| *count = count.saturating_add(1));
        let count = *count.or_insert(NonZeroUsize::MIN);
        if count > NonZeroUsize::MIN {
            let short: String = function.name.chars().take(60).collect();
            function.name = format!("{short}-{count}").into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_the_configuration_would() {
        let mut function = parsed("").unwrap();
        set(&mut function, "memory=64 MB").unwrap();
        set(&mut function, "isolation = request").unwrap();
        set(&mut function, "max_instances=7").unwrap();
        assert_eq!((function.memory, function.max_instances.get()), (64 << 20, 7));
        assert_eq!(function.isolation, config::Isolation::Request);
        assert!(set(&mut function, "memory=lots").unwrap_err().to_string().contains("memory"));
        assert!(set(&mut function, "log_store=x").unwrap_err().to_string().contains("cannot be set here"));
    }

    #[test]
    fn a_colon_begins_settings_only_before_an_equals_sign() {
        let typed = Typed::parse("a/b.wasm:memory=1 GB,timeout=2 s");
        assert_eq!(
            (typed.target, typed.settings, typed.is_file()),
            ("a/b.wasm", Some("memory=1 GB,timeout=2 s"), true)
        );
        let typed = Typed::parse("hello");
        assert_eq!((typed.target, typed.settings, typed.is_file()), ("hello", None, false));
    }

    #[test]
    fn one_function_twice_has_two_names() {
        let function = parsed("").unwrap();
        let mut list = vec![("f".to_owned(), function.clone()), ("f:memory=1 GB".to_owned(), function)];
        name_apart(&mut list);
        assert_eq!(list.iter().map(|(_, function)| &*function.name).collect::<Vec<_>>(), ["f", "f-2"]);
    }
}
