//! What people and APIs ask about events, and do to them.

use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::oneshot;

use super::{
    Delivery, Shared,
    attempt::now_ms,
    conclude,
    dispatcher::Message,
    event::{Event, Status},
    storage::{Change, EventKey, EventsError, Filter, StatefulFunction},
};

/// Names a stateful invocation.
#[derive(Clone, Copy, Debug)]
pub struct StatefulKey<'a> {
    /// The service that owns the function.
    pub service: &'a str,
    /// The function.
    pub function: &'a str,
    /// The invocation id.
    pub id: &'a str,
}

/// Some of the events that were asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events.
    pub events: Vec<Event>,
    /// What to give as `after` for the next page; `None`: there is none.
    pub next: Option<u64>,
}

/// Why an invocation was not stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// There is none of this id.
    #[error("the asynchronous invocation does not exist")]
    NotFound,
    /// It is settled.
    #[error("the asynchronous invocation has ended: it is {}", .0.as_str())]
    Finished(Status),
    /// The storage failed.
    #[error(transparent)]
    Events(#[from] EventsError),
}

impl Delivery {
    /// A stateful invocation with its payload and result.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn stateful(&self, key: StatefulKey<'_>) -> Result<Option<Event>, EventsError> {
        let (service, function, id) = (key.service.to_owned(), key.function.to_owned(), key.id.to_owned());
        let read = self
            .shared
            .read(move |reader| reader.event(EventKey::Invocation { service: &service, function: &function, id: &id }));
        read.await
    }

    /// An event, whatever it is, by the id of its request.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn event(&self, request_id: &str) -> Result<Option<Event>, EventsError> {
        let id = request_id.to_owned();
        self.shared.read(move |reader| reader.event(EventKey::RequestId(&id))).await
    }

    /// The events that a filter means.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn list(&self, mut filter: Filter) -> Result<Page, EventsError> {
        let limit = filter.limit;
        // One more tells whether there is another page.
        filter.limit = if limit == 0 { 0 } else { limit + 1 };
        let mut events = self.shared.read(move |reader| reader.list(&filter)).await?;
        let more = limit > 0 && events.len() > limit;
        events.truncate(if limit == 0 { events.len() } else { limit });
        let next = if more { events.last().map(|event| event.seq) } else { None };
        Ok(Page { events, next })
    }

    /// The functions that have stateful invocations, ordered.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn stateful_functions(&self) -> Result<Vec<StatefulFunction>, EventsError> {
        self.shared.read(|reader| reader.stateful_functions()).await
    }

    /// Stops a stateful invocation: one that waits is never called, and a call that runs is ended. When this returns, that
    /// is durable.
    ///
    /// # Errors
    /// See [`StopError`].
    pub async fn stop(&self, key: StatefulKey<'_>) -> Result<(), StopError> {
        let event = self.stateful(key).await?.ok_or(StopError::NotFound)?;
        if event.status().is_settled() {
            return Err(StopError::Finished(event.status()));
        }
        let (answer, stopped) = oneshot::channel();
        let _ = self.messages.send(Message::Stop(event.seq, answer));
        match stopped.await {
            Ok(Some(Status::Stopped)) => Ok(()),
            Ok(Some(status)) if status.is_settled() => Err(StopError::Finished(status)),
            // It was settled between the look and the stop, or the host is stopping.
            _ => {
                let status = self.stateful(key).await?.map_or(Status::Invalid, |event| event.status());
                if status.is_settled() {
                    return Err(StopError::Finished(status));
                }
                Err(EventsError("wisp is stopping or starting; try again".into()).into())
            }
        }
    }

    /// Starts dead letters over, oldest first: calls their functions, or, where only the record was not taken, delivers it.
    /// Returns how many.
    ///
    /// # Errors
    /// If the storage fails; then some of them may have been started over.
    pub async fn redrive(&self, which: Filter) -> Result<usize, EventsError> {
        let events = self.list(Filter { dead: true, newest_first: false, ..which }).await?.events;
        let count = events.len();
        for mut event in events {
            conclude::redrive(&mut event, now_ms());
            let change = Change::Update(event.seq, Box::new(event.progress.clone()));
            self.shared.writer.commit(vec![change], Vec::new()).await?;
            let key = (event.submission.service.clone(), event.submission.function.clone());
            let place = self.shared.places.grant(key, 0);
            let _ = self.messages.send(Message::Arrived(Box::new((event, place))));
        }
        self.shared.count_dead().await;
        Ok(count)
    }

    /// Starts one dead letter over; `false` if there is none of this request.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn redrive_one(&self, request_id: &str) -> Result<bool, EventsError> {
        match self.event(request_id).await?.filter(|event| event.progress.dead) {
            Some(event) => {
                Ok(self.redrive(Filter { after: Some(event.seq - 1), limit: 1, ..Filter::default() }).await? == 1)
            }
            None => Ok(false),
        }
    }

    /// Forgets dead letters. Returns how many.
    ///
    /// # Errors
    /// If the storage fails; then none of them is forgotten.
    pub async fn purge(&self, which: Filter) -> Result<usize, EventsError> {
        let events = self.list(Filter { dead: true, payloads: false, ..which }).await?.events;
        let count = events.len();
        let removals = events.into_iter().map(|event| Change::Remove(event.seq)).collect();
        self.shared.writer.commit(removals, Vec::new()).await?;
        self.shared.count_dead().await;
        Ok(count)
    }

    /// Forgets one dead letter; `false` if there is none of this request.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn purge_one(&self, request_id: &str) -> Result<bool, EventsError> {
        match self.event(request_id).await?.filter(|event| event.progress.dead) {
            Some(event) => {
                Ok(self.purge(Filter { after: Some(event.seq - 1), limit: 1, ..Filter::default() }).await? == 1)
            }
            None => Ok(false),
        }
    }
}

impl Shared {
    /// Dead letters are counted anew after they were changed in numbers.
    pub(super) async fn count_dead(&self) {
        if let Ok(dead) = self.read(|reader| reader.dead()).await {
            self.counters.dead.store(dead, Relaxed);
        }
    }
}
