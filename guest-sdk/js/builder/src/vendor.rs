//! Copies of crates that must be changed before they are compiled, taken from cargo's own download of the pinned version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

/// Copies `name` at `version` to `output` and returns that directory. Cargo downloads what it does not have yet.
///
/// # Errors
/// If cargo cannot provide the crate.
pub fn copy(name: &str, version: &str, output: &Path) -> anyhow::Result<()> {
    let source = download(name, version, &output.with_extension("download"))?;
    if output.exists() {
        fs::remove_dir_all(output)?;
    }
    copy_directory(&source, output)
}

fn download(name: &str, version: &str, scratch: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(scratch.join("src"))?;
    fs::write(scratch.join("src/lib.rs"), "")?;
    let manifest = scratch.join("Cargo.toml");
    fs::write(
        &manifest,
        format!(
            "[package]\nname = \"download\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n{name} = \
             {{ version = \"={version}\", default-features = false }}\n"
        ),
    )?;
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--quiet", "--manifest-path"])
        .arg(&manifest)
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo cannot provide {name} {version}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata = String::from_utf8(output.stdout)?;
    let directory = format!("/{name}-{version}/Cargo.toml\"");
    let end = metadata.find(&directory).with_context(|| format!("{name} {version} is not in cargo's answer"))?;
    let start = metadata[..end].rfind('"').context("cargo's answer is cut off")? + 1;
    fs::remove_dir_all(scratch)?;
    Ok(PathBuf::from(format!("{}/{name}-{version}", &metadata[start..end])))
}

/// Copies a tree; the copies are writable, whatever the originals are.
///
/// # Errors
/// If something cannot be read or written.
pub fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            write_if_changed(&target, &fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Leaves the file's time alone if its content stays, so that cargo compiles nothing anew.
///
/// # Errors
/// If the file cannot be written.
pub fn write_if_changed(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
