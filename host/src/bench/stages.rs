//! One start of a function, from its file to the end of its instance, stage by stage.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use tokio::runtime::Handle;

use super::{
    call::{Payload, call, initialize},
    machine,
    page_cache::drop_pages,
};
use crate::{
    catalog::Revision,
    component::{ComponentFile, LoadStep, Loader, Ready},
    config::FunctionConfig,
    host::{FunctionHost, Origin},
};

/// A stage of a start, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The component is read from its file.
    Read,
    /// It is adapted, inspected, and its digest taken.
    Check,
    /// It is compiled, and the code written to the cache.
    Compile,
    /// The MAC of the compiled code is checked, which reads it to its end.
    Verify,
    /// The compiled code is mapped.
    Map,
    /// Its imports are resolved.
    Link,
    /// An instance is made: store, memory, tables, start code.
    Instantiate,
    /// Its initializer runs.
    Initialize,
    /// Its handler runs for the first time.
    FirstCall,
    /// Its handler runs again.
    WarmCall,
    /// The instance goes.
    Teardown,
    /// Another one is made, in the same place and of code that is mapped already.
    InstantiateAgain,
}

impl Stage {
    /// All, in their order.
    pub const ALL: [Self; 12] = [
        Self::Read,
        Self::Check,
        Self::Compile,
        Self::Verify,
        Self::Map,
        Self::Link,
        Self::Instantiate,
        Self::Initialize,
        Self::FirstCall,
        Self::WarmCall,
        Self::Teardown,
        Self::InstantiateAgain,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Check => "check",
            Self::Compile => "compile",
            Self::Verify => "verify",
            Self::Map => "map",
            Self::Link => "link",
            Self::Instantiate => "instantiate",
            Self::Initialize => "initialize",
            Self::FirstCall => "first call",
            Self::WarmCall => "warm call",
            Self::Teardown => "teardown",
            Self::InstantiateAgain => "instantiate again",
        }
    }

    /// Whether a request waits for it where the component is compiled and loaded, and no instance is alive.
    pub fn is_cold_start(self) -> bool {
        matches!(self, Self::Instantiate | Self::Initialize | Self::FirstCall)
    }

    /// Whether a request waits for it where nothing is loaded.
    pub fn is_from_disk(self) -> bool {
        self <= Self::FirstCall
    }
}

impl From<LoadStep> for Stage {
    fn from(step: LoadStep) -> Self {
        match step {
            LoadStep::Check => Self::Check,
            LoadStep::Compile => Self::Compile,
            LoadStep::Verify => Self::Verify,
            LoadStep::Map => Self::Map,
            LoadStep::Link => Self::Link,
        }
    }
}

/// Whether the system has the files in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Files {
    /// They were read a moment ago.
    Cached,
    /// They are dropped from the page cache first.
    Dropped,
}

/// One start.
#[derive(Clone, Debug)]
pub struct Start {
    /// What each stage took; those that did not happen are absent.
    pub times: Vec<(Stage, Duration)>,
    /// Page faults of the process meanwhile: minor and major.
    pub faults: (u64, u64),
    /// Bytes of the instance's memories at its end.
    pub memory: usize,
    /// Whether the files were on the disk alone.
    pub was_cold: bool,
}

impl Start {
    /// What some of the stages took together.
    pub fn sum(&self, of: impl Fn(Stage) -> bool) -> Duration {
        self.times.iter().filter(|(stage, _)| of(*stage)).map(|(_, time)| *time).sum()
    }
}

/// A function that is started again and again.
pub struct Starter {
    host: FunctionHost,
    loader: Loader,
    function: Arc<FunctionConfig>,
    payload: Option<Payload>,
}

/// What is known of a function once it has been loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the component is, by its exports.
    pub kind: &'static str,
    /// What it is called with.
    pub payload: Payload,
    /// Bytes of the component.
    pub component: u64,
    /// Bytes of its compiled code.
    pub code: u64,
    /// The files that a start reads.
    files: Vec<PathBuf>,
}

impl Starter {
    /// Starts `function` on `host`; `payload` is what it is called with, or else what fits its component.
    pub fn new(host: &FunctionHost, mut function: FunctionConfig, payload: Option<Payload>) -> Self {
        // Kept instances would start between the stages.
        function.min_instances = 0;
        Self { loader: host.loader().clone(), host: host.clone(), function: Arc::new(function), payload }
    }

    /// The same with another loader, such as one whose cache is empty.
    ///
    /// It has no snapshots: each instance runs the initializer.
    pub fn with_loader(mut self, loader: Loader) -> Self {
        self.loader = loader;
        Arc::make_mut(&mut self.function).snapshot = false;
        self
    }

    /// Loads the component, compiling it if it must be.
    ///
    /// # Errors
    /// If it cannot be read or served.
    pub fn load(&self, compiling: impl FnOnce(usize)) -> anyhow::Result<Loaded> {
        let file = ComponentFile::of(self.read()?);
        let compiling = || compiling(file.bytes().len());
        let wrong = |error: &dyn std::fmt::Display| anyhow!("{}: {error}", self.function.component.display());
        if self.function.snapshot {
            let made = || self.host.initialized_here(&self.function, &file, &Handle::current(), compiling);
            let ready = tokio::task::block_in_place(made).map_err(|error| wrong(&error))?;
            return self.describe(&ready);
        }
        let ready = self.loader.load(file.bytes(), compiling).map_err(|error| wrong(&error))?;
        self.describe(&ready)
    }

    fn describe(&self, ready: &Ready) -> anyhow::Result<Loaded> {
        let compiled = ready.initialized.as_ref().map_or(&ready.digest, |initialized| &initialized.digest);
        let code = self.loader.cache().files_of(&ready.engine, compiled)?;
        Ok(Loaded {
            kind: ready.kind.describe(),
            payload: self.payload.clone().unwrap_or_else(|| Payload::fitting(ready)),
            component: fs::metadata(&self.function.component)?.len(),
            code: code.last().and_then(|file| fs::metadata(file).ok()).map_or(0, |metadata| metadata.len()),
            files: code.into_iter().chain([self.function.component.clone()]).collect(),
        })
    }

    fn read(&self) -> anyhow::Result<Vec<u8>> {
        let file = &self.function.component;
        fs::read(file).with_context(|| format!("the component {} cannot be read", file.display()))
    }

    /// Starts it once, from the file to the end of the instance.
    ///
    /// # Errors
    /// If it does not start, or its initializer or handler fails: what it would answer then is no measurement.
    pub async fn start(&self, loaded: &Loaded, files: Files) -> anyhow::Result<Start> {
        let was_cold = files == Files::Dropped && drop_all(&loaded.files)?;
        let (start, _) = self.walk(Some(loaded)).await?;
        Ok(Start { was_cold, ..start })
    }

    /// Starts it without having loaded it before, and says what it is.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn first_start(&self) -> anyhow::Result<(Start, Loaded)> {
        self.walk(None).await
    }

    async fn walk(&self, known: Option<&Loaded>) -> anyhow::Result<(Start, Loaded)> {
        let before = machine::faults();
        let mut times = Vec::with_capacity(Stage::ALL.len());
        let revision = tokio::task::block_in_place(|| self.revision(&mut times))?;
        let loaded = known.cloned().map_or_else(|| self.describe(&revision.ready), Ok)?;
        let memory = self.run(&revision, &loaded, &mut times).await?;
        let after = machine::faults();
        let faults = (after.0 - before.0, after.1 - before.1);
        Ok((Start { times, faults, memory, was_cold: false }, loaded))
    }

    /// Reads, loads and links.
    fn revision(&self, times: &mut Vec<(Stage, Duration)>) -> anyhow::Result<Revision> {
        let mut began = Instant::now();
        let bytes = self.read()?;
        times.push((Stage::Read, began.elapsed()));
        began = Instant::now();
        let mut passed = |step: LoadStep| {
            times.push((step.into(), began.elapsed()));
            began = Instant::now();
        };
        let ready = if self.function.snapshot {
            let policy = self.host.snapshot_policy(self.function.clone())?;
            let found = self.loader.load_snapshot_watched(&ComponentFile::of(bytes), &policy, &mut passed)?;
            found.with_context(|| format!("the snapshot of function '{}' is gone", self.function.name))?
        } else {
            self.loader.load_watched(&bytes, || {}, &mut passed)?
        };
        Ok(self.host.assemble(self.function.clone(), Arc::new(ready), Origin::declared([0; 32]), Duration::ZERO)?)
    }

    async fn run(
        &self,
        revision: &Revision,
        loaded: &Loaded,
        times: &mut Vec<(Stage, Duration)>,
    ) -> anyhow::Result<usize> {
        let function = &self.function;
        let began = Instant::now();
        let acquired = revision.pool.acquire().await;
        times.push((Stage::Instantiate, began.elapsed()));
        let mut acquired = acquired.with_context(|| format!("function '{}' does not start", function.name))?;
        if !acquired.is_initialized() {
            let began = Instant::now();
            let initialized = initialize(&mut acquired, function.initialization_timeout).await;
            times.push((Stage::Initialize, began.elapsed()));
            initialized.with_context(|| format!("the initializer of function '{}' fails", function.name))?;
        }
        for stage in [Stage::FirstCall, Stage::WarmCall] {
            let is_whole = stage == Stage::FirstCall || acquired.is_reusable();
            // A command runs once.
            if !is_whole {
                continue;
            }
            let began = Instant::now();
            let called = call(&mut acquired, &revision.ready, &loaded.payload, function.timeout).await;
            times.push((stage, began.elapsed()));
            called.with_context(|| {
                format!(
                    "function '{}' fails when it is called; --event or --path gives it what it expects",
                    function.name
                )
            })?;
        }
        let memory = acquired.memory();
        // From now on the pool takes nothing back.
        revision.pool.retire();
        let began = Instant::now();
        drop(acquired);
        times.push((Stage::Teardown, began.elapsed()));
        let began = Instant::now();
        let again = revision.pool.acquire().await;
        times.push((Stage::InstantiateAgain, began.elapsed()));
        again.with_context(|| format!("function '{}' does not start again", function.name))?;
        Ok(memory)
    }
}

/// Drops the pages of all; `true` if none is left.
fn drop_all(files: &[PathBuf]) -> anyhow::Result<bool> {
    let mut all = true;
    for file in files {
        all &= drop_pages(file).with_context(|| format!("{} cannot be dropped from the page cache", file.display()))?;
    }
    Ok(all)
}
