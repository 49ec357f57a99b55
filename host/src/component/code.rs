//! Compiled code that is mapped while it is of use: what no instance runs is unmapped, least recently used first, when
//! more is mapped than the host may map, and comes back with the next instance.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use wasmtime::component::Component;

use super::{ComponentError, Declaration, Entry, Kind, Loader};

/// The code of one component: mapped, or ready to be mapped again.
pub(crate) struct Code {
    entry: ArcSwapOption<Entry>,
    /// `None` if it cannot come back, and so never goes.
    origin: Option<Arc<Origin>>,
    /// When an instance was last made of it, in microseconds since its loader was made.
    used: AtomicU64,
    /// Held while it is mapped again: once, however many instances wait for it.
    mapping: tokio::sync::Mutex<()>,
}

/// Where code comes back from.
pub(super) struct Origin {
    pub(super) loader: Loader,
    pub(super) kind: Kind,
    pub(super) digest: String,
    pub(super) declaration: Option<Declaration>,
    /// Whether it has the state of a snapshot.
    pub(super) is_restored: bool,
    /// Bytes of its file.
    pub(super) size: u64,
}

impl Code {
    /// Code that stays as long as its component is served.
    pub(super) fn lasting(entry: Entry) -> Arc<Self> {
        Self::new(entry, None)
    }

    /// Code that may go and come back.
    pub(super) fn returning(entry: Entry, origin: Origin) -> Arc<Self> {
        let mapped = origin.loader.mapped().clone();
        let code = Self::new(entry, Some(Arc::new(origin)));
        code.touch();
        mapped.enter(&code);
        code
    }

    fn new(entry: Entry, origin: Option<Arc<Origin>>) -> Arc<Self> {
        let entry = ArcSwapOption::from_pointee(entry);
        Arc::new(Self { entry, origin, used: AtomicU64::new(0), mapping: tokio::sync::Mutex::default() })
    }

    fn touch(&self) {
        if let Some(origin) = &self.origin {
            self.used.store(origin.loader.mapped().now(), Relaxed);
        }
    }

    /// Where to enter the code, for a new instance, which holds it as long as it lives. Reads the disk if it has been
    /// unmapped.
    ///
    /// # Errors
    /// If it is not where it was left.
    pub(crate) async fn entry(&self) -> Result<Arc<Entry>, ComponentError> {
        self.touch();
        if let Some(entry) = self.entry.load_full() {
            return Ok(entry);
        }
        // Boxed: hardly any start goes this way.
        Box::pin(self.map_again()).await
    }

    async fn map_again(&self) -> Result<Arc<Entry>, ComponentError> {
        let _once = self.mapping.lock().await;
        if let Some(entry) = self.entry.load_full() {
            return Ok(entry);
        }
        let gone = || ComponentError::Compile("the compiled code is gone".into());
        let origin = self.origin.clone().ok_or_else(gone)?;
        let digest = origin.digest.clone();
        let mapping = tokio::task::spawn_blocking(move || origin.map());
        let mapped = mapping.await.map_err(|_| gone()).flatten();
        // Callers are told no more than that the function did not start.
        let mapped = mapped.inspect_err(|error| tracing::error!(digest, %error, "a function cannot start"));
        let entry = Arc::new(mapped?);
        if let Some(origin) = &self.origin {
            let mapped = origin.loader.mapped();
            mapped.returns(origin.size);
            self.entry.store(Some(entry.clone()));
            mapped.shrink();
        }
        Ok(entry)
    }

    /// Bytes that are mapped.
    fn size(&self) -> u64 {
        self.origin.as_ref().map_or(0, |origin| origin.size)
    }

    /// Unmaps it, unless an instance runs it or its file is gone.
    fn unmap(&self) {
        let Some(origin) = &self.origin else { return };
        let Some(entry) = self.entry.load_full() else { return };
        // Its own, and the one above; each instance has one more.
        if Arc::strong_count(&entry) > 2 || !origin.loader.keep_file(&origin.digest, origin.kind) {
            return;
        }
        self.entry.store(None);
        origin.loader.mapped().gone(origin.size);
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        let Some(origin) = &self.origin else { return };
        match self.entry.load().is_some() {
            true => origin.loader.mapped().gone(origin.size),
            false => origin.loader.release_file(&origin.digest, origin.kind),
        }
    }
}

impl Origin {
    fn map(&self) -> Result<Entry, ComponentError> {
        let component = self.loader.map_compiled(&self.digest, self.kind)?;
        self.loader.release_file(&self.digest, self.kind);
        self.link(&component)
    }

    /// Where to enter it, with its imports resolved.
    pub(super) fn link(&self, component: &Component) -> Result<Entry, ComponentError> {
        let pre = self.loader.pre(self.kind, component)?;
        let declaration = self.declaration.as_ref();
        let entry = if self.is_restored {
            Entry::restored(self.kind, pre, declaration)
        } else {
            Entry::new(self.kind, pre, declaration)
        };
        entry.map_err(super::mismatch)
    }
}

/// The code that a loader has mapped.
pub(super) struct Mapped {
    limit: AtomicU64,
    codes: Mutex<Vec<Weak<Code>>>,
    /// Bytes that are mapped: so that what is within the limit is not counted at every load.
    bytes: AtomicU64,
    returns: AtomicU64,
    began: Instant,
}

/// How much compiled code is mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappedCode {
    /// Components whose code is mapped.
    pub components: usize,
    /// Bytes of it.
    pub bytes: u64,
    /// Components whose code was unmapped, and comes back with the next instance.
    pub unmapped: usize,
    /// How often some came back.
    pub returns: u64,
}

impl Mapped {
    pub(super) fn new() -> Arc<Self> {
        let [limit, bytes, returns] = [u64::MAX, 0, 0].map(AtomicU64::new);
        Arc::new(Self { limit, codes: Mutex::default(), bytes, returns, began: Instant::now() })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
    }

    fn enter(&self, code: &Arc<Code>) {
        // Before anybody can find it, and take it off again.
        self.bytes.fetch_add(code.size(), Relaxed);
        {
            let mut codes = self.codes.lock();
            // Now and then, so that entering a thousand does not look at each a thousand times.
            if codes.len() == codes.capacity() {
                codes.retain(|code| code.strong_count() > 0);
            }
            codes.push(Arc::downgrade(code));
        }
        self.shrink();
    }

    fn returns(&self, size: u64) {
        self.returns.fetch_add(1, Relaxed);
        self.bytes.fetch_add(size, Relaxed);
    }

    fn gone(&self, size: u64) {
        self.bytes.fetch_sub(size, Relaxed);
    }

    fn codes(&self) -> Vec<Arc<Code>> {
        let mut codes = self.codes.lock();
        codes.retain(|code| code.strong_count() > 0);
        codes.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn read(&self) -> MappedCode {
        let mut read = MappedCode { returns: self.returns.load(Relaxed), ..MappedCode::default() };
        for code in self.codes() {
            if code.entry.load().is_some() {
                read.components += 1;
                read.bytes += code.size();
            } else {
                read.unmapped += 1;
            }
        }
        read
    }

    /// Unmaps what was used least recently, until the rest is within the limit or in use.
    pub(super) fn shrink(&self) {
        let limit = self.limit.load(Relaxed);
        if self.bytes.load(Relaxed) <= limit {
            return;
        }
        let mut codes = self.codes();
        codes.retain(|code| code.entry.load().is_some());
        codes.sort_by_key(|code| code.used.load(Relaxed));
        for code in codes {
            if self.bytes.load(Relaxed) <= limit {
                return;
            }
            code.unmap();
        }
    }
}
