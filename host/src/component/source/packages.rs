//! Packages that sources depend on: those of `package.json` must be installed, those of `requirements.txt` are installed by
//! pip, without anything native.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest as _, Sha256};

use super::{BuildError, Progress, failed_io, tool, wit::short_hex};
use crate::config::Language;

/// What names a Python function's packages.
const REQUIREMENTS: &str = "requirements.txt";

/// Where they are put: the Python runtime looks there, and no tool takes it for sources.
const SITE_PACKAGES: &str = ".wisp/site-packages";

/// Notes in the directory which requirements it was made for.
const NOTE: &str = ".requirements";

/// The CPython of the runtime, for wheels that tell versions apart.
const PYTHON: [&str; 2] = ["--python-version", "3.14"];

/// Packages whose native parts only make them faster: without them they fall back on Python.
const WITH_FALLBACK: &[&str] = &[
    "charset_normalizer",
    "coverage",
    "frozenlist",
    "greenlet",
    "httptools",
    "markupsafe",
    "msgpack",
    "multidict",
    "propcache",
    "simplejson",
    "sqlalchemy",
    "tornado",
    "websockets",
    "wrapt",
    "yaml",
    "yarl",
];

/// Whether all dependencies of `package.json` are there, where the function sees them.
pub(super) fn check_node(source: &Path) -> Result<(), BuildError> {
    let Ok(text) = fs::read(source.join("package.json")) else { return Ok(()) };
    let manifest: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| wrong(source, format!("package.json is no JSON: {error}"), "Correct it, and build again"))?;
    let Some(dependencies) = manifest["dependencies"].as_object() else { return Ok(()) };
    let is_missing = |name: &&String| !source.join("node_modules").join(name).is_dir();
    let missing: Vec<_> = dependencies.keys().filter(is_missing).map(String::as_str).collect();
    if !missing.is_empty() {
        let reason = format!("package.json depends on {}, not installed in node_modules", missing.join(", "));
        return Err(wrong(source, reason, "Run `npm install` in that directory"));
    }
    let inside = source.canonicalize().map_err(|error| failed_io(source, error))?;
    dependencies.keys().try_for_each(|name| check_inside(&inside, name))
}

/// `source` has no links itself. A link to a directory elsewhere, as npm makes of workspaces and of `file:` dependencies, leads nowhere in the sandbox.
fn check_inside(source: &Path, package: &str) -> Result<(), BuildError> {
    let target = source.join("node_modules").join(package).canonicalize().map_err(|error| failed_io(source, error))?;
    if target.starts_with(source) {
        return Ok(());
    }
    let reason = format!(
        "package.json depends on {package}, which node_modules has as a link to {}; the function sees only its own directory",
        target.display()
    );
    Err(wrong(source, reason, "Run `npm install --install-links` in that directory, which copies such packages"))
}

/// What a code package lacks that its own list of dependencies names, and the way out; `None` if nothing, as far as can be
/// told without installing anything.
pub(crate) fn not_included(source: &Path, language: Language) -> Option<String> {
    match language {
        Language::JavaScript => check_node(source).err().map(|error| {
            format!("{}: put `node_modules` into the code package; nothing is installed here", error.reason)
        }),
        Language::Python => {
            let requirements = fs::read(source.join(REQUIREMENTS)).ok()?;
            let way_out = "requirements.txt names packages, and nothing is installed here: put them into the code package, \
                           with `pip install --target . --requirement requirements.txt` in its directory";
            (!names_nothing(&requirements)).then(|| way_out.to_owned())
        }
        Language::Rust => None,
    }
}

/// Installs the packages of `requirements.txt`, unless they are there.
pub(super) fn install_python(source: &Path, progress: Progress<'_>) -> Result<(), BuildError> {
    let Ok(requirements) = fs::read(source.join(REQUIREMENTS)) else { return Ok(()) };
    let wanted = short_hex(&Sha256::digest(&requirements));
    let directory = source.join(SITE_PACKAGES);
    if fs::read_to_string(directory.join(NOTE)).is_ok_and(|noted| noted == wanted) || names_nothing(&requirements) {
        return Ok(());
    }
    let io = |error| failed_io(source, error);
    let parent = source.join(".wisp");
    fs::create_dir_all(&parent).map_err(io)?;
    let scratch = tempfile::Builder::new().prefix("packages-").tempdir_in(&parent).map_err(io)?;
    let target = scratch.path().join("site-packages");
    progress("installing the packages of requirements.txt");
    pip(source, &target, progress)?;
    strip(source, &target)?;
    fs::write(target.join(NOTE), wanted).map_err(io)?;
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(io)?;
    }
    fs::rename(&target, &directory).map_err(io)
}

fn names_nothing(requirements: &[u8]) -> bool {
    String::from_utf8_lossy(requirements).lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#'))
}

/// Wheels only: a package that has to be compiled would be compiled for this machine. Those for this machine's kind are
/// taken as well, because some packages have no other, though they need none of what is native in them.
fn pip(source: &Path, target: &Path, progress: Progress<'_>) -> Result<(), BuildError> {
    let interpreter = interpreter(source)?;
    let mut pip = Command::new(interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"])
        .args(["--only-binary=:all:", "--implementation", "cp"])
        .args(PYTHON)
        .args(["--abi", "cp314", "--abi", "abi3", "--abi", "none"])
        .args(["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64", "--platform", "any"])
        .arg("--target")
        .arg(target)
        .args(["--requirement", REQUIREMENTS])
        .current_dir(source);
    tool::run("pip", source, &mut pip, progress).map_err(|error| {
        let missing = error.output.lines().find_map(|line| line.split_once("No matching distribution found for "));
        match missing {
            Some((_, package)) => {
                let reason = format!("there is no wheel of {package} for CPython 3.14, in pure Python or otherwise");
                wrong(source, reason, "Take another version of it, or another package, in requirements.txt")
            }
            None => error,
        }
    })
}

fn interpreter(source: &Path) -> Result<&'static str, BuildError> {
    let has_pip = |name: &&str| tool::ask(Command::new(name).args(["-m", "pip", "--version"])).is_some();
    ["python3", "python"].into_iter().find(has_pip).ok_or_else(|| {
        let reason = "requirements.txt names packages, but there is no Python with pip on the PATH to fetch them";
        let advice = "Install it (Debian: `apt install python3-pip`), or put the packages, in pure Python, into \
                      `site-packages` beside the sources and remove requirements.txt";
        wrong(source, reason.into(), advice)
    })
}

/// Takes native code out of packages that do without, and refuses those that do not.
fn strip(source: &Path, packages: &Path) -> Result<(), BuildError> {
    let io = |error| failed_io(source, error);
    let mut refused = Vec::new();
    for file in native_files(packages, packages).map_err(io)? {
        let package = top_level(&file);
        if WITH_FALLBACK.contains(&package.to_lowercase().trim_start_matches('_')) {
            fs::remove_file(packages.join(&file)).map_err(io)?;
        } else if !refused.contains(&package) {
            refused.push(package);
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "{} {} native code, which does not run in WebAssembly",
        refused.join(", "),
        if refused.len() == 1 { "is" } else { "are" }
    );
    Err(wrong(source, reason, "Take a package in pure Python in its place in requirements.txt"))
}

/// Relative to `root`.
fn native_files(root: &Path, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(native_files(root, &path)?);
        } else if path.extension().is_some_and(|ending| ending == "so")
            && let Ok(relative) = path.strip_prefix(root)
        {
            found.push(relative.to_owned());
        }
    }
    Ok(found)
}

/// `markupsafe` of `markupsafe/_speedups.cpython-314-x86_64-linux-gnu.so`, `numpy` of `numpy.libs/…`.
fn top_level(file: &Path) -> String {
    let first = file.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let name = first.unwrap_or_default();
    name.split('.').next().unwrap_or(&name).to_owned()
}

fn wrong(source: &Path, reason: String, advice: &str) -> BuildError {
    BuildError {
        tool: "its packages".into(),
        directory: source.into(),
        reason,
        advice: advice.into(),
        output: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let project = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = project.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        project
    }

    #[test]
    fn missing_node_packages_are_named() {
        let manifest = r#"{ "dependencies": { "express": "5", "koa": "2" }, "devDependencies": { "jest": "1" } }"#;
        let project = project(&[("package.json", manifest), ("node_modules/koa/package.json", "{}")]);
        let error = check_node(project.path()).unwrap_err().to_string();
        assert!(error.contains("depends on express, not installed in node_modules. Run `npm install`"), "{error}");
    }

    #[test]
    fn a_node_package_that_is_a_link_out_of_the_sources_is_refused() {
        use std::os::unix::fs::symlink;

        let library = project(&[("index.js", "")]);
        let project = project(&[
            ("package.json", r#"{ "dependencies": { "inside": "file:lib", "outside": "file:../lib" } }"#),
            ("lib/index.js", ""),
            ("node_modules/.package-lock.json", "{}"),
        ]);
        let modules = project.path().join("node_modules");
        symlink("../lib", modules.join("inside")).unwrap();
        symlink(library.path(), modules.join("outside")).unwrap();
        let error = check_node(project.path()).unwrap_err().to_string();
        assert!(error.contains("depends on outside, which node_modules has as a link to /"), "{error}");
        assert!(error.contains("npm install --install-links"), "{error}");
    }

    #[test]
    fn native_code_goes_where_there_is_a_fallback_and_is_refused_elsewhere() {
        let packages =
            project(&[("markupsafe/_speedups.so", ""), ("markupsafe/_native.py", ""), ("yaml/_yaml.so", "")]);
        strip(Path::new("/src"), packages.path()).unwrap();
        assert!(!packages.path().join("markupsafe/_speedups.so").exists());
        assert!(packages.path().join("markupsafe/_native.py").exists());
        fs::create_dir(packages.path().join("numpy")).unwrap();
        fs::write(packages.path().join("numpy/core.so"), "").unwrap();
        let error = strip(Path::new("/src"), packages.path()).unwrap_err().to_string();
        assert!(error.contains("numpy is native code, which does not run in WebAssembly"), "{error}");
    }

    #[test]
    fn requirements_without_a_package_need_no_pip() {
        let project = project(&[("requirements.txt", "# none\n\n")]);
        install_python(project.path(), &mut |_| {}).unwrap();
        assert!(!project.path().join(".wisp").exists());
    }
}
