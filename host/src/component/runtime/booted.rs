//! A runtime as its own start leaves it: sources are loaded into that, so that no build and no instance has to wait for it.
//! Made once for each runtime, behind what somebody waits for, and kept beside its compiled code.

use std::{path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};

use super::worker::Worker;
use crate::{
    capability::{environment::Identity, files::ScratchRoot, outbound::OutboundPolicy},
    catalog::LATEST,
    component::{ArtifactCache, ComponentError, hex},
    config,
    engine::WASMTIME_VERSION,
    instance::Policy,
};

/// A runtime, as a rule one that has started.
pub(super) struct Booted {
    pub(super) bytes: Vec<u8>,
    /// Names its content.
    pub(super) name: String,
}

/// The runtime of this digest after its start, if it was kept.
pub(super) fn kept(cache: &ArtifactCache, digest: &str) -> Option<Booted> {
    let name = String::from_utf8(cache.note(&key(digest))?).ok()?;
    Some(Booted { bytes: cache.snapshot(&name)?, name })
}

/// Starts the runtime of this digest, unless somebody else was quicker, and keeps what that makes of it. Blocking.
pub(super) fn make(
    worker: &Worker,
    digest: &str,
    cache: &ArtifactCache,
    scratch: &Arc<ScratchRoot>,
) -> Result<Booted, ComponentError> {
    let key = key(digest);
    // One at a time, over all processes: who waited finds it made.
    let _lock = cache.lock(&key)?;
    if let Some(booted) = kept(cache, digest) {
        return Ok(booted);
    }
    let bytes = worker.boot(policy(worker, scratch)?).ok_or_else(|| broken("its thread ended"))?;
    let bytes = bytes.map_err(|error| broken(&format!("{error:#}")))?;
    let name = hex(&Sha256::digest(&bytes));
    cache.keep_snapshot(&name, &bytes)?;
    // The note goes last: what it names is there.
    cache.keep_note(&key, name.as_bytes())?;
    Ok(Booted { bytes, name })
}

/// What is made of the same runtime by another wisp, or another wasmtime, is another one.
fn key(digest: &str) -> String {
    hex(&Sha256::digest(format!("booted {digest} {} {WASMTIME_VERSION}", env!("CARGO_PKG_VERSION"))))
}

/// A function that nobody configured, without network and files: what it is told is told anew when sources are loaded.
fn policy(worker: &Worker, scratch: &Arc<ScratchRoot>) -> Result<Policy, ComponentError> {
    let text = "[functions.runtime]\ncomponent = \"runtime.wasm\"\nmemory = \"512 MB\"\n";
    let config = config::parse(text, Path::new("wisp.toml")).map_err(|error| broken(&error.to_string()))?;
    let function = config.functions.into_iter().next().ok_or_else(|| broken("it has no function"))?;
    let function = config::FunctionConfig { code_dir: None, scratch: 0, ..function };
    Ok(Policy {
        identity: Arc::new(Identity::new(&config.server, Arc::new(function), LATEST, "")),
        outbound: Arc::new(OutboundPolicy::default()),
        limits: Arc::new(config.limits),
        scratch: scratch.clone(),
        data_dir: config.server.data_dir.as_path().into(),
        cpu_gate: worker.cpu_gate(),
        network_attempts: Some(super::network_attempts()),
    })
}

fn broken(reason: &str) -> ComponentError {
    ComponentError::Mismatch(format!("it does not start: {reason}"))
}
