//! What the entries of a zip may be called, and be.

use std::collections::BTreeMap;

use super::PackageError;

/// The longest name of one file, as Linux has it.
const SEGMENT: usize = 255;

/// The longest path inside a package; the package's own directory comes before it.
const PATH: usize = 1024;

/// The kind of file in a Unix mode, and the kinds that a package may hold.
const KIND: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// What an entry becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
}

/// The paths of a package as they are found, so that none comes twice and no file is also a directory.
#[derive(Debug, Default)]
pub(super) struct Paths(BTreeMap<String, (Kind, bool)>);

impl Paths {
    /// How many there are, with the directories that no entry lists: a few deep paths make many.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an entry; the directories above it come with it.
    pub(super) fn add(&mut self, path: &str, kind: Kind) -> Result<(), PackageError> {
        for (end, _) in path.match_indices('/') {
            self.add_one(&path[..end], Kind::Directory, false).map_err(|reason| PackageError::entry(path, reason))?;
        }
        self.add_one(path, kind, true).map_err(|reason| PackageError::entry(path, reason))
    }

    /// `listed`: by an entry of its own.
    fn add_one(&mut self, path: &str, kind: Kind, listed: bool) -> Result<(), &'static str> {
        match self.0.get_mut(path) {
            Some((before, _)) if *before != kind => Err("is both a file and a directory; rename one"),
            Some((_, before)) if listed && *before => Err("is there twice; pack it anew"),
            Some((_, before)) => {
                *before |= listed;
                Ok(())
            }
            None => {
                self.0.insert(path.to_owned(), (kind, listed));
                Ok(())
            }
        }
    }
}

/// The path of an entry as files are laid out: relative, without `.`; `None` for the package's own root.
pub(super) fn path(name: &str) -> Result<Option<String>, PackageError> {
    let refuse = |reason: &str| Err(PackageError::entry(name, reason));
    if name.contains('\0') {
        return refuse("has a zero byte in its name");
    }
    if name.contains('\\') {
        return refuse("has a `\\` in its name; pack it with `/` between directories");
    }
    if name.starts_with('/') {
        return refuse("has an absolute path; pack it relative to the directory of the sources");
    }
    let segments: Vec<&str> = name.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    if segments.contains(&"..") {
        return refuse("leads out of the package by `..`");
    }
    if segments.iter().any(|segment| segment.len() > SEGMENT) || name.len() > PATH {
        return refuse("has a name that is too long; 255 bytes for a file and 1024 for a path are the most");
    }
    Ok((!segments.is_empty()).then(|| segments.join("/")))
}

/// What an entry is, told by its name and its mode; zips of Windows have none.
pub(super) fn kind(name: &str, mode: Option<u32>) -> Result<Kind, PackageError> {
    let directory = name.ends_with('/');
    match mode.map_or(0, |mode| mode & KIND) {
        LINK => Err(PackageError::entry(name, "is a symbolic link; pack the file that it leads to")),
        0 if directory => Ok(Kind::Directory),
        0 | FILE if !directory => Ok(Kind::File),
        DIRECTORY if directory => Ok(Kind::Directory),
        _ => Err(PackageError::entry(name, "is neither a file nor a directory")),
    }
}
