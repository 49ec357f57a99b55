//! The official SDKs as clients: installed once from their registries under `target/test-clients`, and the programs of
//! `tests/clients` that use them.
//!
//! A program prints one line a step, `ok <step>` or `not ok <step>: <reason>`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use crate::root;

/// Longer than any program takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// A language that has official SDKs.
#[derive(Clone, Copy, Debug)]
pub enum Sdk {
    /// npm's packages, by Node.js.
    Node,
    /// PyPI's packages, by Python.
    Python,
}

static NODE: LazyLock<PathBuf> = LazyLock::new(|| installed("node", "package-lock.json", install_node));
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| installed("python", "requirements.txt", install_python));

impl Sdk {
    /// The command that runs a program of `tests/clients` with the SDKs at hand; installs them if need be.
    fn command(self, program: &str) -> Command {
        match self {
            Self::Node => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", NODE.join("node_modules"));
                command.arg(sources("node").join(program));
                command
            }
            Self::Python => {
                let mut command = Command::new(PYTHON.join("venv/bin/python"));
                // Without it, byte code is left beside the programs.
                command.env("PYTHONDONTWRITEBYTECODE", "1").arg(sources("python").join(program));
                command
            }
        }
    }
}

fn sources(language: &str) -> PathBuf {
    root().join("tests/clients").join(language)
}

/// The directory with a language's SDKs, installed unless that was done for the same lock file.
fn installed(language: &str, lock_file: &str, install: fn(&Path, &Path)) -> PathBuf {
    let directory = root().join("target/test-clients").join(language);
    fs::create_dir_all(&directory).unwrap();
    // One installation at a time, over all test processes.
    let lock = fs::File::create(directory.join("lock")).unwrap();
    lock.lock().unwrap();
    let wanted = fs::read(sources(language).join(lock_file)).unwrap();
    let stamp = directory.join("installed");
    if fs::read(&stamp).ok().as_deref() != Some(&wanted) {
        let _ = fs::remove_file(&stamp);
        install(&sources(language), &directory);
        fs::write(&stamp, wanted).unwrap();
    }
    directory
}

fn install_node(sources: &Path, directory: &Path) {
    for name in ["package.json", "package-lock.json"] {
        fs::copy(sources.join(name), directory.join(name)).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(directory);
    succeed(&mut npm, "install Node.js 20 with npm");
}

fn install_python(sources: &Path, directory: &Path) {
    let venv = directory.join("venv");
    let _ = fs::remove_dir_all(&venv);
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv), "install Python 3.11 with venv");
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(sources.join("requirements.txt"));
    succeed(&mut pip, "look at pip's message above");
}

fn succeed(command: &mut Command, way_out: &str) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!(
            "{:?} cannot be started ({error}): {way_out}; the tests use the official SDKs as clients",
            command.get_program()
        )
    });
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}\n{}\n{way_out}", output.status, String::from_utf8_lossy(&text));
}

/// The operations that an SDK's client has, by the names of its methods.
pub fn operations(sdk: Sdk, program: &str, environment: &[(&str, String)]) -> Vec<String> {
    let mut command = sdk.command(program);
    let output = command.arg("--operations").envs(environment.iter().cloned()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Runs a program to its end; panics with the steps that failed.
pub async fn run(sdk: Sdk, program: &'static str, environment: &[(&str, String)]) {
    // The first use of an SDK installs it, which takes a minute.
    let command = tokio::task::spawn_blocking(move || sdk.command(program)).await.unwrap();
    let mut command = tokio::process::Command::from(command);
    command.envs(environment.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{program} has not ended in {PATIENCE:?}")).unwrap();
    let lines = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<_> = lines.lines().filter_map(|line| line.strip_prefix("not ok ")).collect();
    let passed = lines.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(
        failed.is_empty() && output.status.success() && passed > 0,
        "{program}: {passed} steps passed, {} failed, {}\n\n{}\n\n{}",
        failed.len(),
        output.status,
        failed.join("\n"),
        String::from_utf8_lossy(&output.stderr),
    );
}
