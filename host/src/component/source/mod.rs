//! Source → component, by the tools of each language's own ecosystem: cargo, componentize-js, componentize-py, or a
//! command that the user gives. Blocking: call it from a thread that may wait for minutes.
//!
//! The way: `build` resolves the paths ▸ one recipe (`rust`, `javascript`, `python` or the command) writes into a
//! scratch directory beside the component ▸ a rename puts the result in place. `tool` runs processes, `wit` owns the WIT
//! package that recipes and templates need as files.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use crate::config::Language;

mod javascript;
mod python;
mod rust;
mod stale;
mod tool;
mod wit;

pub use stale::is_stale;
pub use wit::{WIT_FILES, wit_dir};

/// What to build, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Directory of the sources.
    pub source: &'a Path,
    /// The source language; `None`: told by the files in `source`.
    pub language: Option<Language>,
    /// A shell command in place of the language's recipe.
    pub command: Option<&'a str>,
    /// The world that the sources implement. Only JavaScript and Python need it: Rust sources name theirs.
    pub world: &'a str,
    /// The file to write.
    pub component: &'a Path,
    /// Holds what is made once for all builds: the WIT package as files, the standard library for Rust.
    pub cache_dir: &'a Path,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
#[error("cannot build {} with {tool}: {reason}. {advice}", directory.display())]
pub struct BuildError {
    /// The tool that failed or that is missing.
    pub tool: String,
    /// The directory of the sources.
    pub directory: PathBuf,
    /// What went wrong.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
    /// The last lines that the tool wrote; empty if it never ran.
    pub output: String,
}

/// A language's tools as found on this machine.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// The language.
    pub language: Language,
    /// Whether sources in it can be built.
    pub status: ToolchainStatus,
    /// What to do if they cannot.
    pub advice: String,
}

/// See [`Toolchain`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolchainStatus {
    /// Found; the text names tools and versions.
    Ready(String),
    /// The text names what is missing.
    Missing(String),
}

/// Takes a tool's output, line by line.
pub(super) type Progress<'a> = &'a mut dyn FnMut(&str);

/// A [`Plan`] with its paths resolved, so that a tool may run in any directory.
struct Job<'a> {
    source: PathBuf,
    world: &'a str,
    cache_dir: PathBuf,
    /// Where the recipe writes to.
    output: PathBuf,
}

/// Builds `plan.component`. The file changes by a rename, when all went well; else it stays as it was.
///
/// # Errors
/// See [`BuildError`].
pub fn build(plan: &Plan<'_>, progress: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let io = |error| failed_io(plan.source, error);
    let started = SystemTime::now();
    let has_lock = plan.source.join("Cargo.lock").exists();
    let component = std::path::absolute(plan.component).map_err(io)?;
    let scratch = scratch_beside(&component).map_err(io)?;
    let job = Job {
        source: plan.source.canonicalize().map_err(io)?,
        world: plan.world,
        cache_dir: std::path::absolute(plan.cache_dir).map_err(io)?,
        output: scratch.path().join("component.wasm"),
    };
    match (plan.command, plan.language.or_else(|| detect(plan.source))) {
        (Some(command), _) => run_command(command, &job, &component, progress)?,
        (None, Some(Language::Rust)) => rust::build(&job, progress)?,
        (None, Some(Language::JavaScript)) => javascript::build(&job, progress)?,
        (None, Some(Language::Python)) => python::build(&job, progress)?,
        (None, None) => return Err(unknown_language(&job.source)),
    }
    // The first build of a package writes its lock file, which must not count as an edit.
    let lock = if has_lock { None } else { modified(&job.source.join("Cargo.lock")) };
    put_in_place(&job, &component, lock.map_or(started, |lock| lock.max(started)))?;
    stale::remember(plan).map_err(io)
}

/// The language of the sources in a directory, by the files that its tools look for.
pub fn detect(source: &Path) -> Option<Language> {
    let has = |name: &str| source.join(name).is_file();
    if has("Cargo.toml") {
        Some(Language::Rust)
    } else if has("package.json") || javascript::ENTRIES.iter().any(|name| has(name)) {
        Some(Language::JavaScript)
    } else if python::ENTRIES.iter().any(|name| has(name)) {
        Some(Language::Python)
    } else {
        None
    }
}

/// What this machine can build, for `wisp doctor`. The tools of a project (`node_modules`, `.venv`) are looked for from
/// the current directory upward.
pub fn toolchains() -> Vec<Toolchain> {
    let here = Path::new(".").canonicalize().unwrap_or_default();
    vec![rust::toolchain(&here), javascript::toolchain(&here), python::toolchain(&here)]
}

impl Toolchain {
    fn new(language: Language, found: Result<String, BuildError>) -> Self {
        match found {
            Ok(found) => Self { language, status: ToolchainStatus::Ready(found), advice: String::new() },
            Err(error) => Self {
                language,
                status: ToolchainStatus::Missing(format!("{}: {}", error.tool, error.reason)),
                advice: error.advice,
            },
        }
    }
}

/// The command may write to `$WISP_COMPONENT`, or to the component's own path that it knows from the configuration.
fn run_command(command: &str, job: &Job<'_>, component: &Path, progress: Progress<'_>) -> Result<(), BuildError> {
    let io = |error| failed_io(&job.source, error);
    let before = modified(component);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(&job.source)
        .env("WISP_WIT", wit_dir(&job.cache_dir).map_err(io)?)
        .env("WISP_COMPONENT", &job.output);
    tool::run("the build command", &job.source, &mut shell, progress)?;
    if !job.output.exists() && modified(component) > before {
        fs::copy(component, &job.output).map_err(io)?;
    }
    Ok(())
}

/// `time` becomes the component's: that of the sources it was made from, so that an edit during the build is not missed.
fn put_in_place(job: &Job<'_>, component: &Path, time: SystemTime) -> Result<(), BuildError> {
    let io = |error| failed_io(&job.source, error);
    if !starts_as_wasm(&job.output).map_err(io)? {
        return Err(BuildError {
            tool: "its recipe".into(),
            directory: job.source.clone(),
            reason: "it ended well but wrote no WebAssembly".into(),
            advice: format!("Make it write {} (for a build command: the path in $WISP_COMPONENT)", component.display()),
            output: String::new(),
        });
    }
    let file = File::options().write(true).open(&job.output).map_err(io)?;
    file.set_modified(time).map_err(io)?;
    fs::rename(&job.output, component).map_err(io)
}

/// In the component's own directory, since a rename stays within a file system; hidden from watchers by its dot.
fn scratch_beside(component: &Path) -> io::Result<tempfile::TempDir> {
    let directory = component.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    tempfile::Builder::new().prefix(".wisp-build-").tempdir_in(directory)
}

fn starts_as_wasm(path: &Path) -> io::Result<bool> {
    let mut magic = [0; 4];
    match File::open(path).and_then(|mut file| file.read_exact(&mut magic)) {
        Ok(()) => Ok(magic == *b"\0asm"),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(false),
        Err(error) => Err(error),
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|it| it.modified()).ok()
}

fn unknown_language(source: &Path) -> BuildError {
    BuildError {
        tool: "any recipe".into(),
        directory: source.into(),
        reason: format!(
            "no Cargo.toml (Rust), package.json or {} (JavaScript), {} (Python) is in it",
            javascript::ENTRIES.join(" or "),
            python::ENTRIES.join(" or "),
        ),
        advice: "Point `build.source` at the sources, or say in `build.command` how they are built".into(),
        output: String::new(),
    }
}

fn failed_io(source: &Path, error: io::Error) -> BuildError {
    BuildError {
        tool: "wisp".into(),
        directory: source.into(),
        reason: error.to_string(),
        advice: "Check that the sources, the component's directory and the data directory exist and may be written"
            .into(),
        output: String::new(),
    }
}

#[cfg(test)]
mod tests;
