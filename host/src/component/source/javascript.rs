//! JavaScript, by componentize-js on Node.js: one ES module, as it is. What needs bundling is bundled before, by a
//! `build.command`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{BuildError, Job, Progress, Toolchain, failed_io, tool, wit_dir};
use crate::config::Language;

/// Files that are the entry module if `package.json` names none.
const ENTRIES: &[&str] = &["index.js", "index.mjs"];

const PACKAGE: &str = "@bytecodealliance/componentize-js";
const SCRIPT: &str = include_str!("componentize.mjs");

/// componentize-js uses preview2-shim without saying so, and newer releases of that break it.
const INSTALL: &str =
    "Run `npm install --save-dev @bytecodealliance/componentize-js@0.23.0 @bytecodealliance/preview2-shim@0.17.9`";
const INSTALL_NODE: &str = "Install Node.js 20 or newer (Debian: `apt install nodejs npm`)";

pub(super) fn build(job: &Job<'_>, progress: Progress<'_>) -> Result<(), BuildError> {
    find(&job.source)?;
    let entry = entry(&job.source)?;
    let wit = wit_dir(&job.cache_dir).map_err(|error| failed_io(&job.source, error))?;
    let arguments = serde_json::json!({
        "entry": entry,
        "wit": wit,
        "world": job.world,
        "output": job.output,
    });
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", SCRIPT, &arguments.to_string()]).current_dir(&job.source);
    tool::run("componentize-js", &job.source, &mut node, progress)
}

pub(super) fn toolchain(directory: &Path) -> Toolchain {
    Toolchain::new(Language::JavaScript, find(directory))
}

/// Node.js and the package, with their versions.
fn find(directory: &Path) -> Result<String, BuildError> {
    let node = tool::ask(Command::new("node").arg("--version"))
        .ok_or_else(|| missing("node", directory, "there is no `node` on the PATH".into(), INSTALL_NODE))?;
    let package = installed(directory).ok_or_else(|| {
        let reason = format!("the npm package {PACKAGE} is not installed there or above");
        missing("componentize-js", directory, reason, INSTALL)
    })?;
    Ok(format!("node {node}, componentize-js {package}"))
}

/// The package's version, found the way Node.js resolves it.
fn installed(directory: &Path) -> Option<String> {
    directory.ancestors().find_map(|it| {
        let manifest = manifest(&it.join("node_modules").join(PACKAGE))?;
        Some(manifest["version"].as_str()?.to_owned())
    })
}

fn entry(source: &Path) -> Result<PathBuf, BuildError> {
    let manifest = manifest(source).unwrap_or_default();
    let named = ["module", "main"].into_iter().find_map(|key| manifest[key].as_str());
    let candidates = named.map_or(ENTRIES.to_vec(), |it| vec![it]);
    let found = candidates.iter().map(|name| source.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let reason = format!("there is no entry module: looked for {}", candidates.join(" and "));
        missing("componentize-js", source, reason, "Name the entry module in `main` of its package.json")
    })
}

fn manifest(package: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&fs::read(package.join("package.json")).ok()?).ok()
}

fn missing(tool: &str, source: &Path, reason: String, advice: &str) -> BuildError {
    BuildError { tool: tool.into(), directory: source.into(), reason, advice: advice.into(), output: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_what_package_json_names() {
        let project = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(project.path().join(name), text).unwrap();
        write("index.mjs", "");
        assert_eq!(entry(project.path()).unwrap(), project.path().join("index.mjs"));
        write("package.json", r#"{ "main": "handler.js" }"#);
        let error = entry(project.path()).unwrap_err().to_string();
        assert!(error.contains("looked for handler.js. Name the entry module in `main`"), "{error}");
        write("handler.js", "");
        assert_eq!(entry(project.path()).unwrap(), project.path().join("handler.js"));
    }

    #[test]
    fn the_package_is_found_in_a_directory_above() {
        let project = tempfile::tempdir().unwrap();
        let package = project.path().join("node_modules").join(PACKAGE);
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("package.json"), r#"{ "version": "0.23.0" }"#).unwrap();
        assert_eq!(installed(&project.path().join("functions/orders")), Some("0.23.0".into()));
    }

    #[test]
    fn the_install_command_pins_versions() {
        assert!(INSTALL.contains("componentize-js@0.23.0") && INSTALL.contains("preview2-shim@0.17.9"));
    }
}
