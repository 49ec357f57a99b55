//! `[functions.<name>.async]` and `[events]`.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Section,
    function::seconds,
    server::{ANY_TIME, COUNT, COUNT_OR_NONE, at_least_one},
};
use crate::{
    config::{
        AsyncConfig, EventsConfig,
        units::{ByteSize, Span},
    },
    delivery::Destination,
};

/// Function Compute's range of `maxAsyncRetryAttempts`.
const RETRIES: RangeInclusive<usize> = 0..=8;

/// Function Compute's range of `maxAsyncEventAgeInSeconds`.
const EVENT_AGE: RangeInclusive<Span> = seconds(1, 7 * 86_400);

/// A burst that takes minutes to work off.
const FUNCTION_QUEUE: usize = 10_000;
const QUEUE: usize = 100_000;

/// What a small machine's disk can spare.
const QUEUE_SIZE: ByteSize = ByteSize(1 << 30);

/// A few functions whose calls take long shall not hold all of them.
const FUNCTION_CONCURRENCY: usize = 32;
const CONCURRENCY: usize = 128;

/// A week of results.
const RETENTION: Span = Span(Duration::from_secs(7 * 86_400));

const DEAD_LETTERS: usize = 10_000;

/// `[functions.<name>.async]`.
pub(super) fn function(section: &mut Section<'_>) -> AsyncConfig {
    let default = AsyncConfig::default();
    let retries = section.count("max_retry_attempts", default.max_retry_attempts as usize, RETRIES);
    AsyncConfig {
        max_retry_attempts: u32::try_from(retries).unwrap_or(default.max_retry_attempts),
        max_event_age: section.within("max_event_age", Span(default.max_event_age), EVENT_AGE).0,
        on_success: destination(section, "on_success"),
        on_failure: destination(section, "on_failure"),
        stateful: section.or("stateful", default.stateful),
    }
}

fn destination(section: &mut Section<'_>, key: &'static str) -> Option<Destination> {
    let text: String = section.get(key)?;
    match text.parse() {
        Ok(destination) => Some(destination),
        Err(reason) => {
            section.problem(key, reason);
            None
        }
    }
}

/// `[events]`.
pub(super) fn events(section: &mut Section<'_>) -> EventsConfig {
    let events = EventsConfig {
        function_queue_length: section.count("function_queue_length", FUNCTION_QUEUE, COUNT_OR_NONE),
        queue_length: section.count("queue_length", QUEUE, COUNT_OR_NONE),
        queue_size: section.or("queue_size", QUEUE_SIZE).0,
        function_concurrency: at_least_one(section, "function_concurrency", FUNCTION_CONCURRENCY, COUNT),
        concurrency: at_least_one(section, "concurrency", CONCURRENCY, COUNT),
        retention: section.within("retention", RETENTION, ANY_TIME).0,
        dead_letters: section.count("dead_letters", DEAD_LETTERS, COUNT_OR_NONE),
    };
    if section.has("function_concurrency") && events.function_concurrency > events.concurrency {
        let (one, all) = (events.function_concurrency, events.concurrency);
        let reason = format!("{one} is more than `concurrency`, which is {all}; lower the one or raise the other");
        section.problem("function_concurrency", reason);
    }
    events
}
