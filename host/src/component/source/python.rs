//! Python, by componentize-py: the entry module, and what it imports at its top level, with CPython in one component.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{BuildError, Job, Progress, Toolchain, failed_io, tool, wit_dir};
use crate::config::Language;

/// Files that are the entry module.
const ENTRIES: &[&str] = &["app.py", "main.py"];

const INSTALL: &str =
    "Run `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1` there or in a directory above";

pub(super) fn build(job: &Job<'_>, progress: Progress<'_>) -> Result<(), BuildError> {
    let (componentize, _) = find(&job.source)?;
    let entry = entry(&job.source)?;
    let wit = wit_dir(&job.cache_dir).map_err(|error| failed_io(&job.source, error))?;
    let mut command = Command::new(componentize);
    command
        .arg("-d")
        .arg(wit)
        .args(["-w", job.world, "componentize", entry, "-p"])
        .arg(&job.source)
        .arg("-o")
        .arg(&job.output)
        // The tool is a Rust program: its own backtrace would bury the Python one.
        .env("RUST_BACKTRACE", "0")
        .current_dir(&job.source);
    tool::run("componentize-py", &job.source, &mut command, progress)
}

pub(super) fn toolchain(directory: &Path) -> Toolchain {
    Toolchain::new(Language::Python, find(directory).map(|(_, version)| version))
}

/// The nearest `.venv` above the sources, else the PATH; with its version.
fn find(source: &Path) -> Result<(PathBuf, String), BuildError> {
    let environments = source.ancestors().map(|it| it.join(".venv/bin/componentize-py")).filter(|it| it.is_file());
    environments
        .chain([PathBuf::from("componentize-py")])
        .find_map(|path| Some((path.clone(), tool::ask(Command::new(path).arg("--version"))?)))
        .ok_or_else(|| missing(source, "it is neither in a .venv nor on the PATH".into(), INSTALL))
}

/// The name of the entry module.
fn entry(source: &Path) -> Result<&'static str, BuildError> {
    let file = ENTRIES.iter().find(|name| source.join(name).is_file());
    file.and_then(|name| name.strip_suffix(".py")).ok_or_else(|| {
        let reason = format!("there is no entry module: looked for {}", ENTRIES.join(" and "));
        missing(source, reason, "Name the module that implements the world app.py")
    })
}

fn missing(source: &Path, reason: String, advice: &str) -> BuildError {
    BuildError {
        tool: "componentize-py".into(),
        directory: source.into(),
        reason,
        advice: advice.into(),
        output: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_an_entry_module_is_told_the_names() {
        let project = tempfile::tempdir().unwrap();
        let error = entry(project.path()).unwrap_err().to_string();
        assert!(error.contains("looked for app.py and main.py. Name the module"), "{error}");
        std::fs::write(project.path().join("main.py"), "").unwrap();
        assert_eq!(entry(project.path()).unwrap(), "main");
    }

    #[test]
    fn the_advice_pins_a_version() {
        let error = missing(Path::new("/src/f"), "it is missing".into(), INSTALL).to_string();
        assert!(error.starts_with("cannot build /src/f with componentize-py: it is missing. Run `python3 -m venv"));
        assert!(error.contains("pip install componentize-py==0.25.1"), "{error}");
    }
}
