//! One live guest: its store, whether its initializer ran, its calls, and how each of them ended.
//!
//! An instance is owned by one place at a time and makes one call at a time. Components of WASI 0.3 serve several
//! calls at once and live in a task of their own.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::{Instant, SystemTime},
};

use tokio::{task::unconstrained, time::sleep_until};
use wasmtime::{
    Store,
    component::{ComponentExportIndex, ComponentNamedList, Func, Lift, Lower, TypedFunc},
    error::Context as _,
};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi_http::p2::bindings::Proxy;

pub(crate) mod abi;
mod command;
mod concurrent;
mod guest;
mod outcome;
mod packed;
mod panic;
mod snapshot;
mod wasi_http;

pub(crate) use concurrent::ConcurrentInstance;
pub(crate) use guest::{Guest, Policy};
pub use outcome::{CallError, FunctionError, Usage};
pub(crate) use packed::{PackedHead, packed_texts};
pub(crate) use wasi_http::{HookPath, WasiResponse};

use crate::component::{Entry, Ready, entry::FunctionPre};

/// What differs from one call to the next: the guest's `context`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) deadline: Instant,
    /// The same instant in milliseconds since the epoch.
    pub(crate) deadline_ms: u64,
    pub(crate) retry_count: u32,
    pub(crate) trace_parent: Option<&'a str>,
}

impl<'a> Call<'a> {
    fn context(&self) -> abi::Context<'a> {
        abi::Context {
            request_id: self.request_id,
            deadline_ms: self.deadline_ms,
            retry_count: self.retry_count,
            trace_parent: self.trace_parent,
        }
    }
}

/// A hook around an instance's idle time and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    PreFreeze,
    PreStop,
}

/// A guest that makes one call at a time.
pub(crate) struct Instance {
    store: Store<Guest>,
    exports: Exports,
    initialized: bool,
    /// A call is under way, or one was left in the middle: then the guest's state is lost.
    calling: bool,
    served: u32,
    /// Says that its code is in use.
    _entry: Arc<Entry>,
}

enum Exports {
    Function(FunctionExports),
    WasiHttp(Proxy),
    Command(Command),
}

struct FunctionExports {
    event: Option<Func>,
    http: Option<Func>,
    packed_http: Option<Func>,
    initializer: Option<Func>,
    pre_freeze: Option<Func>,
    pre_stop: Option<Func>,
    after_restore: Option<Func>,
}

impl Instance {
    /// Instantiates a component of the sequential engine, before `deadline`.
    ///
    /// # Errors
    /// If the component's own start code fails, or the limits are too small for it to begin.
    pub(crate) async fn start(ready: &Ready, policy: &Policy, deadline: Instant) -> Result<Self, CallError> {
        let entry = ready.code.entry().await.map_err(|error| CallError::Trapped(format!("cannot start: {error}")))?;
        let mut store = Guest::store(&ready.engine, policy, new_instance_id());
        let exports = timed(&mut store, deadline, async |store| Exports::new(&entry, store).await).await;
        let exports = exports.map_err(|error| explain_start(error, &mut store))?;
        restore(&mut store, &exports, policy, deadline).await?;
        let function = &policy.identity.function;
        let needs_initializer = match &exports {
            Exports::Function(exports) => exports.initializer.is_some(),
            Exports::WasiHttp(_) => function.initializer.is_some(),
            Exports::Command(_) => false,
        };
        let needs_initializer = needs_initializer && ready.initialized.is_none();
        Ok(Self { store, exports, initialized: !needs_initializer, calling: false, served: 0, _entry: entry })
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        self.store.data().instance_id()
    }

    /// Whether the initializer has succeeded, or there is none.
    pub(crate) fn is_initialized(&self) -> bool {
        self.initialized
    }

    /// Whether the guest's state is whole.
    pub(crate) fn is_reusable(&self) -> bool {
        !self.calling && !matches!(self.exports, Exports::Command(_))
    }

    /// How many handler calls were begun.
    pub(crate) fn served(&self) -> u32 {
        self.served
    }

    /// Highest memory so far, in bytes.
    pub(crate) fn memory(&mut self) -> usize {
        self.store.data_mut().limiter().memory()
    }

    /// What the guest wrote since the last call of this function, and how many bytes more were dropped.
    pub(crate) fn take_log(&mut self) -> (Vec<u8>, u64) {
        self.store.data().capture().take()
    }

    pub(crate) fn has_log(&self) -> bool {
        !self.store.data().capture().is_empty()
    }

    /// Whether the component has this hook, or is configured to be told by HTTP.
    pub(crate) fn has_hook(&self, hook: Hook) -> bool {
        let function = &self.store.data().identity().function;
        match (&self.exports, hook) {
            (Exports::Function(exports), Hook::PreFreeze) => exports.pre_freeze.is_some(),
            (Exports::Function(exports), Hook::PreStop) => exports.pre_stop.is_some(),
            (Exports::WasiHttp(_), Hook::PreFreeze) => function.pre_freeze,
            (Exports::WasiHttp(_), Hook::PreStop) => function.pre_stop,
            (Exports::Command(_), _) => false,
        }
    }

    /// Runs the initializer. The caller sees to it that it has not succeeded before.
    pub(crate) async fn initialize(&mut self, call: &Call<'_>) -> Result<(), CallError> {
        let initializer = match &self.exports {
            Exports::Function(exports) => exports.initializer,
            Exports::WasiHttp(_) => {
                let result = Box::pin(self.call_hook_path(call, HookPath::Initialize)).await;
                self.initialized = result.is_ok();
                return result;
            }
            Exports::Command(_) => None,
        };
        if let Some(initializer) = initializer {
            self.call_function::<abi::HookParams<'_>, abi::HookResults>(call, initializer, (&call.context(),)).await?;
        }
        self.initialized = true;
        Ok(())
    }

    /// Runs a hook, if the instance has it.
    pub(crate) async fn call_hook(&mut self, call: &Call<'_>, hook: Hook) -> Result<(), CallError> {
        let exported = match (&self.exports, hook) {
            (Exports::Function(exports), Hook::PreFreeze) => exports.pre_freeze,
            (Exports::Function(exports), Hook::PreStop) => exports.pre_stop,
            (Exports::WasiHttp(_), Hook::PreFreeze) => {
                return Box::pin(self.call_hook_path(call, HookPath::PreFreeze)).await;
            }
            (Exports::WasiHttp(_), Hook::PreStop) => {
                return Box::pin(self.call_hook_path(call, HookPath::PreStop)).await;
            }
            (Exports::Command(_), _) => None,
        };
        match exported {
            Some(hook) => {
                self.call_function::<abi::HookParams<'_>, abi::HookResults>(call, hook, (&call.context(),)).await
            }
            None => Ok(()),
        }
    }

    /// Hands an event to `wisp:function/event-handler`, to `POST /invoke`, or to the run of a command.
    pub(crate) async fn call_event(&mut self, call: &Call<'_>, event: &[u8]) -> Result<Vec<u8>, CallError> {
        self.served += 1;
        match &self.exports {
            Exports::Function(FunctionExports { event: Some(handler), .. }) => {
                let handler = *handler;
                let result = self
                    .call_function::<abi::EventParams<'_>, abi::EventResults>(call, handler, (event, &call.context()))
                    .await?;
                within_limit(result, self.store.data().response_limit())
            }
            Exports::Function(_) => Err(CallError::Unsupported(
                "the function exports no event handler: call it through its HTTP trigger".into(),
            )),
            // Boxed: these futures are several times larger than the common one, and would be part of it.
            Exports::WasiHttp(_) => Box::pin(self.call_invoke_path(call, event)).await,
            Exports::Command(_) => Box::pin(self.run_command(call, event)).await,
        }
    }

    /// Hands a request to `wisp:function/http-handler`.
    pub(crate) async fn call_http(
        &mut self,
        call: &Call<'_>,
        request: &abi::HttpRequest<'_>,
    ) -> Result<abi::HttpResponse, CallError> {
        self.served += 1;
        let Exports::Function(FunctionExports { http: Some(handler), .. }) = &self.exports else {
            return Err(CallError::Unsupported("the function exports no HTTP handler".into()));
        };
        let handler = *handler;
        self.call_function::<abi::HttpParams<'_>, abi::HttpResults>(call, handler, (request, &call.context())).await
    }

    /// Hands a request to `wisp:function/packed-http-handler`. The head's context is that of `call`.
    pub(crate) async fn call_packed_http(
        &mut self,
        call: &Call<'_>,
        head: &[u8],
        body: &[u8],
    ) -> Result<abi::PackedHttpResponse, CallError> {
        self.served += 1;
        let Exports::Function(FunctionExports { packed_http: Some(handler), .. }) = &self.exports else {
            return Err(CallError::Unsupported("the function exports no packed HTTP handler".into()));
        };
        let handler = *handler;
        self.call_function::<abi::PackedHttpParams<'_>, abi::PackedHttpResults>(call, handler, (head, body)).await
    }

    async fn call_function<'a, P, R>(
        &mut self,
        call: &Call<'_>,
        function: Func,
        params: P,
    ) -> Result<R::Value, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'a,
        R: ComponentNamedList + Lift + Send + Sync + 'static + FunctionResult,
    {
        #[allow(unsafe_code, reason = "`FunctionExports::of` checked these very types against the component's")]
        let function = unsafe { TypedFunc::<P, R>::new_unchecked(function) };
        self.calling = true;
        let result =
            timed(&mut self.store, call.deadline, async |store| function.call_async(store, params).await).await;
        self.ended(result.map(R::into_result))
    }

    /// Notes how a call ended: an instance whose guest did not come back by itself is not used again.
    fn ended<T>(&mut self, result: Result<Result<T, abi::Failure>, CallError>) -> Result<T, CallError> {
        let result = result.and_then(|value| value.map_err(CallError::from_failure));
        let result = result.map_err(|error| match error {
            CallError::Exited(_) | CallError::Trapped(_) => error.explained_by(&self.store.data().capture().text()),
            error => error,
        });
        match &result {
            Err(error) if !error.instance_survives() => self.explain_end(error),
            Ok(_) | Err(_) => self.calling = false,
        }
        result
    }

    /// Leaves a line in the log that says why the instance is gone.
    fn explain_end(&mut self, error: &CallError) {
        let refused = self.store.data_mut().limiter().refused();
        let line = match refused {
            Some(refused) => format!("wisp: the instance ended: {error} ({})\n", explain_refused(refused)),
            None => format!("wisp: the instance ended: {error}\n"),
        };
        self.store.data().capture().write(line.as_bytes());
    }
}

/// A result as it may be sent on.
fn within_limit(result: Vec<u8>, limit: usize) -> Result<Vec<u8>, CallError> {
    let length = result.len();
    if length <= limit {
        return Ok(result);
    }
    Err(CallError::BadResponse(format!("the function's result is {length} bytes long, over the limit of {limit}")))
}

/// The `result` that every export of `wisp:function` returns.
trait FunctionResult {
    type Value;
    fn into_result(self) -> Result<Self::Value, abi::Failure>;
}

impl<T> FunctionResult for (Result<T, abi::Failure>,) {
    type Value = T;
    fn into_result(self) -> Result<T, abi::Failure> {
        self.0
    }
}

impl Exports {
    async fn new(entry: &Entry, store: &mut Store<Guest>) -> wasmtime::Result<Self> {
        match entry {
            Entry::Function(pre) => FunctionExports::new(pre, store).await.map(Self::Function),
            Entry::WasiHttp02(pre) => pre.instantiate_async(store).await.map(Self::WasiHttp),
            Entry::Command(pre) => pre.instantiate_async(store).await.map(Self::Command),
            Entry::WasiHttp03(_) => Err(wasmtime::Error::msg("a component of WASI 0.3 runs in a task of its own")),
        }
    }
}

impl FunctionExports {
    async fn new(pre: &FunctionPre, store: &mut Store<Guest>) -> wasmtime::Result<Self> {
        let instance = pre.pre.instantiate_async(&mut *store).await?;
        if let Some(preload) = &pre.preload {
            preload.load(store, &instance).await?;
        }
        Self::of(pre, store, &instance)
    }

    fn of(
        pre: &FunctionPre,
        store: &mut Store<Guest>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<Self> {
        let mut found = Found { store, instance, is_checked: pre.is_checked.load(Relaxed) };
        let exports = Self {
            event: found.typed::<abi::EventParams<'_>, abi::EventResults>("event-handler", pre.event.as_ref())?,
            http: found.typed::<abi::HttpParams<'_>, abi::HttpResults>("http-handler", pre.http.as_ref())?,
            packed_http: found.typed::<abi::PackedHttpParams<'_>, abi::PackedHttpResults>(
                "packed-http-handler",
                pre.packed_http.as_ref(),
            )?,
            initializer: found.hook("initializer", pre.initializer.as_ref())?,
            pre_freeze: found.hook("pre-freeze", pre.pre_freeze.as_ref())?,
            pre_stop: found.hook("pre-stop", pre.pre_stop.as_ref())?,
            after_restore: found.hook("after-restore", pre.after_restore.as_ref())?,
        };
        pre.is_checked.store(true, Relaxed);
        Ok(exports)
    }
}

/// The functions of a new instance.
struct Found<'a> {
    store: &'a mut Store<Guest>,
    instance: &'a wasmtime::component::Instance,
    /// Whether those of an earlier instance had the contract's types: comparing them takes a part of a start.
    is_checked: bool,
}

impl Found<'_> {
    fn hook(&mut self, interface: &str, export: Option<&ComponentExportIndex>) -> wasmtime::Result<Option<Func>> {
        self.typed::<abi::HookParams<'_>, abi::HookResults>(interface, export)
    }

    /// The function behind an export, if its type is the contract's.
    fn typed<P, R>(&mut self, interface: &str, export: Option<&ComponentExportIndex>) -> wasmtime::Result<Option<Func>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let Some(export) = export else { return Ok(None) };
        if self.is_checked {
            return Ok(self.instance.get_func(&mut *self.store, export));
        }
        let function = self.instance.get_typed_func::<P, R>(&mut *self.store, export);
        let context = || format!("the function of wisp:function/{interface}@1.0.0 is not the contract's");
        Ok(Some(*function.with_context(context)?.func()))
    }
}

/// Tells an instance of a snapshot that it has started, before anything else is called in it.
async fn restore(
    store: &mut Store<Guest>,
    exports: &Exports,
    policy: &Policy,
    deadline: Instant,
) -> Result<(), CallError> {
    let Exports::Function(FunctionExports { after_restore: Some(hook), .. }) = exports else { return Ok(()) };
    let timeout = policy.identity.function.hook_timeout;
    let deadline = deadline.min(Instant::now() + timeout);
    let until = SystemTime::now() + timeout;
    let deadline_ms = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let id = store.data().instance_id().clone();
    let context = abi::Context {
        request_id: &id,
        deadline_ms: u64::try_from(deadline_ms).unwrap_or(u64::MAX),
        retry_count: 0,
        trace_parent: None,
    };
    #[allow(unsafe_code, reason = "`FunctionExports::of` checked these very types against the component's")]
    let hook = unsafe { TypedFunc::<abi::HookParams<'_>, abi::HookResults>::new_unchecked(*hook) };
    let (result,) = timed(store, deadline, async |store| hook.call_async(store, (&context,)).await).await?;
    result.map_err(CallError::from_failure)
}

/// Runs a future of the guest under both enforcers of the deadline: the epoch for a guest that is busy, this timer for
/// one that waits.
pub(crate) async fn timed<T>(
    store: &mut Store<Guest>,
    deadline: Instant,
    call: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
) -> Result<T, CallError> {
    guest::arm(store, deadline);
    let cpu = store.data().cpu();
    // Pinned here and lent on: a future that is handed to an async function is moved, and takes its place twice.
    let call = std::pin::pin!(call(store));
    match until(deadline, cpu.drive(call)).await {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(CallError::from_engine(&error)),
        None => Err(CallError::TimedOut),
    }
}

/// The value of a future, or `None` once the deadline has passed.
///
/// Like tokio's timeout, but the timer is made when the future first waits: most calls end without, and a timer counts a
/// handle of the runtime that all cores share.
fn until<F: Future + Unpin>(deadline: Instant, mut future: F) -> impl Future<Output = Option<F::Output>> {
    let mut timer = None;
    std::future::poll_fn(move |context| {
        if let Poll::Ready(value) = Pin::new(&mut future).poll(context) {
            return Poll::Ready(Some(value));
        }
        // Apart from the task's budget: a guest that uses it up at every poll would never be told that its time is over.
        let timer = timer.get_or_insert_with(|| Box::pin(unconstrained(sleep_until(deadline.into()))));
        timer.as_mut().poll(context).map(|()| None)
    })
}

fn explain_start(error: CallError, store: &mut Store<Guest>) -> CallError {
    match (error, store.data_mut().limiter().take_refused()) {
        (CallError::Trapped(reason), Some(refused)) => {
            CallError::Trapped(format!("cannot start: {reason} ({})", explain_refused(refused)))
        }
        (CallError::Trapped(reason), None) => CallError::Trapped(format!("cannot start: {reason}")),
        (error, _) => error,
    }
}

pub(crate) fn explain_refused(refused: crate::limits::Refused) -> String {
    match refused {
        crate::limits::Refused::Memory(asked) => {
            format!(
                "it asked for {:.1} MB of memory in all, over the function's `memory`",
                asked as f64 / f64::from(1 << 20)
            )
        }
        crate::limits::Refused::TableElements(asked) => {
            format!("it asked for {asked} table elements in all, over `table_elements`")
        }
    }
}

/// Identifies an instance among all that ever ran.
fn new_instance_id() -> Arc<str> {
    uuid::Uuid::new_v4().hyphenated().to_string().into()
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use super::*;

    #[tokio::test]
    async fn what_ends_before_the_deadline_has_its_value() {
        let soon = || Instant::now() + Duration::from_secs(600);
        assert_eq!(until(soon(), pin!(async { 1 })).await, Some(1));
        let after_a_wait = pin!(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            2
        });
        assert_eq!(until(soon(), after_a_wait).await, Some(2));
    }

    #[tokio::test]
    async fn what_waits_is_over_at_the_deadline() {
        let deadline = Instant::now() + Duration::from_millis(20);
        assert_eq!(until(deadline, pin!(std::future::pending::<()>())).await, None);
        assert!(Instant::now() >= deadline);
    }

    #[tokio::test]
    async fn what_uses_up_the_budget_of_its_task_is_over_at_the_deadline_too() {
        let spendthrift = pin!(async {
            loop {
                tokio::task::coop::consume_budget().await;
            }
        });
        let over = until(Instant::now() + Duration::from_millis(20), spendthrift);
        let over = tokio::time::timeout(Duration::from_secs(60), over);
        assert_eq!(over.await.expect("it is told that its time is over"), None::<()>);
    }
}
