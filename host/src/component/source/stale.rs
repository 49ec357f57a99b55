//! Whether a component is out of date: by its sources, and by what it was built for.

use std::{
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Loading, Plan, Recipe, modified, recipe,
    sources::{self, Fingerprint},
    wit,
};
use crate::config::Language;

/// Holds no sources, whatever its language.
const NOT_SOURCES: &[&str] = &["target", "node_modules", "__pycache__", "venv"];

/// Whether the component is missing or out of date: for a language runtime by the contents of its sources, for other
/// recipes by their times; for all by what it was built for.
pub fn is_stale(plan: &Plan<'_>) -> bool {
    let Some(built) = modified(plan.component) else { return true };
    match (recipe(plan), Note::read(plan.component, plan.cache_dir)) {
        (Recipe::Runtime(_), None) => true,
        (Recipe::Runtime(_), Some(note)) => note.made_for != made_for(plan) || note.has_other_sources(plan),
        // A component without a note was built by other hands; its times say enough. One of another version says nothing.
        (_, None) => note_path(plan.component, plan.cache_dir).exists() || has_newer(plan.source, plan.data, built),
        (_, Some(note)) => {
            note.made_for != made_for(plan)
                || has_newer(plan.source, plan.data, built)
                || note.elsewhere.iter().any(|directory| has_newer(directory, plan.data, built))
        }
    }
}

/// The directories outside its source from which a component was built: packages of its workspace, for example.
pub fn built_from_elsewhere(component: &Path, cache_dir: &Path) -> Vec<PathBuf> {
    Note::read(component, cache_dir).map(|note| note.elsewhere).unwrap_or_default()
}

/// What a component was built from and for.
#[derive(Serialize, Deserialize)]
pub(super) struct Note {
    made_for: String,
    sources: Option<Fingerprint>,
    pub(super) elsewhere: Vec<PathBuf>,
}

impl Note {
    /// As things are now.
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        let by_content = matches!(recipe(plan), Recipe::Runtime(_));
        let sources = by_content.then(|| sources::fingerprint(plan.source, plan.data));
        Self { made_for: made_for(plan), sources, elsewhere: Vec::new() }
    }

    pub(super) fn keep(&self, plan: &Plan<'_>) -> io::Result<()> {
        let path = note_path(plan.component, plan.cache_dir);
        fs::create_dir_all(path.parent().unwrap_or(plan.cache_dir))?;
        fs::write(path, serde_json::to_vec(self)?)
    }

    /// `None` as well if it is not one of this version's.
    fn read(component: &Path, cache_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(note_path(component, cache_dir)).ok()?).ok()
    }

    /// Reads the files only if their times and sizes say that they may have changed.
    fn has_other_sources(self, plan: &Plan<'_>) -> bool {
        let Some(noted) = &self.sources else { return true };
        if noted.stamp == sources::stamp(plan.source, plan.data) {
            return false;
        }
        let now = sources::fingerprint(plan.source, plan.data);
        if noted.content != now.content {
            return true;
        }
        // The next look need not read them again. Not worth failing for.
        let _ = Self { sources: Some(now), ..self }.keep(plan);
        false
    }
}

fn made_for(plan: &Plan<'_>) -> String {
    match (recipe(plan), &plan.loading) {
        (Recipe::Runtime(language), Some(loading)) => made_for_runtime(language, loading),
        _ => format!("{:?}\n{:?}\n{:?}\n{}", plan.world, plan.language, plan.command, wit::digest()),
    }
}

/// All that the sources can see while they are loaded, and what the runtime is told.
fn made_for_runtime(language: Language, loading: &Loading<'_>) -> String {
    let Loading { runtimes, function, server, evaluate, .. } = *loading;
    let runtime = runtimes.find(language).map(|file| file.digest).unwrap_or_default();
    let handlers = [
        Some(&function.handler),
        function.initializer.as_ref(),
        function.pre_freeze_handler.as_ref(),
        function.pre_stop_handler.as_ref(),
        function.after_restore.as_ref(),
    ];
    let told = format!(
        "{} {runtime} {evaluate:?} {handlers:?} {:?} {} {:?} {} {} {} {} {}",
        env!("CARGO_PKG_VERSION"),
        function.handler_type,
        function.http.is_some(),
        function.environment,
        function.memory,
        function.service,
        function.name,
        server.account_id,
        server.region,
    );
    format!("runtime {}", wit::short_hex(&Sha256::digest(told)))
}

fn note_path(component: &Path, cache_dir: &Path) -> PathBuf {
    let component = std::path::absolute(component).unwrap_or_else(|_| component.into());
    let name = wit::short_hex(&Sha256::digest(component.as_os_str().as_encoded_bytes()));
    cache_dir.join("builds").join(name)
}

fn has_newer(directory: &Path, data: &[PathBuf], built: SystemTime) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| is_source(&entry) && is_newer(&entry, data, built))
}

fn is_newer(entry: &DirEntry, data: &[PathBuf], built: SystemTime) -> bool {
    match entry.file_type() {
        Ok(kind) if kind.is_dir() => !sources::is_data(&entry.path(), data) && has_newer(&entry.path(), data, built),
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
