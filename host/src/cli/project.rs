//! Finding and reading a project's file: `wisp.toml`, or the deployment file of another tool; or doing without one.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use clap::Args;
use wisp::{
    component::source,
    config::{self, Config, ConfigError, Environment, FunctionConfig, Language, Problem},
};

use super::{
    Failure, runtimes,
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

    /// The configuration; without a file, what the sources here stand for.
    pub(super) fn load_or_infer(&self) -> Result<Config, Failure> {
        self.load_or_infer_if_any()?.map_or_else(|| self.load(), Ok)
    }

    /// The configuration, if a file was named or is here; without one, what the sources here stand for, if there are any.
    pub(super) fn load_or_infer_if_any(&self) -> Result<Option<Config>, Failure> {
        if self.config.is_none() && !self.path().exists() { infer(Path::new(".")) } else { self.load().map(Some) }
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

/// What the file says, or what the sources beside it stand for without it.
pub(super) fn read_or_infer(file: &Path) -> anyhow::Result<Config> {
    if !file.exists() {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if let Some(config) = infer(directory).map_err(Failure::into_error)? {
            return Ok(config);
        }
    }
    read(file).map_err(|error| problems(&error))
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
pub(super) fn name_of(directory: &Path) -> String {
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
