//! The one hallway of every invocation: resolve ▸ admit ▸ lease ▸ call. It knows no HTTP and no trigger.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::Request;
use wasmtime_wasi_http::WasiBody;

mod alone;
mod leased_body;

pub(crate) use leased_body::LeasedBody;

use crate::{
    catalog::{ResolveError, Revision},
    instance::{Call, CallError, FunctionError, PackedHead, Usage, abi},
    pool::{AcquireError, Acquired},
    telemetry::Outcome,
};

/// Identifies an invocation: a UUID as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 36]);

impl RequestId {
    /// A new one.
    pub fn new() -> Self {
        let mut text = [0; 36];
        uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
        Self(text)
    }

    /// The id of an invocation that was accepted before; `None` if the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(Self(text.as_bytes().try_into().ok()?)).filter(|_| text.is_ascii())
    }

    /// 36 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn epoch_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What is known of an invocation before it is resolved.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Goes to the caller, into the guest and onto every log line.
    pub id: RequestId,
    /// When wisp took it.
    pub received: SystemTime,
    /// How often the event was tried before.
    pub retry_count: u32,
    /// The caller's W3C `traceparent`.
    pub trace_parent: Option<String>,
    /// Whether the caller wants the log back.
    pub wants_log: bool,
}

impl Invocation {
    /// A first attempt, received now.
    pub fn new() -> Self {
        Self { id: RequestId::new(), received: SystemTime::now(), retry_count: 0, trace_parent: None, wants_log: false }
    }
}

impl Default for Invocation {
    fn default() -> Self {
        Self::new()
    }
}

/// Why an invocation has no result.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is no such function.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// At a cap for too long.
    #[error("{0}")]
    Exhausted(String),
    /// The function failed, or its initializer did.
    #[error("{}", .0.error.document)]
    Function(Box<Failed>),
    /// The function's answer cannot be sent on: CONTRACTS §5.1.
    #[error("{message}")]
    BadResponse {
        /// What is wrong with it.
        message: String,
        /// What the call took and wrote.
        report: Box<Report>,
    },
    /// The function has no answer for this kind of call.
    #[error("{0}")]
    Unsupported(String),
}

/// A failed function, and what its call took.
#[derive(Debug)]
pub struct Failed {
    /// What the caller reads.
    pub error: FunctionError,
    /// What the call took and wrote.
    pub report: Report,
}

/// What a call took and wrote: the `x-fc-*` headers of CONTRACTS §1.3.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Time and memory.
    pub usage: Usage,
    /// The instance that ran it.
    pub instance_id: Arc<str>,
    /// The log of this invocation with its marker lines, if the caller wants it.
    pub log: Vec<u8>,
}

/// A right to one call of a ready function. It ends in exactly one outcome, counted once; if it is dropped before the
/// call came back, that is `Cancelled`, and the instance goes with it.
pub(crate) struct Lease {
    revision: Arc<Revision>,
    invocation: Invocation,
    acquired: Acquired,
    deadline: Instant,
    deadline_ms: u64,
    started: Instant,
    outcome: Option<Outcome>,
    /// What the initializer wrote, if this invocation ran it and the caller wants the log.
    initializer_log: Vec<u8>,
}

/// Leases an instance of a revision whose initializer has succeeded: warm, or started now.
///
/// # Errors
/// `Exhausted` at a cap, `Function` if the component does not start or its initializer fails.
pub(crate) async fn lease(revision: Arc<Revision>, invocation: Invocation) -> Result<Lease, InvokeError> {
    let acquired = match revision.pool.acquire().await {
        Ok(acquired) => acquired,
        Err(error) => return Err(refused(&revision, error)),
    };
    if acquired.is_initialized() {
        let timeout = revision.function.timeout;
        return Ok(Lease::new(revision, invocation, acquired, timeout));
    }
    // Boxed: the warm way would carry its size.
    Box::pin(initialize(revision, invocation, acquired)).await
}

fn refused(revision: &Revision, error: AcquireError) -> InvokeError {
    match error {
        AcquireError::Exhausted(message) => {
            revision.counters.count(Outcome::Throttled);
            InvokeError::Exhausted(message)
        }
        AcquireError::Start(error) => {
            revision.counters.count(outcome_of(&error));
            let error = FunctionError::new(&error, revision.function.timeout, Usage::default());
            InvokeError::Function(Box::new(Failed { error, report: Report::default() }))
        }
    }
}

/// Runs the initializer against its own clock; then the lease begins with the handler's.
async fn initialize(revision: Arc<Revision>, invocation: Invocation, acquired: Acquired) -> Result<Lease, InvokeError> {
    let timeout = revision.function.initialization_timeout;
    let mut lease = Lease::new(revision, invocation, acquired, timeout);
    let Lease { acquired, invocation, deadline, deadline_ms, .. } = &mut lease;
    let result = acquired.initialize(&call(invocation, *deadline, *deadline_ms)).await;
    match result {
        Ok(()) => {
            lease.keep_initializer_log();
            let timeout = lease.revision.function.timeout;
            lease.arm(timeout);
            Ok(lease)
        }
        Err(error) => Err(lease.initialization_failed(&error, timeout)),
    }
}

fn call(invocation: &Invocation, deadline: Instant, deadline_ms: u64) -> Call<'_> {
    Call {
        request_id: invocation.id.as_str(),
        deadline,
        deadline_ms,
        retry_count: invocation.retry_count,
        trace_parent: invocation.trace_parent.as_deref(),
    }
}

fn outcome_of(error: &CallError) -> Outcome {
    match error {
        CallError::TimedOut => Outcome::Timeout,
        CallError::Exited(_) | CallError::Trapped(_) | CallError::Panicked { .. } => Outcome::Crash,
        CallError::Failed { .. } | CallError::Unsupported(_) | CallError::BadResponse(_) => Outcome::FunctionError,
    }
}

impl Lease {
    /// A lease whose first call has `timeout` from now on.
    fn new(revision: Arc<Revision>, invocation: Invocation, acquired: Acquired, timeout: Duration) -> Self {
        let started = Instant::now();
        let (deadline, deadline_ms) = (started + timeout, epoch_ms(SystemTime::now() + timeout));
        Self {
            revision,
            invocation,
            acquired,
            deadline,
            deadline_ms,
            started,
            outcome: None,
            initializer_log: Vec::new(),
        }
    }

    /// Starts the clock of the next call.
    fn arm(&mut self, timeout: Duration) {
        self.started = Instant::now();
        self.deadline = self.started + timeout;
        self.deadline_ms = epoch_ms(SystemTime::now() + timeout);
    }

    fn keep_initializer_log(&mut self) {
        if self.acquired.has_log() {
            self.initializer_log = self.report("Initialize", None).log;
        }
    }

    fn initialization_failed(mut self, error: &CallError, timeout: Duration) -> InvokeError {
        use crate::config::InitializationFailure::Replace;
        let mut failure = self.fail(error, timeout, "Initialize");
        if let InvokeError::Function(failed) = &mut failure
            && self.revision.function.initialization_failure == Replace
        {
            failed.error.error_type = "InitializationError";
        }
        self.acquired.after_failed_initialization();
        failure
    }

    /// Calls the event handler.
    pub(crate) async fn call_event(mut self, event: Bytes) -> Result<(Bytes, Report), InvokeError> {
        let Self { acquired, invocation, deadline, deadline_ms, .. } = &mut self;
        let call = call(invocation, *deadline, *deadline_ms);
        let result = match acquired {
            Acquired::Exclusive(exclusive) => exclusive.instance().call_event(&call, &event).await.map(Bytes::from),
            Acquired::Slot(slot) => slot.instance().call_event(&call, event).await,
        };
        self.finish(result)
    }

    /// Calls `wisp:function/http-handler`.
    pub(crate) async fn call_http(
        mut self,
        request: &abi::HttpRequest<'_>,
    ) -> Result<(abi::HttpResponse, Report), InvokeError> {
        let Self { acquired, invocation, deadline, deadline_ms, .. } = &mut self;
        let result = match acquired {
            Acquired::Exclusive(exclusive) => {
                exclusive.instance().call_http(&call(invocation, *deadline, *deadline_ms), request).await
            }
            Acquired::Slot(_) => Err(CallError::Unsupported("the component serves wasi:http".into())),
        };
        self.finish(result)
    }

    /// Calls `wisp:function/packed-http-handler` with the head that is made for the call, and the body.
    pub(crate) async fn call_packed_http(
        mut self,
        head: impl FnOnce(&Call<'_>) -> PackedHead,
        body: &[u8],
    ) -> Result<(abi::PackedHttpResponse, Report), InvokeError> {
        let Self { acquired, invocation, deadline, deadline_ms, .. } = &mut self;
        let call = call(invocation, *deadline, *deadline_ms);
        let result = match acquired {
            Acquired::Exclusive(exclusive) => {
                let head = head(&call).into_bytes();
                exclusive.instance().call_packed_http(&call, &head, body).await
            }
            Acquired::Slot(_) => Err(CallError::Unsupported("the component serves wasi:http".into())),
        };
        self.finish(result)
    }

    /// Hands a request to a `wasi:http` component. The lease goes on until the guest has ended (0.2), or the last byte of
    /// the response's body has been taken (0.3).
    pub(crate) async fn serve(self, request: Request<WasiBody>) -> Result<http::Response<LeasedBody>, InvokeError> {
        if matches!(self.acquired, Acquired::Slot(_)) {
            self.serve_concurrent(request).await
        } else {
            self.serve_alone(request).await
        }
    }

    async fn serve_concurrent(mut self, request: Request<WasiBody>) -> Result<http::Response<LeasedBody>, InvokeError> {
        let Self { acquired: Acquired::Slot(slot), invocation, deadline, deadline_ms, .. } = &mut self else {
            return Err(InvokeError::Unsupported("the component serves one request at a time".into()));
        };
        match slot.instance().serve(&call(invocation, *deadline, *deadline_ms), request).await {
            Ok(response) => Ok(response.map(|body| LeasedBody::of_slot(body, self))),
            Err(error) => Err(self.fail_with(error)),
        }
    }

    /// Ends the lease with the call's result: counts it, keeps its log, and says what it took.
    fn finish<T>(mut self, result: Result<T, CallError>) -> Result<(T, Report), InvokeError> {
        match result {
            Ok(value) => {
                self.outcome = Some(Outcome::Ok);
                Ok((value, self.report("Invoke", None)))
            }
            Err(error) => Err(self.fail_with(error)),
        }
    }

    fn fail_with(&mut self, error: CallError) -> InvokeError {
        match error {
            CallError::Unsupported(message) => {
                self.outcome = Some(Outcome::FunctionError);
                InvokeError::Unsupported(message)
            }
            CallError::BadResponse(message) => {
                self.outcome = Some(Outcome::FunctionError);
                let report = Box::new(self.report("Invoke", Some("BadResponse")));
                InvokeError::BadResponse { message, report }
            }
            error => {
                let timeout = self.revision.function.timeout;
                self.fail(&error, timeout, "Invoke")
            }
        }
    }

    fn fail(&mut self, error: &CallError, timeout: Duration, phase: &str) -> InvokeError {
        self.outcome = Some(outcome_of(error));
        let ending = match error {
            CallError::Failed { handled: true, .. } => "Handled function error",
            _ => "Unhandled function error",
        };
        let report = self.report(phase, Some(ending));
        let error = FunctionError::new(error, timeout, report.usage);
        InvokeError::Function(Box::new(Failed { error, report }))
    }

    /// What the call took; its log goes to the function's log, and into the report if the caller wants it.
    fn report(&mut self, phase: &str, ending: Option<&str>) -> Report {
        let usage = Usage { duration: self.started.elapsed(), memory: self.acquired.memory() };
        let log = &self.revision.log;
        let wants_log = self.invocation.wants_log;
        if !wants_log && ending.is_none() && !log.is_followed() && !self.acquired.has_log() {
            return Report { usage, instance_id: self.acquired.instance_id(), log: Vec::new() };
        }
        let (bytes, dropped) = self.acquired.take_log();
        let text = self.marked(&bytes, phase, ending, usage);
        log.append(self.invocation.id.as_str(), &text, dropped);
        Report {
            usage,
            instance_id: self.acquired.instance_id(),
            log: if wants_log { [std::mem::take(&mut self.initializer_log), text].concat() } else { Vec::new() },
        }
    }

    fn marked(&self, bytes: &[u8], phase: &str, ending: Option<&str>, usage: Usage) -> Vec<u8> {
        marked_log(self.invocation.id.as_str(), phase, bytes, ending, usage, self.revision.function.memory)
    }
}

/// The log of an invocation between Function Compute's marker lines, with its report line. `memory` is the limit in bytes.
pub(crate) fn marked_log(
    id: &str,
    phase: &str,
    bytes: &[u8],
    ending: Option<&str>,
    usage: Usage,
    memory: u64,
) -> Vec<u8> {
    let mut log = format!("FC {phase} Start RequestId: {id}\n").into_bytes();
    log.extend_from_slice(bytes);
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        log.push(b'\n');
    }
    let ending = ending.map(|ending| format!(", Error: {ending}")).unwrap_or_default();
    let ms = usage.duration.as_secs_f64() * 1000.0;
    log.extend_from_slice(
        format!(
            "FC {phase} End RequestId: {id}{ending}\nDuration: {ms:.2} ms, Billed Duration: {} ms, Memory Size: {} MB, Max Memory \
             Used: {:.2} MB\n",
            ms.ceil(),
            memory >> 20,
            usage.memory_mb()
        )
        .as_bytes(),
    );
    log
}

impl Drop for Lease {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or(Outcome::Cancelled);
        self.revision.counters.count(outcome);
    }
}
