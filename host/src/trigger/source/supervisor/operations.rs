//! What people and APIs ask about triggers, and do to them.

use serde_json::Value;

use super::{Note, PAUSED, Triggers, running::Ended};
use crate::delivery::{EventsError, SubmitError};

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
    Submit(#[from] SubmitError),
}

impl Triggers {
    /// All triggers but HTTP triggers, as the API shows them, ordered by service, function and name; behind them those that
    /// are gone and have something at a broker.
    pub(crate) async fn describe(&self) -> Vec<Value> {
        self.caught_up().await;
        let running: Vec<_> = self.0.running.lock().iter().map(|(id, running)| running.describe(id)).collect();
        running.into_iter().chain(self.0.removed.describe()).collect()
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

    /// Lets a trigger rest, or go on, also after a restart. Returns its id; of one that is to rest, once its source has ended.
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
        // A source that was told to stop ends soon, if need be without having finished.
        if let Some(ended) = self.resting(&id) {
            ended.await;
        }
        Ok(id)
    }

    /// The end of the source of a trigger that is to rest.
    fn resting(&self, id: &str) -> Option<Ended> {
        let running = self.0.running.lock();
        running.get(id).filter(|running| running.paused).and_then(|running| running.task.clone())
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

    /// Forgets what a trigger that is gone has at a broker. Returns its id.
    ///
    /// # Errors
    /// See [`TriggerError`].
    pub(crate) async fn forget(&self, name: &str) -> Result<String, TriggerError> {
        self.caught_up().await;
        for id in whole(name) {
            if self.0.forget_holdings(&id).await? {
                return Ok(id);
            }
        }
        if self.find(name).is_ok() {
            let reason = "only what is removed can be forgotten";
            return Err(TriggerError::Unfit(format!("trigger '{name}' is there; {reason}")));
        }
        let known = "; `wisp list triggers` shows those that are removed and have something at a broker".to_owned();
        Err(TriggerError::NotFound { name: name.to_owned(), known })
    }

    /// The id of the one trigger that a name means: the whole of it, or its last parts.
    fn find(&self, name: &str) -> Result<String, TriggerError> {
        let running = self.0.running.lock();
        if let Some(id) = whole(name).into_iter().find(|id| id.matches('/').count() == 2 && running.contains_key(id)) {
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
}

/// What a trigger may be called whose whole name is given: with its service, in the default one, or in none.
fn whole(name: &str) -> [String; 3] {
    [name.to_owned(), format!("default/{name}"), format!("/{name}")]
}
