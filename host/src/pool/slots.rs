//! Instances that make several calls at a time: a call holds one of the slots of an instance.

use std::{sync::Arc, time::Instant};

use super::{
    Grant, Pool, State, is_below,
    place::{Permits, Place},
};
use crate::instance::ConcurrentInstance;

pub(super) struct PooledConcurrent {
    pub(super) instance: ConcurrentInstance,
    pub(super) _place: Place,
    pub(super) _permits: Permits,
}

/// A concurrent instance, and how many calls it has.
pub(super) struct Slots {
    pub(super) instance: Arc<PooledConcurrent>,
    pub(super) in_use: usize,
    pub(super) idle_since: Instant,
}

/// The right to one call in a concurrent instance.
pub(crate) struct Slot {
    pub(super) pool: Pool,
    instance: Arc<PooledConcurrent>,
}

impl Slots {
    /// Whether nobody calls it.
    pub(super) fn is_idle(&self) -> bool {
        self.in_use == 0
    }

    /// Whether it ended by itself.
    pub(super) fn is_lost(&self) -> bool {
        !self.instance.instance.is_reusable()
    }
}

impl Pool {
    /// A slot in the busiest concurrent instance that has one: the others get idle and expire.
    pub(super) fn take_slot(&self, state: &mut State) -> Option<Slot> {
        let function = self.function();
        let slots = state
            .concurrent
            .iter_mut()
            .filter(|slots| slots.in_use < function.instance_concurrency.get())
            .filter(|slots| slots.instance.instance.is_reusable())
            .filter(|slots| is_below(function, slots.instance.instance.served()))
            .max_by_key(|slots| slots.in_use)?;
        slots.in_use += 1;
        Some(Slot { pool: self.clone(), instance: slots.instance.clone() })
    }

    /// Enters a new concurrent instance, takes its first slot, and hands its others to those who wait.
    pub(super) fn open(&self, instance: PooledConcurrent) -> Slot {
        let instance = Arc::new(instance);
        let mut state = self.0.state.lock();
        state.concurrent.push(Slots { instance: instance.clone(), in_use: 1, idle_since: Instant::now() });
        self.serve_waiters(&mut state);
        Slot { pool: self.clone(), instance }
    }

    fn serve_waiters(&self, state: &mut State) {
        while !state.waiters.is_empty()
            && let Some(slot) = self.take_slot(state)
        {
            // A waiter that has gone gives the slot back by dropping it; that needs the lock, so it happens outside.
            if let Some(Err(slot)) = state.waiters.pop_front().map(|waiter| waiter.send(Grant::Slot(slot))) {
                tokio::spawn(async move { drop(slot) });
            }
        }
    }
}

impl Slot {
    pub(crate) fn instance(&self) -> &ConcurrentInstance {
        &self.instance.instance
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.pool.0.state.lock();
            let retired = state.retired;
            let index = state.concurrent.iter().position(|slots| Arc::ptr_eq(&slots.instance, &self.instance));
            let Some(slots) = index.and_then(|index| state.concurrent.get_mut(index)) else { return };
            slots.in_use -= 1;
            slots.idle_since = Instant::now();
            let instance = &slots.instance.instance;
            let wanted = instance.is_reusable() && is_below(self.pool.function(), instance.served()) && !retired;
            let ended = (slots.in_use == 0 && !wanted).then_some(index).flatten();
            let ended = ended.map(|index| state.concurrent.swap_remove(index).instance);
            self.pool.serve_waiters(&mut state);
            ended
        };
        if let Some(instance) = ended {
            self.pool.stop_concurrent(instance);
        }
    }
}
