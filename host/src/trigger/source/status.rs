//! How a trigger's source is, and what it has done: for people and for metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::SystemTime,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::telemetry::timestamp;

/// Where a source stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is on its way to its broker.
    Connecting,
    /// It waits for what happens.
    Running,
    /// The function takes no more for the moment, so the source is held up.
    Held(String),
    /// Somebody paused it.
    Paused,
    /// Its configuration says that it does not fire.
    Disabled,
    /// It cannot go on, and tries again later.
    Failed(String),
    /// It cannot be carried out as it is configured.
    Unbound(String),
}

impl State {
    /// As it is shown, and as it stands in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Held(_) => "held",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Failed(_) => "failed",
            Self::Unbound(_) => "unbound",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Held(reason) | Self::Failed(reason) | Self::Unbound(reason) => Some(reason),
            Self::Connecting | Self::Running | Self::Paused | Self::Disabled => None,
        }
    }
}

/// What is known of one trigger. Counted since the host started, or the trigger changed.
pub(crate) struct Status {
    state: Mutex<(State, SystemTime)>,
    /// Events that are durable.
    pub(super) delivered: AtomicU64,
    /// What the filter left out.
    pub(super) filtered: AtomicU64,
    /// What no function could take.
    pub(super) refused: AtomicU64,
    /// How often the source could not go on.
    pub(super) failures: AtomicU64,
    /// What waits outside, as far as the source knows.
    pub(super) waiting: AtomicU64,
    /// When the last event happened, in milliseconds since the epoch; 0: never.
    pub(super) last: AtomicU64,
}

impl Status {
    pub(super) fn new(state: State) -> Self {
        Self {
            state: Mutex::new((state, SystemTime::now())),
            delivered: AtomicU64::new(0),
            filtered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    /// Notes a change.
    pub(super) fn becomes(&self, state: State) {
        let mut current = self.state.lock();
        if current.0 != state {
            *current = (state, SystemTime::now());
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state.lock().0.clone()
    }

    /// As the API shows it.
    pub(super) fn describe(&self) -> Value {
        let (state, since) = self.state.lock().clone();
        let last = i64::try_from(self.last.load(Relaxed)).ok().filter(|last| *last > 0);
        json!({
            "state": state.label(),
            "reason": state.reason(),
            "since": timestamp(since),
            "delivered": self.delivered.load(Relaxed),
            "filtered": self.filtered.load(Relaxed),
            "refused": self.refused.load(Relaxed),
            "failures": self.failures.load(Relaxed),
            "waiting": self.waiting.load(Relaxed),
            "lastEvent": last.and_then(|last| Timestamp::from_millisecond(last).ok()).map(|last| last.to_string()),
        })
    }
}
