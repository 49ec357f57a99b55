//! Whose turn it is: a pure structure, told the time, that knows numbers of events and the lanes they belong to.
//!
//! A lane is what is treated alike and must not disturb others: the calls of one function, the records for one
//! webhook or one source.
//! Lanes take turns, one event each; inside a lane the order is that of acceptance. A lane that is throttled pauses as a
//! whole, so that its order holds and nobody asks again and again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use super::places::FunctionKey;

/// What is treated alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LaneKey {
    Function(FunctionKey),
    /// The authority of its URL.
    Webhook(Arc<str>),
    /// One of `[sources]` that is a destination.
    Source(Arc<str>),
}

#[derive(Default)]
struct Lane {
    ready: BTreeSet<u64>,
    running: usize,
    /// Pauses since it last got through.
    pauses: u32,
    /// 0 if it does not pause.
    paused_until: u64,
    /// Whether it stands in the order of turns.
    in_turn: bool,
}

/// Times are milliseconds of any clock that does not go back.
#[derive(Default)]
pub(super) struct Schedule {
    lanes: HashMap<LaneKey, Lane>,
    turns: VecDeque<LaneKey>,
    /// What is due later, by time and number.
    later: BTreeMap<(u64, u64), LaneKey>,
    /// Pauses by their end and number, and the lane of each.
    paused: BTreeSet<(u64, u64)>,
    pause_keys: HashMap<u64, LaneKey>,
    pause_number: u64,
    running: usize,
    waiting: usize,
}

impl Schedule {
    /// Takes an event that is due at `due`.
    pub(super) fn add(&mut self, seq: u64, lane: LaneKey, due: u64, now: u64) {
        self.waiting += 1;
        if due > now {
            self.later.insert((due, seq), lane);
        } else {
            self.make_ready(seq, lane);
        }
    }

    fn make_ready(&mut self, seq: u64, key: LaneKey) {
        self.lanes.entry(key.clone()).or_default().ready.insert(seq);
        self.offer_turn(key);
    }

    fn offer_turn(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(&key)
            && !lane.in_turn
            && !lane.ready.is_empty()
        {
            lane.in_turn = true;
            self.turns.push_back(key);
        }
    }

    /// The next event that may run now; it counts as running until [`Self::finished`]. `limit` is how many of a lane may run
    /// at once.
    pub(super) fn next(&mut self, now: u64, limit: impl Fn(&LaneKey) -> usize) -> Option<(u64, LaneKey)> {
        self.wake(now);
        for _ in 0..self.turns.len() {
            let key = self.turns.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.in_turn = false;
            if lane.paused_until > now {
                continue;
            }
            if lane.running >= limit(&key) {
                // It comes back when one of its own has finished.
                continue;
            }
            let Some(seq) = lane.ready.pop_first() else { continue };
            lane.running += 1;
            self.running += 1;
            self.waiting -= 1;
            self.offer_turn(key.clone());
            return Some((seq, key));
        }
        None
    }

    /// Moves what has become due, and ends pauses that are over.
    fn wake(&mut self, now: u64) {
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            let ((_, seq), key) = entry.remove_entry();
            self.make_ready(seq, key);
        }
        while let Some((_, number)) = self.paused.first().copied().filter(|(until, _)| *until <= now) {
            self.paused.pop_first();
            if let Some(key) = self.pause_keys.remove(&number) {
                if let Some(lane) = self.lanes.get_mut(&key) {
                    lane.paused_until = 0;
                }
                self.offer_turn(key);
            }
        }
    }

    /// Gives the place of a running event back. `progressed`: the lane got through, so its pauses start over.
    pub(super) fn finished(&mut self, key: &LaneKey, progressed: bool) {
        self.running = self.running.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.running = lane.running.saturating_sub(1);
        if progressed {
            lane.pauses = 0;
        }
        if lane.running == 0 && lane.ready.is_empty() && lane.paused_until == 0 {
            self.lanes.remove(key);
        } else {
            self.offer_turn(key.clone());
        }
    }

    /// How often a lane has paused since it last got through.
    pub(super) fn pauses(&self, key: &LaneKey) -> u32 {
        self.lanes.get(key).map_or(0, |lane| lane.pauses)
    }

    /// Puts an event back to the front of its lane, which pauses until a time. Several that were refused at once are one
    /// pause.
    pub(super) fn throttled(&mut self, seq: u64, key: &LaneKey, until: u64, now: u64) {
        self.waiting += 1;
        let lane = self.lanes.entry(key.clone()).or_default();
        lane.ready.insert(seq);
        if lane.paused_until <= now {
            lane.pauses += 1;
            lane.paused_until = until;
            self.pause_number += 1;
            self.paused.insert((until, self.pause_number));
            self.pause_keys.insert(self.pause_number, key.clone());
        }
        self.finished(key, false);
    }

    /// Forgets an event that waits.
    pub(super) fn remove(&mut self, seq: u64, key: &LaneKey, due: u64) {
        let removed = self.later.remove(&(due, seq)).is_some()
            || self.lanes.get_mut(key).is_some_and(|lane| lane.ready.remove(&seq));
        if removed {
            self.waiting -= 1;
        }
    }

    /// When something happens of itself.
    pub(super) fn next_time(&self) -> Option<u64> {
        let later = self.later.first_key_value().map(|((due, _), _)| *due);
        let paused = self.paused.first().map(|(until, _)| *until);
        later.into_iter().chain(paused).min()
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str) -> LaneKey {
        LaneKey::Function(("s".into(), name.into()))
    }

    fn schedule(events: &[(u64, &str)]) -> Schedule {
        let mut schedule = Schedule::default();
        for (seq, name) in events {
            schedule.add(*seq, lane(name), 0, 0);
        }
        schedule
    }

    /// All that may run at a time.
    fn started(schedule: &mut Schedule, now: u64, limit: usize) -> Vec<u64> {
        std::iter::from_fn(|| schedule.next(now, |_| limit).map(|(seq, _)| seq)).collect()
    }

    #[test]
    fn functions_take_turns_and_each_keeps_its_order() {
        let mut schedule = schedule(&[(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "b"), (6, "c")]);
        assert_eq!(started(&mut schedule, 0, 9), [1, 4, 6, 2, 5, 3]);
        assert_eq!((schedule.running(), schedule.waiting()), (6, 0));
    }

    #[test]
    fn a_function_at_its_limit_leaves_the_turn_to_others_until_one_of_its_own_has_finished() {
        let mut schedule = schedule(&[(1, "a"), (2, "a"), (3, "a"), (4, "b")]);
        assert_eq!(started(&mut schedule, 0, 1), [1, 4]);
        assert_eq!(started(&mut schedule, 0, 1), [0; 0]);
        schedule.finished(&lane("a"), true);
        assert_eq!(started(&mut schedule, 0, 1), [2]);
    }

    #[test]
    fn what_is_due_later_waits_for_its_time() {
        let mut schedule = schedule(&[(2, "a")]);
        schedule.add(1, lane("a"), 100, 0);
        assert_eq!(started(&mut schedule, 0, 9), [2]);
        assert_eq!(schedule.next_time(), Some(100));
        assert_eq!(started(&mut schedule, 99, 9), [0; 0]);
        assert_eq!(started(&mut schedule, 100, 9), [1]);
        assert_eq!(schedule.next_time(), None);
    }

    #[test]
    fn a_throttled_function_pauses_keeps_its_order_and_holds_nobody_up() {
        let mut schedule = schedule(&[(1, "a"), (2, "a"), (3, "b"), (4, "b")]);
        assert_eq!(started(&mut schedule, 0, 1), [1, 3]);
        schedule.throttled(1, &lane("a"), 500, 0);
        assert_eq!(schedule.pauses(&lane("a")), 1);
        assert_eq!(started(&mut schedule, 499, 1), [0; 0]);
        schedule.finished(&lane("b"), true);
        assert_eq!(started(&mut schedule, 499, 1), [4]);
        assert_eq!(schedule.next_time(), Some(500));
        assert_eq!(started(&mut schedule, 500, 9), [1, 2]);
    }

    #[test]
    fn several_refused_at_once_are_one_pause_and_getting_through_starts_over() {
        let mut schedule = schedule(&[(1, "a"), (2, "a")]);
        assert_eq!(started(&mut schedule, 0, 2), [1, 2]);
        schedule.throttled(2, &lane("a"), 500, 0);
        schedule.throttled(1, &lane("a"), 900, 0);
        assert_eq!((schedule.pauses(&lane("a")), schedule.next_time()), (1, Some(500)));
        assert_eq!(started(&mut schedule, 500, 2), [1, 2]);
        schedule.throttled(1, &lane("a"), 1_500, 500);
        assert_eq!(schedule.pauses(&lane("a")), 2);
        schedule.finished(&lane("a"), true);
        assert_eq!(schedule.pauses(&lane("a")), 0);
    }

    #[test]
    fn what_is_removed_never_runs() {
        let mut schedule = schedule(&[(1, "a"), (2, "a")]);
        schedule.add(3, lane("a"), 100, 0);
        schedule.remove(1, &lane("a"), 0);
        schedule.remove(3, &lane("a"), 100);
        schedule.remove(9, &lane("z"), 0);
        assert_eq!(schedule.waiting(), 1);
        assert_eq!(started(&mut schedule, 100, 9), [2]);
    }

    #[test]
    fn lanes_without_events_are_forgotten() {
        let mut schedule = schedule(&[(1, "a")]);
        assert_eq!(started(&mut schedule, 0, 1), [1]);
        schedule.finished(&lane("a"), true);
        assert!(schedule.lanes.is_empty());
    }
}
