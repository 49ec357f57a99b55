//! The places of a pool: one for each instance and each cold start.

use std::sync::{Arc, Weak};

use super::{Grant, Pool, Shared};
use crate::admission::InstancePermit;

/// One of the `max_instances` places of a pool.
pub(super) struct Place {
    pool: Weak<Shared>,
    /// The name of the instance in it, once it has started.
    instance: Option<Arc<str>>,
}

/// The host's room that an instance takes, and its function's.
pub(super) struct Permits {
    pub(super) _host: InstancePermit,
    pub(super) _function: Option<InstancePermit>,
}

impl Place {
    /// One that was counted in `live` just now.
    pub(super) fn of(pool: &Pool) -> Self {
        Self { pool: Arc::downgrade(&pool.0), instance: None }
    }

    pub(super) fn name(&mut self, id: &Arc<str>) {
        if let Some(shared) = self.pool.upgrade() {
            shared.state.lock().ids.push(id.clone());
            self.instance = Some(id.clone());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(shared) = self.pool.upgrade() else { return };
        let pool = Pool(shared);
        if let Some(instance) = self.instance.take() {
            pool.0.state.lock().ids.retain(|id| *id != instance);
        }
        loop {
            let waiter = {
                let mut state = pool.0.state.lock();
                let is_over = state.live > state.most;
                // The number of places may have been lowered meanwhile.
                let waiter = if is_over { None } else { state.waiters.pop_front() };
                let Some(waiter) = waiter else {
                    state.live -= 1;
                    break;
                };
                waiter
            };
            let place = Self::of(&pool);
            match waiter.send(Grant::Place(place)) {
                Ok(()) => return,
                // The waiter has gone. Its place must not run this drop again: this loop goes on with it.
                Err(Grant::Place(mut place)) => place.pool = Weak::new(),
                Err(_) => {}
            }
        }
        if tokio::runtime::Handle::try_current().is_ok() {
            pool.replenish();
        }
    }
}
