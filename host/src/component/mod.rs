//! Bytes → a linked, ready component. Everything that can be wrong with a component is found here, when it is deployed,
//! and never at a request.
//!
//! The way: `adapt` (a core module becomes a component) ▸ `inspect` (exports tell the kind, imports are checked against
//! the policy) ▸ `artifact` (compiled code from the cache, or compiled now) ▸ link (`InstancePre`).

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use wasmtime::{
    Engine,
    component::{Component, InstancePre, Linker},
};

use crate::{
    capability,
    engine::{EngineKind, Engines},
    instance::Guest,
};

pub(crate) mod adapt;
pub mod artifact;
mod code;
pub mod declaration;
pub(crate) mod entry;
mod file;
mod functions;
pub mod inspect;
pub mod package;
pub mod runtime;
pub mod snapshot;
pub mod source;
mod state;

pub use adapt::to_component;
pub use artifact::ArtifactCache;
use artifact::Known;
pub use code::MappedCode;
use code::{Code, Mapped, Origin};
pub use declaration::Declaration;
pub(crate) use entry::{Entry, HttpEntry};
pub use file::ComponentFile;
pub(crate) use file::SharedFile;
use functions::KeptFunctions;
pub use inspect::{Inspection, Kind};
pub use snapshot::{Initialized, SnapshotRefused};

/// Why a file is not served. Each message names the thing and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Neither a component nor a core module.
    #[error("{0}")]
    Foreign(String),
    /// It starts as one but does not go on as one.
    #[error("damaged or truncated WebAssembly: {0}")]
    Damaged(String),
    /// A core module that cannot be made a component.
    #[error(
        "this core module cannot be adapted to a component: {0}. Build it against wisp's WIT package (wit-bindgen), or \
         give it a `_start` function"
    )]
    NotAdaptable(String),
    /// It exports nothing that wisp calls.
    #[error(
        "exports no handler: wisp calls wisp:function/event-handler@1.0.0, wisp:function/http-handler@1.0.0, \
         wisp:function/packed-http-handler@1.0.0, wasi:http/incoming-handler@0.2.x, wasi:http/handler@0.3.x or wasi:cli/run@0.2.x, this component exports {0}"
    )]
    NoHandler(String),
    /// A language runtime itself.
    #[error(
        "this is a language runtime without a function in it: `wisp build` makes a component of it and your sources"
    )]
    LanguageRuntime,
    /// It imports what no function is given.
    #[error("wants imports that no function is given: {0}")]
    RefusedImports(String),
    /// An import or an export has another type than the contract says.
    #[error("does not fit the contract: {0}")]
    Mismatch(String),
    /// The compiler refused it.
    #[error("does not compile: {0}")]
    Compile(String),
    /// The artifact cache could not be read or written.
    #[error("artifact cache: {0}")]
    Cache(#[from] std::io::Error),
    /// The engine for it could not be made.
    #[error("{0:#}")]
    Engine(anyhow::Error),
}

/// A step of [`Loader::load`], in their order; code that is in the cache is not compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadStep {
    /// Adapted, inspected, its digest taken.
    Check,
    /// Compiled, and written to the cache.
    Compile,
    /// The MAC of its compiled code checked: reads the file to its end.
    Verify,
    /// Its compiled code mapped.
    Map,
    /// Its imports resolved, its exports found.
    Link,
}

/// Makes components ready. A cheap handle.
#[derive(Clone)]
pub struct Loader(Arc<Shared>);

struct Shared {
    engines: Engines,
    cache: ArtifactCache,
    sequential: Linker<Guest>,
    concurrent: std::sync::OnceLock<Linker<Guest>>,
    /// Components in use, by the SHA-256 of their files: functions of one share its code.
    ready: Mutex<HashMap<[u8; 32], Weak<Ready>>>,
    /// Snapshots in use, by name: revisions of one share it.
    initialized: Mutex<HashMap<String, Weak<Ready>>>,
    mapped: Arc<Mapped>,
    functions: KeptFunctions,
}

/// A component that only needs a store to become an instance. Immutable.
pub struct Ready {
    /// SHA-256 of the component's bytes, in hex.
    pub digest: String,
    /// What the component is, by its exports.
    pub kind: Kind,
    /// What wisp wrote into it when it made it of sources.
    pub declaration: Option<Declaration>,
    /// Whether it stands in for a component whose code is still being compiled.
    pub interim: bool,
    /// How its initializer ran, if its instances start with the state that it left; `None`: each runs it.
    pub initialized: Option<Initialized>,
    pub(crate) code: Arc<Code>,
    pub(crate) engine: Engine,
    handles_events: bool,
    http_entry: HttpEntry,
}

impl Loader {
    /// A loader whose compiled code goes through `cache`.
    ///
    /// # Errors
    /// If the host's own imports do not link: a bug.
    pub fn new(engines: Engines, cache: ArtifactCache) -> anyhow::Result<Self> {
        let sequential = capability::linker(engines.get(EngineKind::Sequential)?, EngineKind::Sequential)?;
        Ok(Self(Arc::new(Shared {
            engines,
            cache,
            sequential,
            concurrent: std::sync::OnceLock::new(),
            ready: Mutex::default(),
            initialized: Mutex::default(),
            mapped: Mapped::new(),
            functions: KeptFunctions::default(),
        })))
    }

    /// Keeps the compiled functions of language runtimes in this cache, which all projects of a user have in common.
    pub(crate) fn keep_functions_in(&self, cache: &ArtifactCache) {
        self.0.functions.keep_in(cache, &self.0.engines);
    }

    /// From now on, compiled code beyond so many bytes is unmapped while no instance runs it, least recently used first.
    pub fn map_at_most(&self, bytes: u64) {
        self.0.mapped.set_limit(bytes);
    }

    /// How much compiled code is mapped.
    pub fn mapped_code(&self) -> MappedCode {
        self.0.mapped.read()
    }

    /// Unmaps what has gone out of use since the last load.
    pub(crate) fn unmap_unused(&self) {
        self.0.mapped.shrink();
    }

    fn mapped(&self) -> &Arc<Mapped> {
        &self.0.mapped
    }

    /// The engines that components are compiled for.
    pub fn engines(&self) -> &Engines {
        &self.0.engines
    }

    /// Where compiled code is kept.
    pub fn cache(&self) -> &ArtifactCache {
        &self.0.cache
    }

    /// The component in a file, made ready as by [`Self::load`], unless it is in use already.
    ///
    /// # Errors
    /// See [`ComponentError`].
    pub fn load_file(&self, file: &ComponentFile, compiling: impl FnOnce()) -> Result<Arc<Ready>, ComponentError> {
        if let Some(ready) = self.0.ready.lock().get(file.digest()).and_then(Weak::upgrade) {
            return Ok(ready);
        }
        let ready = Arc::new(self.load_named(file.bytes(), &file.name(), compiling, &mut |_| {})?);
        Ok(share(&self.0.ready, *file.digest(), ready))
    }

    /// Adapts, checks, compiles (or finds) and links a component. Compiling takes seconds for a JavaScript or Python
    /// component that was never seen before: call it from a blocking thread. `compiling` is called if it comes to that.
    ///
    /// # Errors
    /// See [`ComponentError`].
    pub fn load(&self, bytes: &[u8], compiling: impl FnOnce()) -> Result<Ready, ComponentError> {
        self.load_watched(bytes, compiling, &mut |_| {})
    }

    /// The same, and `passed` is told the end of each step: for measurements.
    pub(crate) fn load_watched(
        &self,
        bytes: &[u8],
        compiling: impl FnOnce(),
        passed: &mut dyn FnMut(LoadStep),
    ) -> Result<Ready, ComponentError> {
        self.load_named(bytes, &hex(&Sha256::digest(bytes)), compiling, passed)
    }

    /// `source`: the SHA-256 of the bytes, in hex.
    fn load_named(
        &self,
        bytes: &[u8],
        source: &str,
        compiling: impl FnOnce(),
        passed: &mut dyn FnMut(LoadStep),
    ) -> Result<Ready, ComponentError> {
        if let Some(known) = self.0.cache.known(source) {
            passed(LoadStep::Check);
            let engine = self.0.engines.get(known.kind.engine()).map_err(ComponentError::Engine)?;
            if let Some(component) = self.0.cache.compiled(engine, &known.digest, passed)? {
                return self.ready(known, &component, passed);
            }
        }
        let bytes = adapt::to_component(bytes)?;
        let inspection = inspect::inspect_component(&bytes)?;
        let kind = inspection.served_kind()?;
        let engine = self.0.engines.get(kind.engine()).map_err(ComponentError::Engine)?;
        let digest = match &bytes {
            Cow::Borrowed(_) => source.to_owned(),
            Cow::Owned(adapted) => hex(&Sha256::digest(adapted)),
        };
        passed(LoadStep::Check);
        let declaration = inspection.declaration;
        // The functions of a language runtime are in every component that was made with it.
        let compiler = match &declaration {
            Some(_) => self.0.engines.incremental().map_err(ComponentError::Engine)?,
            None => engine,
        };
        let component = self.0.cache.component_watched(engine, compiler, &digest, &bytes, compiling, passed)?;
        self.0.functions.write(&self.0.engines);
        let known = Known::new(digest, kind, declaration);
        let ready = self.ready(known.clone(), &component, passed)?;
        self.0.cache.note_down(source, &known);
        Ok(ready)
    }

    /// Links a component.
    fn ready(
        &self,
        known: Known,
        component: &Component,
        passed: &mut dyn FnMut(LoadStep),
    ) -> Result<Ready, ComponentError> {
        let ready = self.linked(known, component, None)?;
        passed(LoadStep::Link);
        Ok(ready)
    }

    /// Links a component whose code may go and come back. `initialized`: it has the state of a snapshot.
    fn linked(
        &self,
        known: Known,
        component: &Component,
        initialized: Option<Initialized>,
    ) -> Result<Ready, ComponentError> {
        let Known { digest, kind, declaration, .. } = known;
        let engine = self.0.engines.get(kind.engine()).map_err(ComponentError::Engine)?.clone();
        let compiled = initialized.as_ref().map_or(&digest, |initialized| &initialized.digest).clone();
        let origin = Origin {
            loader: self.clone(),
            kind,
            size: self.0.cache.size_of(&engine, &compiled),
            digest: compiled,
            declaration: declaration.clone(),
            is_restored: initialized.is_some(),
        };
        let entry = origin.link(component)?;
        let (handles_events, http_entry) = (entry.handles_events(), entry.http_entry());
        let code = Code::returning(entry, origin);
        Ok(Ready { digest, kind, declaration, interim: false, initialized, code, engine, handles_events, http_entry })
    }

    /// The compiled code of a component that was loaded before.
    fn map_compiled(&self, digest: &str, kind: Kind) -> Result<Component, ComponentError> {
        let engine = self.0.engines.get(kind.engine()).map_err(ComponentError::Engine)?;
        self.0.cache.compiled(engine, digest, &mut |_| {})?.ok_or_else(|| {
            ComponentError::Compile(format!(
                "its compiled code is no longer in {}; a start of wisp compiles it again",
                self.0.cache.directory().display()
            ))
        })
    }

    /// Keeps the file of compiled code until it is released; `false` if there is none.
    fn keep_file(&self, digest: &str, kind: Kind) -> bool {
        self.0.engines.get(kind.engine()).is_ok_and(|engine| self.0.cache.keep(engine, digest))
    }

    fn release_file(&self, digest: &str, kind: Kind) {
        if let Ok(engine) = self.0.engines.get(kind.engine()) {
            self.0.cache.release(engine, digest);
        }
    }

    /// Whether there is compiled code of a component of the sequential engine.
    pub(crate) fn is_compiled(&self, digest: &str) -> bool {
        self.0.engines.get(EngineKind::Sequential).is_ok_and(|engine| self.0.cache.has(engine, digest))
    }

    /// A component of the sequential engine compiled into another cache.
    pub(crate) fn compiled(
        &self,
        cache: &ArtifactCache,
        digest: &str,
        bytes: &[u8],
        compiling: impl FnOnce(),
    ) -> Result<Component, ComponentError> {
        let engines = &self.0.engines;
        let engine = engines.get(EngineKind::Sequential).map_err(ComponentError::Engine)?;
        let compiler = engines.incremental().map_err(ComponentError::Engine)?;
        let component = cache.component(engine, compiler, digest, bytes, compiling)?;
        self.0.functions.write(engines);
        Ok(component)
    }

    /// A component of the sequential engine with its imports resolved.
    pub(crate) fn instance_pre(&self, component: &Component) -> Result<InstancePre<Guest>, ComponentError> {
        self.0.sequential.instantiate_pre(component).map_err(mismatch)
    }

    fn pre(&self, kind: Kind, component: &Component) -> Result<InstancePre<Guest>, ComponentError> {
        let linker = match kind.engine() {
            EngineKind::Sequential => return self.instance_pre(component),
            EngineKind::Concurrent => self.concurrent_linker()?,
        };
        linker.instantiate_pre(component).map_err(mismatch)
    }

    fn concurrent_linker(&self) -> Result<&Linker<Guest>, ComponentError> {
        if let Some(linker) = self.0.concurrent.get() {
            return Ok(linker);
        }
        let engine = self.0.engines.get(EngineKind::Concurrent).map_err(ComponentError::Engine)?;
        let linker = capability::linker(engine, EngineKind::Concurrent).map_err(mismatch)?;
        Ok(self.0.concurrent.get_or_init(|| linker))
    }
}

impl Ready {
    /// A component whose code stays for as long as it is served.
    fn lasting(digest: String, kind: Kind, declaration: Option<Declaration>, entry: Entry, engine: Engine) -> Self {
        let (handles_events, http_entry) = (entry.handles_events(), entry.http_entry());
        let code = Code::lasting(entry);
        Self { digest, kind, declaration, interim: false, initialized: None, code, engine, handles_events, http_entry }
    }

    /// What stands in for a component whose code is still being compiled.
    fn interim(digest: String, declaration: Declaration, entry: Entry, engine: Engine) -> Self {
        let lasting = Self::lasting(digest, Kind::Function, Some(declaration), entry, engine);
        Self { interim: true, ..lasting }
    }

    /// Whether it takes events.
    pub(crate) fn handles_events(&self) -> bool {
        self.handles_events
    }

    /// Where the requests of an HTTP trigger go.
    pub(crate) fn http_entry(&self) -> HttpEntry {
        self.http_entry
    }
}

/// Enters what was made ready under its key, unless somebody else was quicker: theirs is the one that all share.
fn share<K: Eq + Hash>(all: &Mutex<HashMap<K, Weak<Ready>>>, key: K, ready: Arc<Ready>) -> Arc<Ready> {
    let mut all = all.lock();
    if let Some(first) = all.get(&key).and_then(Weak::upgrade) {
        return first;
    }
    // Now and then, so that entering a thousand does not look at each a thousand times.
    if all.len() == all.capacity() {
        all.retain(|_, ready| ready.strong_count() > 0);
    }
    all.insert(key, Arc::downgrade(&ready));
    ready
}

fn mismatch(error: wasmtime::Error) -> ComponentError {
    ComponentError::Mismatch(format!("{error:#}"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
