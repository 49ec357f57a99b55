//! The wasmtime engines, the pool that instances are made of, and the epoch ticker: the only place that names wasmtime's
//! `Config`.
//!
//! There are two engines. [`EngineKind::Sequential`] runs components of WASI 0.2 and of `wisp:function`: one call at a
//! time in a store, without the bookkeeping of concurrent tasks. [`EngineKind::Concurrent`] runs components of WASI 0.3
//! and is made when the first of them is deployed.

mod functions;

use std::{
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use tokio::sync::Semaphore;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

pub(crate) use functions::CompiledFunctions;
pub use functions::FunctionCounts;

/// The release of wasmtime that this host is made with.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// How often a running guest is asked whether its deadline has passed, and made to give way to others.
///
/// Shorter wakes an idle machine more often, longer lets a neighbour wait longer behind a guest that spins.
pub const TICK: Duration = Duration::from_millis(5);

/// Stack of a guest. QuickJS reaches 2,000 frames of simple recursion with it; the wasmtime default of 512 KB ends
/// CPython's parser on nested expressions (GUESTS Part C §5).
const MAX_WASM_STACK: usize = 2 << 20;

/// Stack of a fiber: the guest's, and what the host functions called from it need.
const ASYNC_STACK: usize = 3 << 20;

/// Core instances, memories and tables that one component may consist of. componentize-py makes 14 core instances.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
const MEMORIES_PER_COMPONENT: u32 = 8;
const TABLES_PER_COMPONENT: u32 = 32;

/// Memories and tables set aside for each instance; a component that needs more takes them from its neighbours' share.
const MEMORIES_PER_INSTANCE: usize = 2;
const TABLES_PER_INSTANCE: usize = 4;

/// Elements of one table. CPython has 5,760, StarlingMonkey 30,000.
const TABLE_ELEMENTS: usize = 100_000;

/// The largest memory image that is mapped copy-on-write even where it is mostly zero: above the largest snapshot.
const DENSE_IMAGE: u64 = 256 << 20;

/// Bytes of a memory and of a table that are reset in place when an instance goes, rather than given back to the system.
/// Only together with the pagemap scan: without it they are cleared blindly.
const KEEP_RESIDENT_MEMORY: usize = 4 << 20;
const KEEP_RESIDENT_TABLE: usize = 64 << 10;

/// Which of the two engines runs a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// One call at a time in a store.
    Sequential,
    /// Many calls at a time in a store: WASI 0.3.
    Concurrent,
}

/// How instances get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool of this many slots, reserved at start.
    Pool(usize),
    /// Mapped for each instance anew, because the address space holds no pool: correct, but several times slower.
    OnDemand,
}

/// Both engines, for as long as the host lives. A cheap handle.
#[derive(Clone)]
pub struct Engines(Arc<Shared>);

struct Shared {
    sequential: Made,
    concurrent: OnceLock<Made>,
    incremental: OnceLock<Engine>,
    compiled: Arc<CompiledFunctions>,
    max_instances: NonZeroUsize,
    cpu_gate: Arc<Semaphore>,
    cores: usize,
}

struct Made {
    engine: Engine,
    allocation: Allocation,
}

impl Engines {
    /// Makes the sequential engine with room for `max_instances`, and starts its ticker.
    ///
    /// # Errors
    /// If this machine's processor is not supported.
    pub fn new(max_instances: NonZeroUsize) -> anyhow::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self(Arc::new(Shared {
            sequential: Made::new(EngineKind::Sequential, max_instances)?,
            concurrent: OnceLock::new(),
            incremental: OnceLock::new(),
            compiled: Arc::default(),
            max_instances,
            cpu_gate: Arc::new(Semaphore::new(cores)),
            cores,
        })))
    }

    /// The engine of a kind; the concurrent one is made at the first call.
    pub(crate) fn get(&self, kind: EngineKind) -> anyhow::Result<&Engine> {
        if kind == EngineKind::Sequential {
            return Ok(&self.0.sequential.engine);
        }
        if self.0.concurrent.get().is_none() {
            // Two threads may both come here: one engine too many is dropped, nothing else happens.
            let _ = self.0.concurrent.set(Made::new(kind, self.0.max_instances)?);
        }
        self.0.concurrent.get().map(|made| &made.engine).ok_or_else(|| anyhow::anyhow!("the engine is gone"))
    }

    /// An engine that only compiles, for the sequential one, and remembers the functions that it has compiled: most of what
    /// it is given are components that have the functions of a language runtime in common.
    pub(crate) fn incremental(&self) -> anyhow::Result<&Engine> {
        if self.0.incremental.get().is_none() {
            let mut config = config(EngineKind::Sequential);
            config.enable_incremental_compilation(self.0.compiled.clone())?;
            // Two threads may both come here: one engine too many is dropped, nothing else happens.
            let _ = self.0.incremental.set(Engine::new(&config)?);
        }
        self.0.incremental.get().ok_or_else(|| anyhow::anyhow!("the engine is gone"))
    }

    /// What that engine remembers.
    pub(crate) fn functions(&self) -> &CompiledFunctions {
        &self.0.compiled
    }

    /// How many functions were compiled one by one, and how many were found compiled: of components that have most of
    /// their functions in common with others.
    pub fn compiled_functions(&self) -> FunctionCounts {
        self.0.compiled.counts()
    }

    /// How the sequential engine's instances get their memory, for `wisp doctor` and the start-up log.
    pub fn allocation(&self) -> Allocation {
        self.0.sequential.allocation
    }

    /// The gate that guests pass once they have used a whole tick of processor time: as many as there are cores.
    ///
    /// The runtime has one worker thread more than there are cores, so one is always free for those that do not spin.
    pub(crate) fn cpu_gate(&self) -> Arc<Semaphore> {
        self.0.cpu_gate.clone()
    }

    /// Whether a guest runs now that has passed that gate.
    pub(crate) fn runs_long_guests(&self) -> bool {
        self.0.cpu_gate.available_permits() < self.0.cores
    }
}

impl Made {
    fn new(kind: EngineKind, max_instances: NonZeroUsize) -> anyhow::Result<Self> {
        let (engine, allocation) = pooled(kind, max_instances.get()).map_or_else(
            || Ok::<_, wasmtime::Error>((Engine::new(&config(kind))?, Allocation::OnDemand)),
            |(engine, slots)| Ok((engine, Allocation::Pool(slots))),
        )?;
        start_ticker(&engine)?;
        Ok(Self { engine, allocation })
    }
}

/// The largest pool that the address space holds: `slots`, or a half of it, or a quarter, …
fn pooled(kind: EngineKind, slots: usize) -> Option<(Engine, usize)> {
    let mut slots = slots;
    while slots > 0 {
        let mut config = config(kind);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots)));
        match Engine::new(&config) {
            Ok(engine) => return Some((engine, slots)),
            Err(error) => tracing::debug!(slots, %error, "no room for a pool of this size"),
        }
        slots /= 2;
    }
    None
}

fn config(kind: EngineKind) -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(kind == EngineKind::Concurrent)
        .wasm_component_model_async(kind == EngineKind::Concurrent)
        .max_wasm_stack(MAX_WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(DENSE_IMAGE)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32))
        .generate_address_map(false);
    config
}

fn pool(slots: usize) -> PoolingAllocationConfig {
    let count = |per_instance: usize| u32::try_from(slots * per_instance).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(1))
        .total_core_instances(count(16))
        .total_memories(count(MEMORIES_PER_INSTANCE))
        .total_tables(count(TABLES_PER_INSTANCE))
        .total_stacks(count(1))
        .total_gc_heaps(1)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_component_instance_size(8 << 20)
        .max_core_instance_size(8 << 20)
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(count(1))
        .linear_memory_keep_resident(KEEP_RESIDENT_MEMORY)
        .table_keep_resident(KEEP_RESIDENT_TABLE)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// How much less than others those threads count that compile what nobody waits for.
const BEHIND: i32 = 10;

/// Runs a compilation on threads that give way to all others.
///
/// # Errors
/// If the threads cannot be made.
pub(crate) fn behind<T: Send>(compile: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let threads = rayon::ThreadPoolBuilder::new().thread_name(|_| "wisp-compile".into()).start_handler(|_| {
        // On Linux the calling thread's own; where it cannot be lowered, nothing else changes.
        let _ = rustix::process::setpriority_process(None, BEHIND);
    });
    Ok(threads.build()?.install(compile))
}

/// Advances the engine's epoch for as long as the engine lives: the thread holds it weakly and ends by itself.
fn start_ticker(engine: &Engine) -> anyhow::Result<()> {
    let engine = engine.weak();
    thread::Builder::new().name("wisp-ticker".into()).spawn(move || {
        loop {
            thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_named_is_the_one_that_is_linked() {
        let workspace = include_str!("../../Cargo.toml");
        assert!(workspace.contains(&format!("wasmtime = {{ version = \"={WASMTIME_VERSION}\"")));
    }
}
