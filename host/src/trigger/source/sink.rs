//! Where a source's events go: through the queue of asynchronous invocations to the trigger's function.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    Bound, TriggerError,
    inbox::Inboxes,
    status::{State, Status},
};
use crate::{
    catalog::{ResolveError, Target},
    config::ServerConfig,
    delivery::{Delivery, EventsError, NewEvent, Note, SubmitError},
    invoke::RequestId,
    trigger::{
        payload::{About, Occurrence},
        settings::TriggerSettings,
    },
};

/// First and longest pause before an event is offered again that the function could not take.
const OFFER_AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What became of what was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It is an event, and durable.
    Event,
    /// The trigger's filter leaves it out.
    Filtered,
    /// No function can take it: it is a dead letter, or, if it is too large, only counted and logged.
    Refused,
}

/// The source is to stop; what was handed over is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Takes what one trigger's source brings.
pub(crate) struct Sink {
    pub(super) bound: Arc<Bound>,
    pub(super) delivery: Delivery,
    pub(super) server: Arc<ServerConfig>,
    pub(super) status: Arc<Status>,
    pub(super) inboxes: Inboxes,
    pub(super) stop: watch::Receiver<bool>,
}

impl Sink {
    /// The trigger.
    pub(crate) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// What the trigger is called among all, and what its marks and its inbox are kept under.
    pub(crate) fn id(&self) -> String {
        self.bound.trigger.id()
    }

    /// The queue of asynchronous invocations, for what a source remembers.
    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Says that the source waits for what happens from now on.
    pub(crate) fn connected(&self) {
        self.status.becomes(State::Running);
    }

    /// Says how much waits outside.
    pub(crate) fn waiting(&self, count: u64) {
        self.status.waiting.store(count, Relaxed);
    }

    /// Returns once the source is to stop.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // A supervisor that is gone stops nothing any more: so does this.
        let _ = stop.wait_for(|stopped| *stopped).await;
    }

    /// Whether the source is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Makes an event of what happened. When this returns, it is durable together with `notes`, and so are the notes of what
    /// the filter leaves out or nobody can take. As long as the function's queue is full, this waits.
    ///
    /// # Errors
    /// The source is to stop meanwhile; then neither is durable.
    pub(crate) async fn deliver(&self, occurrence: &Occurrence, notes: Vec<Note>) -> Result<Delivered, Stopped> {
        match occurrence.event(&self.about()) {
            Ok(Some(payload)) => self.offer((payload, occurrence.depth()), notes).await,
            Ok(None) => {
                self.status.filtered.fetch_add(1, Relaxed);
                self.keep(|| self.note(notes.clone())).await.map(|()| Delivered::Filtered)
            }
            Err(reason) => {
                self.refuse(&reason);
                self.keep(|| self.note(notes.clone())).await.map(|()| Delivered::Refused)
            }
        }
    }

    fn about(&self) -> About<'_> {
        let (region, account) = (&*self.server.region, &*self.server.account_id);
        About { trigger: &self.bound.trigger, region, account }
    }

    /// Offers an event until it is taken, or can never be.
    async fn offer(&self, (payload, depth): (Bytes, u32), notes: Vec<Note>) -> Result<Delivered, Stopped> {
        let (mut pause, longest) = OFFER_AGAIN;
        loop {
            let held = match self.submit((payload.clone(), depth), notes.clone()).await {
                Ok(()) => {
                    self.accepted();
                    return Ok(Delivered::Event);
                }
                Err(SubmitError::Unfit(reason)) => {
                    self.refuse(&reason);
                    return self.keep(|| self.note(notes.clone())).await.map(|()| Delivered::Refused);
                }
                Err(SubmitError::Resolve(error)) if is_lasting(&error) => {
                    self.refuse(&error.to_string());
                    let bury = || self.bury(payload.clone(), notes.clone());
                    return self.keep(bury).await.map(|()| Delivered::Refused);
                }
                Err(error) => error.to_string(),
            };
            self.status.becomes(State::Held(held));
            self.pause(pause).await?;
            pause = (pause * 2).min(longest);
        }
    }

    fn accepted(&self) {
        self.status.delivered.fetch_add(1, Relaxed);
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        self.status.last.store(now, Relaxed);
        if matches!(self.status.state(), State::Held(_)) {
            self.status.becomes(State::Running);
        }
    }

    fn refuse(&self, reason: &str) {
        self.status.refused.fetch_add(1, Relaxed);
        tracing::warn!(trigger = %self.id(), reason, "what a trigger brought cannot be taken");
    }

    fn target(&self) -> Target<'_> {
        let trigger = &self.bound.trigger;
        let service = (!trigger.service.is_empty()).then_some(&*trigger.service);
        Target { service, function: &trigger.function, qualifier: &trigger.qualifier }
    }

    /// Makes an event of a timer at once, apart from its schedule.
    pub(super) async fn fire(&self) -> Result<(), TriggerError> {
        if !matches!(self.bound.trigger.settings, TriggerSettings::Timer(_)) {
            return Err(TriggerError::Unfit(format!(
                "trigger '{}' is of the type {}, and only timers fire by themselves: let something happen at its source",
                self.bound.trigger.name,
                self.bound.trigger.settings.kind()
            )));
        }
        let payload = Occurrence::Tick(Timestamp::now()).event(&self.about()).map_err(TriggerError::Unfit)?;
        self.submit((payload.unwrap_or_default(), 0), Vec::new()).await?;
        self.accepted();
        Ok(())
    }

    async fn submit(&self, (payload, depth): (Bytes, u32), notes: Vec<Note>) -> Result<(), SubmitError> {
        let new = NewEvent {
            request_id: RequestId::new(),
            payload,
            trigger: Some(self.bound.trigger.name.clone()),
            depth,
            ..NewEvent::default()
        };
        self.delivery.submit_with(self.target(), new, notes).await.map(drop)
    }

    async fn bury(&self, payload: Bytes, notes: Vec<Note>) -> Result<(), EventsError> {
        self.delivery.bury(&self.target(), payload, self.bound.trigger.name.clone(), notes).await
    }

    async fn note(&self, notes: Vec<Note>) -> Result<(), EventsError> {
        if notes.is_empty() { Ok(()) } else { self.delivery.note(notes).await }
    }

    /// Writes until it is written: a disk that is full for a while loses nothing.
    async fn keep<F: Future<Output = Result<(), EventsError>>>(&self, write: impl Fn() -> F) -> Result<(), Stopped> {
        while let Err(error) = write().await {
            self.status.becomes(State::Held(error.to_string()));
            self.pause(OFFER_AGAIN.1).await?;
        }
        Ok(())
    }

    /// Sleeps, unless the source is to stop.
    ///
    /// # Errors
    /// It is.
    pub(crate) async fn pause(&self, time: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.stopped() => Err(Stopped),
        }
    }
}

/// Whether a function is gone, rather than away for the moment.
fn is_lasting(error: &ResolveError) -> bool {
    !matches!(error, ResolveError::Unavailable { .. } | ResolveError::Disabled { .. })
}
