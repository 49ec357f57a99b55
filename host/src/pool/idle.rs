//! Instances that nobody calls: when they end, and for whom.

use std::{sync::Arc, time::Instant};

use super::{Pool, State, exclusive::Pooled, slots::PooledConcurrent};

/// An instance between two calls.
pub(super) struct Idle {
    pub(super) pooled: Box<Pooled>,
    pub(super) since: Instant,
}

enum Ended {
    Exclusive(Box<Pooled>),
    Concurrent(Arc<PooledConcurrent>),
}

impl Pool {
    /// Ends the instances that have been idle for too long, down to the floor.
    pub(crate) fn expire(&self, now: Instant) {
        let timeout = self.function().idle_timeout;
        let above_floor = |state: &State| state.live.saturating_sub(state.floor);
        self.end_idle(above_floor, |since| now.duration_since(since) >= timeout);
    }

    /// Ends idle instances above the number that there may be.
    pub(super) fn end_above_most(&self) {
        self.end_idle(|state| state.live.saturating_sub(state.most), |_| true);
    }

    /// When the instance that is idle longest became so; `None` if none is idle, or all are kept.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.0.state.lock();
        if state.live <= state.floor {
            return None;
        }
        let idle = state.idle.first().map(|idle| idle.since);
        let slots = state.concurrent.iter().filter(|slots| slots.in_use == 0).map(|slots| slots.idle_since);
        idle.into_iter().chain(slots).min()
    }

    /// Ends one idle instance, to make room for another function's.
    pub(crate) fn evict(&self) -> bool {
        self.end_idle(|_| 1, |_| true) > 0
    }

    /// Takes no instance back any more: the revision was replaced, or the host stops. Who holds a lease keeps it.
    pub(crate) fn retire(&self) {
        self.0.state.lock().retired = true;
        self.end_idle(|_| usize::MAX, |_| true);
    }

    /// Ends idle instances that are `old`, by when they became idle, and at most as many as are to `spare`. How many ended.
    fn end_idle(&self, spare: impl FnOnce(&State) -> usize, old: impl Fn(Instant) -> bool) -> usize {
        let ended = {
            let mut state = self.0.state.lock();
            let spare = spare(&state);
            state.take_idle(spare, old)
        };
        // Without the lock: what is dropped gives its place back.
        let count = ended.len();
        for ended in ended {
            match ended {
                Ended::Exclusive(pooled) => self.stop(pooled),
                Ended::Concurrent(instance) => self.stop_concurrent(instance),
            }
        }
        count
    }
}

impl State {
    fn take_idle(&mut self, spare: usize, old: impl Fn(Instant) -> bool) -> Vec<Ended> {
        // The oldest stand in front.
        let exclusive = self.idle.iter().take(spare).take_while(|idle| old(idle.since)).count();
        let mut ended: Vec<_> = self.idle.drain(..exclusive).map(|idle| Ended::Exclusive(idle.pooled)).collect();
        let mut spare = spare - exclusive;
        let leaves = self.concurrent.extract_if(.., |slots| {
            // One that ended by itself while nobody called it is of no use to the floor.
            let leaves = slots.is_idle() && (slots.is_lost() || spare > 0 && old(slots.idle_since));
            spare = spare.saturating_sub(usize::from(leaves));
            leaves
        });
        ended.extend(leaves.map(|slots| Ended::Concurrent(slots.instance)));
        ended
    }
}
