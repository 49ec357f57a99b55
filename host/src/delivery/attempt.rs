//! One turn of an event: a call of its function, or an offer of its record.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    Shared, conclude,
    destination::{Destination, DestinationKind},
    event::{DestinationStatus, Event, Progress, Status},
    offer::{self, Handed},
    schedule::LaneKey,
    settle::{Attempt, Outcome, Settlement, settle},
    storage::{Change, EventsError},
};
use crate::{
    catalog::{ResolveError, Revision, Target},
    config::AsyncConfig,
    host::FunctionHost,
    invoke::{Invocation, InvokeError, RequestId, epoch_ms},
};

/// Pause before a change that was not written is written again.
const WRITE_AGAIN: Duration = Duration::from_millis(500);

/// What is left after a turn.
pub(super) enum Turn {
    /// No instance could be had: the lane pauses for so long.
    Throttled(Event, Duration),
    /// It got its turn, and is open or settled as its progress says.
    Done(Event),
}

/// Gives an event its turn. `stop` ends a call that runs. Dropped, it leaves the event as a host that ended would.
pub(super) async fn take_turn(
    shared: Arc<Shared>,
    mut event: Event,
    loaded: bool,
    lane_pauses: u32,
    mut stop: oneshot::Receiver<()>,
) -> Turn {
    if !loaded && let Err(error) = load(&shared, &mut event).await {
        tracing::warn!(%error, request_id = event.submission.request_id, "an event cannot be read");
        return Turn::Throttled(event, super::settle::pause(lane_pauses));
    }
    if event.status().is_settled() {
        return offer::take_turn(&shared, event, lane_pauses).await;
    }
    let Some(host) = shared.host.upgrade() else { return Turn::Throttled(event, WRITE_AGAIN) };
    let policy = shared.policy(&host, &event.submission);
    let outcome = call(&shared, &host, &mut event, &mut stop).await;
    let now = now_ms();
    let attempt = Attempt {
        failed: event.progress.failed,
        pauses: if outcome == Outcome::Throttled { lane_pauses } else { event.progress.pauses },
        age: Duration::from_millis(now.saturating_sub(event.progress.since)),
    };
    match settle(outcome, attempt, &policy) {
        Settlement::Again(pause) if outcome == Outcome::Throttled => {
            shared.counters.throttled.fetch_add(1, Relaxed);
            Turn::Throttled(event, pause)
        }
        settlement => {
            if matches!(settlement, Settlement::Again(_)) {
                shared.counters.retried.fetch_add(1, Relaxed);
            }
            settle_and_keep(&shared, &host, &mut event, settlement, &policy).await;
            Turn::Done(event)
        }
    }
}

async fn load(shared: &Arc<Shared>, event: &mut Event) -> Result<(), EventsError> {
    let (seq, settled) = (event.seq, event.status().is_settled());
    let read = shared.read(move |reader| {
        let response = if settled { reader.response(seq)? } else { Bytes::new() };
        Ok((reader.payload(seq)?, response))
    });
    let (payload, response) = read.await?;
    event.submission.payload = payload.ok_or_else(|| EventsError("its payload is gone".into()))?;
    if settled {
        event.progress.response = response;
    }
    Ok(())
}

/// Calls the function, and notes in the event how it went.
async fn call(shared: &Shared, host: &FunctionHost, event: &mut Event, stop: &mut oneshot::Receiver<()>) -> Outcome {
    let revision = match resolve(host, &event.submission.target()) {
        Ok(revision) => revision,
        Err(unresolved) => return unresolved.note(&mut event.progress),
    };
    let invocation = Invocation {
        id: RequestId::parse(&event.submission.request_id).unwrap_or_default(),
        received: UNIX_EPOCH + Duration::from_millis(event.submission.received),
        retry_count: event.progress.calls,
        trace_parent: event.submission.trace_parent.clone(),
        wants_log: false,
    };
    let calls = event.progress.calls;
    let called = async {
        let lease = host.lease(revision, invocation).await?;
        begin(shared, event);
        lease.call_event(event.submission.payload.clone()).await
    };
    let result = tokio::select! {
        biased;
        () = told(stop) => return Outcome::Stopped,
        result = called => result,
    };
    if event.progress.calls == calls && matches!(result, Err(InvokeError::Function(_))) {
        // Its initializer failed, or its start: that was a try as well.
        event.progress.calls += 1;
    }
    note(event, result)
}

/// Comes when somebody stops the event; the end of whoever could is no stop.
async fn told(stop: &mut oneshot::Receiver<()>) {
    if stop.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Why an event's function cannot be called.
pub(super) enum Unresolved {
    /// It is switched off, or cannot be loaded: that may change.
    Unavailable(String),
    /// It is gone, or takes no events.
    Invalid(String),
}

impl Unresolved {
    fn note(self, progress: &mut Progress) -> Outcome {
        let (outcome, error, message) = match self {
            Self::Unavailable(message) => (Outcome::Throttled, super::UNAVAILABLE, message),
            Self::Invalid(message) => (Outcome::Invalid, super::INVALID, message),
        };
        progress.error = Some(error.into());
        progress.response = error_document(&message);
        outcome
    }

    pub(super) fn message(self) -> String {
        match self {
            Self::Unavailable(message) | Self::Invalid(message) => message,
        }
    }
}

/// The function that is meant, if it takes events.
pub(super) fn resolve(host: &FunctionHost, target: &Target<'_>) -> Result<Arc<Revision>, Unresolved> {
    let revision = match host.catalog().resolve(target) {
        Ok(found) => found.revision.clone(),
        Err(error @ (ResolveError::Unavailable { .. } | ResolveError::Disabled { .. })) => {
            return Err(Unresolved::Unavailable(error.to_string()));
        }
        Err(error) => return Err(Unresolved::Invalid(error.to_string())),
    };
    if revision.ready.handles_events() {
        return Ok(revision);
    }
    let function = target.function;
    Err(Unresolved::Invalid(format!(
        "function '{function}' exports no event handler: it takes no asynchronous invocations"
    )))
}

/// The call is noted before it begins, though nobody waits for that to be durable: a function that ends the host is told
/// apart from one that was never called.
fn begin(shared: &Shared, event: &mut Event) {
    let now = now_ms();
    event.progress.calls += 1;
    event.progress.started = Some(now);
    event.becomes(Status::Dequeued, now, "");
    event.becomes(Status::Running, now, "");
    shared.writer.note(vec![Change::Update(event.seq, Box::new(event.progress.clone()))]);
}

fn note(event: &mut Event, result: Result<(Bytes, crate::invoke::Report), InvokeError>) -> Outcome {
    let progress = &mut event.progress;
    let failed = |progress: &mut Progress, error: &str, document: Bytes, report: &crate::invoke::Report| {
        progress.failed += 1;
        progress.error = Some(error.to_owned());
        progress.response = document;
        report_of(progress, report);
        Outcome::FunctionError
    };
    match result {
        Ok((result, report)) => {
            progress.error = None;
            progress.response = result;
            report_of(progress, &report);
            Outcome::Ok
        }
        Err(InvokeError::Function(error)) => {
            failed(progress, error.error.error_type, error.error.document.into(), &error.report)
        }
        Err(InvokeError::BadResponse { message, report }) => {
            failed(progress, "UnhandledInvocationError", error_document(&message), &report)
        }
        Err(InvokeError::Exhausted(message)) => {
            progress.error = Some(super::EXHAUSTED.into());
            progress.response = error_document(&message);
            Outcome::Throttled
        }
        Err(error) => {
            progress.error = Some(super::INVALID.into());
            progress.response = error_document(&error.to_string());
            Outcome::Invalid
        }
    }
}

fn report_of(progress: &mut Progress, report: &crate::invoke::Report) {
    progress.duration_ms = Some(u64::try_from(report.usage.duration.as_millis()).unwrap_or(u64::MAX));
    progress.instance_id = report.instance_id.to_string();
}

fn error_document(message: &str) -> Bytes {
    serde_json::json!({ "errorMessage": message }).to_string().into()
}

/// Settles an event, hands its record on, and makes both durable in one step.
pub(super) async fn settle_and_keep(
    shared: &Shared,
    host: &FunctionHost,
    event: &mut Event,
    settlement: Settlement,
    policy: &AsyncConfig,
) {
    let now = now_ms();
    let destination = conclude::conclude(event, settlement, policy, now);
    let handed = destination.and_then(|destination| offer::at_once(shared, host, event, &destination, now));
    keep(shared, event, handed).await;
    if event.status().is_settled() {
        shared.counters.settled(event.status());
    }
}

/// Makes an event's progress durable, or forgets an event that nobody will ask for; what its record became, in the same
/// step. A disk that fails is tried until it does not: the event keeps its place, so that whoever submits meets a full queue.
pub(super) async fn keep(shared: &Shared, event: &Event, handed: Option<Handed>) {
    let progress = &event.progress;
    let gone = !progress.is_open() && !progress.dead && !event.submission.is_stateful();
    let own = if gone { Change::Remove(event.seq) } else { Change::Update(event.seq, Box::new(progress.clone())) };
    loop {
        let (mut changes, mut places) = (vec![own.clone()], Vec::new());
        match &handed {
            Some(Handed::Event(record)) => {
                let key = (record.service.clone(), record.function.clone());
                places.push(shared.places.grant(key, record.payload.len()));
                changes.push(Change::Insert(Box::new(((**record).clone(), Progress::new(record.received)))));
            }
            Some(Handed::Post(post)) => changes.extend(post.notes().map(Change::Note)),
            None => {}
        }
        let kept = shared.writer.commit(changes, places).await.is_ok();
        if kept || shared.is_ended() {
            if kept && let Some(Handed::Post(post)) = handed {
                post.kept();
            }
            break;
        }
        tokio::time::sleep(WRITE_AGAIN).await;
    }
    if progress.dead {
        shared.counters.dead.fetch_add(1, Relaxed);
    }
}

/// The lane of an event's next turn.
pub(super) fn lane(event: &Event) -> LaneKey {
    if event.progress.destination_status == Some(DestinationStatus::Pending)
        && let Ok(destination) = event.progress.destination.as_deref().unwrap_or_default().parse::<Destination>()
    {
        match destination.kind {
            DestinationKind::Webhook(url) => {
                return LaneKey::Webhook(url.authority().map_or("", |authority| authority.as_str()).into());
            }
            DestinationKind::Source { name, .. } => return LaneKey::Source(name.into()),
            DestinationKind::Function { .. } | DestinationKind::Unknown => {}
        }
    }
    LaneKey::Function((event.submission.service.clone(), event.submission.function.clone()))
}

pub(super) fn now_ms() -> u64 {
    epoch_ms(SystemTime::now())
}
