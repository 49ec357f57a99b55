//! The compiled functions of language runtimes, from process to process: the first component that is made with a runtime
//! takes seconds to compile, and all others a fraction of one, also after a new start.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::ArtifactCache;
use crate::engine::{EngineKind, Engines};

/// What is written anew for: a component has some functions of its own, and writing all for them would not pay.
const WORTH_WRITING: u64 = 100;

/// Where compiled functions are kept, if anywhere.
#[derive(Default)]
pub(super) struct KeptFunctions {
    cache: OnceLock<ArtifactCache>,
    /// Functions compiled by this process when the file was written last.
    written: AtomicU64,
}

impl KeptFunctions {
    /// Keeps them in this cache from now on. A second one changes nothing.
    pub(super) fn keep_in(&self, cache: &ArtifactCache, engines: &Engines) {
        let Ok(engine) = engines.get(EngineKind::Sequential) else { return };
        if self.cache.set(cache.clone()).is_ok() {
            let (cache, engine) = (cache.clone(), engine.clone());
            engines.functions().read_from(Box::new(move || cache.functions(&engine)));
        }
    }

    /// Writes down what was compiled since the last time, if it is worth it. What cannot be written is compiled again by
    /// the next process, so that is no failure.
    pub(super) fn write(&self, engines: &Engines) {
        let (Some(cache), Ok(engine)) = (self.cache.get(), engines.get(EngineKind::Sequential)) else { return };
        let compiled = engines.compiled_functions().compiled;
        if compiled < self.written.load(Relaxed) + WORTH_WRITING {
            return;
        }
        self.written.store(compiled, Relaxed);
        if let Err(error) = cache.keep_functions(engine, &engines.functions().to_bytes()) {
            tracing::debug!(directory = %cache.directory().display(), %error, "compiled functions cannot be kept");
        }
    }
}
