//! Finding and reading `wisp.toml`, or doing without one.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use clap::Args;
use wisp::{
    component::source,
    config::{self, Config, ConfigError, FunctionConfig, Language},
};

use super::{Failure, runtimes, terminal::counted};

/// The configuration file of a project.
pub(super) const FILE: &str = "wisp.toml";

/// `--config`, wherever a command takes it.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The configuration file [default: wisp.toml]
    #[arg(long, short, env = "WISP_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file that was named, or `wisp.toml` here.
    pub(super) fn path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| FILE.into())
    }

    /// The configuration.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        load(&self.path())
    }

    /// The configuration; without a file, what the sources here stand for.
    pub(super) fn load_or_infer(&self) -> Result<Config, Failure> {
        if self.config.is_none()
            && !Path::new(FILE).exists()
            && let Some(config) = infer(Path::new("."))?
        {
            return Ok(config);
        }
        self.load()
    }

    /// The configuration, if a file was named or is here.
    pub(super) fn load_if_any(&self) -> Result<Option<Config>, Failure> {
        if self.config.is_none() && !Path::new(FILE).exists() {
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
    config::load(path).map_err(|error| Failure::usage(problems(&error)))
}

/// What sources without a `wisp.toml` stand for: one function, called like their directory, with an HTTP trigger. `None`
/// if there are none that a language runtime takes.
pub(super) fn infer(directory: &Path) -> Result<Option<Config>, Failure> {
    if !matches!(source::detect(directory), Some(Language::JavaScript | Language::Python)) {
        return Ok(None);
    }
    let full = directory.canonicalize()?;
    let name = name_of(&full);
    let text = format!("[functions.{name}.build]\n[functions.{name}.http]\n");
    let file = if directory == Path::new(".") { FILE.into() } else { directory.join(FILE) };
    let mut config = config::parse(&text, &file).map_err(|error| Failure::usage(problems(&error)))?;
    // Whoever has no configuration wants no other files either.
    if let Some(cache) = runtimes::user_cache() {
        config.server.data_dir = cache.join("projects");
        let mut hasher = DefaultHasher::new();
        full.hash(&mut hasher);
        for function in &mut config.functions {
            function.component = cache.join(format!("projects/components/{name}-{:016x}.wasm", hasher.finish()));
        }
    }
    Ok(Some(config))
}

/// The name of a directory, as near to it as a function's may be.
fn name_of(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    let name: String = name.chars().map(fits).take(60).collect();
    let name = name.trim_matches('-');
    match name.chars().next() {
        Some(first) if first.is_ascii_alphabetic() || first == '_' => name.to_owned(),
        Some(_) => format!("f-{name}"),
        None => "function".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_alone_are_a_function_called_like_their_directory() {
        let parent = tempfile::tempdir().unwrap();
        for (directory, file, name) in [
            ("orders", "index.js", "orders"),
            ("my orders.v2", "index.ts", "my-orders-v2"),
            ("2024", "main.py", "f-2024"),
            ("\u{4f60}", "app.py", "function"),
        ] {
            let directory = parent.path().join(directory);
            std::fs::create_dir(&directory).unwrap();
            assert!(infer(&directory).unwrap().is_none());
            std::fs::write(directory.join(file), "").unwrap();
            let config = infer(&directory).unwrap().unwrap();
            assert_eq!(&*config.functions[0].name, name);
            assert!(config.functions[0].http.is_some());
            assert_eq!(config.functions[0].code_dir.as_deref(), Some(&*directory));
        }
    }

    #[test]
    fn a_rust_package_stands_for_nothing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("Cargo.toml"), "").unwrap();
        assert!(infer(directory.path()).unwrap().is_none());
    }
}
