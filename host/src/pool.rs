//! The instances of one revision: warm reuse, cold start, a floor of kept instances, the wait at the cap, idle expiry.
//!
//! The lock is held for a push or a pop, never over an await. Places are counted by [`Place`], whose drop gives the place
//! to whoever waits longest: an instance that ends anywhere, for any reason, makes room.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout_at};

use crate::{
    admission::{Admission, Evict, InstancePermit, Reservation},
    component::{Kind, Ready},
    config::{FunctionConfig, InitializationFailure, Isolation},
    instance::{Call, CallError, ConcurrentInstance, Hook, HookPath, Instance, Policy},
    telemetry::FunctionLog,
};

/// Time that instantiation alone may take: start code of the component, not the initializer.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// First and longest pause before a kept instance is tried again after its start failed.
const REPLENISH_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

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

struct Idle {
    pooled: Box<Pooled>,
    since: Instant,
}

/// A concurrent instance, and how many calls it has.
struct Slots {
    instance: Arc<PooledConcurrent>,
    in_use: usize,
    idle_since: Instant,
}

/// The host's room that an instance takes, and its function's.
struct Permits {
    _host: InstancePermit,
    _function: Option<InstancePermit>,
}

/// What a waiting caller is given: an instance, or room for one.
enum Grant {
    Instance(Box<Pooled>),
    Slot(Slot),
    Place(Place),
}

/// One of the `max_instances` places of a pool.
struct Place {
    pool: Weak<Shared>,
    /// The name of the instance in it, once it has started.
    instance: Option<Arc<str>>,
}

/// An instance and the room it takes. The instance goes first.
struct Pooled {
    instance: Instance,
    _place: Place,
    _permits: Permits,
}

struct PooledConcurrent {
    instance: ConcurrentInstance,
    _place: Place,
    _permits: Permits,
}

/// The right to one call in a concurrent instance.
pub(crate) struct Slot {
    pool: Pool,
    instance: Arc<PooledConcurrent>,
}

/// An instance that is the caller's alone until dropped.
pub(crate) struct Exclusive {
    pool: Pool,
    pooled: Option<Box<Pooled>>,
}

/// What a caller may call.
pub(crate) enum Acquired {
    Exclusive(Exclusive),
    Slot(Slot),
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

    /// Bytes of the linear memories of the idle instances.
    pub(crate) fn idle_memory(&self) -> usize {
        let mut state = self.0.state.lock();
        let alone: usize = state.idle.iter_mut().map(|idle| idle.pooled.instance.memory()).sum();
        let shared = state.concurrent.iter().filter(|slots| slots.in_use == 0);
        alone + shared.map(|slots| slots.instance.instance.memory()).sum::<usize>()
    }

    /// How many instances are kept ready from now on. Those above the number stay until they are idle for too long.
    pub(crate) fn set_floor(&self, floor: usize) {
        self.0.state.lock().floor = floor.max(self.function().min_instances);
        self.replenish();
    }

    /// How many instances are kept ready.
    pub(crate) fn floor(&self) -> usize {
        self.0.state.lock().floor
    }

    /// How many instances there may be from now on. Idle ones above the number end; busy ones end their calls.
    pub(crate) fn set_most(&self, most: usize) {
        self.0.state.lock().most = most;
        for ended in self.take_expired(|state| state.live > state.most, |_| true) {
            self.end(ended);
        }
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
            Taken::Now(Grant::Instance(pooled)) => Ok(self.exclusive(pooled)),
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
            return Some(Grant::Place(Place { pool: Arc::downgrade(&self.0), instance: None }));
        }
        None
    }

    /// A slot in the busiest concurrent instance that has one: the others get idle and expire.
    fn take_slot(&self, state: &mut State) -> Option<Slot> {
        let function = self.function();
        let slots = state
            .concurrent
            .iter_mut()
            .filter(|slots| slots.in_use < function.instance_concurrency.get())
            .filter(|slots| slots.instance.instance.is_reusable())
            .filter(|slots| is_below(function, slots.instance.instance.served()))
            .max_by_key(|slots| slots.in_use)?;
        slots.in_use += 1;
        Some(Slot { pool: self.clone(), instance: slots.instance.clone() })
    }

    fn exclusive(&self, pooled: Box<Pooled>) -> Acquired {
        Acquired::Exclusive(Exclusive { pool: self.clone(), pooled: Some(pooled) })
    }

    async fn redeem(&self, grant: Grant, deadline: Instant) -> Result<Acquired, AcquireError> {
        match grant {
            Grant::Instance(pooled) => Ok(self.exclusive(pooled)),
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
        Ok(Acquired::Exclusive(Exclusive {
            pool: self.clone(),
            pooled: Some(Box::new(Pooled { instance, _place: place, _permits: permits })),
        }))
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

    /// Enters a new concurrent instance, takes its first slot, and hands its others to those who wait.
    fn open(&self, instance: PooledConcurrent) -> Slot {
        let instance = Arc::new(instance);
        let mut state = self.0.state.lock();
        state.concurrent.push(Slots { instance: instance.clone(), in_use: 1, idle_since: Instant::now() });
        self.serve_waiters(&mut state);
        Slot { pool: self.clone(), instance }
    }

    fn serve_waiters(&self, state: &mut State) {
        while !state.waiters.is_empty()
            && let Some(slot) = self.take_slot(state)
        {
            // A waiter that has gone gives the slot back by dropping it; that needs the lock, so it happens outside.
            if let Some(Err(slot)) = state.waiters.pop_front().map(|waiter| waiter.send(Grant::Slot(slot))) {
                tokio::spawn(async move { drop(slot) });
            }
        }
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

    /// Takes an instance back, or ends it.
    fn put_back(&self, pooled: Box<Pooled>) {
        if !self.is_wanted(&pooled.instance) {
            return self.stop(pooled);
        }
        let has_hook = pooled.instance.is_initialized() && pooled.instance.has_hook(Hook::PreFreeze);
        if has_hook && self.begin_freezing() {
            return self.freeze(pooled);
        }
        self.hand_on(pooled);
    }

    fn is_wanted(&self, instance: &Instance) -> bool {
        instance.is_reusable()
            && self.function().isolation == Isolation::Instance
            && is_below(self.function(), instance.served())
    }

    /// Gives an instance to whoever waits longest, or keeps it for the next.
    fn hand_on(&self, mut pooled: Box<Pooled>) {
        loop {
            let mut state = self.0.state.lock();
            if state.retired {
                drop(state);
                return self.stop(pooled);
            }
            let Some(waiter) = state.waiters.pop_front() else {
                state.idle.push(Idle { pooled, since: Instant::now() });
                return;
            };
            drop(state);
            match waiter.send(Grant::Instance(pooled)) {
                Err(Grant::Instance(returned)) => pooled = returned,
                Ok(()) | Err(_) => return,
            }
        }
    }

    /// Whether an instance may be frozen: nobody waits, and somebody may come.
    fn begin_freezing(&self) -> bool {
        let mut state = self.0.state.lock();
        let is_quiet = state.waiters.is_empty() && !state.retired;
        state.freezing += usize::from(is_quiet);
        is_quiet
    }

    fn freeze(&self, mut pooled: Box<Pooled>) {
        let pool = self.clone();
        tokio::spawn(async move {
            pool.call_hook(&mut pooled.instance, Hook::PreFreeze).await;
            pool.0.state.lock().freezing -= 1;
            if pooled.instance.is_reusable() { pool.hand_on(pooled) } else { drop(pooled) }
        });
    }

    /// Ends an instance: with its pre-stop hook, if it is whole and has one.
    fn stop(&self, mut pooled: Box<Pooled>) {
        if !pooled.instance.is_reusable()
            || !pooled.instance.is_initialized()
            || !pooled.instance.has_hook(Hook::PreStop)
        {
            return;
        }
        let pool = self.clone();
        tokio::spawn(async move { pool.call_hook(&mut pooled.instance, Hook::PreStop).await });
    }

    async fn call_hook(&self, instance: &mut Instance, hook: Hook) {
        let id = crate::invoke::RequestId::new();
        let result = instance.call_hook(&self.hook_call(&id), hook).await;
        let (bytes, dropped) = instance.take_log();
        self.note_hook(&id, &format!("{hook:?}"), result, &bytes, dropped);
    }

    fn hook_call<'a>(&self, id: &'a crate::invoke::RequestId) -> Call<'a> {
        let timeout = self.function().hook_timeout;
        Call {
            request_id: id.as_str(),
            deadline: Instant::now() + timeout,
            deadline_ms: crate::invoke::epoch_ms(SystemTime::now() + timeout),
            retry_count: 0,
            trace_parent: None,
        }
    }

    /// A failed hook is logged and changes nothing else.
    fn note_hook(
        &self,
        id: &crate::invoke::RequestId,
        hook: &str,
        result: Result<(), CallError>,
        log: &[u8],
        dropped: u64,
    ) {
        let mut log = log.to_vec();
        if let Err(error) = result {
            log.extend_from_slice(format!("FC {hook} failed, RequestId: {}: {error}\n", id.as_str()).as_bytes());
        }
        if !log.is_empty() {
            self.0.log.append(id.as_str(), &log, dropped);
        }
    }

    fn stop_concurrent(&self, instance: Arc<PooledConcurrent>) {
        if !self.function().pre_stop || !instance.instance.is_initialized() || !instance.instance.is_reusable() {
            return;
        }
        let pool = self.clone();
        tokio::spawn(async move {
            let id = crate::invoke::RequestId::new();
            let result = instance.instance.call_hook_path(&pool.hook_call(&id), HookPath::PreStop).await;
            let (bytes, dropped) = instance.instance.capture().take();
            pool.note_hook(&id, "PreStop", result, &bytes, dropped);
        });
    }

    /// Ends the instances that have been idle for too long, down to the floor.
    pub(crate) fn expire(&self, now: Instant) {
        let timeout = self.function().idle_timeout;
        for ended in self.take_expired(|state| state.live > state.floor, |since| now.duration_since(since) >= timeout) {
            self.end(ended);
        }
    }

    /// When the instance that is idle longest became so; `None` if none is idle, or all are kept.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.0.state.lock();
        if state.live <= state.floor {
            return None;
        }
        let idle = state.idle.first().map(|idle| idle.since);
        let slots = state.concurrent.iter().filter(|slots| slots.in_use == 0).map(|slots| slots.idle_since);
        idle.into_iter().chain(slots).min()
    }

    /// Ends one idle instance, to make room for another function's.
    pub(crate) fn evict(&self) -> bool {
        let mut one = true;
        let ended = self.take_expired(|_| std::mem::take(&mut one), |_| true);
        let evicted = !ended.is_empty();
        ended.into_iter().for_each(|ended| self.end(ended));
        evicted
    }

    fn take_expired(&self, mut more: impl FnMut(&State) -> bool, expired: impl Fn(Instant) -> bool) -> Vec<Ended> {
        let mut state = self.0.state.lock();
        let mut ended = Vec::new();
        // The oldest stand in front. Their places are given back when they are dropped, after the lock: count them here.
        let mut leaving = 0;
        while state.idle.first().is_some_and(|idle| expired(idle.since)) {
            state.live -= leaving;
            let go_on = more(&state);
            state.live += leaving;
            if !go_on {
                return ended;
            }
            leaving += 1;
            ended.push(Ended::Exclusive(state.idle.remove(0).pooled));
        }
        let is_lost = |slots: &Slots| !slots.instance.instance.is_reusable();
        while let Some(index) =
            state.concurrent.iter().position(|slots| slots.in_use == 0 && (is_lost(slots) || expired(slots.idle_since)))
        {
            state.live -= leaving;
            // One that ended by itself while nobody called it is of no use to the floor.
            let go_on = state.concurrent.get(index).is_some_and(is_lost) || more(&state);
            state.live += leaving;
            if !go_on {
                return ended;
            }
            leaving += 1;
            ended.push(Ended::Concurrent(state.concurrent.swap_remove(index).instance));
        }
        ended
    }

    fn end(&self, ended: Ended) {
        match ended {
            Ended::Exclusive(pooled) => self.stop(pooled),
            Ended::Concurrent(instance) => self.stop_concurrent(instance),
        }
    }

    /// Takes no instance back any more: the revision was replaced, or the host stops. Who holds a lease keeps it.
    pub(crate) fn retire(&self) {
        self.0.state.lock().retired = true;
        for ended in self.take_expired(|_| true, |_| true) {
            self.end(ended);
        }
    }

    /// Starts instances in the background until the floor is reached.
    pub(crate) fn replenish(&self) {
        {
            let mut state = self.0.state.lock();
            if state.replenishing || state.retired || state.live >= state.floor {
                return;
            }
            state.replenishing = true;
        }
        let pool = Arc::downgrade(&self.0);
        tokio::spawn(replenish(pool));
    }

    /// Starts and initializes one kept instance; `false` if there are enough.
    async fn replenish_one(&self) -> Result<bool, String> {
        let place = {
            let mut state = self.0.state.lock();
            if state.retired || state.live >= state.floor {
                state.replenishing = false;
                return Ok(false);
            }
            state.live += 1;
            Place { pool: Arc::downgrade(&self.0), instance: None }
        };
        let acquired =
            self.cold_start(place, Instant::now() + START_TIMEOUT).await.map_err(|error| error.to_string())?;
        if acquired.is_initialized() {
            return Ok(true);
        }
        let id = crate::invoke::RequestId::new();
        let timeout = self.function().initialization_timeout;
        let deadline_ms = crate::invoke::epoch_ms(SystemTime::now() + timeout);
        let deadline = Instant::now() + timeout;
        let call = Call { request_id: id.as_str(), deadline, deadline_ms, retry_count: 0, trace_parent: None };
        let mut acquired = acquired;
        let result = acquired.initialize(&call).await;
        let (bytes, dropped) = acquired.take_log();
        self.note_hook(&id, "Initialize", result.clone(), &bytes, dropped);
        result.map(|()| true).map_err(|error| error.to_string())
    }
}

async fn replenish(pool: Weak<Shared>) {
    let (mut pause, longest) = REPLENISH_BACKOFF;
    loop {
        let Some(shared) = pool.upgrade() else { return };
        match Pool(shared).replenish_one().await {
            Ok(true) => pause = REPLENISH_BACKOFF.0,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "a kept instance (`min_instances`) does not start; trying again in {pause:?}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

enum Taken {
    Now(Grant),
    Later(oneshot::Receiver<Grant>),
}

enum Ended {
    Exclusive(Box<Pooled>),
    Concurrent(Arc<PooledConcurrent>),
}

/// Whether an instance that served so many calls may serve another.
fn is_below(function: &FunctionConfig, served: u32) -> bool {
    function.isolation == Isolation::Instance
        && function.max_requests_per_instance.is_none_or(|most| served < most.get())
        || served == 0
}

impl Place {
    fn name(&mut self, id: &Arc<str>) {
        if let Some(shared) = self.pool.upgrade() {
            shared.state.lock().ids.push(id.clone());
            self.instance = Some(id.clone());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(shared) = self.pool.upgrade() else { return };
        let pool = Pool(shared);
        if let Some(instance) = self.instance.take() {
            pool.0.state.lock().ids.retain(|id| *id != instance);
        }
        loop {
            let waiter = {
                let mut state = pool.0.state.lock();
                let is_over = state.live > state.most;
                // The number of places may have been lowered meanwhile.
                let waiter = if is_over { None } else { state.waiters.pop_front() };
                let Some(waiter) = waiter else {
                    state.live -= 1;
                    break;
                };
                waiter
            };
            let place = Self { pool: Arc::downgrade(&pool.0), instance: None };
            match waiter.send(Grant::Place(place)) {
                Ok(()) => return,
                // The waiter has gone. Its place must not run this drop again: this loop goes on with it.
                Err(Grant::Place(mut place)) => place.pool = Weak::new(),
                Err(_) => {}
            }
        }
        if tokio::runtime::Handle::try_current().is_ok() {
            pool.replenish();
        }
    }
}

impl Exclusive {
    pub(crate) fn instance(&mut self) -> &mut Instance {
        #[allow(clippy::expect_used, reason = "only drop takes it")]
        let pooled = self.pooled.as_mut().expect("an exclusive lease holds its instance until it is dropped");
        &mut pooled.instance
    }

    /// Ends the instance, however whole it is.
    fn discard(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            self.pool.stop(pooled);
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            self.pool.put_back(pooled);
        }
    }
}

impl Slot {
    pub(crate) fn instance(&self) -> &ConcurrentInstance {
        &self.instance.instance
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.pool.0.state.lock();
            let retired = state.retired;
            let index = state.concurrent.iter().position(|slots| Arc::ptr_eq(&slots.instance, &self.instance));
            let Some(slots) = index.and_then(|index| state.concurrent.get_mut(index)) else { return };
            slots.in_use -= 1;
            slots.idle_since = Instant::now();
            let instance = &slots.instance.instance;
            let wanted = instance.is_reusable() && is_below(self.pool.function(), instance.served()) && !retired;
            let ended = (slots.in_use == 0 && !wanted).then_some(index).flatten();
            let ended = ended.map(|index| state.concurrent.swap_remove(index).instance);
            self.pool.serve_waiters(&mut state);
            ended
        };
        if let Some(instance) = ended {
            self.pool.stop_concurrent(instance);
        }
    }
}

impl Acquired {
    pub(crate) fn is_initialized(&self) -> bool {
        match self {
            Self::Exclusive(exclusive) => {
                exclusive.pooled.as_ref().is_none_or(|pooled| pooled.instance.is_initialized())
            }
            Self::Slot(slot) => slot.instance().is_initialized(),
        }
    }

    /// Whether it can be called again.
    pub(crate) fn is_reusable(&self) -> bool {
        match self {
            Self::Exclusive(exclusive) => exclusive.pooled.as_ref().is_some_and(|pooled| pooled.instance.is_reusable()),
            Self::Slot(slot) => slot.instance().is_reusable(),
        }
    }

    pub(crate) async fn initialize(&mut self, call: &Call<'_>) -> Result<(), CallError> {
        match self {
            Self::Exclusive(exclusive) => exclusive.instance().initialize(call).await,
            Self::Slot(slot) => slot.instance().initialize(call).await,
        }
    }

    pub(crate) fn take_log(&mut self) -> (Vec<u8>, u64) {
        match self {
            Self::Exclusive(exclusive) => exclusive.instance().take_log(),
            Self::Slot(slot) => slot.instance().capture().take(),
        }
    }

    pub(crate) fn memory(&mut self) -> usize {
        match self {
            Self::Exclusive(exclusive) => exclusive.instance().memory(),
            Self::Slot(slot) => slot.instance().memory(),
        }
    }

    pub(crate) fn instance_id(&mut self) -> Arc<str> {
        match self {
            Self::Exclusive(exclusive) => exclusive.instance().id().clone(),
            Self::Slot(slot) => slot.instance().id().clone(),
        }
    }

    /// Whether the guest wrote anything since the log was last taken.
    pub(crate) fn has_log(&self) -> bool {
        match self {
            Self::Exclusive(exclusive) => exclusive.pooled.as_ref().is_some_and(|pooled| pooled.instance.has_log()),
            Self::Slot(slot) => !slot.instance().capture().is_empty(),
        }
    }

    /// Does what the function's rule says with an instance whose initializer failed: CONTRACTS §3.4.
    pub(crate) fn after_failed_initialization(&mut self) {
        match self {
            Self::Exclusive(exclusive) if exclusive.pool.replaces_failed() => exclusive.discard(),
            Self::Slot(slot) if slot.pool.replaces_failed() => slot.instance().retire(),
            // The same instance tries again at the next invocation.
            Self::Exclusive(_) | Self::Slot(_) => {}
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A pool is dropped with its last lease; what is idle then needs no more than its own drop.
        let state = self.state.get_mut();
        state.idle.clear();
        state.concurrent.clear();
    }
}
