//! Instances that make one call at a time: leased, given back, handed on.

use std::time::Instant;

use super::{
    Grant, Idle, Pool, is_below,
    place::{Permits, Place},
};
use crate::{
    config::Isolation,
    instance::{Hook, Instance},
};

/// An instance and the room it takes. The instance goes first.
pub(super) struct Pooled {
    pub(super) instance: Instance,
    pub(super) _place: Place,
    pub(super) _permits: Permits,
}

/// An instance that is the caller's alone until dropped.
pub(crate) struct Exclusive {
    pub(super) pool: Pool,
    pub(super) pooled: Option<Box<Pooled>>,
}

impl Pool {
    pub(super) fn exclusive(&self, pooled: Box<Pooled>) -> Exclusive {
        Exclusive { pool: self.clone(), pooled: Some(pooled) }
    }

    /// Takes an instance back, or ends it.
    fn put_back(&self, pooled: Box<Pooled>) {
        if !self.is_wanted(&pooled.instance) {
            return self.stop_after_answer(pooled);
        }
        let has_hook = pooled.instance.is_initialized() && pooled.instance.has_hook(Hook::PreFreeze);
        if has_hook && self.begin_freezing() {
            return self.freeze(pooled);
        }
        self.hand_on(pooled);
    }

    fn is_wanted(&self, instance: &Instance) -> bool {
        instance.is_reusable()
            && self.function().isolation == Isolation::Instance
            && is_below(self.function(), instance.served())
    }

    /// Gives an instance to whoever waits longest, or keeps it for the next.
    fn hand_on(&self, mut pooled: Box<Pooled>) {
        loop {
            let mut state = self.0.state.lock();
            if state.retired {
                drop(state);
                return self.stop(pooled);
            }
            let Some(waiter) = state.waiters.pop_front() else {
                state.idle.push(Idle { pooled, since: Instant::now() });
                return;
            };
            drop(state);
            match waiter.send(Grant::Instance(pooled)) {
                Err(Grant::Instance(returned)) => pooled = returned,
                Ok(()) | Err(_) => return,
            }
        }
    }

    /// Whether an instance may be frozen: nobody waits, and somebody may come.
    fn begin_freezing(&self) -> bool {
        let mut state = self.0.state.lock();
        let is_quiet = state.waiters.is_empty() && !state.retired;
        state.freezing += usize::from(is_quiet);
        is_quiet
    }

    fn freeze(&self, mut pooled: Box<Pooled>) {
        let pool = self.clone();
        tokio::spawn(async move {
            pool.call_hook(&mut pooled.instance, Hook::PreFreeze).await;
            pool.0.state.lock().freezing -= 1;
            if pooled.instance.is_reusable() { pool.hand_on(pooled) } else { drop(pooled) }
        });
    }
}

impl Exclusive {
    pub(crate) fn instance(&mut self) -> &mut Instance {
        #[allow(clippy::expect_used, reason = "only drop takes it")]
        let pooled = self.pooled.as_mut().expect("an exclusive lease holds its instance until it is dropped");
        &mut pooled.instance
    }

    /// Ends the instance, however whole it is.
    pub(super) fn discard(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            self.pool.stop(pooled);
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        if let Some(pooled) = self.pooled.take() {
            self.pool.put_back(pooled);
        }
    }
}
