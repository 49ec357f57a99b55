//! What sources of events ask of the storage: their marks, their messages, and dead letters for what cannot be accepted.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    Delivery,
    attempt::now_ms,
    event::{Progress, Status, Submission},
    storage::{Change, EventsError, Note},
};
use crate::{catalog::Target, invoke::RequestId};

impl Delivery {
    /// The most bytes of an event: `limits.async_body`.
    pub(crate) fn payload_limit(&self) -> usize {
        self.shared.host.upgrade().map_or(0, |host| host.limits().async_body)
    }

    /// Makes notes durable.
    ///
    /// # Errors
    /// If the storage fails; then none of them is made.
    pub(crate) async fn note(&self, notes: Vec<Note>) -> Result<(), EventsError> {
        self.shared.writer.commit(notes.into_iter().map(Change::Note).collect(), Vec::new()).await.map(drop)
    }

    /// The marks of an owner, by their names.
    ///
    /// # Errors
    /// If the storage fails.
    pub(crate) async fn marks(&self, owner: &str) -> Result<BTreeMap<String, String>, EventsError> {
        let owner = owner.to_owned();
        self.shared.read(move |reader| reader.marks(&owner)).await
    }

    /// Whoever has marks or messages: owners and inboxes.
    ///
    /// # Errors
    /// If the storage fails.
    pub(crate) async fn remembered(&self) -> Result<Vec<String>, EventsError> {
        self.shared.read(|reader| reader.remembered()).await
    }

    /// The oldest messages of an inbox after a number, with their numbers.
    ///
    /// # Errors
    /// If the storage fails.
    pub(crate) async fn messages(
        &self,
        inbox: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Bytes)>, EventsError> {
        let inbox = inbox.to_owned();
        self.shared.read(move |reader| reader.messages(&inbox, after, limit)).await
    }

    /// How many messages there are in each inbox that has any.
    ///
    /// # Errors
    /// If the storage fails.
    pub(crate) async fn waiting_messages(&self) -> Result<BTreeMap<String, usize>, EventsError> {
        self.shared.read(|reader| reader.waiting()).await
    }

    /// Keeps what no function can take as a dead letter, together with what its source notes.
    ///
    /// # Errors
    /// If the storage fails.
    pub(crate) async fn bury(
        &self,
        target: &Target<'_>,
        payload: Bytes,
        trigger: Arc<str>,
        notes: Vec<Note>,
    ) -> Result<(), EventsError> {
        let now = now_ms();
        let submission = Submission {
            request_id: RequestId::new().as_str().to_owned(),
            service: target.service.unwrap_or_default().into(),
            function: target.function.into(),
            qualifier: target.qualifier.into(),
            invocation_id: None,
            trace_parent: None,
            received: now,
            depth: 0,
            trigger: Some(trigger),
            payload,
        };
        let mut progress = Progress::new(now);
        (progress.status, progress.ended, progress.dead) = (Status::Invalid, Some(now), true);
        progress.error = Some(super::INVALID.to_owned());
        let mut changes = vec![Change::Insert(Box::new((submission, progress)))];
        changes.extend(notes.into_iter().map(Change::Note));
        self.shared.writer.commit(changes, Vec::new()).await?;
        self.shared.count_dead().await;
        Ok(())
    }
}
