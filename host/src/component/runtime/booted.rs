//! A runtime as its own start leaves it: sources are loaded into that, so that no build and no instance has to wait for it.
//! Made once for each runtime, and kept beside its compiled code.

use std::{path::Path, sync::Arc, thread, time::Instant};

use sha2::{Digest as _, Sha256};
use wasmtime::component::{Instance, InstancePre};
use wasmtime_wizer::{ComponentContext, Wizer};

use super::{abi::BOOT, worker::LOAD_TIMEOUT};
use crate::{
    capability::{environment::Identity, files::ScratchRoot, outbound::OutboundPolicy},
    catalog::LATEST,
    component::{ArtifactCache, ComponentError, Loader, hex, inspect, state::InstanceState},
    config,
    engine::WASMTIME_VERSION,
    instance::{CallError, Guest, Policy, abi::HookResults, timed},
};

/// A runtime to load sources into.
pub(super) struct Base {
    pub(super) bytes: Vec<u8>,
    /// Names its content.
    pub(super) name: String,
}

/// The runtime of this digest after its start, or as it is if there is nothing to start. `compiling` is told if it has to be
/// started now. Blocking.
pub(super) fn base(
    bytes: Vec<u8>,
    digest: &str,
    loader: &Loader,
    cache: &ArtifactCache,
    scratch: &Arc<ScratchRoot>,
    compiling: &mut dyn FnMut(),
) -> Result<Base, ComponentError> {
    if !inspect::inspect_component(&bytes)?.exports_interface("boot") {
        return Ok(Base { bytes, name: digest.to_owned() });
    }
    let key = format!("{digest}-booted-{}-{WASMTIME_VERSION}", env!("CARGO_PKG_VERSION"));
    if let Some(base) = kept(cache, &key) {
        return Ok(base);
    }
    // One at a time, over all processes: who waited finds it made.
    let _lock = cache.lock(&key)?;
    if let Some(base) = kept(cache, &key) {
        return Ok(base);
    }
    let bytes = boot(&bytes, loader, &policy(loader, scratch)?, compiling)?;
    let name = hex(&Sha256::digest(&bytes));
    cache.keep_snapshot(&name, &bytes)?;
    // The note goes last: what it names is there.
    cache.keep_note(&key, name.as_bytes())?;
    Ok(Base { bytes, name })
}

fn kept(cache: &ArtifactCache, key: &str) -> Option<Base> {
    let name = String::from_utf8(cache.note(key)?).ok()?;
    Some(Base { bytes: cache.snapshot(&name)?, name })
}

fn boot(
    bytes: &[u8],
    loader: &Loader,
    policy: &Policy,
    compiling: &mut dyn FnMut(),
) -> Result<Vec<u8>, ComponentError> {
    let mut wizer = Wizer::new();
    wizer.keep_init_func(true);
    let (context, instrumented) = wizer.instrument_component(bytes).map_err(|error| broken(&format!("{error:#}")))?;
    compiling();
    let component = loader.compiled_for_now(&instrumented)?;
    let pre = loader.instance_pre(&component)?;
    // Whoever calls may be within another runtime.
    let booted = thread::scope(|scope| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let booting = scope.spawn(move || runtime.block_on(booted(&wizer, &context, &pre, policy)));
        booting.join().map_err(|_| broken("its thread ended"))
    })?;
    booted.map_err(|error| broken(&format!("{error:#}")))
}

async fn booted(
    wizer: &Wizer,
    context: &ComponentContext<'_>,
    pre: &InstancePre<Guest>,
    policy: &Policy,
) -> wasmtime::Result<Vec<u8>> {
    let began = Instant::now();
    let mut store = Guest::store(pre.engine(), policy, "boot".into());
    let start = async |store: &mut wasmtime::Store<Guest>| {
        let instance: Instance = pre.instantiate_async(&mut *store).await?;
        let boot = super::worker::runtime_function::<(), HookResults>(store, &instance, BOOT, "boot")?;
        let (result,) = boot.call_async(store, ()).await?;
        result.map_err(|failure| wasmtime::Error::new(CallError::from_failure(failure)))?;
        Ok(instance)
    };
    let instance = timed(&mut store, began + LOAD_TIMEOUT, start).await?;
    let mut state = InstanceState::new(&mut store, &instance);
    let snapshot = wizer.snapshot_component(context, &mut state).await?;
    let bytes = state.check(snapshot)?;
    tracing::debug!(took = ?began.elapsed(), bytes = bytes.len(), "a language runtime has started");
    Ok(bytes)
}

/// A function that nobody configured, without network and files: what it is told is told anew when sources are loaded.
fn policy(loader: &Loader, scratch: &Arc<ScratchRoot>) -> Result<Policy, ComponentError> {
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
        cpu_gate: loader.engines().cpu_gate(),
        network_attempts: Some(super::network_attempts()),
    })
}

fn broken(reason: &str) -> ComponentError {
    ComponentError::Mismatch(format!("it does not start: {reason}"))
}
