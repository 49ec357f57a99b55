//! An instance of a `wasi:http/handler@0.3.x` component: it serves several requests at once, so its store is driven by a
//! task of its own, and callers reach it through a queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::Request;
use tokio::{
    sync::{Notify, mpsc},
    time::timeout_at,
};
use wasmtime::{AsContextMut as _, Store, component::Accessor};
use wasmtime_wasi_http::{
    WasiBody, WasiHttpView,
    handler::{ExpirationError, Prepared, Proxy},
    p3::bindings::http::types::ErrorCode,
};

use super::{
    Call, CallError, Guest, HookPath, Policy, WasiResponse, explain_start, guest, new_instance_id, timed, wasi_http,
};
use crate::{
    capability::{environment::Identity, stdio::Capture},
    component::{Entry, Ready},
};

/// How much longer than the deadline a caller waits for the instance's own task to say that it has passed. A guest that
/// spins keeps that task from running.
const LAST_WORD: Duration = Duration::from_millis(50);

/// A handle on an instance that serves several calls at once.
#[derive(Clone)]
pub(crate) struct ConcurrentInstance(Arc<Shared>);

struct Shared {
    id: Arc<str>,
    jobs: mpsc::UnboundedSender<Job>,
    identity: Arc<Identity>,
    capture: Capture,
    response_limit: usize,
    initialized: AtomicBool,
    initializing: tokio::sync::Mutex<()>,
    retired: AtomicBool,
    served: AtomicU32,
    memory: Arc<AtomicUsize>,
    end: Arc<Notify>,
    /// Says that its code is in use.
    _entry: Arc<Entry>,
}

struct Job {
    request: Request<WasiBody>,
    deadline: Instant,
    /// The channel that wasmtime's handler answers by.
    respond: futures_channel::oneshot::Sender<Result<WasiResponse, wasmtime::Error>>,
}

impl ConcurrentInstance {
    /// Instantiates the component before `deadline`, and starts the task that drives it.
    pub(crate) async fn start(ready: &Ready, policy: &Policy, deadline: Instant) -> Result<Self, CallError> {
        let entry = ready.code.entry().await.map_err(|error| CallError::Trapped(format!("cannot start: {error}")))?;
        let Entry::WasiHttp03(pre) = &*entry else {
            return Err(CallError::Unsupported("the component does not serve wasi:http 0.3".into()));
        };
        let mut store = Guest::store(&ready.engine, policy, new_instance_id());
        let service = timed(&mut store, deadline, async |store| pre.instantiate_async(store).await).await;
        let service = service.map_err(|error| explain_start(error, &mut store))?;
        let (jobs, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            id: store.data().instance_id().clone(),
            jobs,
            identity: policy.identity.clone(),
            capture: store.data().capture().clone(),
            response_limit: store.data().response_limit(),
            initialized: AtomicBool::new(policy.identity.function.initializer.is_none()),
            initializing: tokio::sync::Mutex::default(),
            retired: AtomicBool::new(false),
            served: AtomicU32::new(0),
            memory: Arc::default(),
            end: Arc::default(),
            _entry: entry.clone(),
        });
        let driver = Driver { memory: shared.memory.clone(), capture: shared.capture.clone(), end: shared.end.clone() };
        tokio::spawn(driver.drive(store, Proxy::P3(service), queue));
        Ok(Self(shared))
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.0.id
    }

    pub(crate) fn is_initialized(&self) -> bool {
        self.0.initialized.load(Relaxed)
    }

    /// Whether it takes another call.
    pub(crate) fn is_reusable(&self) -> bool {
        !self.0.retired.load(Relaxed) && !self.0.jobs.is_closed()
    }

    /// Whether the guest is gone, and with it whatever it had not finished.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.jobs.is_closed()
    }

    pub(crate) fn served(&self) -> u32 {
        self.0.served.load(Relaxed)
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.memory.load(Relaxed)
    }

    pub(crate) fn capture(&self) -> &Capture {
        &self.0.capture
    }

    /// Runs `POST /initialize`, once at a time, unless it has succeeded before.
    pub(crate) async fn initialize(&self, call: &Call<'_>) -> Result<(), CallError> {
        let _once = self.0.initializing.lock().await;
        if !self.is_initialized() {
            self.call_hook_path(call, HookPath::Initialize).await?;
            self.0.initialized.store(true, Relaxed);
        }
        Ok(())
    }

    pub(crate) async fn call_hook_path(&self, call: &Call<'_>, path: HookPath) -> Result<(), CallError> {
        let (head, body) = self.ask(call, path.request()).await?.into_parts();
        let result = path.judge(head.status, head.headers.get("x-fc-status"), &body);
        if result.as_ref().is_err_and(|error| !error.instance_survives()) {
            self.retire();
        }
        result
    }

    /// Hands an event to `POST /invoke`.
    pub(crate) async fn call_event(&self, call: &Call<'_>, event: Bytes) -> Result<Bytes, CallError> {
        self.0.served.fetch_add(1, Relaxed);
        let (head, body) = self.ask(call, wasi_http::invoke_request(event)).await?.into_parts();
        wasi_http::judge_invoke(head.status, head.headers.get("x-fc-status"), body)
    }

    /// Hands a request to the component; the body of the response is still being written when this returns.
    pub(crate) async fn serve(&self, call: &Call<'_>, request: Request<WasiBody>) -> Result<WasiResponse, CallError> {
        self.0.served.fetch_add(1, Relaxed);
        self.send(call, request).await
    }

    async fn ask(&self, call: &Call<'_>, request: Request<WasiBody>) -> Result<http::Response<Bytes>, CallError> {
        let (head, body) = self.send(call, request).await?.into_parts();
        let body = timeout_at(call.deadline.into(), wasi_http::collect(body, self.0.response_limit)).await;
        Ok(http::Response::from_parts(head, body.map_err(|_| CallError::TimedOut)??))
    }

    async fn send(&self, call: &Call<'_>, mut request: Request<WasiBody>) -> Result<WasiResponse, CallError> {
        wasi_http::add_common_headers(&self.0.identity, &mut request, call);
        let (respond, response) = futures_channel::oneshot::channel();
        let gone = || CallError::Trapped("the instance ended".into());
        self.0.jobs.send(Job { request, deadline: call.deadline, respond }).map_err(|_| gone())?;
        match timeout_at((call.deadline + LAST_WORD).into(), response).await {
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(error))) => Err(self.failed(&error)),
            Ok(Err(_)) => {
                self.retire();
                Err(gone())
            }
            Err(_) => {
                // Its task is stuck behind the guest: nothing in it will end by itself.
                self.retire();
                self.0.end.notify_one();
                Err(CallError::TimedOut)
            }
        }
    }

    fn failed(&self, error: &wasmtime::Error) -> CallError {
        if let Some(code) = error.downcast_ref::<ErrorCode>() {
            return CallError::BadResponse(format!("the component answered with the error {code:?}"));
        }
        // A call cannot be taken back from a guest: the instance ends when the others in it have.
        self.retire();
        if error.is::<ExpirationError>() {
            return CallError::TimedOut;
        }
        match CallError::from_engine(error) {
            CallError::Trapped(reason) if error.is::<wasmtime_wasi_http::Error>() => CallError::BadResponse(reason),
            error => error,
        }
    }

    /// Takes no more calls.
    pub(crate) fn retire(&self) {
        self.0.retired.store(true, Relaxed);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The last handle is gone, so is the last lease: whatever the guest still does is nobody's.
        self.end.notify_one();
    }
}

/// The task's own part: it must not hold a handle, or the instance would keep itself alive.
struct Driver {
    memory: Arc<AtomicUsize>,
    capture: Capture,
    end: Arc<Notify>,
}

impl Driver {
    async fn drive(self, mut store: Store<Guest>, proxy: Proxy, queue: mpsc::UnboundedReceiver<Job>) {
        let cpu = store.data().cpu();
        let calls = store.run_concurrent(async |accessor| self.serve_all(accessor, &proxy, queue).await);
        let calls = std::pin::pin!(calls);
        let calls = cpu.drive(calls);
        let result = tokio::select! {
            biased;
            () = self.end.notified() => return,
            result = calls => result,
        };
        if let Ok(Err(error)) | Err(error) = result {
            let error = CallError::from_engine(&error);
            self.capture.write(format!("wisp: the instance ended: {error}\n").as_bytes());
        }
    }

    async fn serve_all(
        &self,
        accessor: &Accessor<Guest>,
        proxy: &Proxy,
        mut queue: mpsc::UnboundedReceiver<Job>,
    ) -> wasmtime::Result<()> {
        let mut calls = FuturesUnordered::new();
        loop {
            tokio::select! {
                job = queue.recv() => match job {
                    Some(job) => calls.push(self.serve(accessor, proxy, job)),
                    None => return Ok(()),
                },
                Some(result) = calls.next() => result?,
            }
        }
    }

    async fn serve(&self, accessor: &Accessor<Guest>, proxy: &Proxy, job: Job) -> wasmtime::Result<()> {
        let Job { request, deadline, respond } = job;
        let prepared = accessor.with(|mut store| {
            guest::extend(store.as_context_mut().data_mut(), deadline);
            Prepared::new(store.as_context_mut(), proxy, request, Guest::http, respond)
        })?;
        prepared.run(accessor, tokio::time::sleep_until(deadline.into())).await?;
        accessor.with(|mut store| {
            self.memory.store(store.as_context_mut().data_mut().limiter().memory(), Relaxed);
        });
        Ok(())
    }
}
