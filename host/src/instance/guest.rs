//! What a store holds for its guest.

use std::{
    path::Path,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Store, UpdateDeadline, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::CallError;
use crate::{
    capability::{
        clock::MonotonicClock,
        environment::Identity,
        files::{Files, ScratchRoot},
        http::OutboundHttp,
        outbound::OutboundPolicy,
        sockets::Network,
        stdio::Capture,
    },
    config::Limits,
    limits::InstanceLimiter,
};

/// Ticks that a call runs before the host looks at it: with one, a call that starts right before a tick would be stopped
/// at once.
const TICKS_BEFORE_FIRST_LOOK: u64 = 2;

/// All that the instances of one revision have in common.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) identity: Arc<Identity>,
    pub(crate) outbound: Arc<OutboundPolicy>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) scratch: Arc<ScratchRoot>,
    /// The host's data directory, of which a guest sees nothing, wherever it lies.
    pub(crate) data_dir: Arc<Path>,
    pub(crate) cpu_gate: Arc<Semaphore>,
    /// Set when a guest tries to reach the network; nothing is reached then, whatever `outbound` says.
    pub(crate) network_attempts: Option<Arc<AtomicBool>>,
}

/// The data of a store: one guest's capabilities, limits and clock.
pub(crate) struct Guest {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) files: Files,
    pub(crate) network: Network,
    http: WasiHttpCtx,
    outbound_http: OutboundHttp,
    limiter: InstanceLimiter,
    capture: Capture,
    identity: Arc<Identity>,
    instance_id: Arc<str>,
    response_limit: usize,
    deadline: Option<Instant>,
    cpu: CpuShare,
}

impl Guest {
    /// A store for a new instance.
    pub(crate) fn store(engine: &wasmtime::Engine, policy: &Policy, instance_id: Arc<str>) -> Store<Self> {
        let function = &policy.identity.function;
        let capture = Capture::new(policy.limits.log);
        let network = Network::new(policy.outbound.clone(), policy.network_attempts.clone());
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(capture.clone()).stderr(capture.clone()).monotonic_clock(MonotonicClock);
        wasi.envs(policy.identity.variables()).env("FC_INSTANCE_ID", &instance_id);
        network.allow(&mut wasi);
        let mut table = ResourceTable::new();
        table.set_max_capacity(policy.limits.resources);
        let guest = Self {
            wasi: wasi.build(),
            table,
            files: Files::new(
                policy.scratch.clone(),
                function.code_dir.clone(),
                policy.data_dir.clone(),
                function.scratch,
            ),
            network,
            http: WasiHttpCtx::new(),
            outbound_http: OutboundHttp::new(policy.outbound.clone(), policy.network_attempts.clone()),
            limiter: InstanceLimiter::new(function.memory, policy.limits.table_elements),
            capture,
            identity: policy.identity.clone(),
            instance_id,
            response_limit: policy.limits.response_body,
            deadline: None,
            cpu: CpuShare::new(policy.cpu_gate.clone()),
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        store.epoch_deadline_callback(|mut store| store.data_mut().tick());
        store.set_epoch_deadline(TICKS_BEFORE_FIRST_LOOK);
        store
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn instance_id(&self) -> &Arc<str> {
        &self.instance_id
    }

    /// Bytes of a response that the host reads to its end.
    pub(crate) fn response_limit(&self) -> usize {
        self.response_limit
    }

    pub(crate) fn capture(&self) -> &Capture {
        &self.capture
    }

    pub(super) fn cpu(&self) -> CpuShare {
        self.cpu.clone()
    }

    pub(crate) fn limiter(&mut self) -> &mut InstanceLimiter {
        &mut self.limiter
    }

    /// The store's view of a running guest, every tick: past the deadline it ends, before it makes room for others.
    fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if self.deadline.is_none_or(|deadline| Instant::now() >= deadline) {
            return Err(wasmtime::Error::new(CallError::TimedOut));
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(self.cpu.queue_again())))
    }
}

/// Starts the clock of a call.
pub(crate) fn arm(store: &mut Store<Guest>, deadline: Instant) {
    store.data_mut().deadline = Some(deadline);
    store.set_epoch_deadline(TICKS_BEFORE_FIRST_LOOK);
}

/// Lets the clock of a store that serves several calls run at least until `deadline`.
pub(crate) fn extend(guest: &mut Guest, deadline: Instant) {
    guest.deadline = Some(guest.deadline.map_or(deadline, |now| now.max(deadline)));
}

/// A guest's place among those that use the processor without pause. One that has run for a whole tick goes on only with
/// a permit of the gate, and gives it to whoever waits longest at the next tick, or as soon as it waits for something.
/// A cheap handle.
#[derive(Clone)]
pub(super) struct CpuShare(Arc<CpuPlace>);

struct CpuPlace {
    gate: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl CpuShare {
    fn new(gate: Arc<Semaphore>) -> Self {
        Self(Arc::new(CpuPlace { gate, permit: Mutex::default() }))
    }

    fn release(&self) {
        drop(self.0.permit.lock().take());
    }

    fn queue_again(&self) -> impl Future<Output = ()> + Send + 'static {
        self.release();
        let place = self.0.clone();
        async move {
            // The worker's other tasks go first, whether or not a permit is free.
            tokio::task::yield_now().await;
            *place.permit.lock() = place.gate.clone().acquire_owned().await.ok();
        }
    }

    /// Drives a future of the guest; whenever it waits, and when it is over, its permit is another's.
    pub(super) fn drive<F: Future>(&self, mut future: Pin<&mut F>) -> impl Future<Output = F::Output> + Unpin {
        std::future::poll_fn(move |context| {
            let polled = future.as_mut().poll(context);
            self.release();
            polled
        })
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound_http }
    }
}
