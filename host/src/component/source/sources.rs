//! The files of a source directory that a language runtime loads, and whether they have changed.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::wit::short_hex;

/// Directories of packages that others wrote: many files that change seldom.
pub(super) const PACKAGES: &[&str] = &["node_modules", "site-packages", ".python_packages"];

/// Holds no sources, whatever its language.
const NOT_SOURCES: &[&str] = &["target", "__pycache__", "venv"];

/// Deeper than any project, so that a link in circles comes to an end.
const DEPTH: usize = 32;

/// What tells whether sources have changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    /// Of names, sizes and times: told without reading the files.
    pub(super) stamp: String,
    /// Of names and contents; of packages names, sizes and times, because they are too many to read.
    pub(super) content: String,
}

/// The files below a directory outside packages, relative to it, in a fixed order.
pub(super) fn own_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = files(directory, &[]);
    files.retain(|(path, _)| !is_package(path));
    files.into_iter().map(|(path, _)| path).collect()
}

/// Names, sizes and times of all files outside the directories of `data`.
pub(super) fn stamp(directory: &Path, data: &[PathBuf]) -> String {
    let mut hash = Sha256::new();
    for (path, metadata) in files(directory, data) {
        add_stamp(&mut hash, &path, &metadata);
    }
    short_hex(&hash.finalize())
}

pub(super) fn fingerprint(directory: &Path, data: &[PathBuf]) -> Fingerprint {
    let mut content = Sha256::new();
    for (path, metadata) in files(directory, data) {
        match fs::read(directory.join(&path)) {
            Ok(bytes) if !is_package(&path) => {
                content.update(path.as_os_str().as_encoded_bytes());
                content.update([0]);
                content.update(Sha256::digest(&bytes));
            }
            Ok(_) | Err(_) => add_stamp(&mut content, &path, &metadata),
        }
    }
    Fingerprint { stamp: stamp(directory, data), content: short_hex(&content.finalize()) }
}

fn add_stamp(hash: &mut Sha256, path: &Path, metadata: &Metadata) {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    hash.update(path.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(metadata.len().to_le_bytes());
    hash.update(modified.unwrap_or_default().as_nanos().to_le_bytes());
}

fn is_package(path: &Path) -> bool {
    path.components().any(|part| PACKAGES.iter().any(|name| part.as_os_str() == *name))
}

/// Whether a directory holds data.
pub(super) fn is_data(directory: &Path, data: &[PathBuf]) -> bool {
    !data.is_empty() && directory.canonicalize().is_ok_and(|directory| data.contains(&directory))
}

fn files(directory: &Path, data: &[PathBuf]) -> Vec<(PathBuf, Metadata)> {
    let mut found = Vec::new();
    collect((directory, data), Path::new(""), DEPTH, &mut found);
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn collect((root, data): (&Path, &[PathBuf]), below: &Path, depth: usize, found: &mut Vec<(PathBuf, Metadata)>) {
    let Ok(entries) = fs::read_dir(root.join(below)) else { return };
    for entry in entries.flatten() {
        let path = below.join(entry.file_name());
        // Follows links: npm links the packages of a workspace.
        let Ok(metadata) = fs::metadata(root.join(&path)) else { continue };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if metadata.is_dir() {
            if depth > 0 && is_source_directory(&name) && !is_data(&root.join(&path), data) {
                collect((root, data), &path, depth - 1, found);
            }
        } else if is_source_file(&name) {
            found.push((path, metadata));
        }
    }
}

fn is_source_directory(name: &str) -> bool {
    PACKAGES.contains(&name) || (!name.starts_with('.') && !NOT_SOURCES.contains(&name))
}

/// `.env` and its like may be read by the sources. The configuration is no source: what matters of it is compared by
/// itself. Nor are logs: a `wisp up > up.log` would build without end.
fn is_source_file(name: &str) -> bool {
    ![".wasm", ".log", ".pyc", "~", ".swp"].iter().any(|end| name.ends_with(end)) && name != "wisp.toml"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(project: &tempfile::TempDir, name: &str, text: &str) {
        let path = project.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn an_edit_changes_the_content_and_a_touch_does_not() {
        let project = tempfile::tempdir().unwrap();
        write(&project, "lib/a.js", "1");
        let before = fingerprint(project.path(), &[]);
        let file = fs::File::options().write(true).open(project.path().join("lib/a.js")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let touched = fingerprint(project.path(), &[]);
        assert_ne!(touched.stamp, before.stamp);
        assert_eq!(touched.content, before.content);
        write(&project, "lib/a.js", "2");
        assert_ne!(fingerprint(project.path(), &[]).content, before.content);
    }

    #[test]
    fn what_lies_in_a_bucket_is_no_source() {
        let project = tempfile::tempdir().unwrap();
        write(&project, "index.js", "1");
        write(&project, "data/bucket/a.txt", "1");
        let data = [project.path().join("data/bucket").canonicalize().unwrap()];
        let before = fingerprint(project.path(), &data);
        write(&project, "data/bucket/b.txt", "2");
        assert_eq!(fingerprint(project.path(), &data), before);
        assert_ne!(fingerprint(project.path(), &[]), before);
        write(&project, "data/c.js", "3");
        assert_ne!(fingerprint(project.path(), &data), before);
    }

    #[test]
    fn packages_count_and_what_tools_make_does_not() {
        let project = tempfile::tempdir().unwrap();
        write(&project, "index.js", "1");
        let before = fingerprint(project.path(), &[]);
        for name in [".git/a", "target/a", "__pycache__/a.pyc", "f.wasm", "up.log", ".wisp/a", "wisp.toml"] {
            write(&project, name, "x");
        }
        assert_eq!(fingerprint(project.path(), &[]), before);
        write(&project, "node_modules/a/index.js", "x");
        assert_ne!(fingerprint(project.path(), &[]).content, before.content);
        assert_eq!(own_files(project.path()), [PathBuf::from("index.js")]);
    }
}
