//! Starts and stops the sources of triggers as the catalog changes, and starts again what cannot go on.
//!
//! One task compares what is to run with what runs. A trigger that changed is stopped, and its successor begins when it has
//! ended; what did not change goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{bound, inbox::Inboxes, publish::Publishers};
use crate::{
    config::ServerConfig,
    delivery::{Delivery, EventsError, Note},
    host::{FunctionHost, WeakHost},
};

mod operations;
mod removed;
mod running;
mod sent;

pub(crate) use self::operations::TriggerError;
use self::{
    removed::Removed,
    running::{Ended, Running},
};

/// Pause before what was left of the last run is read again.
const READ_AGAIN: Duration = Duration::from_millis(500);

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
    removed: Removed,
    /// The tasks of triggers that were removed.
    ending: Mutex<Vec<Ended>>,
    inboxes: Inboxes,
    publishers: Publishers,
    changed: Notify,
    /// Said once: it is known which triggers there are, and what waits for them.
    ready: watch::Sender<bool>,
    /// Said once: nothing is started any more.
    draining: watch::Sender<bool>,
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
        removed: Removed::default(),
        ending: Mutex::default(),
        inboxes: Inboxes::default(),
        publishers: Publishers::default(),
        changed: Notify::new(),
        ready,
        draining,
    });
    anyhow::ensure!(host.set_triggers(Triggers(shared.clone())), "the host has its triggers already");
    tokio::spawn(supervise(Arc::downgrade(&shared)));
    tokio::spawn(removed::clean_up(Arc::downgrade(&shared)));
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
                task.await;
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

    /// Appends what metrics say, in the text exposition of Prometheus.
    pub(crate) fn write_metrics(&self, text: &mut String) {
        let running = self.0.running.lock();
        super::metrics::write(text, running.iter().map(|(id, running)| (id.as_str(), &*running.status)));
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
        tokio::time::sleep(READ_AGAIN).await;
    }
    while let Some(current) = shared.upgrade() {
        current.reconcile();
        current.ready.send_replace(true);
        current.removed.look.notify_one();
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
                self.ending.lock().extend(running.task.take());
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
}
