//! What others send by HTTP: kept in an inbox until it is an event.
//!
//! A topic, and whatever else is for every trigger, has an inbox for each of them; a queue has one of its own, and its
//! triggers take turns: one reads it, the others stand by. A message leaves the inbox in the commit that makes it an event.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Sink, Source, SourceError};
use crate::{
    config::{InboxConfig, InboxKind},
    delivery::{EventsError, Note},
    trigger::payload::Occurrence,
};

/// Messages that are read at once.
const PAGE: usize = 64;

/// How often an inbox is looked at that nobody was told of.
const LOOK: Duration = Duration::from_secs(10);

/// The inboxes of a host, as far as they are known. A cheap handle.
#[derive(Clone, Default)]
pub(crate) struct Inboxes(Arc<Mutex<HashMap<String, Arc<Inbox>>>>);

/// What is known of one inbox without asking the storage.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: AtomicUsize,
    arrived: Notify,
    /// Held by the trigger that reads it.
    turn: tokio::sync::Mutex<()>,
}

/// Room in an inbox; given back when dropped, unless it is filled.
struct Room {
    inbox: Arc<Inbox>,
    count: usize,
}

impl Room {
    /// The messages are durable: whoever reads is told.
    fn filled(mut self) {
        self.count = 0;
        self.inbox.arrived.notify_one();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.inbox.waiting.fetch_update(Relaxed, Relaxed, |waiting| Some(waiting.saturating_sub(self.count)));
    }
}

/// What came to a source, with room in every inbox that it goes to.
pub(crate) struct Post {
    inboxes: Vec<(String, Room)>,
    contents: Vec<Bytes>,
}

impl Post {
    /// `None` if one of the inboxes has no room.
    pub(super) fn to(inboxes: &Inboxes, names: Vec<String>, came: &[Occurrence], most: usize) -> Option<Self> {
        let room = |name: String| Some((inboxes.get(&name).room(came.len(), most)?, name));
        let inboxes = names.into_iter().map(|name| room(name).map(|(room, name)| (name, room)));
        Some(Self { inboxes: inboxes.collect::<Option<_>>()?, contents: came.iter().map(content).collect() })
    }

    /// What makes it durable.
    pub(crate) fn notes(&self) -> impl Iterator<Item = Note> {
        self.inboxes.iter().flat_map(|(inbox, _)| {
            self.contents.iter().map(|content| Note::Post { inbox: inbox.clone(), content: content.clone() })
        })
    }

    /// It is durable.
    pub(crate) fn kept(self) {
        self.inboxes.into_iter().for_each(|(_, room)| room.filled());
    }
}

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// There is no room.
    #[error("{0} messages wait at source '{1}', which is its `max_messages`; try again later")]
    Full(usize, String),
    /// It could not be made durable.
    #[error(transparent)]
    Events(#[from] EventsError),
}

impl Inboxes {
    pub(super) fn get(&self, name: &str) -> Arc<Inbox> {
        self.0.lock().entry(name.to_owned()).or_default().clone()
    }
}

impl Inbox {
    /// Counts what was there before.
    pub(super) fn found(&self, count: usize) {
        self.waiting.fetch_add(count, Relaxed);
    }

    /// Room for so many messages more; `None` if there is not enough.
    fn room(self: &Arc<Self>, count: usize, most: usize) -> Option<Room> {
        let more = |waiting: usize| waiting.checked_add(count).filter(|waiting| *waiting <= most);
        self.waiting.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Room { inbox: self.clone(), count })
    }

    fn left(&self) {
        // Below zero it would be if the count of a former run came late; it comes.
        let _ = self.waiting.fetch_update(Relaxed, Relaxed, |count| Some(count.saturating_sub(1)));
    }
}

/// The inbox of a queue.
pub(super) fn of_queue(source: &str) -> String {
    format!("queue/{source}")
}

/// What is kept of something that came.
fn content(occurrence: &Occurrence) -> Bytes {
    // Texts and numbers in structs: nothing that JSON could not hold.
    serde_json::to_vec(occurrence).unwrap_or_default().into()
}

/// Makes events of what comes to an inbox.
pub(super) struct InboxSource {
    is_queue: bool,
}

impl InboxSource {
    pub(super) fn new(config: &InboxConfig) -> Self {
        Self { is_queue: config.kind == InboxKind::Queue }
    }

    async fn read(&self, sink: &Sink) -> Result<(), SourceError> {
        let name = match &sink.bound().trigger.source {
            Some(source) if self.is_queue => of_queue(source),
            _ => sink.id(),
        };
        let inbox = sink.inboxes.get(&name);
        let _turn = tokio::select! {
            turn = inbox.turn.lock() => turn,
            () = sink.stopped() => return Ok(()),
        };
        sink.connected();
        while !sink.is_stopped() {
            let arrived = inbox.arrived.notified();
            let messages = sink.delivery().messages(&name, 0, PAGE).await?;
            sink.waiting(inbox.waiting.load(Relaxed) as u64);
            if messages.is_empty() {
                tokio::select! {
                    () = arrived => {}
                    () = tokio::time::sleep(LOOK) => {}
                    () = sink.stopped() => {}
                }
            }
            for (number, content) in messages {
                let taken = vec![Note::Taken(number)];
                match serde_json::from_slice::<Occurrence>(&content) {
                    Ok(occurrence) => {
                        if sink.deliver(&occurrence, taken).await.is_err() {
                            return Ok(());
                        }
                    }
                    // Of a release that said it otherwise.
                    Err(error) => {
                        tracing::warn!(inbox = name, %error, "a message that cannot be read is dropped");
                        sink.delivery().note(taken).await?;
                    }
                }
                inbox.left();
            }
        }
        Ok(())
    }
}

impl Source for InboxSource {
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.read(sink))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_was_not_filled_is_given_back() {
        let inboxes = Inboxes::default();
        let tick = [Occurrence::Tick(jiff::Timestamp::UNIX_EPOCH)];
        let post = |names: &[&str]| Post::to(&inboxes, names.iter().map(|name| (*name).to_owned()).collect(), &tick, 1);
        let first = post(&["a"]).unwrap();
        assert!(post(&["b", "a"]).is_none(), "a is full");
        assert_eq!(first.notes().count(), 1);
        drop(first);
        post(&["a", "b"]).unwrap().kept();
        assert!(post(&["a"]).is_none() && post(&["b"]).is_none());
        inboxes.get("a").left();
        assert!(post(&["a"]).is_some());
    }
}
