//! What is left of triggers that are gone: what wisp remembers of them, and what they have at brokers.
//!
//! A trigger may be removed while wisp runs, or while it does not. So what there is of triggers is compared with the triggers
//! that there are, at the start and whenever something has changed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    super::{
        Bound, SourceError,
        holding::{HOLDINGS, Holding},
    },
    EventsError, Note, PAUSED, Shared,
};
use crate::config::SourceConfig;

/// From the look-up of a broker's name to its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// First and longest pause before a broker is asked again to remove something.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What is known of triggers that are gone.
#[derive(Default)]
pub(super) struct Removed {
    /// Something has changed.
    pub(super) look: Notify,
    /// How to reach what triggers of this run have at brokers, by what it is. The source may be gone by then.
    reached: Mutex<HashMap<String, SourceConfig>>,
    /// What triggers that are gone have at brokers, and why it is still there.
    left: Mutex<BTreeMap<String, (Holding, String)>>,
}

impl Removed {
    /// A trigger's source is about to start.
    pub(super) fn may_hold(&self, bound: &Bound) {
        if let (Some(holding), Some(source)) = (Holding::of(bound), &bound.source) {
            self.reached.lock().insert(holding.to_string(), source.clone());
        }
    }

    /// Triggers that are gone and have something at a broker, as the API shows them.
    pub(super) fn describe(&self) -> Vec<Value> {
        self.left.lock().values().map(|(holding, reason)| describe(holding, reason)).collect()
    }
}

fn describe(holding: &Holding, reason: &str) -> Value {
    let mut parts = holding.trigger.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default();
    json!({
        "service": part(), "function": part(), "name": part(), "type": holding.kind, "qualifier": "", "source": null,
        "state": "removed", "reason": format!("{holding} is still there: {reason}"),
    })
}

/// Removes what is left of triggers that are gone, for as long as the host is there.
pub(super) async fn clean_up(shared: Weak<Shared>) {
    let Some(mut draining) = shared.upgrade().map(|shared| shared.draining.subscribe()) else { return };
    while let Some(current) = shared.upgrade() {
        tokio::select! {
            () = current.removed.look.notified() => {}
            _ = draining.changed() => return,
        }
        if let Some(host) = current.host.upgrade() {
            current.publishers.keep(&host.view().sources);
        }
        // A source that ends may still note something.
        let ending = std::mem::take(&mut *current.ending.lock());
        for task in ending {
            task.await;
        }
        for result in [current.forget_removed().await, current.remove_holdings().await] {
            if let Err(error) = result {
                tracing::warn!(%error, "what is left of removed triggers cannot be removed");
            }
        }
    }
}

impl Shared {
    /// What is remembered of triggers that are gone goes as well: one that is made later under the same name starts anew.
    async fn forget_removed(&self) -> Result<(), EventsError> {
        let remembered = self.delivery.remembered().await?;
        let paused = self.delivery.marks(PAUSED).await?;
        let gone: BTreeSet<String> = {
            let running = self.running.lock();
            // Queues have names of two parts, and all that is paused or held one.
            let ids = remembered.into_iter().chain(paused.into_keys()).filter(|id| id.matches('/').count() == 2);
            ids.filter(|id| !running.contains_key(id)).collect()
        };
        if gone.is_empty() || *self.draining.borrow() {
            return Ok(());
        }
        let notes = gone.iter().flat_map(|id| {
            [
                Note::Unmark { owner: id.clone() },
                Note::Empty { inbox: id.clone() },
                Note::Mark { owner: PAUSED.into(), name: id.clone(), value: None },
            ]
        });
        self.delivery.note(notes.collect()).await?;
        self.paused.lock().retain(|id| !gone.contains(id));
        gone.iter().for_each(|id| self.inboxes.forget(id));
        Ok(())
    }

    /// Starts to remove what triggers that are gone have at brokers.
    async fn remove_holdings(self: &Arc<Self>) -> Result<(), EventsError> {
        let marks = self.delivery.marks(HOLDINGS).await?;
        let (wanted, unbound) = (self.wanted_holdings(), self.unbound());
        if *self.draining.borrow() {
            return Ok(());
        }
        for (name, mark) in marks.into_iter().filter(|(name, _)| !wanted.contains(name)) {
            // A trigger that has lost its source for the moment has not lost its place.
            let Some(holding) = Holding::read(&mark).filter(|it| !unbound.contains(&it.trigger)) else { continue };
            let source = self.source_of(&holding);
            let is_new = {
                let mut left = self.removed.left.lock();
                let is_new = !left.contains_key(&name);
                let reason =
                    if source.is_some() { "it is being removed" } else { "no source of wisp.toml leads there" };
                left.entry(name).or_insert_with(|| (holding.clone(), reason.to_owned()));
                is_new
            };
            match source {
                _ if !is_new => {}
                Some(source) => drop(tokio::spawn(remove(Arc::downgrade(self), holding, source))),
                None => tracing::warn!(
                    trigger = holding.trigger,
                    "{holding} is there for a trigger that was removed, and no source of wisp.toml leads there any more; remove \
                     it at the broker, and then `wisp trigger forget {}`",
                    holding.trigger.trim_start_matches('/')
                ),
            }
        }
        Ok(())
    }

    fn wanted_holdings(&self) -> BTreeSet<String> {
        let running = self.running.lock();
        let bounds = running.values().filter_map(|running| running.what.as_ref().ok());
        bounds.filter_map(|bound| Holding::of(bound)).map(|holding| holding.to_string()).collect()
    }

    fn unbound(&self) -> BTreeSet<String> {
        let running = self.running.lock();
        running.iter().filter(|(_, running)| running.what.is_err()).map(|(id, _)| id.clone()).collect()
    }

    /// How to reach the broker: as its trigger did, or as another source does.
    fn source_of(&self, holding: &Holding) -> Option<SourceConfig> {
        if let Some(source) = self.removed.reached.lock().get(&holding.to_string()) {
            return Some(source.clone());
        }
        let view = self.host.upgrade()?.view();
        view.sources.values().find(|source| holding.is_at(source)).cloned()
    }

    /// Forgets what a trigger that is gone has at brokers; `false` if there is no such trigger.
    ///
    /// # Errors
    /// If the storage fails.
    pub(super) async fn forget_holdings(&self, trigger: &str) -> Result<bool, EventsError> {
        let of_trigger: Vec<Holding> = {
            let left = self.removed.left.lock();
            left.values().map(|(holding, _)| holding).filter(|it| it.trigger == trigger).cloned().collect()
        };
        self.delivery.note(of_trigger.iter().map(|holding| holding.mark(false)).collect()).await?;
        self.removed.left.lock().retain(|_, (holding, _)| holding.trigger != trigger);
        Ok(!of_trigger.is_empty())
    }
}

/// Asks a broker to remove what a trigger had there, until it does, or somebody wants it again.
async fn remove(shared: Weak<Shared>, holding: Holding, source: SourceConfig) {
    let name = holding.to_string();
    let mut pause = ASK_AGAIN.0;
    loop {
        let Some(current) = shared.upgrade().filter(|shared| !*shared.draining.borrow()) else { return };
        if current.wanted_holdings().contains(&name) || !current.removed.left.lock().contains_key(&name) {
            current.removed.left.lock().remove(&name);
            return;
        }
        let asked = tokio::time::timeout(PATIENCE, holding.remove(&source)).await;
        let asked = asked.unwrap_or_else(|_| Err(SourceError(format!("no answer within {} s", PATIENCE.as_secs()))));
        let done = match asked {
            // Whoever has begun anew meanwhile has noted it anew.
            Ok(()) if current.wanted_holdings().contains(&name) => Ok(()),
            // Known as long as it may be there.
            Ok(()) => {
                current.delivery.note(vec![holding.mark(false)]).await.map_err(|error| SourceError(error.to_string()))
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {
                tracing::info!(trigger = holding.trigger, "{name} is removed, because its trigger is");
                current.removed.left.lock().remove(&name);
                current.removed.reached.lock().remove(&name);
                return;
            }
            Err(error) => {
                tracing::warn!(trigger = holding.trigger, %error, "{name} of a removed trigger is still there; trying again");
                if let Some((_, reason)) = current.removed.left.lock().get_mut(&name) {
                    *reason = error.0;
                }
            }
        }
        drop(current);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(ASK_AGAIN.1);
    }
}
