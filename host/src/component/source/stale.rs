//! Whether a component is out of date: by the times of its sources, and by what it was built for.

use std::{
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};

use super::{Plan, modified, wit};

/// Holds no sources, whatever its language.
const NOT_SOURCES: &[&str] = &["target", "node_modules", "__pycache__", "venv"];

/// Whether the component is missing, older than a source file, or built for another world or by another command.
pub fn is_stale(plan: &Plan<'_>) -> bool {
    match modified(plan.component) {
        None => true,
        Some(built) => is_recipe_changed(plan) || has_newer(plan.source, built),
    }
}

/// Notes what the component was built for.
pub(super) fn remember(plan: &Plan<'_>) -> io::Result<()> {
    let note = note_path(plan);
    fs::create_dir_all(note.parent().unwrap_or(plan.cache_dir))?;
    fs::write(note, recipe(plan))
}

/// A component without a note was built by other hands; its times say enough.
fn is_recipe_changed(plan: &Plan<'_>) -> bool {
    fs::read_to_string(note_path(plan)).is_ok_and(|noted| noted != recipe(plan))
}

fn recipe(plan: &Plan<'_>) -> String {
    format!("{}\n{:?}\n{:?}\n{}\n", plan.world, plan.language, plan.command, wit::digest())
}

fn note_path(plan: &Plan<'_>) -> PathBuf {
    let component = std::path::absolute(plan.component).unwrap_or_else(|_| plan.component.into());
    let name = wit::short_hex(&Sha256::digest(component.as_os_str().as_encoded_bytes()));
    plan.cache_dir.join("builds").join(name)
}

fn has_newer(directory: &Path, built: SystemTime) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| is_source(&entry) && is_newer(&entry, built))
}

fn is_newer(entry: &DirEntry, built: SystemTime) -> bool {
    match entry.file_type() {
        Ok(kind) if kind.is_dir() => has_newer(&entry.path(), built),
        // Follows a link to a file; a link to a directory could lead in circles and is not a file.
        Ok(_) => fs::metadata(entry.path())
            .is_ok_and(|it| it.is_file() && it.modified().is_ok_and(|modified| modified > built)),
        Err(_) => false,
    }
}

/// The configuration is not one: what matters of it is in the note, and a new timeout needs no build. Nor are logs: a
/// `wisp up > up.log` would build without end.
fn is_source(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    !name.starts_with('.')
        && ![".wasm", ".log"].iter().any(|end| name.ends_with(end))
        && name != "wisp.toml"
        && !NOT_SOURCES.contains(&&*name)
}
