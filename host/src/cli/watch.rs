//! Tells when a project's files have changed: the configuration, the sources of builds, the components that are given.
//!
//! Directories are watched one by one rather than as trees, so that a `node_modules` or a `target` costs nothing.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, timeout},
};
use wisp::{
    component::source,
    config::{Config, FunctionConfig},
};

use super::{builds::buckets, runtimes::cache_dir, terminal::warn};

/// Quiet time after which a change is over: an editor writes several files, a version control system hundreds, without such
/// a pause. Should one be slower, what comes later is another change.
const QUIET: Duration = Duration::from_millis(30);

/// The same while a file is open that was written to: a disk may be slow, and half a file is no source.
const QUIET_WRITER: Duration = Duration::from_millis(150);

/// A change that goes on for longer is acted on nevertheless.
const LONGEST: Duration = Duration::from_secs(2);

/// Directories without sources, whatever the language. Those that begin with a dot are none either.
const NOT_SOURCES: &[&str] = &["target", "node_modules", "__pycache__", "venv"];

/// How far down a directory is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// Its own files.
    Flat,
    /// Everything below as well.
    Deep,
}

/// A project under watch.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    events: UnboundedReceiver<notify::Result<Event>>,
    directories: HashMap<PathBuf, Depth>,
    /// Components that no build makes.
    components: HashSet<PathBuf>,
    /// Directories that are buckets: what lies in them is no source.
    buckets: Vec<PathBuf>,
    /// Files that were written to and not closed since.
    written: HashSet<PathBuf>,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new() -> notify::Result<Self> {
        let (sender, events) = unbounded_channel();
        let watcher = notify::recommended_watcher(move |event| {
            // Nobody receives any more when the process ends.
            let _ = sender.send(event);
        })?;
        Ok(Self {
            watcher,
            events,
            directories: HashMap::new(),
            components: HashSet::new(),
            buckets: Vec::new(),
            written: HashSet::new(),
        })
    }

    /// Watches the files of the configuration and what it names, from now on, and from where else a component was built: a
    /// build says that, so this is asked again after it. What it named before stays watched: a change too many costs a look at
    /// the times of some files.
    pub(super) fn follow(&mut self, config: &Config) {
        self.buckets = buckets(config);
        for file in &config.files {
            self.add(directory_of(file), Depth::Flat);
        }
        self.components = config.functions.iter().filter_map(given_component).collect();
        let cache_dir = cache_dir(config);
        for function in &config.functions {
            match &function.build {
                Some(build) => {
                    self.add(build.source.clone(), Depth::Deep);
                    for package in source::built_from_elsewhere(&function.component, &cache_dir) {
                        self.add(package, Depth::Deep);
                    }
                }
                None => self.add(directory_of(&function.component), Depth::Flat),
            }
        }
    }

    /// Waits for a change and for its end; `false` if none can come any more.
    pub(super) async fn changed(&mut self) -> bool {
        loop {
            let Some(event) = self.events.recv().await else { return false };
            if self.matters(event) {
                break;
            }
        }
        let began = Instant::now();
        while began.elapsed() < LONGEST {
            let quiet = if self.written.is_empty() { QUIET } else { QUIET_WRITER };
            match timeout(quiet, self.events.recv()).await {
                Ok(Some(event)) => drop(self.matters(event)),
                Ok(None) | Err(_) => break,
            }
        }
        // Whoever goes on writing after that is told by the next change.
        self.written.clear();
        true
    }

    fn matters(&mut self, event: notify::Result<Event>) -> bool {
        match event {
            Ok(event) if is_change(event.kind) || event.need_rescan() => {
                let (kind, need_rescan) = (event.kind, event.need_rescan());
                let mut is_taken = false;
                // No short cut: every path may be a directory to watch.
                for path in event.paths {
                    if self.takes(&path) {
                        is_taken = true;
                        self.note_writer(kind, path);
                    }
                }
                is_taken || need_rescan
            }
            Ok(_) => false,
            Err(error) => {
                tracing::warn!(%error, "a change may have been missed");
                true
            }
        }
    }

    fn note_writer(&mut self, kind: EventKind, path: PathBuf) {
        match kind {
            EventKind::Modify(ModifyKind::Data(_)) => drop(self.written.insert(path)),
            _ => drop(self.written.remove(&path)),
        }
    }

    fn takes(&mut self, path: &Path) -> bool {
        if self.components.contains(path) {
            return true;
        }
        if !path.file_name().is_some_and(is_source) || self.is_in_bucket(path) || is_own_output(path) {
            return false;
        }
        self.keep_up(path);
        true
    }

    /// Sources in a directory that is a bucket as a whole are sources all the same.
    fn is_in_bucket(&self, path: &Path) -> bool {
        let holds = |bucket: &&PathBuf| path.starts_with(bucket) && !self.directories.contains_key(*bucket);
        self.buckets.iter().any(|bucket| holds(&bucket))
    }

    /// A directory that came is watched, one that went is forgotten.
    fn keep_up(&mut self, path: &Path) {
        let is_deep = path.parent().and_then(|parent| self.directories.get(parent)) == Some(&Depth::Deep);
        if path.is_dir() {
            if is_deep && !self.buckets.iter().any(|bucket| bucket == path) {
                self.add_canonical(path.to_owned(), Depth::Deep);
            }
        } else if self.directories.contains_key(path) {
            self.directories.retain(|watched, _| !watched.starts_with(path));
        }
    }

    fn add(&mut self, directory: PathBuf, depth: Depth) {
        match directory.canonicalize() {
            Ok(directory) => self.add_canonical(directory, depth),
            Err(error) => warn(&format!("{} is not watched: {error}", directory.display())),
        }
    }

    fn add_canonical(&mut self, directory: PathBuf, depth: Depth) {
        if self.directories.get(&directory).is_some_and(|known| *known >= depth) {
            return;
        }
        if let Err(error) = self.watcher.watch(&directory, RecursiveMode::NonRecursive) {
            return warn(&format!("{} is not watched: {error}", directory.display()));
        }
        if depth == Depth::Deep {
            for below in directories_in(&directory) {
                if !self.buckets.contains(&below) {
                    self.add_canonical(below, depth);
                }
            }
        }
        self.directories.insert(directory, depth);
    }
}

fn directories_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let directories = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.filter(|entry| is_source(&entry.file_name())).map(|entry| entry.path()).collect()
}

/// An empty path is the directory that we are in.
fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn given_component(function: &FunctionConfig) -> Option<PathBuf> {
    if function.build.is_some() {
        return None;
    }
    let directory = directory_of(&function.component).canonicalize().ok()?;
    Some(directory.join(function.component.file_name()?))
}

/// Reading a file is none, and neither is what a build does to the times of what it wrote.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Metadata(_)) => false,
        _ => true,
    }
}

/// Whether a file or directory of this name may be a source. Components are not, or each build would start the next.
fn is_source(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let is_backup = name.ends_with('~') || name.ends_with(".swp") || name.ends_with(".tmp");
    !name.starts_with('.') && !name.ends_with(".wasm") && !is_backup && !NOT_SOURCES.contains(&&*name)
}

/// Whether wisp's own output goes to this file: what is said about a change must not be the next one.
fn is_own_output(path: &Path) -> bool {
    let Ok(file) = fs::metadata(path) else { return false };
    let outputs = [rustix::fs::fstat(io::stdout()), rustix::fs::fstat(io::stderr())];
    outputs.iter().flatten().any(|output| (output.st_dev, output.st_ino) == (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use wisp::config;

    use super::*;

    /// Long enough for a loaded machine, since a failing test alone waits for it.
    const NEVER: Duration = Duration::from_secs(20);

    struct Project(tempfile::TempDir);

    impl Project {
        fn new() -> Self {
            let project = Self(tempfile::tempdir().unwrap());
            project.write("wisp.toml", "[functions.f.build]\n\n[functions.g]\ncomponent = \"lib/g.wasm\"\n");
            project.write("src/deep/a.rs", "");
            project.write("lib/g.wasm", "");
            project.write("target/b", "");
            project
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn watch(&self) -> Watch {
            let file = self.0.path().join("wisp.toml");
            let mut watch = Watch::new().unwrap();
            watch.follow(&config::load(&file).unwrap());
            watch
        }
    }

    async fn is_told(watch: &mut Watch) -> bool {
        timeout(NEVER, watch.changed()).await.unwrap_or(false)
    }

    #[tokio::test]
    async fn a_change_of_a_source_of_the_configuration_and_of_a_given_component_is_told() {
        let project = Project::new();
        let mut watch = project.watch();
        for name in ["src/deep/a.rs", "wisp.toml", "lib/g.wasm", "src/new/b.rs"] {
            project.write(name, "changed");
            assert!(is_told(&mut watch).await, "{name}");
        }
        project.write("src/new/b.rs", "in a directory that was not there at first");
        assert!(is_told(&mut watch).await);
    }

    /// Half of a file is written, and then nothing for longer than other changes are waited for.
    #[tokio::test]
    async fn a_change_is_not_over_while_a_file_is_open_that_was_written_to() {
        use std::io::Write as _;
        let project = Project::new();
        let mut watch = project.watch();
        let path = project.0.path().canonicalize().unwrap().join("src/deep/a.rs");
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        while !watch.written.contains(&path) {
            let event = timeout(NEVER, watch.events.recv()).await.unwrap().unwrap();
            watch.matters(event);
        }
        drop(file);
        while watch.written.contains(&path) {
            let event = timeout(NEVER, watch.events.recv()).await.unwrap().unwrap();
            watch.matters(event);
        }
    }

    #[tokio::test]
    async fn what_a_build_writes_is_not_told_nor_what_comes_to_a_bucket() {
        let project = Project::new();
        project.write("in/a.txt", "");
        let config = "[functions.f.build]\n\n[functions.g]\ncomponent = \"lib/g.wasm\"\n\
                      [sources.s]\ntype = \"bucket\"\npath = \"in\"\n";
        project.write("wisp.toml", config);
        let mut watch = project.watch();
        for name in [
            "in/b.js",
            "in/deep/c.js",
            "f.wasm",
            "target/b",
            "target/c/d",
            ".wisp/builds/x",
            "node_modules/a/b.js",
            "src/a.rs~",
        ] {
            project.write(name, "written");
        }
        // What comes first is what the write before the last did, if that was heard at all.
        project.write("last.rs", "");
        let mut seen = Vec::new();
        while !seen.contains(&Path::new("last.rs").to_owned()) {
            let Some(event) = timeout(NEVER, watch.events.recv()).await.unwrap() else { break };
            let paths = event.as_ref().unwrap().paths.clone();
            if watch.matters(event) {
                seen.extend(paths.iter().filter_map(|path| path.file_name()).map(PathBuf::from));
            }
        }
        assert_eq!(seen, [PathBuf::from("last.rs")]);
    }

    #[test]
    fn hidden_built_and_backup_files_are_no_sources() {
        for name in [".git", ".venv", ".wisp", ".a.rs.swp", "target", "node_modules", "__pycache__", "f.wasm", "a.rs~"]
        {
            assert!(!is_source(OsStr::new(name)), "{name}");
        }
        for name in ["src", "index.js", "Cargo.toml", "wisp.toml", "targets"] {
            assert!(is_source(OsStr::new(name)), "{name}");
        }
    }
}
