//! Source → component: JavaScript, TypeScript and Python by wisp's own language runtimes; Rust by cargo; by
//! componentize-js, componentize-py or a command where the user says so. Blocking: call it from a thread that may wait for
//! minutes.
//!
//! The way: `build` resolves the paths ▸ one recipe (`loaded`, `rust`, `javascript`, `python` or the command) writes into a
//! scratch directory beside the component ▸ a rename puts the result in place ▸ `stale` notes what it was made from. `tool`
//! runs processes, `wit` owns the WIT package that recipes and templates need as files.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use super::runtime::Runtimes;
use crate::config::{BuildConfig, Evaluate, FunctionConfig, Language, Limits, ServerConfig};

mod javascript;
mod kept;
mod language;
mod loaded;
mod packages;
mod python;
mod rust;
mod sources;
mod stale;
mod tool;
mod typescript;
mod user_error;
mod wit;

use language::{JAVASCRIPT_ENTRIES, PYTHON_ENTRIES};
pub use language::{detect, language_of_handler};
pub(crate) use packages::not_included;
pub use stale::{built_from_elsewhere, is_stale};
pub use wit::{WIT_FILES, wit_dir};

/// What to build, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Directory of the sources.
    pub source: &'a Path,
    /// Directories that hold data, such as buckets; below `source` they are no sources. Without symbolic links.
    pub data: &'a [PathBuf],
    /// The source language; `None`: told by the files in `source`.
    pub language: Option<Language>,
    /// A shell command in place of the language's recipe.
    pub command: Option<&'a str>,
    /// The world that JavaScript or Python sources implement, for componentize-js or componentize-py; `None`: they are
    /// loaded into wisp's own runtime of their language. Rust sources name theirs.
    pub world: Option<&'a str>,
    /// What a language runtime needs to know; `None`: only other recipes can be followed.
    pub loading: Option<Loading<'a>>,
    /// The file to write.
    pub component: &'a Path,
    /// Holds what is made once for all builds: the WIT package as files, the standard library for Rust.
    pub cache_dir: &'a Path,
}

/// What the sources of a function are told while a language runtime loads them: what they will be told when they run.
#[derive(Clone, Copy)]
pub struct Loading<'a> {
    /// The runtimes.
    pub runtimes: &'a Runtimes,
    /// The function: its handlers, environment, memory, and whether it has an HTTP trigger.
    pub function: &'a FunctionConfig,
    /// Account and region.
    pub server: &'a ServerConfig,
    /// What the instance may hold.
    pub limits: &'a Limits,
    /// When the top level of the sources runs.
    pub evaluate: Evaluate,
    /// Who sees to the packages that the sources depend on.
    pub packages: Packages,
}

/// Packages that sources depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packages {
    /// Those of `requirements.txt` are installed, those of `package.json` must be.
    Installed,
    /// The sources come with all that they need, whatever these files say: nothing is fetched for whoever sends a code
    /// package.
    Included,
}

impl std::fmt::Debug for Loading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loading").field("function", &self.function.name).field("evaluate", &self.evaluate).finish()
    }
}

/// A component that was built.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// What the author should know although all went well.
    pub warnings: Vec<String>,
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

impl BuildError {
    /// Whether this machine failed, its disk above all, and not the sources or a tool.
    pub(crate) fn is_hosts(&self) -> bool {
        self.tool == HOST
    }
}

/// Who fails where no tool does.
const HOST: &str = "wisp";

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
pub fn build(plan: &Plan<'_>, progress: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
    let io = |error| failed_io(plan.source, error);
    let started = SystemTime::now();
    let has_lock = plan.source.join("Cargo.lock").exists();
    let component = std::path::absolute(plan.component).map_err(io)?;
    let scratch = scratch_beside(&component).map_err(io)?;
    let job = Job {
        source: plan.source.canonicalize().map_err(io)?,
        world: plan.world.unwrap_or("event-function"),
        cache_dir: std::path::absolute(plan.cache_dir).map_err(io)?,
        output: scratch.path().join("component.wasm"),
    };
    // Before the build, so that an edit meanwhile is not missed.
    let mut note = stale::Note::of(plan);
    let mut warnings = Vec::new();
    match (recipe(plan), language(plan)) {
        (Recipe::Command(command), _) => run_command(command, &job, &component, progress)?,
        (Recipe::Runtime(language), _) => warnings = load(plan, language, &job, progress)?,
        (Recipe::Toolchain, Some(Language::Rust)) => note.elsewhere = rust::build(&job, progress)?,
        (Recipe::Toolchain, Some(Language::JavaScript)) => javascript::build(&job, progress)?,
        (Recipe::Toolchain, Some(Language::Python)) => python::build(&job, progress)?,
        (Recipe::Toolchain, None) => return Err(unknown_language(&job.source)),
    }
    // The first build of a package writes its lock file, which must not count as an edit.
    let lock = if has_lock { None } else { modified(&job.source.join("Cargo.lock")) };
    put_in_place(&job, &component, lock.map_or(started, |lock| lock.max(started)))?;
    note.keep(plan).map_err(io)?;
    Ok(Built { warnings })
}

/// What makes the component.
enum Recipe<'a> {
    /// A shell command.
    Command(&'a str),
    /// wisp's runtime of the language.
    Runtime(Language),
    /// The language's own tools.
    Toolchain,
}

fn recipe<'a>(plan: &Plan<'a>) -> Recipe<'a> {
    match (plan.command, language(plan)) {
        (Some(command), _) => Recipe::Command(command),
        (None, Some(language @ (Language::JavaScript | Language::Python))) if plan.world.is_none() => {
            Recipe::Runtime(language)
        }
        (None, _) => Recipe::Toolchain,
    }
}

fn language(plan: &Plan<'_>) -> Option<Language> {
    plan.language.or_else(|| detect(plan.source))
}

/// The language whose runtime builds a function; `None` if something else does.
pub fn runtime_of(build: &BuildConfig) -> Option<Language> {
    if build.command.is_some() || build.world.is_some() {
        return None;
    }
    build.language.or_else(|| detect(&build.source)).filter(|language| *language != Language::Rust)
}

fn load(plan: &Plan<'_>, language: Language, job: &Job<'_>, progress: Progress<'_>) -> Result<Vec<String>, BuildError> {
    let Some(loading) = &plan.loading else {
        return Err(BuildError {
            tool: format!("the {} runtime", language.name()),
            directory: job.source.clone(),
            reason: "no runtime was given".into(),
            advice: "Name a `world` in the function's `build` to use the language's own tools".into(),
            output: String::new(),
        });
    };
    loaded::build(job, language, loading, progress)
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
            JAVASCRIPT_ENTRIES.join(" or "),
            PYTHON_ENTRIES.join(" or "),
        ),
        advice: "Point `build.source` at the sources, or say in `build.command` how they are built".into(),
        output: String::new(),
    }
}

fn failed_io(source: &Path, error: io::Error) -> BuildError {
    BuildError {
        tool: HOST.into(),
        directory: source.into(),
        reason: error.to_string(),
        advice: "Check that the sources, the component's directory and the data directory exist and may be written"
            .into(),
        output: String::new(),
    }
}

#[cfg(test)]
mod tests;
