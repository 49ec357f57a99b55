//! The clock as a source. The last tick is noted in the same commit as its event, so that one tick is one event, also over
//! a restart.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Sink, Source, SourceError};
use crate::{
    delivery::Note,
    trigger::{
        payload::Occurrence,
        schedule::Schedule,
        settings::{Missed, TimerSettings},
    },
};

/// What the last tick is noted under.
const LAST: &str = "timer";

/// A tick that is late by more was missed, even if the host was there: it slept, or its clock was set.
const LATE: Duration = Duration::from_secs(60);

/// The longest sleep: a clock that was set is noticed after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

pub(super) struct Timer(TimerSettings);

/// The last tick, and the schedule that it belongs to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    schedule: String,
    /// Seconds since the epoch.
    last: i64,
}

/// What is to be done at a moment.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing, for so long.
    Wait(Duration),
    /// The event of this tick.
    Fire(Timestamp),
    /// Ticks were missed: go on after this one.
    Skip(Timestamp),
    /// There is no tick any more.
    End,
}

impl Timer {
    pub(super) fn new(settings: TimerSettings) -> Self {
        Self(settings)
    }

    async fn tick(&self, sink: &Sink) -> Result<(), SourceError> {
        let (mut last, is_new) = self.start(sink).await?;
        if is_new {
            sink.delivery().note(vec![self.mark(sink, last)]).await?;
        }
        sink.connected();
        // What became due before this start was missed, however short ago.
        let mut missed_until = Some(Timestamp::now());
        loop {
            let now = Timestamp::now();
            let due_is_missed = |tick: Timestamp| missed_until.is_some_and(|start| tick <= start);
            match step(&self.0.schedule, last, now, self.0.missed, due_is_missed) {
                Step::Wait(time) => {
                    missed_until = None;
                    if sink.pause(time.min(LONGEST_SLEEP)).await.is_err() {
                        return Ok(());
                    }
                }
                Step::Fire(tick) => {
                    if sink.deliver(&Occurrence::Tick(tick), vec![self.mark(sink, tick)]).await.is_err() {
                        return Ok(());
                    }
                    last = tick;
                }
                Step::Skip(tick) => {
                    sink.delivery().note(vec![self.mark(sink, tick)]).await?;
                    last = tick;
                }
                Step::End => {
                    sink.stopped().await;
                    return Ok(());
                }
            }
        }
    }

    /// The last tick that was noted; of a new schedule, this moment, which an interval counts from.
    async fn start(&self, sink: &Sink) -> Result<(Timestamp, bool), SourceError> {
        let marks = sink.delivery().marks(&sink.id()).await?;
        let mark = marks.get(LAST).and_then(|mark| serde_json::from_str::<Mark>(mark).ok());
        let last = mark.filter(|mark| mark.schedule == self.0.schedule.as_str());
        let last = last.and_then(|mark| Timestamp::from_second(mark.last).ok());
        Ok(last.map_or_else(|| (whole_seconds(Timestamp::now()), true), |last| (last, false)))
    }

    fn mark(&self, sink: &Sink, last: Timestamp) -> Note {
        let mark = Mark { schedule: self.0.schedule.as_str().to_owned(), last: last.as_second() };
        let value = serde_json::to_string(&mark).unwrap_or_default();
        Note::Mark { owner: sink.id(), name: LAST.to_owned(), value: Some(value) }
    }
}

impl Source for Timer {
    fn run<'a>(&'a self, sink: &'a Sink) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.tick(sink))
    }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// What is to be done now, if `last` was the last tick. Pure.
fn step(
    schedule: &Schedule,
    last: Timestamp,
    now: Timestamp,
    missed: Missed,
    due_is_missed: impl Fn(Timestamp) -> bool,
) -> Step {
    let Some(due) = schedule.next(last) else { return Step::End };
    let late = now.duration_since(due);
    if late.is_negative() {
        return Step::Wait(late.unsigned_abs());
    }
    if !due_is_missed(due) && late.unsigned_abs() <= LATE {
        return Step::Fire(due);
    }
    let latest = schedule.latest(last, now).unwrap_or(due);
    match missed {
        // One that has just come is no missed one.
        Missed::Skip if !due_is_missed(latest) && now.duration_since(latest).unsigned_abs() <= LATE => {
            Step::Fire(latest)
        }
        Missed::Skip => Step::Skip(latest),
        Missed::Once => Step::Fire(latest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn at(schedule: &str, last: &str, now: &str, missed: Missed, start: &str) -> Step {
        let schedule = Schedule::parse(schedule).unwrap();
        step(&schedule, time(last), time(now), missed, |tick| tick <= time(start))
    }

    const LONG_AGO: &str = "2020-01-01T00:00:00Z";

    #[test]
    fn a_tick_is_waited_for_and_fires_when_it_is_due() {
        let step = |now| at("@every 1m", "2026-01-01T00:00:00Z", now, Missed::Skip, LONG_AGO);
        assert_eq!(step("2026-01-01T00:00:15Z"), Step::Wait(Duration::from_secs(45)));
        assert_eq!(step("2026-01-01T00:01:00Z"), Step::Fire(time("2026-01-01T00:01:00Z")));
        assert_eq!(step("2026-01-01T00:01:59Z"), Step::Fire(time("2026-01-01T00:01:00Z")));
    }

    #[test]
    fn late_ticks_of_a_loaded_host_all_fire_in_their_order() {
        let step = at("@every 1s", "2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z", Missed::Skip, LONG_AGO);
        assert_eq!(step, Step::Fire(time("2026-01-01T00:00:01Z")));
    }

    #[test]
    fn what_passed_before_the_start_is_left_out_or_made_up_for_once() {
        let (last, now) = ("2026-01-01T00:00:00Z", "2026-01-01T05:30:00Z");
        assert_eq!(at("0 0 * * * *", last, now, Missed::Skip, now), Step::Skip(time("2026-01-01T05:00:00Z")));
        assert_eq!(at("0 0 * * * *", last, now, Missed::Once, now), Step::Fire(time("2026-01-01T05:00:00Z")));
        let short = at("@every 1s", last, "2026-01-01T00:00:03Z", Missed::Skip, "2026-01-01T00:00:03Z");
        assert_eq!(short, Step::Skip(time("2026-01-01T00:00:03Z")));
    }

    #[test]
    fn after_a_long_sleep_the_tick_that_has_just_come_still_fires() {
        let step = |missed| at("@every 1h", "2026-01-01T00:00:00Z", "2026-01-01T05:00:10Z", missed, LONG_AGO);
        assert_eq!(step(Missed::Skip), Step::Fire(time("2026-01-01T05:00:00Z")));
        assert_eq!(step(Missed::Once), Step::Fire(time("2026-01-01T05:00:00Z")));
    }
}
