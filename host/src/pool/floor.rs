//! The instances that are kept ready: started in the background until there are enough.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{Pool, START_TIMEOUT, Shared, hooks::own_call, place::Place};
use crate::invoke::RequestId;

/// First and longest pause before a kept instance is tried again after its start failed.
const REPLENISH_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Pool {
    /// How many instances are kept ready from now on. Those above the number stay until they are idle for too long.
    pub(crate) fn set_floor(&self, floor: usize) {
        self.0.state.lock().floor = floor.max(self.function().min_instances);
        self.replenish();
    }

    /// How many instances are kept ready.
    pub(crate) fn floor(&self) -> usize {
        self.0.state.lock().floor
    }

    /// Starts instances in the background until the floor is reached.
    pub(crate) fn replenish(&self) {
        {
            let mut state = self.0.state.lock();
            if state.replenishing || state.retired || state.live >= state.floor {
                return;
            }
            state.replenishing = true;
        }
        let pool = Arc::downgrade(&self.0);
        tokio::spawn(replenish(pool));
    }

    /// Starts and initializes one kept instance; `false` if there are enough.
    async fn replenish_one(&self) -> Result<bool, String> {
        let Some(place) = self.place_for_floor() else { return Ok(false) };
        let started = self.cold_start(place, Instant::now() + START_TIMEOUT).await;
        let mut acquired = started.map_err(|error| error.to_string())?;
        if acquired.is_initialized() {
            return Ok(true);
        }
        let id = RequestId::new();
        let result = acquired.initialize(&own_call(&id, self.function().initialization_timeout)).await;
        let (bytes, dropped) = acquired.take_log();
        self.note_own_call(&id, "Initialize", result.clone(), &bytes, dropped);
        result.map(|()| true).map_err(|error| error.to_string())
    }

    /// `None` ends the replenishing: there are enough.
    fn place_for_floor(&self) -> Option<Place> {
        let mut state = self.0.state.lock();
        if state.retired || state.live >= state.floor {
            state.replenishing = false;
            return None;
        }
        state.live += 1;
        Some(Place::of(self))
    }
}

async fn replenish(pool: Weak<Shared>) {
    let (mut pause, longest) = REPLENISH_BACKOFF;
    loop {
        let Some(shared) = pool.upgrade() else { return };
        match Pool(shared).replenish_one().await {
            Ok(true) => pause = REPLENISH_BACKOFF.0,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "a kept instance (`min_instances`) does not start; trying again in {pause:?}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}
