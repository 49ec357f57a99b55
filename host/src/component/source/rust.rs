//! Rust, by cargo. Three ways, chosen by what the machine has:
//!
//! 1. a compiler with the target wasm32-wasip2 (rustup): cargo makes a component at once;
//! 2. a compiler with the target wasm32-wasip1 (rustup, newer Debians): cargo makes a core module, which the host adapts;
//! 3. a distribution's compiler without any: a standard library for wasm32-wasip1 is built once from its sources, then as 2.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{BuildError, Job, Progress, Toolchain, failed_io, tool, wit};
use crate::config::Language;

const COMPONENT_TARGET: &str = "wasm32-wasip2";
const CORE_TARGET: &str = "wasm32-wasip1";

/// Where distributions put theirs, even if another one (rustup's) comes first on the PATH.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
const SYSTEM_CARGO: &str = "/usr/bin/cargo";
const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";
const LINKERS: &[&str] = &[
    "wasm-ld",
    "wasm-ld-22",
    "wasm-ld-21",
    "wasm-ld-20",
    "wasm-ld-19",
    "wasm-ld-18",
    "wasm-ld-17",
    "wasm-ld-16",
    "wasm-ld-15",
    "wasm-ld-14",
];

const ADVICE: &str = "Run `rustup target add wasm32-wasip2`, or on Debian 12 install \
                      `rustc-web cargo-web rust-web-src wasi-libc lld-19` (elsewhere the distribution's packages of \
                      rustc, cargo, the standard library's sources, wasi-libc and lld)";

/// How cargo gets to WebAssembly on this machine.
#[derive(Debug)]
enum Way {
    /// The compiler on the PATH has the target.
    Installed(&'static str),
    /// The system's compiler, with a standard library of our own making.
    Sysroot(System),
}

/// What is needed to build and use a standard library.
#[derive(Debug)]
struct System {
    /// `rustc -vV`: the library fits this very compiler and no other.
    version: String,
    linker: &'static str,
}

/// Builds the package, and gives the directories of those packages elsewhere on this machine that it depends on.
pub(super) fn build(job: &Job<'_>, progress: Progress<'_>) -> Result<Vec<PathBuf>, BuildError> {
    let mut cargo = match find_way(&job.source)? {
        Way::Installed(target) => cargo_installed(target),
        Way::Sysroot(system) => cargo_sysroot(&system, job, progress)?,
    };
    cargo.args(["build", "--release", "--message-format=json-render-diagnostics"]).current_dir(&job.source);
    let mut artifacts = Vec::new();
    let mut on_data = |line: &str| artifacts.extend(wasm_of(line));
    tool::run_data("cargo", &job.source, &mut cargo, &mut on_data, progress)?;
    let wasm = the_one(artifacts, &job.source)?;
    fs::copy(&wasm, &job.output).map_err(|error| failed_io(&job.source, error))?;
    // Without the file, an edit elsewhere needs `--force`.
    let sources = fs::read_to_string(wasm.with_extension("d")).unwrap_or_default();
    Ok(packages_elsewhere(&sources, &job.source))
}

/// The packages of the files that cargo's list of a component's sources names, without the one in `source`. Those of a
/// registry are not in the list.
fn packages_elsewhere(sources: &str, source: &Path) -> Vec<PathBuf> {
    let Some((_, files)) = sources.split_once(": ") else { return Vec::new() };
    // A space within a path has a backslash before it.
    let files = files.trim_end().replace("\\ ", "\0");
    let files = files.split(' ').map(|file| PathBuf::from(file.replace('\0', " ")));
    let packages: BTreeSet<_> = files
        .filter(|file| !file.starts_with(source))
        .filter_map(|file| file.ancestors().find(|it| it.join("Cargo.toml").is_file()).map(Path::to_owned))
        .collect();
    packages.into_iter().collect()
}

pub(super) fn toolchain(directory: &Path) -> Toolchain {
    let found = find_way(directory).map(|way| match way {
        Way::Installed(target) => {
            let version = tool::ask(Command::new("rustc").arg("-V").current_dir(directory)).unwrap_or_default();
            format!("{version}, with target {target}")
        }
        Way::Sysroot(system) => {
            let version = system.version.lines().next().unwrap_or_default();
            format!("{SYSTEM_RUSTC}, {version}, {} and wasi-libc", system.linker)
        }
    });
    Toolchain::new(Language::Rust, found)
}

fn find_way(source: &Path) -> Result<Way, BuildError> {
    [COMPONENT_TARGET, CORE_TARGET]
        .into_iter()
        .find(|target| has_target(source, target))
        .map(|target| Ok(Way::Installed(target)))
        .unwrap_or_else(|| find_system().map(Way::Sysroot))
        .map_err(|reason| missing(source, reason))
}

/// Asked in the directory of the sources, where a `rust-toolchain.toml` may choose the compiler.
fn has_target(source: &Path, target: &str) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", target]).current_dir(source);
    // The path is printed whether it exists or not.
    let Some(libraries) = tool::ask(&mut rustc) else { return false };
    fs::read_dir(libraries)
        .is_ok_and(|files| files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
}

fn find_system() -> Result<System, String> {
    let none = format!("no compiler has the target {COMPONENT_TARGET}");
    let version = tool::ask(Command::new(SYSTEM_RUSTC).arg("-vV"))
        .ok_or_else(|| format!("{none}, and there is no {SYSTEM_RUSTC}"))?;
    let sysroot = tool::ask(Command::new(SYSTEM_RUSTC).args(["--print", "sysroot"])).unwrap_or_default();
    let needed = [
        (PathBuf::from(SYSTEM_CARGO), "cargo"),
        (Path::new(&sysroot).join("lib/rustlib/src/rust/library/std"), "the standard library's sources"),
        (Path::new(WASI_LIBC).join("libc.a"), "wasi-libc"),
    ];
    if let Some((path, what)) = needed.iter().find(|(path, _)| !path.exists()) {
        return Err(format!("{none}, and {what} is not there to make it ({})", path.display()));
    }
    let linker = LINKERS.iter().find(|it| tool::ask(Command::new(it).arg("--version")).is_some());
    let linker = linker.ok_or_else(|| format!("{none}, and there is no wasm-ld to link with"))?;
    Ok(System { version, linker })
}

fn cargo_installed(target: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["--config", &format!("build.target={target:?}")]);
    cargo
}

fn cargo_sysroot(system: &System, job: &Job<'_>, progress: Progress<'_>) -> Result<Command, BuildError> {
    let sysroot = sysroot(system, job, progress)?;
    let rustflags = ["--sysroot", &sysroot.to_string_lossy(), "-Clink-self-contained=yes"];
    let mut cargo = Command::new(SYSTEM_CARGO);
    cargo
        .args(["--config", &format!("build.target={CORE_TARGET:?}")])
        .args(["--config", &format!("target.{CORE_TARGET}.linker={:?}", system.linker)])
        .args(["--config", &format!("target.{CORE_TARGET}.rustflags={rustflags:?}")])
        .env("RUSTC", SYSTEM_RUSTC)
        // Would replace the flags above; what is in them is meant for the machine's own programs.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        // A rustup around us, if any, must not choose another compiler's libraries.
        .env_remove("RUSTUP_TOOLCHAIN");
    Ok(cargo)
}

/// The sysroot for this compiler, built if it is not there yet. A lock file lets one process build it; the rename at the
/// end makes sure that what was interrupted is never used.
fn sysroot(system: &System, job: &Job<'_>, progress: Progress<'_>) -> Result<PathBuf, BuildError> {
    let io = |error| failed_io(&job.source, error);
    let name = format!("rust-{}", wit::short_hex(&Sha256::digest(&system.version)));
    let sysroot = job.cache_dir.join(&name);
    if sysroot.is_dir() {
        return Ok(sysroot);
    }
    let _lock = lock(&job.cache_dir.join(format!("{name}.lock")), progress).map_err(io)?;
    if !sysroot.is_dir() {
        progress(&format!("building the standard library for {CORE_TARGET}: once for this compiler, about a minute"));
        let scratch = scratch(&job.cache_dir, &format!(".{name}-")).map_err(io)?;
        let libraries = build_std(scratch.path(), progress)?;
        let made = assemble(system, scratch.path(), &libraries).map_err(io)?;
        fs::rename(made, &sysroot).map_err(io)?;
    }
    Ok(sysroot)
}

/// Holds until the file is dropped, or until this process ends, however it ends.
fn lock(path: &Path, progress: Progress<'_>) -> io::Result<File> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let file = File::create(path)?;
    if file.try_lock().is_err() {
        progress("waiting for another process that builds the standard library");
        file.lock()?;
    }
    Ok(file)
}

/// A new directory, in place of those that killed processes left: their cargo may still write to them, so none is taken
/// over, and one that does not go now goes the next time.
fn scratch(cache_dir: &Path, prefix: &str) -> io::Result<tempfile::TempDir> {
    for left in fs::read_dir(cache_dir)?.flatten() {
        if left.file_name().to_string_lossy().starts_with(prefix) {
            let _ = fs::remove_dir_all(left.path());
        }
    }
    tempfile::Builder::new().prefix(prefix).tempdir_in(cache_dir)
}

/// An empty library that depends on the standard library makes cargo build it.
fn build_std(scratch: &Path, progress: Progress<'_>) -> Result<PathBuf, BuildError> {
    let io = |error| failed_io(scratch, error);
    let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n\
                    [profile.release]\nopt-level = \"s\"\n";
    fs::create_dir_all(scratch.join("src")).map_err(io)?;
    fs::write(scratch.join("Cargo.toml"), manifest).map_err(io)?;
    fs::write(scratch.join("src/lib.rs"), "").map_err(io)?;
    let mut cargo = Command::new(SYSTEM_CARGO);
    cargo
        .args(["build", "--release", "--target", CORE_TARGET, "-Zbuild-std=std,panic_abort"])
        .current_dir(scratch)
        .env("RUSTC", SYSTEM_RUSTC)
        // `-Zbuild-std` is the only way to a standard library for a target that the distribution does not ship. Used
        // for the library alone: guests are built with stable features.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes -Zforce-unstable-if-unmarked")
        .env("CARGO_TARGET_DIR", scratch.join("target"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTUP_TOOLCHAIN");
    tool::run("cargo", scratch, &mut cargo, progress).map_err(|error| BuildError {
        reason: format!("the standard library for {CORE_TARGET} does not build: {}", error.reason),
        advice: format!("It needs the crates registry once. Or have it ready made: {ADVICE}"),
        ..error
    })?;
    Ok(scratch.join("target").join(CORE_TARGET).join("release/deps"))
}

/// Lays the libraries out as the compiler expects them under `--sysroot`.
fn assemble(system: &System, scratch: &Path, libraries: &Path) -> io::Result<PathBuf> {
    let made = scratch.join("sysroot");
    let rustlib = made.join("lib/rustlib");
    let library = rustlib.join(CORE_TARGET).join("lib");
    let self_contained = library.join("self-contained");
    fs::create_dir_all(&self_contained)?;
    // The compiler refuses a sysroot without a directory for its own machine.
    let host = system.version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    fs::create_dir_all(rustlib.join(host))?;
    for file in fs::read_dir(libraries)?.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(file.path(), library.join(name))?;
        }
    }
    for name in ["libc.a", "crt1-command.o", "crt1-reactor.o"] {
        fs::copy(Path::new(WASI_LIBC).join(name), self_contained.join(name))?;
    }
    Ok(made)
}

#[derive(Debug, PartialEq)]
struct Wasm {
    manifest: PathBuf,
    path: PathBuf,
}

/// The WebAssembly file that one of cargo's messages reports.
fn wasm_of(line: &str) -> Option<Wasm> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        #[serde(default)]
        manifest_path: PathBuf,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    let path = message.filenames.into_iter().find(|path| path.extension().is_some_and(|it| it == "wasm"))?;
    (message.reason == "compiler-artifact").then_some(Wasm { manifest: message.manifest_path, path })
}

/// The package's own file: a dependency may be a cdylib too.
fn the_one(artifacts: Vec<Wasm>, source: &Path) -> Result<PathBuf, BuildError> {
    let manifest = source.join("Cargo.toml");
    let mut own: Vec<_> = artifacts.into_iter().filter(|it| it.manifest == manifest).map(|it| it.path).collect();
    let error = |reason: String, advice: &str| BuildError {
        tool: "cargo".into(),
        directory: source.into(),
        reason,
        advice: advice.into(),
        output: String::new(),
    };
    match (own.pop(), own.len()) {
        (Some(wasm), 0) => Ok(wasm),
        (None, _) => Err(error(
            "the package has neither a cdylib nor a binary".into(),
            "Add `crate-type = [\"cdylib\"]` to `[lib]` in its Cargo.toml",
        )),
        (Some(_), more) => Err(error(
            format!("the package has {} WebAssembly targets", more + 1),
            "Choose one with `build.command`, such as `cargo build --release --lib …`",
        )),
    }
}

fn missing(source: &Path, reason: String) -> BuildError {
    BuildError { tool: "cargo".into(), directory: source.into(), reason, advice: ADVICE.into(), output: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_cdylib_is_told_how_to_get_one() {
        let error = the_one(Vec::new(), Path::new("/src/f")).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot build /src/f with cargo: the package has neither a cdylib nor a binary. Add `crate-type = \
             [\"cdylib\"]` to `[lib]` in its Cargo.toml"
        );
    }

    #[test]
    fn a_dependencys_artifact_is_not_taken_for_the_packages_own() {
        let line = |manifest: &str, file: &str| {
            format!(r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","filenames":["{file}"]}}"#)
        };
        let found: Vec<_> = [
            line("/dep/Cargo.toml", "/t/dep.wasm"),
            line("/src/f/Cargo.toml", "/t/f.wasm"),
            line("/src/f/Cargo.toml", "/t/libf.rlib"),
            r#"{"reason":"build-finished","success":true}"#.into(),
            "no json".into(),
        ]
        .iter()
        .filter_map(|line| wasm_of(line))
        .collect();
        assert_eq!(the_one(found, Path::new("/src/f")).unwrap(), Path::new("/t/f.wasm"));
    }

    #[test]
    fn packages_elsewhere_are_those_of_the_files_that_cargo_names() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for package in ["my function", "shared", "macros"] {
            fs::create_dir_all(root.join(package).join("src")).unwrap();
            fs::write(root.join(package).join("Cargo.toml"), "").unwrap();
        }
        let file = |name: &str| root.join(name).display().to_string().replace(' ', "\\ ");
        let files = ["my function/src/lib.rs", "shared/src/lib.rs", "shared/src/a.rs", "macros/src/lib.rs"].map(file);
        let sources = format!("{}: {}\n", file("f.wasm"), files.join(" "));
        let expected = ["macros", "shared"].map(|name| root.join(name));
        assert_eq!(packages_elsewhere(&sources, &root.join("my function")), expected);
        assert_eq!(packages_elsewhere("", root), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_missing_toolchain_names_both_ways_out() {
        let error = missing(Path::new("/src/f"), "no compiler has the target wasm32-wasip2".into()).to_string();
        assert!(error.contains("rustup target add wasm32-wasip2"), "{error}");
        assert!(error.contains("rustc-web cargo-web rust-web-src wasi-libc lld-19"), "{error}");
    }
}
