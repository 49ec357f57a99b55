//! The one thread that writes: what comes while it commits goes into the next commit, so that many share one
//! synchronization of the disk, and a single one waits for nobody.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    event::Event,
    places::Place,
    storage::{Applied, Change, EventStorage, EventsError},
};

/// Changes in one commit. More would keep the first waiting for the last.
const LARGEST_COMMIT: usize = 1024;

/// An event that is durable, and its place in the queue.
pub(super) type Arrival = (Event, Place);

/// The way to the thread. It ends, when all that was sent is committed, with the last of these.
pub(super) struct Writer {
    requests: Mutex<Option<Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What holds together: all of it is durable, or none.
pub(super) struct Request {
    changes: Vec<Change>,
    /// Those of the inserts, in their order.
    places: Vec<Place>,
    done: Option<oneshot::Sender<Result<Vec<Applied>, EventsError>>>,
}

impl Writer {
    /// Starts the thread. `arrived` takes what was inserted, in the order of its numbers, once it is durable.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(
        storage: impl EventStorage + 'static,
        arrived: impl Fn(Arrival) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, requests) = channel();
        let thread = thread::Builder::new().name("events".into()).spawn(move || write(storage, &requests, arrived))?;
        Ok(Self { requests: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Makes changes durable. They are made even if nobody waits for the answer any more.
    pub(super) async fn commit(&self, changes: Vec<Change>, places: Vec<Place>) -> Result<Vec<Applied>, EventsError> {
        let (done, answer) = oneshot::channel();
        self.send(Request { changes, places, done: Some(done) });
        answer.await.unwrap_or_else(|_| Err(EventsError("wisp is stopping".into())))
    }

    /// Makes changes durable with those that come next. Nobody is told.
    pub(super) fn note(&self, changes: Vec<Change>) {
        self.send(Request { changes, places: Vec::new(), done: None });
    }

    /// Dropped after the end, which answers whoever waits.
    fn send(&self, request: Request) {
        if let Some(requests) = &*self.requests.lock() {
            let _ = requests.send(request);
        }
    }

    /// Takes no more, and waits until everything that was sent is committed. Blocks.
    pub(super) fn end(&self) {
        drop(self.requests.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

fn write(mut storage: impl EventStorage, requests: &Receiver<Request>, arrived: impl Fn(Arrival)) {
    while let Ok(first) = requests.recv() {
        let mut group = vec![first];
        let mut changes = group.iter().map(|request| request.changes.len()).sum::<usize>();
        while changes < LARGEST_COMMIT
            && let Ok(next) = requests.try_recv()
        {
            changes += next.changes.len();
            group.push(next);
        }
        commit(&mut storage, group, &arrived);
    }
}

/// One commit for all; if it fails, one for each, so that what cannot be written takes nothing else along.
fn commit(storage: &mut impl EventStorage, group: Vec<Request>, arrived: &impl Fn(Arrival)) {
    let changes: Vec<_> = group.iter().flat_map(|request| request.changes.iter().cloned()).collect();
    match storage.commit(&changes) {
        Ok(mut applied) => {
            for request in group {
                let rest = applied.split_off(request.changes.len().min(applied.len()));
                request.finish(Ok(std::mem::replace(&mut applied, rest)), arrived);
            }
        }
        Err(error) if group.len() == 1 => {
            tracing::warn!(%error, "a change of events was not written");
            group.into_iter().for_each(|request| request.finish(Err(error.clone()), arrived));
        }
        Err(_) => {
            for request in group {
                let result = storage.commit(&request.changes);
                request.finish(result, arrived);
            }
        }
    }
}

impl Request {
    fn finish(self, result: Result<Vec<Applied>, EventsError>, arrived: &impl Fn(Arrival)) {
        if let Ok(applied) = &result {
            let mut places = self.places.into_iter();
            for (change, applied) in self.changes.into_iter().zip(applied) {
                let Change::Insert(new) = change else { continue };
                let (place, (submission, progress)) = (places.next(), *new);
                if let (Applied::Inserted(seq), Some(place)) = (applied, place) {
                    arrived((Event { seq: *seq, submission, progress }, place));
                }
            }
        }
        if let Some(done) = self.done {
            // Who went away meanwhile has been accepted all the same.
            let _ = done.send(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use futures_util::FutureExt as _;

    use super::*;

    /// Holds the first commit until it is released; fails those that remove event 13.
    struct Slow {
        commits: Arc<AtomicUsize>,
        first: Option<Arc<Barrier>>,
    }

    impl EventStorage for Slow {
        fn commit(&mut self, changes: &[Change]) -> Result<Vec<Applied>, EventsError> {
            self.commits.fetch_add(1, Ordering::SeqCst);
            if let Some(barrier) = self.first.take() {
                barrier.wait();
            }
            if changes.iter().any(|change| matches!(change, Change::Remove(13))) {
                return Err(EventsError("unlucky".into()));
            }
            Ok(changes.iter().map(|_| Applied::Done(changes.len())).collect())
        }
    }

    fn writer() -> (Writer, Arc<AtomicUsize>, Arc<Barrier>) {
        let (commits, barrier) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(2)));
        let storage = Slow { commits: commits.clone(), first: Some(barrier.clone()) };
        (Writer::start(storage, |_| {}).unwrap(), commits, barrier)
    }

    #[tokio::test]
    async fn what_comes_during_a_commit_shares_the_next_one() {
        let (writer, commits, barrier) = writer();
        writer.note(vec![Change::Remove(0)]);
        while commits.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let mut waiting: Vec<_> =
            (1..=5).map(|seq| Box::pin(writer.commit(vec![Change::Remove(seq)], Vec::new()))).collect();
        for wait in &mut waiting {
            assert!(wait.now_or_never().is_none());
        }
        barrier.wait();
        for wait in waiting {
            assert_eq!(wait.await.unwrap(), [Applied::Done(5)]);
        }
        writer.end();
        assert_eq!(commits.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_change_that_fails_takes_no_other_along() {
        let (writer, commits, barrier) = writer();
        writer.note(vec![Change::Remove(0)]);
        while commits.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let mut unlucky = Box::pin(writer.commit(vec![Change::Remove(13)], Vec::new()));
        let mut lucky = Box::pin(writer.commit(vec![Change::Remove(14)], Vec::new()));
        assert!((&mut unlucky).now_or_never().is_none() && (&mut lucky).now_or_never().is_none());
        barrier.wait();
        assert!(unlucky.await.is_err());
        assert_eq!(lucky.await.unwrap(), [Applied::Done(1)]);
    }

    #[tokio::test]
    async fn after_the_end_nothing_is_taken() {
        let (writer, _, barrier) = writer();
        writer.note(vec![Change::Remove(0)]);
        barrier.wait();
        writer.end();
        assert!(writer.commit(vec![Change::Remove(1)], Vec::new()).await.is_err());
    }
}
