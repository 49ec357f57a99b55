//! Finding and reading a project's file: `wisp.toml`, or the deployment file of another tool.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use wisp::config::{self, Config, ConfigError, Environment, FunctionConfig, Problem};

use super::{
    Failure,
    terminal::{counted, warn},
};

/// The configuration file of a project.
pub(super) const FILE: &str = "wisp.toml";

/// What a directory is looked through for, in this order: wisp's own file, Fun's, Serverless Devs'.
const FILES: [&str; 5] = [FILE, "template.yml", "template.yaml", "s.yaml", "s.yml"];

/// The file of the project in a directory; `wisp.toml` if there is none.
pub(super) fn file_in(directory: &Path) -> PathBuf {
    // A plain `wisp.toml` in messages, where a `./wisp.toml` would do as well.
    let candidate = |file: &str| if directory == Path::new(".") { file.into() } else { directory.join(file) };
    FILES.iter().map(|file| candidate(file)).find(|file| file.is_file()).unwrap_or_else(|| candidate(FILE))
}

/// `--config`, wherever a command takes it.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The configuration file [default: wisp.toml, template.yml or s.yaml, whichever is here]
    #[arg(long, short, env = "WISP_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file that was named, or the project's here.
    pub(super) fn path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| file_in(Path::new(".")))
    }

    /// Whether a file was named.
    pub(super) fn is_typed(&self) -> bool {
        self.config.is_some()
    }

    /// The configuration.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        load(&self.path())
    }

    /// The configuration, if a file was named or is here.
    pub(super) fn load_if_any(&self) -> Result<Option<Config>, Failure> {
        if self.config.is_none() && !self.path().exists() {
            return Ok(None);
        }
        self.load().map(Some)
    }
}

/// The configuration in a file, or everything that is wrong with it.
pub(super) fn load(path: &Path) -> Result<Config, Failure> {
    if !path.exists() {
        return Err(Failure::usage(anyhow!(
            "there is no {}. `wisp new NAME` starts a project, `--config FILE` names another file",
            path.display()
        )));
    }
    let config = read(path).map_err(|error| Failure::usage(problems(&error)))?;
    show_warnings(&config.warnings);
    Ok(config)
}

/// The configuration in a file, with the variables of this process.
pub(super) fn read(path: &Path) -> Result<Config, ConfigError> {
    config::load_with(path, Environment::new(&variable))
}

/// A variable that a configuration names.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What of a configuration has no effect.
pub(super) fn show_warnings(warnings: &[Problem]) {
    for warning in warnings {
        warn(&warning.to_string());
    }
}

/// What an empty file means: all defaults.
pub(super) fn default_config() -> Result<Config, Failure> {
    config::parse("", Path::new(FILE)).map_err(|error| Failure::usage(problems(&error)))
}

/// All problems, one a line.
pub(super) fn problems(error: &ConfigError) -> anyhow::Error {
    let lines: Vec<_> = error.problems.iter().map(|problem| format!("\n  {problem}")).collect();
    anyhow!("the configuration has {}:{}", counted(error.problems.len(), "problem"), lines.concat())
}

/// The functions with these names, or an error that says which there are.
pub(super) fn named<'a>(config: &'a Config, wanted: &[String]) -> Result<Vec<&'a FunctionConfig>, Failure> {
    if wanted.is_empty() {
        return Ok(config.functions.iter().collect());
    }
    let mut found = Vec::new();
    for name in wanted {
        let before = found.len();
        found.extend(config.functions.iter().filter(|function| *function.name == **name));
        if found.len() == before {
            return Err(Failure::usage(unknown(names(config), name)));
        }
    }
    Ok(found)
}

/// There is no function of this name.
pub(super) fn unknown<'a>(known: impl IntoIterator<Item = &'a str>, name: &str) -> anyhow::Error {
    let known: Vec<_> = known.into_iter().collect();
    if known.is_empty() {
        return anyhow!("there is no function '{name}', nor any other");
    }
    anyhow!("there is no function '{name}'; there is {}", known.join(", "))
}

/// The names of all functions.
pub(super) fn names(config: &Config) -> impl Iterator<Item = &str> {
    config.functions.iter().map(|function| &*function.name)
}
