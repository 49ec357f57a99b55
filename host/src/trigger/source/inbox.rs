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

    pub(super) fn has_room(&self, count: usize, most: usize) -> bool {
        self.waiting.load(Relaxed).saturating_add(count) <= most
    }

    /// Counts what has been made durable, and tells whoever reads.
    pub(super) fn came(&self, count: usize) {
        self.waiting.fetch_add(count, Relaxed);
        self.arrived.notify_one();
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
pub(crate) fn content(occurrence: &Occurrence) -> Bytes {
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
