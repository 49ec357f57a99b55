//! The one task that knows all open events: it gives them their turns, and takes back what is left of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinError, JoinSet},
    time::{sleep, timeout_at},
};

use super::{
    Shared,
    attempt::{self, Turn, now_ms, take_turn},
    event::{Event, Status},
    places::Place,
    schedule::{LaneKey, Schedule},
    settle::pause,
    storage::Change,
    writer::Arrival,
};

/// Bytes of waiting events' payloads that are kept in memory; the others are read when their turn comes.
const RESIDENT: usize = 64 << 20;

/// Records that are delivered to one webhook, or one source, at a time.
const DESTINATION_CONCURRENCY: usize = 8;

/// The longest sleep: a clock that was set is noticed after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// What the dispatcher is told.
pub(super) enum Message {
    /// An event is durable and open.
    Arrived(Box<Arrival>),
    /// Stop an event; the answer is its status afterwards, `None` if it is not open.
    Stop(u64, oneshot::Sender<Option<Status>>),
    /// Begin nothing more, wait for what runs until this time, and end.
    Drain(Instant, oneshot::Sender<()>),
}

struct Waiting {
    event: Event,
    place: Place,
    /// Whether its payload is in memory.
    loaded: bool,
}

struct Running {
    /// As it was before, should its task be lost. Shares the payload.
    waiting: Waiting,
    lane: LaneKey,
    stop: Option<oneshot::Sender<()>>,
    stopped: Vec<oneshot::Sender<Option<Status>>>,
}

pub(super) struct Dispatcher {
    shared: Arc<Shared>,
    messages: mpsc::UnboundedReceiver<Message>,
    schedule: Schedule,
    waiting: HashMap<u64, Waiting>,
    running: HashMap<u64, Running>,
    tasks: JoinSet<(u64, Turn)>,
    task_ids: HashMap<Id, u64>,
    /// When each open event was accepted.
    open: BTreeMap<u64, u64>,
    resident: usize,
}

impl Dispatcher {
    pub(super) fn new(shared: Arc<Shared>, messages: mpsc::UnboundedReceiver<Message>) -> Self {
        Self {
            shared,
            messages,
            schedule: Schedule::default(),
            waiting: HashMap::new(),
            running: HashMap::new(),
            tasks: JoinSet::new(),
            task_ids: HashMap::new(),
            open: BTreeMap::new(),
            resident: 0,
        }
    }

    /// Runs until it is drained, or its host is gone.
    pub(super) async fn run(mut self) {
        loop {
            self.begin_turns();
            self.publish();
            let sleeping = self.time_to_next();
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(Message::Drain(deadline, done)) => {
                        self.drain(deadline).await;
                        let _ = done.send(());
                        return;
                    }
                    Some(message) => self.take(message),
                    None => return,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = sleep(sleeping) => {}
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Arrived(arrival) => {
                let (event, place) = *arrival;
                self.open.insert(event.seq, event.submission.received);
                let loaded = !event.status().is_settled() && !event.submission.payload.is_empty();
                self.wait(Waiting { event, place, loaded });
            }
            Message::Stop(seq, answer) => self.stop(seq, answer),
            Message::Drain(..) => {}
        }
    }

    fn wait(&mut self, mut waiting: Waiting) {
        self.make_room(&mut waiting);
        let event = &waiting.event;
        self.schedule.add(event.seq, attempt::lane(event), event.progress.due, now_ms());
        self.waiting.insert(waiting.event.seq, waiting);
    }

    /// Lets the payload go if there are too many bytes of them. A record that waits may do so for days: it needs neither
    /// payload nor response until its turn.
    fn make_room(&mut self, waiting: &mut Waiting) {
        let event = &mut waiting.event;
        if event.status().is_settled() {
            (event.submission.payload, event.progress.response) = (bytes::Bytes::new(), bytes::Bytes::new());
            waiting.loaded = false;
            return;
        }
        let length = event.submission.payload.len();
        if self.resident + length > RESIDENT {
            waiting.event.submission.payload = bytes::Bytes::new();
            waiting.loaded = false;
        } else {
            self.resident += length;
        }
    }

    fn begin_turns(&mut self) {
        let Some(host) = self.shared.host.upgrade() else { return };
        let config = self.shared.config.clone();
        while self.schedule.running() < config.concurrency.get() {
            let limit = |lane: &LaneKey| match lane {
                LaneKey::Webhook(_) | LaneKey::Source(_) => DESTINATION_CONCURRENCY,
                LaneKey::Function((service, function)) => {
                    let most = host.most_concurrent(service, function);
                    most.min(config.function_concurrency.get()).max(1)
                }
            };
            let Some((seq, lane)) = self.schedule.next(now_ms(), limit) else { return };
            match self.waiting.remove(&seq) {
                Some(waiting) => self.begin(waiting, lane),
                None => self.schedule.finished(&lane, false),
            }
        }
    }

    fn begin(&mut self, waiting: Waiting, lane: LaneKey) {
        let (stop, stopped) = oneshot::channel();
        let (seq, event, loaded) = (waiting.event.seq, waiting.event.clone(), waiting.loaded);
        self.resident -= event.submission.payload.len();
        let (shared, pauses) = (self.shared.clone(), self.schedule.pauses(&lane));
        let task = self.tasks.spawn(async move { (seq, take_turn(shared, event, loaded, pauses, stopped).await) });
        self.task_ids.insert(task.id(), seq);
        self.running.insert(seq, Running { waiting, lane, stop: Some(stop), stopped: Vec::new() });
    }

    fn ended(&mut self, ended: Result<(Id, (u64, Turn)), JoinError>) {
        match ended {
            Ok((id, (seq, turn))) => {
                self.task_ids.remove(&id);
                self.returned(seq, turn);
            }
            Err(error) => {
                let seq = self.task_ids.remove(&error.id());
                tracing::error!(%error, "a call of an event was lost");
                if let Some(seq) = seq {
                    self.lost(seq);
                }
            }
        }
    }

    fn returned(&mut self, seq: u64, turn: Turn) {
        let Some(Running { waiting: Waiting { place, .. }, lane, stopped, .. }) = self.running.remove(&seq) else {
            return;
        };
        match turn {
            Turn::Throttled(event, pause) => {
                let now = now_ms();
                let until = now + u64::try_from(pause.as_millis()).unwrap_or(u64::MAX / 2);
                self.schedule.throttled(seq, &lane, until, now);
                let mut waiting = Waiting { loaded: !event.submission.payload.is_empty(), event, place };
                self.make_room(&mut waiting);
                self.waiting.insert(seq, waiting);
                // It was stopped while it gave its turn back.
                stopped.into_iter().for_each(|answer| self.stop(seq, answer));
            }
            Turn::Done(event) => {
                self.schedule.finished(&lane, true);
                for answer in stopped {
                    let _ = answer.send(Some(event.status()));
                }
                if event.progress.is_open() {
                    self.wait(Waiting { loaded: !event.submission.payload.is_empty(), event, place });
                } else {
                    self.open.remove(&seq);
                }
            }
        }
    }

    /// As after a restart, but at once.
    fn lost(&mut self, seq: u64) {
        let Some(Running { mut waiting, lane, stopped, .. }) = self.running.remove(&seq) else { return };
        self.schedule.finished(&lane, false);
        let progress = &mut waiting.event.progress;
        progress.due = now_ms() + u64::try_from(pause(progress.pauses).as_millis()).unwrap_or_default();
        progress.pauses += 1;
        self.wait(waiting);
        stopped.into_iter().for_each(|answer| self.stop(seq, answer));
    }

    fn stop(&mut self, seq: u64, answer: oneshot::Sender<Option<Status>>) {
        if let Some(running) = self.running.get_mut(&seq) {
            running.stop.take().map(|stop| stop.send(()));
            running.stopped.push(answer);
            return;
        }
        let is_callable = |waiting: &&Waiting| !waiting.event.status().is_settled();
        let Some(waiting) = self.waiting.get(&seq).filter(is_callable) else {
            let _ = answer.send(None);
            return;
        };
        self.schedule.remove(seq, &attempt::lane(&waiting.event), waiting.event.progress.due);
        let Some(Waiting { mut event, place, .. }) = self.waiting.remove(&seq) else { return };
        self.resident -= event.submission.payload.len();
        self.open.remove(&seq);
        let now = now_ms();
        event.becomes(Status::Stopped, now, "");
        event.progress.ended = Some(now);
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let change = if event.submission.is_stateful() {
                Change::Update(seq, Box::new(event.progress))
            } else {
                Change::Remove(seq)
            };
            let done = shared.writer.commit(vec![change], Vec::new()).await;
            shared.counters.settled(Status::Stopped);
            drop(place);
            let _ = answer.send(done.ok().map(|_| Status::Stopped));
        });
    }

    fn publish(&self) {
        let counters = &self.shared.counters;
        counters.waiting.store(self.schedule.waiting(), SeqCst);
        counters.running.store(self.schedule.running(), SeqCst);
        counters.oldest.store(self.open.first_key_value().map_or(0, |(_, received)| *received), Relaxed);
    }

    fn time_to_next(&self) -> Duration {
        let next = self.schedule.next_time().map(|time| Duration::from_millis(time.saturating_sub(now_ms())));
        next.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }

    /// What still runs at the deadline is dropped: it is durable as running, and called again at the next start.
    async fn drain(&mut self, deadline: Instant) {
        while let Ok(Some(ended)) = timeout_at(deadline.into(), self.tasks.join_next_with_id()).await {
            self.ended(ended);
        }
        if !self.tasks.is_empty() {
            tracing::warn!(
                events = self.tasks.len(),
                "events still ran at the end of the grace period; they are called again"
            );
        }
        self.tasks.shutdown().await;
    }
}
