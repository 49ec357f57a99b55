//! Starts and stops the sources of triggers as the catalog changes, and starts again what cannot go on.
//!
//! One task compares what is to run with what runs. A trigger that changed is stopped, and its successor begins when it has
//! ended; what did not change goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

use super::{
    Bound, ReceiveError, Sink, SourceError, bound,
    bound::Unbound,
    inbox::{self, Inboxes, Post},
    publish::Publishers,
    source_of,
    status::{State, Status},
};
use crate::{
    config::{InboxConfig, InboxKind, ServerConfig},
    delivery::{Delivery, EventsError, Note},
    host::{FunctionHost, WeakHost},
    trigger::payload::Occurrence,
};

mod record;

/// First and longest pause before a source that could not go on is started again; half of it is left to chance.
const START_AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// A source that ran for so long was well: its next pause is the first one again.
const WELL: Duration = Duration::from_secs(60);

/// How long a source that was told to stop may finish what it is at.
const GRACE: Duration = Duration::from_secs(5);

/// Whose marks say which triggers are paused.
const PAUSED: &str = "paused";

/// What brings events to the functions of a host. A cheap handle.
#[derive(Clone)]
pub(crate) struct Triggers(Arc<Shared>);

struct Shared {
    host: WeakHost,
    delivery: Delivery,
    server: Arc<ServerConfig>,
    running: Mutex<BTreeMap<String, Running>>,
    paused: Mutex<BTreeSet<String>>,
    /// Those that were there at the last look.
    known: Mutex<Vec<String>>,
    inboxes: Inboxes,
    publishers: Publishers,
    changed: Notify,
    /// Said once: it is known which triggers there are, and what waits for them.
    ready: watch::Sender<bool>,
    /// Said once: nothing is started any more.
    draining: watch::Sender<bool>,
}

/// A trigger that is there, whether its source runs or not.
struct Running {
    what: Result<Arc<Bound>, Unbound>,
    paused: bool,
    status: Arc<Status>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// Why nothing was done to a trigger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TriggerError {
    /// There is none of this name.
    #[error("there is no trigger '{name}'{known}")]
    NotFound {
        /// The name asked for.
        name: String,
        /// Which there are.
        known: String,
    },
    /// Several end in this name.
    #[error("there are several triggers '{0}': {1}; give the whole name")]
    Ambiguous(String, String),
    /// It makes no sense for a trigger of this type.
    #[error("{0}")]
    Unfit(String),
    /// The storage failed.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// The event was not accepted.
    #[error(transparent)]
    Submit(#[from] crate::delivery::SubmitError),
}

/// Gives a host its triggers, which run from now on. Its asynchronous invocations are started.
///
/// # Errors
/// If they are not, or the host has its triggers already.
pub fn start(host: &FunctionHost) -> anyhow::Result<()> {
    let Some(delivery) = host.delivery().cloned() else { anyhow::bail!("triggers need asynchronous invocations") };
    let ((draining, _), (ready, _)) = (watch::channel(false), watch::channel(false));
    let shared = Arc::new(Shared {
        host: host.downgrade(),
        delivery,
        server: Arc::new(host.server().clone()),
        running: Mutex::default(),
        paused: Mutex::default(),
        known: Mutex::default(),
        inboxes: Inboxes::default(),
        publishers: Publishers::default(),
        changed: Notify::new(),
        ready,
        draining,
    });
    anyhow::ensure!(host.set_triggers(Triggers(shared.clone())), "the host has its triggers already");
    tokio::spawn(supervise(Arc::downgrade(&shared)));
    shared.changed.notify_one();
    Ok(())
}

impl Triggers {
    /// The catalog has changed.
    pub(crate) fn changed(&self) {
        self.0.changed.notify_one();
    }

    /// Stops all sources, and waits for what they are at, until `deadline` at most.
    pub(crate) async fn drain(&self, deadline: Instant) {
        self.0.draining.send_replace(true);
        let running = std::mem::take(&mut *self.0.running.lock());
        let tasks: Vec<_> = running
            .into_values()
            .filter_map(|mut running| {
                running.stop.send_replace(true);
                running.task.take()
            })
            .collect();
        let ended = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        if tokio::time::timeout_at(deadline.into(), ended).await.is_err() {
            tracing::warn!("sources of triggers were still at work at the end of the grace period");
        }
    }

    /// Waits until the triggers are known as they were left, and takes up what changed since: whoever has just started the
    /// host, or changed something, finds it.
    async fn caught_up(&self) {
        let _ = self.0.ready.subscribe().wait_for(|ready| *ready).await;
        self.0.reconcile();
    }

    /// All triggers but HTTP triggers, as the API shows them, ordered by service, function and name.
    pub(crate) async fn describe(&self) -> Vec<Value> {
        self.caught_up().await;
        self.0.running.lock().iter().map(|(id, running)| running.describe(id)).collect()
    }

    /// One trigger, by its name or the end of it.
    ///
    /// # Errors
    /// See [`TriggerError`].
    pub(crate) async fn describe_one(&self, name: &str) -> Result<Value, TriggerError> {
        self.caught_up().await;
        let id = self.find(name)?;
        let running = self.0.running.lock();
        Ok(running.get(&id).map(|running| running.describe(&id)).unwrap_or_default())
    }

    /// Lets a trigger rest, or go on, also after a restart. Returns its id.
    ///
    /// # Errors
    /// See [`TriggerError`].
    pub(crate) async fn set_paused(&self, name: &str, paused: bool) -> Result<String, TriggerError> {
        self.caught_up().await;
        let id = self.find(name)?;
        let value = paused.then(|| "yes".to_owned());
        self.0.delivery.note(vec![Note::Mark { owner: PAUSED.into(), name: id.clone(), value }]).await?;
        if paused {
            self.0.paused.lock().insert(id.clone());
        } else {
            self.0.paused.lock().remove(&id);
        }
        self.0.reconcile();
        Ok(id)
    }

    /// Keeps what came to a source of the kind for its triggers, all of it or nothing. When this returns, it is durable.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub(crate) async fn receive(
        &self,
        source: &str,
        config: &InboxConfig,
        came: &[Occurrence],
    ) -> Result<(), ReceiveError> {
        // What came before that would be kept for nobody.
        let _ = self.0.ready.subscribe().wait_for(|ready| *ready).await;
        let names = self.0.inboxes_of(source, config);
        let post = Post::to(&self.0.inboxes, names, came, config.max_messages)
            .ok_or_else(|| ReceiveError::Full(config.max_messages, source.to_owned()))?;
        let notes: Vec<_> = post.notes().collect();
        if !notes.is_empty() {
            self.0.delivery.note(notes).await?;
        }
        post.kept();
        Ok(())
    }

    /// Fires a timer now, whatever its schedule. Returns its id.
    ///
    /// # Errors
    /// See [`TriggerError`].
    pub(crate) async fn fire(&self, name: &str) -> Result<String, TriggerError> {
        self.caught_up().await;
        let id = self.find(name)?;
        let found = self.0.running.lock().get(&id).map(|running| (running.what.clone(), running.status.clone()));
        let (bound, status) = match found {
            Some((Ok(bound), status)) => (bound, status),
            Some((Err(unbound), _)) => return Err(TriggerError::Unfit(unbound.reason)),
            None => return Err(self.not_found(name)),
        };
        let sink = self.0.sink(bound, status, self.0.draining.subscribe());
        sink.fire().await?;
        Ok(id)
    }

    /// The id of the one trigger that a name means: the whole of it, or its last parts.
    fn find(&self, name: &str) -> Result<String, TriggerError> {
        let running = self.0.running.lock();
        let whole = [name.to_owned(), format!("default/{name}"), format!("/{name}")];
        if let Some(id) = whole.into_iter().find(|id| id.matches('/').count() == 2 && running.contains_key(id)) {
            return Ok(id);
        }
        let end = format!("/{name}");
        let ending: Vec<&String> = running.keys().filter(|id| id.ends_with(&end)).collect();
        match ending.as_slice() {
            [id] => Ok((*id).clone()),
            [] => {
                drop(running);
                Err(self.not_found(name))
            }
            several => {
                let several: Vec<_> = several.iter().map(|id| id.trim_start_matches('/')).collect();
                Err(TriggerError::Ambiguous(name.to_owned(), several.join(", ")))
            }
        }
    }

    fn not_found(&self, name: &str) -> TriggerError {
        let running = self.0.running.lock();
        let known: Vec<_> = running.keys().map(|id| id.trim_start_matches('/')).collect();
        let known = match known.as_slice() {
            [] => ", nor any other but HTTP triggers".to_owned(),
            known => format!("; there is {}", known.join(", ")),
        };
        TriggerError::NotFound { name: name.to_owned(), known }
    }

    /// Appends what metrics say, in the text exposition of Prometheus.
    pub(crate) fn write_metrics(&self, text: &mut String) {
        let running = self.0.running.lock();
        super::metrics::write(text, running.iter().map(|(id, running)| (id.as_str(), &*running.status)));
    }
}

impl Running {
    fn describe(&self, id: &str) -> Value {
        let mut description = self.status.describe();
        let mut parts = id.splitn(3, '/');
        let (kind, qualifier, source) = match &self.what {
            Ok(bound) => (bound.trigger.settings.kind(), &*bound.trigger.qualifier, bound.trigger.source.as_deref()),
            Err(unbound) => (unbound.kind.as_str(), "", None),
        };
        for key in ["service", "function", "name"] {
            description[key] = parts.next().unwrap_or_default().into();
        }
        description["type"] = kind.into();
        description["qualifier"] = qualifier.into();
        description["source"] = source.into();
        description
    }
}

/// Looks after the triggers for as long as the host is there.
async fn supervise(shared: Weak<Shared>) {
    let Some(mut draining) = shared.upgrade().map(|shared| shared.draining.subscribe()) else { return };
    loop {
        // Told what is paused before anything is started.
        let Some(paused) = shared.upgrade().map(|shared| shared.delivery.clone()) else { return };
        let read = async { Ok::<_, EventsError>((paused.marks(PAUSED).await?, paused.waiting_messages().await?)) };
        match read.await {
            Ok((marks, waiting)) => {
                let Some(shared) = shared.upgrade() else { return };
                *shared.paused.lock() = marks.into_keys().collect();
                waiting.into_iter().for_each(|(name, count)| shared.inboxes.get(&name).found(count));
                break;
            }
            Err(error) => tracing::warn!(%error, "the paused triggers cannot be read; trying again"),
        }
        tokio::time::sleep(START_AGAIN.0).await;
    }
    while let Some(current) = shared.upgrade() {
        current.reconcile();
        current.ready.send_replace(true);
        current.forget_removed().await;
        tokio::select! {
            () = current.changed.notified() => {}
            _ = draining.changed() => return,
        }
    }
}

impl Shared {
    /// Makes run what is to run.
    fn reconcile(self: &Arc<Self>) {
        let Some(host) = self.host.upgrade() else { return };
        let mut running = self.running.lock();
        if *self.draining.borrow() {
            return;
        }
        let mut wanted = bound::all(&host.view());
        running.retain(|id, running| {
            let is_wanted = wanted.contains_key(id);
            if !is_wanted {
                running.stop.send_replace(true);
            }
            is_wanted
        });
        let paused = self.paused.lock().clone();
        while let Some((id, what)) = wanted.pop_first() {
            let is_paused = paused.contains(&id);
            let what = what.map(Arc::new);
            let before = match running.remove(&id) {
                Some(same) if same.what == what && same.paused == is_paused => {
                    running.insert(id, same);
                    continue;
                }
                other => other,
            };
            running.insert(id, self.begin(what, is_paused, before));
        }
    }

    /// What is remembered of triggers that are gone goes as well: one that is made later under the same name starts anew.
    async fn forget_removed(&self) {
        let known: Vec<String> = self.running.lock().keys().cloned().collect();
        let gone: Vec<String> = self.known.lock().iter().filter(|id| !known.contains(id)).cloned().collect();
        if !gone.is_empty() {
            let notes = gone.iter().flat_map(|id| {
                [
                    Note::Unmark { owner: id.clone() },
                    Note::Empty { inbox: id.clone() },
                    Note::Mark { owner: PAUSED.into(), name: id.clone(), value: None },
                ]
            });
            if let Err(error) = self.delivery.note(notes.collect()).await {
                tracing::warn!(%error, "what is remembered of removed triggers cannot be removed");
            }
            self.paused.lock().retain(|id| !gone.contains(id));
        }
        *self.known.lock() = known;
    }

    /// Where what comes to a source is kept: in the queue's own inbox, or in those of all its triggers.
    fn inboxes_of(&self, source: &str, config: &InboxConfig) -> Vec<String> {
        if config.kind == InboxKind::Queue {
            return vec![inbox::of_queue(source)];
        }
        let running = self.running.lock();
        let takes = |running: &Running| {
            let bound = running.what.as_ref();
            bound.is_ok_and(|bound| bound.trigger.enabled && bound.trigger.source.as_deref() == Some(source))
        };
        running.iter().filter(|(_, running)| takes(running)).map(|(id, _)| id.clone()).collect()
    }

    /// Starts a trigger's source, if it has one; after its predecessor has ended.
    fn begin(self: &Arc<Self>, what: Result<Arc<Bound>, Unbound>, paused: bool, before: Option<Running>) -> Running {
        let same = before.as_ref().filter(|before| before.what == what).map(|before| before.status.clone());
        let before = before.and_then(|mut before| {
            before.stop.send_replace(true);
            before.task.take()
        });
        let state = match &what {
            Err(unbound) => State::Unbound(unbound.reason.clone()),
            Ok(bound) if !bound.trigger.enabled => State::Disabled,
            Ok(_) if paused => State::Paused,
            Ok(_) => State::Connecting,
        };
        if let State::Unbound(reason) = &state {
            let id = what.as_ref().err().map(|unbound| unbound.id.as_str()).unwrap_or_default();
            tracing::warn!(trigger = id, reason, "a trigger fires nothing");
        }
        // Pausing does not set counters back.
        let status = same.unwrap_or_else(|| Arc::new(Status::new(state.clone())));
        status.becomes(state.clone());
        let (stop, stopped) = watch::channel(false);
        // Kept even if nothing is to run: its own successor waits for it.
        let task = match (&what, state) {
            (Ok(bound), State::Connecting) => {
                let sink = self.sink(bound.clone(), status.clone(), stopped);
                Some(tokio::spawn(keep_running(sink, before)))
            }
            _ => before,
        };
        Running { what, paused, status, stop, task }
    }

    fn sink(&self, bound: Arc<Bound>, status: Arc<Status>, stop: watch::Receiver<bool>) -> Sink {
        let (delivery, server, inboxes) = (self.delivery.clone(), self.server.clone(), self.inboxes.clone());
        Sink { bound, delivery, server, status, inboxes, stop }
    }
}

/// Runs a source until it is stopped, and again whenever it cannot go on.
async fn keep_running(sink: Sink, before: Option<JoinHandle<()>>) {
    if let Some(before) = before {
        let _ = before.await;
    }
    let mut pause = START_AGAIN.0;
    while !sink.is_stopped() {
        let began = Instant::now();
        let Err(error) = run_once(&sink).await else { return };
        if sink.is_stopped() {
            return;
        }
        sink.status.failures.fetch_add(1, Relaxed);
        tracing::warn!(trigger = %sink.id(), %error, "the source of a trigger cannot go on; it is started again");
        sink.status.becomes(State::Failed(error.0));
        if began.elapsed() >= WELL {
            pause = START_AGAIN.0;
        }
        if sink.pause(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await.is_err() {
            return;
        }
        pause = (pause * 2).min(START_AGAIN.1);
    }
}

/// `Ok` once the source was told to stop, and has ended or had time enough to.
async fn run_once(sink: &Sink) -> Result<(), SourceError> {
    let source = source_of(&sink.bound).map_err(SourceError)?;
    let overdue = async {
        sink.stopped().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = source.run(sink) => match ended {
            Ok(()) if !sink.is_stopped() => Err(SourceError("the source ended by itself".to_owned())),
            ended => ended,
        },
        () = overdue => {
            tracing::warn!(trigger = %sink.id(), "the source of a trigger did not stop in time");
            Ok(())
        }
    }
}
