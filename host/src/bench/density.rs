//! Many functions, and many instances, on one host.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    call::{Payload, call, initialize},
    samples::Samples,
};
use crate::{
    catalog::{LATEST, Revision, ScopeId, Target},
    component::{ComponentError, Loader, adapt, hex, inspect},
    control::{Attributes, Draft},
    engine::EngineKind,
    host::FunctionHost,
    pool::Acquired,
};

/// Writes so many components that do the same and are not the same: each has a custom section with its number. What is
/// loaded of one is then of no use to another, as with functions of different people.
///
/// # Errors
/// If a file cannot be written.
pub fn write_copies(component: &[u8], count: usize, directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)?;
    let copy = |number: usize| {
        let file = directory.join(format!("{number}.wasm"));
        fs::write(&file, [component, &numbered(number)].concat())?;
        Ok(file)
    };
    (0..count).map(copy).collect()
}

/// The custom section `wisp-bench` with a number: WebAssembly lets it stand at the end of any component or module.
fn numbered(number: usize) -> Vec<u8> {
    const NAME: &[u8] = b"wisp-bench";
    let number = number.to_string();
    // Both lengths are below 128, where LEB128 is one byte.
    let length = |bytes: usize| u8::try_from(bytes).unwrap_or(u8::MAX);
    let mut section = vec![0, length(1 + NAME.len() + number.len()), length(NAME.len())];
    section.extend_from_slice(NAME);
    section.extend_from_slice(number.as_bytes());
    section
}

/// Compiles a component into the loader's cache, with the functions that it has in common with those before it taken from
/// them.
///
/// # Errors
/// If it cannot be served.
pub fn precompile(loader: &Loader, bytes: &[u8]) -> Result<(), ComponentError> {
    let component = adapt::to_component(bytes)?;
    if inspect::inspect(&component)?.served_kind()?.engine() == EngineKind::Sequential {
        let digest = hex(&Sha256::digest(&component));
        loader.compiled(loader.cache(), &digest, &component, || {})?;
    }
    // As a deploy does: what it finds out is noted for the start that is measured.
    loader.load(bytes, || {}).map(drop)
}

/// Stores a component as a function without a service, with an HTTP trigger, as the API does.
///
/// # Errors
/// If the host has no catalog, or the function is refused.
pub async fn store(host: &FunctionHost, name: &str, component: Vec<u8>) -> anyhow::Result<()> {
    let id = ScopeId::Function(name.to_owned());
    let function = json!({ "runtime": "custom", "handler": "index.handler" });
    let draft = Draft { attributes: attributes(function), package: Some(component) };
    host.create_function(&id, name, draft).await.with_context(|| format!("function {name} cannot be stored"))?;
    let config = json!({ "authType": "anonymous", "methods": ["GET"] });
    let trigger = json!({ "triggerType": "http", "qualifier": LATEST, "triggerConfig": config });
    let stored = host.create_trigger(&id, name, "http", attributes(trigger)).await;
    stored.map(drop).with_context(|| format!("the trigger of {name} cannot be stored"))
}

fn attributes(value: Value) -> Attributes {
    match value {
        Value::Object(attributes) => attributes,
        _ => Attributes::new(),
    }
}

/// Instances of one function that have served a call. They go back to the pool when this is dropped.
pub struct Held {
    acquired: Vec<Acquired>,
    /// What the start of each took: instantiation, initializer, first call.
    pub starts: Vec<Duration>,
    /// Why there are not more; `None` if there are as many as were asked for.
    pub obstacle: Option<String>,
}

/// Starts so many instances of a function's head, calls each, and holds them.
///
/// # Errors
/// If there is no such function. That the host cannot hold more is no error, but [`Held::obstacle`].
pub async fn hold(host: &FunctionHost, service: &str, function: &str, count: usize) -> anyhow::Result<Held> {
    let target = Target { service: Some(service), function, qualifier: LATEST };
    let revision = host.catalog().resolve(&target)?.revision.clone();
    let payload = Payload::fitting(&revision.ready);
    let mut held = Held { acquired: Vec::with_capacity(count), starts: Vec::with_capacity(count), obstacle: None };
    for _ in 0..count {
        let began = Instant::now();
        match start(&revision, &payload).await {
            Ok(acquired) => held.acquired.push(acquired),
            Err(error) => {
                held.obstacle = Some(format!("{error:#}"));
                break;
            }
        }
        held.starts.push(began.elapsed());
    }
    Ok(held)
}

async fn start(revision: &Arc<Revision>, payload: &Payload) -> anyhow::Result<Acquired> {
    let function = &revision.function;
    let mut acquired = revision.pool.acquire().await?;
    initialize(&mut acquired, function.initialization_timeout).await.context("the initializer fails")?;
    call(&mut acquired, &revision.ready, payload, function.timeout).await.context("the function fails")?;
    Ok(acquired)
}

/// Asks each path once.
///
/// # Errors
/// If one is not answered.
pub fn ask_each<'a>(
    client: &mut super::load::Client,
    paths: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<Samples> {
    let mut samples = Samples::new();
    for path in paths {
        let took: Duration = client.get(path).map_err(|error| anyhow!("{path}: {error:#}"))?;
        samples.record(took);
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_components_with_different_digests() {
        let component = wat::parse_str("(component (core module (func (export \"f\"))))").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let files = write_copies(&component, 12, directory.path()).unwrap();
        let contents: std::collections::HashSet<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        assert_eq!(contents.len(), 12);
        assert!(contents.iter().all(|bytes| inspect::inspect(bytes).is_ok()));
    }
}
