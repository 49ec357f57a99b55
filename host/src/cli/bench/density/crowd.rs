//! The functions of a measured host: copies of one component, or one component under many names, declared or stored.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use wisp::{
    bench::density::{precompile, store, write_copies},
    component::{ArtifactCache, Loader},
    config::{Config, FunctionConfig},
    engine::Engines,
    host::FunctionHost,
};

use super::super::Rounds;
use crate::cli::runtime;

/// How long instances may be idle here: longer than any of this takes.
const IDLE: Duration = Duration::from_secs(3600);

/// Bytes that compiled copies may take.
const CODE: u64 = 1 << 40;

/// The service of those that are declared.
pub(super) const SERVICE: &str = "default";

/// What the functions of a host have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Making {
    /// Each is declared, with a component of its own.
    Different,
    /// Each is declared, with the same component.
    Same,
    /// Each is in the catalog, with a component of its own.
    Stored,
}

/// A directory with copies of a component and a data directory, and how each copy is served.
pub(super) struct Crowd {
    directory: PathBuf,
    function: FunctionConfig,
    config: Config,
}

impl Crowd {
    /// The crowd in a directory, with room for so many instances.
    pub(super) fn there(directory: &Path, function: &FunctionConfig, config: &Config, most: u32) -> Self {
        let most = usize::try_from(most).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN);
        let function = FunctionConfig { min_instances: 0, max_instances: most, idle_timeout: IDLE, ..function.clone() };
        let mut config = config.clone();
        config.server.data_dir = directory.join("data");
        config.server.artifact_cache = CODE;
        config.server.max_instances = most;
        config.functions = Vec::new();
        Self { directory: directory.to_owned(), function, config }
    }

    /// Writes the copies, and compiles them: with the engine that compiles incrementally, as they have all functions in
    /// common.
    pub(super) fn make(&self, count: u32, name: &str) -> anyhow::Result<()> {
        let component = fs::read(&self.function.component)
            .with_context(|| format!("the component {} cannot be read", self.function.component.display()))?;
        let copies = write_copies(&component, usize::try_from(count)?, &self.components())
            .context("the copies cannot be written")?;
        let cache = ArtifactCache::open(&self.config.server.data_dir.join("artifacts"), CODE)?;
        let loader = Loader::new(Engines::new(NonZeroUsize::MIN.saturating_add(7))?, cache)?;
        let rounds = Rounds::new(&format!("compiling copies of {name}"), copies.len());
        for copy in copies {
            precompile(&loader, &fs::read(copy)?).with_context(|| format!("{name} cannot be served"))?;
            rounds.tick();
        }
        Ok(())
    }

    /// Stores so many of the copies as functions of the catalog.
    pub(super) fn store(&self, count: u32) -> anyhow::Result<()> {
        let rounds = Rounds::new("storing functions", usize::try_from(count)?);
        let stored = async {
            let host = FunctionHost::new(self.config.server.clone(), self.config.limits.clone())?;
            host.open_catalog().await?;
            for number in 0..count {
                let component = fs::read(self.component(number))?;
                store(&host, &name(number), component).await?;
                rounds.tick();
            }
            Ok(())
        };
        runtime::with_workers(stored)?
    }

    /// The configuration of a host with so many functions.
    pub(super) fn config(&self, making: Making, count: u32) -> Config {
        let function = |number| FunctionConfig {
            name: name(number).into(),
            service: SERVICE.into(),
            component: self.component(if making == Making::Same { 0 } else { number }),
            ..self.function.clone()
        };
        let functions = match making {
            Making::Different | Making::Same => (0..count).map(function).collect(),
            Making::Stored => Vec::new(),
        };
        Config { functions, ..self.config.clone() }
    }

    fn components(&self) -> PathBuf {
        self.directory.join("components")
    }

    fn component(&self, number: u32) -> PathBuf {
        self.components().join(format!("{number}.wasm"))
    }
}

/// The name of one of the functions.
pub(super) fn name(number: u32) -> String {
    format!("f{number}")
}
