//! What a snapshot depends on: the component, and all that its initializer could see. Whatever differs in none of it shares
//! the snapshot: versions, aliases, another start of the host.

use std::{
    fs, io,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};

use crate::{component::hex, instance::Policy};

/// Directories that no initializer has a reason to read, and that change by themselves. Only at the top.
const IGNORED: &[&str] = &[".git", ".wisp", "target"];

/// The name of a snapshot: a digest in hex.
pub(super) fn of(component: &str, policy: &Policy) -> String {
    let identity = &policy.identity;
    let function = &identity.function;
    // Qualifier and version are not among it: the initializer is told those of the head.
    let seen = format!(
        "{} {component} {:?} {:?} {:?} {:?} {:?} {} {} {:?} {:?} {:?}",
        env!("CARGO_PKG_VERSION"),
        identity.variables(),
        function.initializer,
        function.handler,
        (function.timeout, function.initialization_timeout),
        (function.pre_freeze, function.pre_stop),
        function.memory,
        function.scratch > 0,
        (&function.log_project, &function.log_store),
        (&identity.account_id, &identity.region),
        policy.limits.table_elements,
    );
    let mut digest = Sha256::new_with_prefix(seen);
    if let Some(code) = &function.code_dir {
        digest.update(tree(code, &function.component));
    }
    hex(&digest.finalize())
}

/// Names, sizes and times of all files below a directory. Contents would be surer, and cost a read of all packages at every
/// start.
fn tree(directory: &Path, component: &Path) -> Vec<u8> {
    let mut files = Vec::new();
    // What cannot be read is not seen by the guest either.
    let _ = walk(directory, &mut |path, metadata| {
        if path != component {
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let name = path.strip_prefix(directory).unwrap_or(path).to_owned();
            files.push((name, metadata.len(), modified.unwrap_or(Duration::ZERO)));
        }
    });
    files.sort_unstable();
    format!("{files:?}").into_bytes()
}

fn walk(directory: &Path, found: &mut impl FnMut(&Path, &fs::Metadata)) -> io::Result<()> {
    walk_below(directory, IGNORED, found)
}

fn walk_below(directory: &Path, ignored: &[&str], found: &mut impl FnMut(&Path, &fs::Metadata)) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if ignored.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        // A link is followed to a file alone: one to a directory could lead in circles.
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            let _ = walk_below(&path, &[], found);
        } else if let Ok(metadata) = fs::metadata(&path)
            && metadata.is_file()
        {
            found(&path, &metadata);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_known_by_its_files_but_not_by_the_component_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let digest = || tree(directory.path(), &path("f.wasm"));
        fs::create_dir_all(path("lib")).unwrap();
        fs::create_dir_all(path(".git")).unwrap();
        fs::write(path("lib/data.json"), "{}").unwrap();
        let first = digest();
        fs::write(path("f.wasm"), "component").unwrap();
        fs::write(path(".git/index"), "i").unwrap();
        assert_eq!(digest(), first);
        fs::write(path("lib/data.json"), "{ }").unwrap();
        assert_ne!(digest(), first);
    }
}
