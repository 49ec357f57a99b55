//! Asynchronous invocations: accepted once they are durable, called at least once, never after they were settled.
//!
//! `submit` ▸ the writer's commit ▸ dispatcher ▸ a turn (lease, call, [`settle`]) ▸ commit ▸ the destination's turn, if it
//! is a webhook or a broker (`offer`). What nobody takes is kept as a dead letter.
//!
//! One thread writes (`writer`), one task knows whose turn it is (`dispatcher`, by `schedule`); what is decided is decided
//! in pure functions (`settle`, `conclude`). Reads go to a blocking thread. No request waits for the disk on a worker.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

mod attempt;
mod conclude;
mod counters;
pub mod describe;
mod destination;
mod dispatcher;
mod event;
mod offer;
mod operations;
mod places;
mod record;
mod recovery;
mod schedule;
mod settle;
mod sources;
mod storage;
mod webhook;
mod writer;

pub(crate) use self::offer::Refusal;
use self::{
    attempt::now_ms,
    counters::Counters,
    dispatcher::{Dispatcher, Message},
    places::Places,
    record::Identity,
    storage::{Applied, Change, EventReader, SqliteEvents},
    writer::Writer,
};
pub use self::{
    destination::Destination,
    event::{DestinationStatus, Event, HistoryEntry, Progress, Status, Submission},
    operations::{Page, StatefulKey, StopError},
    places::QueueFull,
    settle::{Attempt, Outcome, Settlement, settle},
    storage::{EventsError, Filter, Note, StatefulFunction},
};
use crate::{
    catalog::{ResolveError, Target},
    config::{AsyncConfig, EventsConfig},
    host::{FunctionHost, WeakHost},
    invoke::RequestId,
};

/// Why an event was given up that found no instance, Function Compute's word in its example of a record.
const EXHAUSTED: &str = "FunctionResourceExhausted";
/// Why an event was given up whose calls the host did not survive.
const INTERRUPTED: &str = "HostInterrupted";
/// Why an event was given up whose function was switched off, or could not be loaded.
const UNAVAILABLE: &str = "FunctionUnavailable";
/// Why an event was given up that nobody can take.
const INVALID: &str = "InvalidFunction";

/// How often what is too old is forgotten.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

/// What is to be invoked, and how.
#[derive(Clone, Debug, Default)]
pub struct NewEvent {
    /// The id of the request that brought it; it becomes that of all its calls.
    pub request_id: RequestId,
    /// What the function receives; at most `limits.async_body` bytes.
    pub payload: Bytes,
    /// How long to wait before the first call.
    pub delay: Duration,
    /// The caller's own id. It makes the invocation stateful, and is taken once a function.
    pub invocation_id: Option<String>,
    /// Whether the state and the result are kept; the function's settings may ask for it as well.
    pub stateful: bool,
    /// The caller's W3C `traceparent`.
    pub trace_parent: Option<String>,
    /// The trigger that brought it.
    pub trigger: Option<Arc<str>>,
    /// How many events led to it by their destinations.
    pub depth: u32,
}

/// Why an event was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// There is no such function.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The function takes no events, or the payload is too long.
    #[error("{0}")]
    Unfit(String),
    /// There is no room.
    #[error(transparent)]
    Full(#[from] QueueFull),
    /// The id is taken.
    #[error("function '{function}' has an asynchronous invocation '{id}' already")]
    Duplicate {
        /// The function.
        function: String,
        /// The id.
        id: String,
    },
    /// It could not be made durable.
    #[error(transparent)]
    Events(#[from] EventsError),
}

/// The asynchronous invocations of a host. A cheap handle.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
    messages: mpsc::UnboundedSender<Message>,
}

struct Shared {
    host: WeakHost,
    config: EventsConfig,
    identity: Identity,
    writer: Writer,
    reader: Arc<Mutex<Box<dyn EventReader>>>,
    places: Places,
    counters: Counters,
    ended: AtomicBool,
}

/// Gives a host its asynchronous invocations, kept in `directory`, and goes on with those that are there. Its functions
/// are deployed: events of those that it does not have are given up.
///
/// # Errors
/// If the events cannot be opened, another process has them open, or the host has asynchronous invocations already.
pub fn start(host: &FunctionHost, config: &EventsConfig, directory: &Path) -> anyhow::Result<()> {
    let storage = SqliteEvents::open(directory)?;
    let reader = storage.reader()?;
    let (last, dead) = (reader.last()?, reader.dead()?);
    let (messages, received) = mpsc::unbounded_channel();
    // Weak, because the dispatcher keeps the writer and ends with the last that can send to it. Nobody takes what arrives
    // after a drain: it is there at the next start.
    let arrived = messages.downgrade();
    let writer = Writer::start(storage, move |arrival| {
        let _ = arrived.upgrade().map(|messages| messages.send(Message::Arrived(Box::new(arrival))));
    })?;
    let server = host.server();
    let shared = Arc::new(Shared {
        host: host.downgrade(),
        config: config.clone(),
        identity: Identity { region: server.region.to_string(), account: server.account_id.to_string() },
        writer,
        reader: Arc::new(Mutex::new(Box::new(reader))),
        places: Places::new(config),
        counters: Counters::default(),
        ended: AtomicBool::new(false),
    });
    shared.counters.dead.store(dead, Relaxed);
    let delivery = Delivery { shared: shared.clone(), messages: messages.clone() };
    anyhow::ensure!(host.set_delivery(delivery), "the host has its asynchronous invocations already");
    tokio::spawn(Dispatcher::new(shared.clone(), received).run());
    tokio::spawn(prune(Arc::downgrade(&shared)));
    tokio::spawn(recovery::recover(shared, last, messages));
    Ok(())
}

impl Delivery {
    /// Accepts an event. When this returns, it is durable. Dropped before, it may have been accepted all the same.
    /// Returns its invocation id, if it is stateful.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, target: Target<'_>, new: NewEvent) -> Result<Option<String>, SubmitError> {
        self.submit_with(target, new, Vec::new()).await
    }

    /// Accepts an event together with what its source notes: both are durable, or neither.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub(crate) async fn submit_with(
        &self,
        target: Target<'_>,
        new: NewEvent,
        notes: Vec<Note>,
    ) -> Result<Option<String>, SubmitError> {
        let mut submission = self.submission(&target, new.payload, new.request_id, new.trace_parent)?;
        (submission.trigger, submission.depth) = (new.trigger, new.depth);
        let (submission, due) = self.with_id(submission, new.invocation_id, new.stateful, new.delay);
        let key = (submission.service.clone(), submission.function.clone());
        let place = self.shared.places.take(key, submission.payload.len()).inspect_err(|_| {
            self.shared.counters.refused.fetch_add(1, Relaxed);
        })?;
        let (function, id) = (submission.function.to_string(), submission.invocation_id.clone());
        let mut progress = Progress::new(due);
        if submission.is_stateful() {
            let entry =
                HistoryEntry { status: Status::Enqueued, timestamp: submission.received, detail: String::new() };
            progress.history.push(entry);
        }
        let mut changes = vec![Change::Insert(Box::new((submission, progress)))];
        changes.extend(notes.into_iter().map(Change::Note));
        let applied = self.shared.writer.commit(changes, vec![place]).await?;
        if applied.contains(&Applied::Duplicate) {
            return Err(SubmitError::Duplicate { function, id: id.unwrap_or_default() });
        }
        self.shared.counters.accepted.fetch_add(1, Relaxed);
        Ok(id)
    }

    fn submission(
        &self,
        target: &Target<'_>,
        payload: Bytes,
        request_id: RequestId,
        trace_parent: Option<String>,
    ) -> Result<Submission, SubmitError> {
        let host = self.shared.host.upgrade().ok_or_else(|| EventsError("wisp is stopping".into()))?;
        let revision = host.catalog().resolve(target)?.revision.clone();
        if !revision.ready.handles_events() {
            let function = target.function;
            let message =
                format!("function '{function}' exports no event handler: it takes no asynchronous invocations");
            return Err(SubmitError::Unfit(message));
        }
        let limit = host.limits().async_body;
        if payload.len() > limit {
            return Err(SubmitError::Unfit(format!("payload size exceeds maximum allowed size ({limit} bytes)")));
        }
        let qualifier = if target.qualifier.is_empty() { crate::catalog::LATEST } else { target.qualifier };
        Ok(Submission {
            request_id: request_id.as_str().to_owned(),
            service: revision.function.service.clone(),
            function: revision.function.name.clone(),
            qualifier: qualifier.into(),
            invocation_id: None,
            trace_parent,
            received: now_ms(),
            depth: 0,
            trigger: None,
            payload,
        })
    }

    /// Stateful invocations have the caller's id, or their request's; and when it is due.
    fn with_id(
        &self,
        mut submission: Submission,
        invocation_id: Option<String>,
        stateful: bool,
        delay: Duration,
    ) -> (Submission, u64) {
        let configured = || {
            let host = self.shared.host.upgrade();
            host.is_some_and(|host| self.shared.policy(&host, &submission).stateful)
        };
        submission.invocation_id = match invocation_id {
            Some(id) => Some(id),
            None if stateful || configured() => Some(submission.request_id.clone()),
            None => None,
        };
        let due = submission.received.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        (submission, due)
    }

    /// Begins nothing more, waits for what runs until `deadline`, and closes the storage. What did not run, or not to its
    /// end, is there at the next start.
    pub async fn drain(&self, deadline: Instant) {
        let (done, drained) = oneshot::channel();
        if self.messages.send(Message::Drain(deadline, done)).is_ok() {
            let _ = drained.await;
        }
        self.shared.ended.store(true, Relaxed);
        let shared = self.shared.clone();
        let _ = tokio::task::spawn_blocking(move || shared.writer.end()).await;
    }

    /// Appends what metrics say, in the text exposition of Prometheus.
    pub(crate) fn write_metrics(&self, text: &mut String) {
        self.shared.counters.write(text, &self.shared.places.taken(), now_ms());
    }
}

impl Shared {
    fn is_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// The settings that hold for an event at this moment.
    fn policy(&self, host: &FunctionHost, submission: &Submission) -> AsyncConfig {
        host.catalog().async_config(&submission.target())
    }

    /// Reads on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn EventReader) -> Result<T, EventsError> + Send + 'static,
    ) -> Result<T, EventsError> {
        let reader = self.reader.clone();
        let reading = tokio::task::spawn_blocking(move || read(&**reader.lock()));
        reading.await.map_err(|error| EventsError(error.to_string()))?
    }
}

/// Forgets what is too old, for as long as the delivery is there.
async fn prune(shared: std::sync::Weak<Shared>) {
    let mut interval = tokio::time::interval(PRUNE_INTERVAL);
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade().filter(|shared| !shared.is_ended()) else { return };
        let retention = u64::try_from(shared.config.retention.as_millis()).unwrap_or(u64::MAX);
        let ended_before = now_ms().saturating_sub(retention);
        let prune = Change::Prune { ended_before, dead_kept: shared.config.dead_letters };
        if let Err(error) = shared.writer.commit(vec![prune], Vec::new()).await {
            tracing::warn!(%error, "old events cannot be removed");
        }
        shared.count_dead().await;
    }
}
