//! Language runtimes: components that load a function's sources and become the function by a snapshot.
//!
//! The way: `find` a runtime ▸ `booted` has its own start behind it ▸ `worker` instruments, compiles and keeps it ▸ the
//! sources are loaded into an instance ▸ `snapshot` reads the instance ▸ wasmtime-wizer writes a component with its state ▸
//! a declaration is appended.

use std::{
    collections::HashMap,
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::SystemTime,
};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use wasmtime::{Store, component::Instance};

use super::{ArtifactCache, ComponentError, ComponentFile, Declaration, Entry, Loader, Ready, entry::FunctionPre, hex};
use crate::{
    capability::files::ScratchRoot,
    config::Language,
    engine::EngineKind,
    instance::{CallError, Guest, Policy, explain_refused},
};

pub(crate) mod abi;
mod booted;
mod worker;

use booted::Booted;
use worker::{Attempt, Outcome, Pace, Worker};

/// Components whose sources are at hand, so that they can be served before their code is compiled.
const REMEMBERED: usize = 256;

/// The language runtimes of one process. A cheap handle.
#[derive(Clone)]
pub struct Runtimes(Arc<Shared>);

struct Shared {
    loader: Loader,
    cache: ArtifactCache,
    directories: Vec<PathBuf>,
    scratch: Arc<ScratchRoot>,
    digests: Mutex<HashMap<PathBuf, (SystemTime, String)>>,
    /// By path; another runtime there takes the place of the one before.
    open: Mutex<HashMap<PathBuf, (String, Arc<Worker>)>>,
    built: Mutex<HashMap<String, Recent>>,
}

/// A runtime as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeFile {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hex.
    pub digest: String,
}

/// A component that this process made.
#[derive(Clone)]
struct Recent {
    worker: Arc<Worker>,
    preload: Arc<Preload>,
    declaration: Declaration,
}

/// Sources that a runtime loads when an instance starts.
pub(crate) struct Preload {
    source: Arc<abi::Source>,
}

/// A component made of sources.
pub(super) struct Snapshot {
    pub(super) component: Vec<u8>,
    pub(super) takes_nothing: bool,
    pub(super) style: String,
    pub(super) warnings: Vec<String>,
}

/// Why there is none.
pub(super) enum SnapshotError {
    /// The sources may be right, but the state that they leave cannot be part of a component.
    Unfit(String),
    /// The sources are wrong, or did not come to an end.
    Failed(CallError),
    /// The runtime is no good.
    Runtime(String),
}

impl Runtimes {
    /// The runtimes in `directories`, the first first; code goes through `cache`.
    ///
    /// # Errors
    /// If the cache's directory cannot be written.
    pub fn new(loader: Loader, cache: ArtifactCache, directories: Vec<PathBuf>) -> io::Result<Self> {
        let scratch = Arc::new(ScratchRoot::new(&cache.directory().join("scratch"))?);
        loader.keep_functions_in(&cache);
        Ok(Self(Arc::new(Shared {
            loader,
            cache,
            directories,
            scratch,
            digests: Mutex::default(),
            open: Mutex::default(),
            built: Mutex::default(),
        })))
    }

    /// The runtime of a language, wherever it lies first.
    ///
    /// # Errors
    /// The message names the file and the directories without it.
    pub fn find(&self, language: Language) -> Result<RuntimeFile, String> {
        let path = find(&self.0.directories, language)?;
        let digest = self.digest(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Ok(RuntimeFile { path, digest })
    }

    /// Makes a runtime ready to load sources, which otherwise the first build does, and puts its own start behind it, here
    /// and for all processes to come: blocking, for seconds.
    ///
    /// # Errors
    /// A message if there is none, or if it is no good.
    pub fn warm_up(&self, language: Language) -> Result<(), String> {
        let file = self.find(language)?;
        let worker = self.worker(&file, || {})?;
        if !worker.can_boot() || worker.name() != file.digest {
            return Ok(());
        }
        let booted = self.booted(&file, &worker).map_err(|error| named(&file, &error))?;
        self.0.open.lock().insert(file.path.clone(), (file.digest, Arc::new(booted)));
        Ok(())
    }

    fn booted(&self, file: &RuntimeFile, worker: &Worker) -> Result<Worker, ComponentError> {
        let Shared { loader, cache, scratch, .. } = &*self.0;
        let Booted { bytes, name } = booted::make(worker, &file.digest, cache, scratch)?;
        Worker::start(bytes, &name, loader, cache, Pace::<fn()>::Behind)
    }

    /// Bytes hashed once for each state of the file.
    fn digest(&self, path: &Path) -> io::Result<String> {
        let modified = fs::metadata(path)?.modified()?;
        if let Some((known, digest)) = self.0.digests.lock().get(path)
            && *known == modified
        {
            return Ok(digest.clone());
        }
        let digest = hex(&Sha256::digest(fs::read(path)?));
        self.0.digests.lock().insert(path.to_owned(), (modified, digest.clone()));
        Ok(digest)
    }

    fn worker(&self, file: &RuntimeFile, compiling: impl FnOnce()) -> Result<Arc<Worker>, String> {
        // Held while the runtime is compiled: whoever else wants it has to wait for it in any case.
        let mut open = self.0.open.lock();
        if let Some((digest, worker)) = open.get(&file.path)
            && *digest == file.digest
        {
            return Ok(worker.clone());
        }
        let Shared { loader, cache, .. } = &*self.0;
        let Booted { bytes, name } = match booted::kept(cache, &file.digest) {
            Some(booted) => booted,
            None => {
                let bytes = fs::read(&file.path).map_err(|error| named(file, &error))?;
                Booted { bytes, name: file.digest.clone() }
            }
        };
        let worker = Worker::start(bytes, &name, loader, cache, Pace::Awaited(compiling));
        let worker = worker.map_err(|error| named(file, &error))?;
        let worker = Arc::new(worker);
        open.insert(file.path.clone(), (file.digest.clone(), worker.clone()));
        Ok(worker)
    }

    /// The policy of an instance that loads sources: what the function is given, without network and `/tmp`.
    pub(super) fn scratch(&self) -> Arc<ScratchRoot> {
        self.0.scratch.clone()
    }

    pub(super) fn cpu_gate(&self) -> Arc<tokio::sync::Semaphore> {
        self.0.loader.engines().cpu_gate()
    }

    /// Loads sources into the runtime and makes a component of it: blocking. `progress` is told what takes long, and what
    /// the sources write.
    pub(super) fn snapshot(
        &self,
        language: Language,
        source: abi::Source,
        policy: Policy,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Snapshot, SnapshotError> {
        let file = self.find(language).map_err(SnapshotError::Runtime)?;
        let compiling = || progress(&format!("compiling the {} runtime, once", language.name()));
        let worker = self.worker(&file, compiling).map_err(SnapshotError::Runtime)?;
        let (evaluated, source) = (source.evaluate, Arc::new(source));
        let attempts = policy.network_attempts.clone().unwrap_or_default();
        let Some(Attempt { outcome, log }) = worker.load(source.clone(), policy, attempts) else {
            // The next build starts another.
            self.0.open.lock().remove(&file.path);
            return Err(SnapshotError::Runtime("its thread ended".into()));
        };
        String::from_utf8_lossy(&log).lines().for_each(progress);
        let (description, component) = match outcome {
            Outcome::Loaded(description, component) => (description, component),
            Outcome::Unfit(reason) => return Err(SnapshotError::Unfit(reason)),
            Outcome::Failed(error) => return Err(SnapshotError::Failed(error)),
            Outcome::Broken(error) => return Err(SnapshotError::Runtime(format!("{error:#}"))),
        };
        let declaration = declaration(language, &file, &description, evaluated);
        let takes_nothing = !declaration.event && !declaration.http;
        let component = declaration.append_to(component);
        let abi::Description { style, warnings, .. } = *description;
        let preload = Arc::new(Preload { source });
        self.remember(&component, Recent { worker, preload, declaration });
        Ok(Snapshot { component, takes_nothing, style, warnings })
    }

    fn remember(&self, component: &[u8], recent: Recent) {
        let mut built = self.0.built.lock();
        if built.len() >= REMEMBERED {
            built.clear();
        }
        built.insert(hex(&Sha256::digest(component)), recent);
    }

    /// What to serve while the code of a component is compiled: its runtime, which loads the sources in each instance.
    /// `None` if there is compiled code, or if the component was not made by this process.
    pub(crate) fn interim(&self, component: &ComponentFile) -> Option<Ready> {
        let digest = component.name();
        let Recent { worker, preload, declaration } = self.0.built.lock().get(&digest).cloned()?;
        if self.0.loader.is_compiled(&digest) {
            return None;
        }
        let engine = self.0.loader.engines().get(EngineKind::Sequential).ok()?.clone();
        let entry = Entry::Function(FunctionPre::preloading(worker.pre().clone(), &declaration, preload));
        Some(Ready::interim(digest, declaration, entry, engine))
    }
}

impl Preload {
    /// Loads the sources into a new instance.
    pub(crate) async fn load(&self, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<()> {
        let load = worker::loader_function::<abi::LoadParams<'_>, abi::LoadResults>(store, instance, "load")?;
        match load.call_async(store, (&self.source,)).await? {
            (Ok(_),) => Ok(()),
            (Err(failure),) => Err(wasmtime::Error::new(CallError::from_failure(failure))),
        }
    }
}

fn named(file: &RuntimeFile, error: &dyn Display) -> String {
    format!("the language runtime {}: {error}", file.path.display())
}

/// The file name of a language's runtime.
pub fn file_name(language: Language) -> Option<&'static str> {
    match language {
        Language::JavaScript => Some("js-runtime.wasm"),
        Language::Python => Some("python-runtime.wasm"),
        Language::Rust => None,
    }
}

/// The runtime of a language in `directories`, the first first.
///
/// # Errors
/// The message names the file and the directories without it.
pub fn find_in(directories: &[PathBuf], language: Language) -> Result<RuntimeFile, String> {
    let path = find(directories, language)?;
    let bytes = fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(RuntimeFile { digest: hex(&Sha256::digest(bytes)), path })
}

fn find(directories: &[PathBuf], language: Language) -> Result<PathBuf, String> {
    let name = file_name(language).ok_or_else(|| format!("{} has no language runtime", language.name()))?;
    let found = directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let searched: Vec<_> = directories.iter().map(|directory| directory.display().to_string()).collect();
        format!("there is no {name}; looked in {}", searched.join(", "))
    })
}

fn declaration(
    language: Language,
    runtime: &RuntimeFile,
    description: &abi::Description,
    evaluated: bool,
) -> Declaration {
    Declaration {
        wisp: env!("CARGO_PKG_VERSION").into(),
        language,
        runtime: runtime.digest.clone(),
        style: description.style.clone(),
        event: has(description.kinds, abi::HandlerKinds::EVENT),
        http: has(description.kinds, abi::HandlerKinds::HTTP),
        initializer: description.initializer,
        pre_freeze: description.pre_freeze,
        pre_stop: description.pre_stop,
        after_restore: description.after_restore,
        snapshot: true,
        evaluated,
    }
}

fn has(kinds: abi::HandlerKinds, kind: abi::HandlerKinds) -> bool {
    kinds & kind == kind
}

/// A trap with the limit that it came from.
fn explained(store: &mut Store<Guest>, error: CallError) -> CallError {
    match (error, store.data_mut().limiter().take_refused()) {
        (CallError::Trapped(reason), Some(refused)) => {
            CallError::Trapped(format!("{reason} ({})", explain_refused(refused)))
        }
        (error, _) => error,
    }
}

/// So that attempts at the network are noticed while sources are loaded.
pub(super) fn network_attempts() -> Arc<AtomicBool> {
    Arc::default()
}
