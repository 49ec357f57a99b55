//! What is kept of events, behind a narrow interface, so that another backend can stand behind it.
//!
//! A backend numbers events, keeps them with their progress, and makes a batch of changes durable in one step; what an
//! event's progress means is not known here. The writer is the only one that changes anything; readers see what is
//! committed.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::event::{Event, Progress, Status, Submission};

#[cfg(test)]
mod conformance;
mod sources;
mod sqlite;

pub(crate) use sqlite::SqliteEvents;

/// The backend failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the events cannot be read or written: {0}")]
pub struct EventsError(pub String);

/// One change.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Keeps a new event, unless its function has an event with its invocation id already.
    Insert(Box<(Submission, Progress)>),
    /// Replaces an event's progress, if the event is there.
    Update(u64, Box<Progress>),
    /// Forgets an event, if it is there.
    Remove(u64),
    /// Forgets what was settled before this time (milliseconds since the epoch) and is neither open nor dead, and the oldest
    /// of the dead beyond this many.
    Prune { ended_before: u64, dead_kept: usize },
    /// What a source of events remembers.
    Note(Note),
}

/// What a source of events remembers. Made in one step with the event that it is about, it says exactly which occurrences
/// became events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Sets a mark, or, without a value, removes it.
    Mark {
        /// Whose it is.
        owner: String,
        /// Which.
        name: String,
        /// What it says.
        value: Option<String>,
    },
    /// Removes all marks of an owner.
    Unmark {
        /// Whose.
        owner: String,
    },
    /// Keeps a message until it is taken.
    Post {
        /// Where.
        inbox: String,
        /// What.
        content: Bytes,
    },
    /// Removes a message.
    Taken(u64),
    /// Removes all messages of an inbox.
    Empty {
        /// Which.
        inbox: String,
    },
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The event has this number.
    Inserted(u64),
    /// Its invocation id is taken.
    Duplicate,
    /// It is done; this many events were removed.
    Done(usize),
}

/// Which events are meant, and how many. The default means all of them, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The service that owns the function.
    pub service: Option<String>,
    /// The function.
    pub function: Option<String>,
    /// The qualifier that was asked for.
    pub qualifier: Option<String>,
    /// Where they stand.
    pub status: Option<Status>,
    /// Dead letters alone.
    pub dead: bool,
    /// Stateful ones alone.
    pub stateful: bool,
    /// What the invocation id begins with.
    pub id_prefix: Option<String>,
    /// The earliest start of the last call: milliseconds since the epoch.
    pub started_begin: Option<u64>,
    /// The latest start of the last call.
    pub started_end: Option<u64>,
    /// Newest first.
    pub newest_first: bool,
    /// Only what comes after this number in that order.
    pub after: Option<u64>,
    /// At most so many; 0: any number.
    pub limit: usize,
    /// With payloads and responses.
    pub payloads: bool,
}

/// Names one event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EventKey<'a> {
    RequestId(&'a str),
    Invocation { service: &'a str, function: &'a str, id: &'a str },
}

/// Service, function and qualifier of stateful invocations.
pub type StatefulFunction = (String, String, String);

/// The side that changes. Blocking.
pub(crate) trait EventStorage: Send {
    /// Makes all changes in their order, or none. They are durable when this returns.
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Applied>, EventsError>;
}

/// What sources of events remember. Blocking.
pub(crate) trait SourceReader {
    /// The marks of an owner, by their names.
    fn marks(&self, owner: &str) -> Result<BTreeMap<String, String>, EventsError>;

    /// The owners of marks and the inboxes with messages, each once.
    fn remembered(&self) -> Result<Vec<String>, EventsError>;

    /// The oldest messages of an inbox after a number, with their numbers.
    fn messages(&self, inbox: &str, after: u64, limit: usize) -> Result<Vec<(u64, Bytes)>, EventsError>;

    /// How many messages there are in each inbox that has any.
    fn waiting(&self) -> Result<BTreeMap<String, usize>, EventsError>;
}

/// The side that reads. Blocking.
pub(crate) trait EventReader: SourceReader + Send {
    /// One event with its payload and response.
    fn event(&self, key: EventKey<'_>) -> Result<Option<Event>, EventsError>;

    /// The events that are meant.
    fn list(&self, filter: &Filter) -> Result<Vec<Event>, EventsError>;

    /// Open events in the order of their numbers, after `after`, without payloads, with the length of each payload.
    fn open(&self, after: u64, limit: usize) -> Result<Vec<(Event, usize)>, EventsError>;

    /// What an event's function receives; `None` if it is gone.
    fn payload(&self, seq: u64) -> Result<Option<Bytes>, EventsError>;

    /// The result, or the error document, of an event's last call.
    fn response(&self, seq: u64) -> Result<Bytes, EventsError>;

    /// The functions that have stateful invocations, ordered.
    fn stateful_functions(&self) -> Result<Vec<StatefulFunction>, EventsError>;

    /// The highest number that any event has, 0 if there is none.
    fn last(&self) -> Result<u64, EventsError>;

    /// How many dead letters there are.
    fn dead(&self) -> Result<usize, EventsError>;
}
