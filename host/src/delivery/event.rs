//! One asynchronous invocation as it is kept.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::catalog::Target;

/// Where an event stands, in Function Compute's words (`StatefulAsyncInvocation.status`, `AsyncTask.status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Accepted, and not called yet.
    Enqueued,
    /// Chosen, and about to have an instance.
    Dequeued,
    /// Its function runs.
    Running,
    /// Its last call failed; another will follow.
    Retrying,
    /// Somebody stopped it while its function ran.
    Stopping,
    /// The function answered.
    Succeeded,
    /// The function failed as often as it may.
    Failed,
    /// It became too old.
    Expired,
    /// Somebody stopped it.
    Stopped,
    /// Its function is gone, or takes no events.
    Invalid,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Enqueued,
        Self::Dequeued,
        Self::Running,
        Self::Retrying,
        Self::Stopping,
        Self::Succeeded,
        Self::Failed,
        Self::Expired,
        Self::Stopped,
        Self::Invalid,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "Enqueued",
            Self::Dequeued => "Dequeued",
            Self::Running => "Running",
            Self::Retrying => "Retrying",
            Self::Stopping => "Stopping",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Expired => "Expired",
            Self::Stopped => "Stopped",
            Self::Invalid => "Invalid",
        }
    }

    /// The status of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether its function will never be called again.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Expired | Self::Stopped | Self::Invalid)
    }
}

/// How far the record of a settled event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DestinationStatus {
    /// It is being delivered.
    Pending,
    /// The destination took it.
    Succeeded,
    /// The destination never took it.
    Failed,
}

impl DestinationStatus {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// One line of a stateful invocation's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// What it became.
    pub status: Status,
    /// When: milliseconds since the epoch.
    pub timestamp: u64,
    /// JSON, or empty.
    pub detail: String,
}

/// What changes about an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Where it stands.
    pub status: Status,
    /// When it, or its record, is due: milliseconds since the epoch.
    pub due: u64,
    /// What its age is counted from: when it could first be called, or was redriven.
    pub since: u64,
    /// Calls begun.
    pub calls: u32,
    /// Calls that ended in an error of the function.
    pub failed: u32,
    /// Pauses since the last start over; the next one depends on it.
    pub pauses: u32,
    /// When its last call began.
    pub started: Option<u64>,
    /// When it was settled.
    pub ended: Option<u64>,
    /// What its last call took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The instance of its last call.
    #[serde(default)]
    pub instance_id: String,
    /// `x-fc-error-type` of the last failure, or why it was given up.
    #[serde(default)]
    pub error: Option<String>,
    /// Where its record goes, as configured.
    pub destination: Option<String>,
    /// How far the record came.
    pub destination_status: Option<DestinationStatus>,
    /// Why the destination did not take it.
    #[serde(default)]
    pub destination_error: Option<String>,
    /// Whether it is kept because nobody took it.
    #[serde(default)]
    pub dead: bool,
    /// For stateful invocations alone.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
    /// The result, or the error document, of the last call. Kept apart from the rest.
    #[serde(skip)]
    pub response: Bytes,
}

impl Progress {
    /// An event that is due at this time.
    pub(crate) fn new(due: u64) -> Self {
        Self {
            status: Status::Enqueued,
            due,
            since: due,
            calls: 0,
            failed: 0,
            pauses: 0,
            started: None,
            ended: None,
            duration_ms: None,
            instance_id: String::new(),
            error: None,
            destination: None,
            destination_status: None,
            destination_error: None,
            dead: false,
            history: Vec::new(),
            response: Bytes::new(),
        }
    }

    /// Whether there is still something to do: a call, or a record to deliver.
    pub fn is_open(&self) -> bool {
        !self.status.is_settled() || self.destination_status == Some(DestinationStatus::Pending)
    }
}

/// What never changes about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Its request id: the same for all its calls.
    pub request_id: String,
    /// The service that owns the function; empty for a function of FC 3.0.
    pub service: Arc<str>,
    /// The function.
    pub function: Arc<str>,
    /// The version or alias that was asked for, or `LATEST`.
    pub qualifier: Arc<str>,
    /// Given by the caller, or the request id. `None`: the invocation is not stateful, and nothing of it is kept.
    pub invocation_id: Option<String>,
    /// The caller's W3C `traceparent`.
    pub trace_parent: Option<String>,
    /// When it was accepted: milliseconds since the epoch.
    pub received: u64,
    /// How many events led to this one, each as the destination of the one before.
    pub depth: u32,
    /// The trigger that brought it.
    pub trigger: Option<Arc<str>>,
    /// What the function receives.
    pub payload: Bytes,
}

impl Submission {
    /// What the catalog is asked for.
    pub(crate) fn target(&self) -> Target<'_> {
        Target {
            service: (!self.service.is_empty()).then_some(&*self.service),
            function: &self.function,
            qualifier: &self.qualifier,
        }
    }

    /// Whether its state and result are kept.
    pub fn is_stateful(&self) -> bool {
        self.invocation_id.is_some()
    }
}

/// An asynchronous invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number: events are numbered in the order in which they were accepted.
    pub seq: u64,
    /// What was asked for.
    pub submission: Submission,
    /// What became of it.
    pub progress: Progress,
}

impl Event {
    /// Where it stands.
    pub fn status(&self) -> Status {
        self.progress.status
    }

    /// Notes a change of status; stateful invocations remember all of them.
    pub(crate) fn becomes(&mut self, status: Status, now: u64, detail: &str) {
        self.progress.status = status;
        if self.submission.is_stateful() {
            self.progress.history.push(HistoryEntry { status, timestamp: now, detail: detail.to_owned() });
        }
    }
}
