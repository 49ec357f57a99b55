//! What is in a directory, and how it differs from what was known of it.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

/// A file as a scan found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) size: u64,
    /// When its contents were changed last, in nanoseconds since the epoch.
    pub(super) modified: i128,
    /// When anything about it was: also its name, and its time by those who set it back.
    pub(super) changed: SystemTime,
}

impl Found {
    /// What is remembered of it.
    pub(super) fn mark(&self) -> String {
        format!("{} {}", self.size, self.modified)
    }

    /// Whether nobody has touched it for so long.
    pub(super) fn is_settled(&self, settle: Duration, now: SystemTime) -> bool {
        now.duration_since(self.changed).is_ok_and(|age| age >= settle)
    }
}

/// The size in a mark.
pub(super) fn size_of(mark: &str) -> u64 {
    mark.split(' ').next().and_then(|size| size.parse().ok()).unwrap_or_default()
}

/// What tells a directory from another one of its name: device and inode.
pub(super) type DirectoryId = (u64, u64);

/// Regular files by their paths below `root`, with `/` between the parts. Symbolic links are not followed; names that are
/// no UTF-8 are left out. Blocking.
///
/// # Errors
/// If any directory cannot be read: what is not seen would be taken for removed.
pub(super) fn scan(root: &Path) -> io::Result<(DirectoryId, BTreeMap<String, Found>)> {
    let mut files = BTreeMap::new();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(root.join(&directory)) {
            Ok(entries) => entries,
            // Removed since it was seen; but the bucket itself must be there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !directory.is_empty() => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let key = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            // Of the link itself, not of what it leads to.
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => directories.push(key),
                Ok(metadata) if metadata.is_file() => drop(files.insert(key, found(&metadata))),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    // Should the whole bucket have gone away meanwhile, its files are not removed: they are out of sight.
    fs::metadata(root).map(|metadata| ((metadata.dev(), metadata.ino()), files))
}

/// One file; `None` if it is none any more. Blocking.
pub(super) fn look(path: &Path) -> Option<Found> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| found(&metadata))
}

fn found(metadata: &fs::Metadata) -> Found {
    let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    let modified = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    let latest = u64::try_from(changed.max(modified)).unwrap_or_default();
    Found { size: metadata.len(), modified, changed: SystemTime::UNIX_EPOCH + Duration::from_nanos(latest) }
}

/// What differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Keys that are gone.
    pub(super) removed: Vec<String>,
    /// Keys that are new or have other contents, those that were changed first coming first.
    pub(super) put: Vec<String>,
}

/// `known`: marks by keys.
pub(super) fn differences(known: &BTreeMap<String, String>, found: &BTreeMap<String, Found>) -> Differences {
    let removed = known.keys().filter(|key| !found.contains_key(*key)).cloned().collect();
    let mut put: Vec<(&String, &Found)> =
        found.iter().filter(|(key, found)| known.get(*key).is_none_or(|mark| *mark != found.mark())).collect();
    put.sort_by_key(|(_, found)| found.modified);
    Differences { removed, put: put.into_iter().map(|(key, _)| key.clone()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_paths_and_links_are_not_followed() {
        let bucket = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        fs::create_dir_all(bucket.path().join("a/b")).unwrap();
        fs::write(bucket.path().join("a/b/c.txt"), "abc").unwrap();
        fs::write(bucket.path().join("top"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), bucket.path().join("link")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), bucket.path().join("file-link")).unwrap();
        let (_, found) = scan(bucket.path()).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a/b/c.txt", "top"]);
        assert_eq!(found["a/b/c.txt"].size, 3);
        assert!(scan(&bucket.path().join("none")).is_err());
    }

    #[test]
    fn differences_are_what_is_new_changed_or_gone() {
        let file = |size, modified| Found { size, modified, changed: SystemTime::UNIX_EPOCH };
        let known = BTreeMap::from([
            ("same".to_owned(), file(1, 1).mark()),
            ("changed".to_owned(), file(1, 1).mark()),
            ("gone".to_owned(), file(1, 1).mark()),
        ]);
        let found = BTreeMap::from([
            ("same".to_owned(), file(1, 1)),
            ("changed".to_owned(), file(2, 9)),
            ("new".to_owned(), file(1, 5)),
        ]);
        let expected =
            Differences { removed: vec!["gone".to_owned()], put: vec!["new".to_owned(), "changed".to_owned()] };
        assert_eq!(differences(&known, &found), expected);
        assert_eq!(size_of(&known["gone"]), 1);
    }
}
