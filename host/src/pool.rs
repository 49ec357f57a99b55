//! The instances of one revision: warm reuse, cold start, a floor of kept instances, the wait at the cap, idle expiry.
//!
//! The lock is held for a push or a pop, never over an await. Places are counted by [`Place`], whose drop gives the place
//! to whoever waits longest: an instance that ends anywhere, for any reason, makes room.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout_at};

mod acquired;
mod exclusive;
mod floor;
mod hooks;
mod idle;
mod place;
mod slots;

pub(crate) use acquired::Acquired;
use exclusive::Pooled;
pub(crate) use hooks::own_call;
use idle::Idle;
use place::{Permits, Place};
use slots::{PooledConcurrent, Slot, Slots};

use crate::{
    admission::{Admission, Evict, InstancePermit, Reservation},
    component::{Kind, Ready},
    config::{FunctionConfig, InitializationFailure, Isolation},
    instance::{CallError, ConcurrentInstance, Instance, Policy},
    telemetry::FunctionLog,
};

/// Time that instantiation alone may take: start code of the component, not the initializer.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Why no instance was had.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AcquireError {
    /// `max_instances` are busy, and none came free in time, or too many wait already.
    #[error("{0}")]
    Exhausted(String),
    /// The component did not start.
    #[error(transparent)]
    Start(CallError),
}

/// How wait and host-wide room are bounded.
#[derive(Clone)]
pub(crate) struct Queueing {
    pub(crate) admission: Admission,
    pub(crate) timeout: Duration,
    pub(crate) length: usize,
    /// Asked to end an idle instance of some other function when the host is full.
    pub(crate) evict: Evict,
}

impl Queueing {
    /// Room for one more instance on the host; the error says that it is full.
    pub(crate) async fn admit(&self, deadline: Instant) -> Result<InstancePermit, String> {
        let permit = self.admission.admit_evicting(deadline, &self.evict).await;
        permit.ok_or_else(|| {
            let limit = self.admission.limit();
            format!("the host is full: all {limit} instances are busy (`server.max_instances`)")
        })
    }
}

/// The instances of one revision. A cheap handle.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    ready: Arc<Ready>,
    policy: Policy,
    log: FunctionLog,
    queueing: Queueing,
    state: Mutex<State>,
    cold_starts: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Instances kept ready, and instances at most: what is provisioned at run time changes them.
    floor: usize,
    most: usize,
    /// What all qualifiers of the function have together.
    reservation: Option<Reservation>,
    /// The names of those that have started.
    ids: Vec<Arc<str>>,
    /// Used last, taken first: the rest gets old and expires.
    idle: Vec<Idle>,
    concurrent: Vec<Slots>,
    live: usize,
    waiters: VecDeque<oneshot::Sender<Grant>>,
    /// Instances in their pre-freeze hooks: each will go to the waiter that waits longest.
    freezing: usize,
    replenishing: bool,
    retired: bool,
}

/// What a waiting caller is given: an instance, or room for one.
enum Grant {
    Instance(Box<Pooled>),
    Slot(Slot),
    Place(Place),
}
/// What a caller has at once, or waits for.
enum Taken {
    Now(Grant),
    Later(oneshot::Receiver<Grant>),
}

impl Pool {
    pub(crate) fn new(ready: Arc<Ready>, policy: Policy, log: FunctionLog, queueing: Queueing) -> Self {
        let function = &policy.identity.function;
        let state = State { floor: function.min_instances, most: function.max_instances.get(), ..State::default() };
        let shared = Shared { ready, policy, log, queueing, state: Mutex::new(state), cold_starts: AtomicU64::new(0) };
        Self(Arc::new(shared))
    }

    fn function(&self) -> &FunctionConfig {
        &self.0.policy.identity.function
    }

    fn replaces_failed(&self) -> bool {
        self.function().initialization_failure == InitializationFailure::Replace
    }

    /// Instances alive, and how many of them are idle.
    pub(crate) fn instances(&self) -> (usize, usize) {
        let state = self.0.state.lock();
        (state.live, state.idle.len() + state.concurrent.iter().filter(|slots| slots.in_use == 0).count())
    }

    /// How many callers wait for an instance. Those who have given up are not counted.
    pub(crate) fn waiting(&self) -> usize {
        self.0.state.lock().waiters.iter().filter(|waiter| !waiter.is_closed()).count()
    }

    /// Bytes of the linear memories of the idle instances.
    pub(crate) fn idle_memory(&self) -> usize {
        let mut state = self.0.state.lock();
        let alone: usize = state.idle.iter_mut().map(|idle| idle.pooled.instance.memory()).sum();
        let shared = state.concurrent.iter().filter(|slots| slots.in_use == 0);
        alone + shared.map(|slots| slots.instance.instance.memory()).sum::<usize>()
    }

    /// How many instances there may be from now on. Idle ones above the number end; busy ones end their calls.
    pub(crate) fn set_most(&self, most: usize) {
        self.0.state.lock().most = most;
        self.end_above_most();
    }

    /// From now on instances take their place in what is reserved for the function. Those alive are not counted.
    pub(crate) fn set_reservation(&self, reservation: Option<Reservation>) {
        self.0.state.lock().reservation = reservation;
    }

    fn most(&self) -> usize {
        self.0.state.lock().most
    }

    /// The names of the instances alive.
    pub(crate) fn instance_ids(&self) -> Vec<Arc<str>> {
        self.0.state.lock().ids.clone()
    }

    /// How many instances were started since the pool was made.
    pub(crate) fn cold_starts(&self) -> u64 {
        self.0.cold_starts.load(Relaxed)
    }

    /// A warm instance, a new one, or, at the cap, the next that comes free.
    ///
    /// # Errors
    /// `Exhausted` after the bounded wait, `Start` if a new one does not start.
    pub(crate) async fn acquire(&self) -> Result<Acquired, AcquireError> {
        match self.take_or_wait()? {
            // Nothing to await: a warm start asks for no clock.
            Taken::Now(Grant::Instance(pooled)) => Ok(Acquired::Exclusive(self.exclusive(pooled))),
            // Boxed: the warm way would carry its size.
            taken => Box::pin(self.wait(taken)).await,
        }
    }

    async fn wait(&self, taken: Taken) -> Result<Acquired, AcquireError> {
        let deadline = Instant::now() + self.0.queueing.timeout;
        match taken {
            Taken::Now(grant) => self.redeem(grant, deadline).await,
            Taken::Later(receiver) => match timeout_at(deadline.into(), receiver).await {
                Ok(Ok(grant)) => self.redeem(grant, deadline).await,
                Ok(Err(_)) | Err(_) => Err(self.exhausted(self.most(), &self.none_came_free())),
            },
        }
    }

    fn take_or_wait(&self) -> Result<Taken, AcquireError> {
        let mut state = self.0.state.lock();
        // Who comes now goes behind those who wait, even if there is room this very moment. Those who wait for an instance
        // in its pre-freeze hook are served for certain, and hold nobody up.
        if state.waiters.len() <= state.freezing
            && let Some(grant) = self.take(&mut state)
        {
            return Ok(Taken::Now(grant));
        }
        if state.most == 0 {
            return Err(self.exhausted(0, "none may be started"));
        }
        if state.waiters.len() >= self.0.queueing.length {
            // Those who have given up leave their places only now.
            state.waiters.retain(|waiter| !waiter.is_closed());
        }
        if state.waiters.len() >= self.0.queueing.length {
            let reason = format!("{} invocations wait already (`server.queue_length`)", state.waiters.len());
            return Err(self.exhausted(state.most, &reason));
        }
        let (sender, receiver) = oneshot::channel();
        state.waiters.push_back(sender);
        Ok(Taken::Later(receiver))
    }

    fn take(&self, state: &mut State) -> Option<Grant> {
        if let Some(idle) = state.idle.pop() {
            return Some(Grant::Instance(idle.pooled));
        }
        if let Some(slot) = self.take_slot(state) {
            return Some(Grant::Slot(slot));
        }
        // An instance in its pre-freeze hook is back sooner than another has started.
        let is_promised = state.waiters.len() < state.freezing;
        if !is_promised && state.live < state.most {
            state.live += 1;
            return Some(Grant::Place(Place::of(self)));
        }
        None
    }

    async fn redeem(&self, grant: Grant, deadline: Instant) -> Result<Acquired, AcquireError> {
        match grant {
            Grant::Instance(pooled) => Ok(Acquired::Exclusive(self.exclusive(pooled))),
            Grant::Slot(slot) => Ok(Acquired::Slot(slot)),
            Grant::Place(place) => self.cold_start(place, deadline).await,
        }
    }

    async fn cold_start(&self, mut place: Place, deadline: Instant) -> Result<Acquired, AcquireError> {
        let permits = self.admit(deadline).await?;
        let start_by = Instant::now() + START_TIMEOUT;
        self.0.cold_starts.fetch_add(1, Relaxed);
        if self.0.ready.kind == Kind::WasiHttp03 {
            let instance = ConcurrentInstance::start(&self.0.ready, &self.0.policy, start_by).await;
            let instance = instance.map_err(AcquireError::Start)?;
            place.name(instance.id());
            return Ok(Acquired::Slot(self.open(PooledConcurrent { instance, _place: place, _permits: permits })));
        }
        let instance = Instance::start(&self.0.ready, &self.0.policy, start_by).await.map_err(AcquireError::Start)?;
        place.name(instance.id());
        let pooled = Box::new(Pooled { instance, _place: place, _permits: permits });
        Ok(Acquired::Exclusive(self.exclusive(pooled)))
    }

    /// The function's own room first: what it may not have it takes from no other.
    async fn admit(&self, deadline: Instant) -> Result<Permits, AcquireError> {
        let reservation = self.0.state.lock().reservation.clone();
        let reserved = match reservation {
            Some(reservation) => Some(reservation.admit(deadline).await.map_err(AcquireError::Exhausted)?),
            None => None,
        };
        let permit = self.0.queueing.admit(deadline).await.map_err(AcquireError::Exhausted)?;
        Ok(Permits { _host: permit, _function: reserved })
    }

    fn exhausted(&self, most: usize, reason: &str) -> AcquireError {
        let function = self.function();
        AcquireError::Exhausted(format!(
            "function '{}' of service '{}' is at its limit: all {most} instances are busy (`max_instances`), and {reason}",
            function.name, function.service,
        ))
    }

    fn none_came_free(&self) -> String {
        format!("none came free within {} ms (`server.queue_timeout`)", self.0.queueing.timeout.as_millis())
    }
}

/// Whether an instance that served so many calls may serve another.
fn is_below(function: &FunctionConfig, served: u32) -> bool {
    function.isolation == Isolation::Instance
        && function.max_requests_per_instance.is_none_or(|most| served < most.get())
        || served == 0
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A pool is dropped with its last lease; what is idle then needs no more than its own drop.
        let state = self.state.get_mut();
        state.idle.clear();
        state.concurrent.clear();
    }
}
