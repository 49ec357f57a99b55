//! What a settlement, or an attempt to deliver a record, makes of an event: pure functions on the event.

use std::time::Duration;

use bytes::Bytes;

use super::{
    destination::Destination,
    event::{DestinationStatus, Event, Status},
    offer::Refusal,
    settle::{Settlement, pause},
};
use crate::config::AsyncConfig;

/// How often a record is offered to a webhook: with the pauses between, for about half an hour.
const DELIVERIES: u32 = 16;

/// The longest pause of a lane whose queue is full or whose broker is away: one record asks for all.
const LONGEST_HOLD: Duration = Duration::from_secs(15);

/// What a result may have to be kept, as Function Compute's `returnPayload`.
const LONGEST_RESPONSE: usize = 1 << 20;

/// Settles an event, or puts it off. The destination, if there is one now, is whom its record must reach.
pub(super) fn conclude(
    event: &mut Event,
    settlement: Settlement,
    policy: &AsyncConfig,
    now: u64,
) -> Option<Destination> {
    let status = match settlement {
        Settlement::Again(pause) => {
            put_off(event, pause, now);
            return None;
        }
        Settlement::Succeeded => Status::Succeeded,
        Settlement::Failed => Status::Failed,
        Settlement::Expired => Status::Expired,
        Settlement::Invalid => Status::Invalid,
        Settlement::Stopped => Status::Stopped,
    };
    let destination = match status {
        Status::Succeeded => policy.on_success.clone(),
        // Whoever stopped it knows.
        Status::Stopped => None,
        _ => policy.on_failure.clone(),
    };
    let detail = cut_response(event);
    event.becomes(status, now, &detail);
    event.progress.ended = Some(now);
    event.progress.pauses = 0;
    event.progress.due = now;
    event.progress.since = now;
    event.progress.destination = destination.as_ref().map(ToString::to_string);
    event.progress.destination_status = destination.as_ref().map(|_| DestinationStatus::Pending);
    let given_up = matches!(status, Status::Failed | Status::Expired | Status::Invalid);
    event.progress.dead = given_up && destination.is_none();
    destination
}

fn put_off(event: &mut Event, pause: Duration, now: u64) {
    let detail = event.progress.error.as_ref().map(|error| serde_json::json!({ "Error": error }).to_string());
    event.becomes(Status::Retrying, now, &detail.unwrap_or_default());
    event.progress.pauses += 1;
    event.progress.due = now.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
}

/// A response that is too long to keep goes; the history says so.
fn cut_response(event: &mut Event) -> String {
    let length = event.progress.response.len();
    if length <= LONGEST_RESPONSE {
        return String::new();
    }
    event.progress.response = Bytes::new();
    serde_json::json!({ "Warning": format!("the result of {length} bytes is not kept: {LONGEST_RESPONSE} are the most") })
        .to_string()
}

/// Notes that the destination took the record.
pub(super) fn delivered(event: &mut Event) {
    event.progress.destination_status = Some(DestinationStatus::Succeeded);
    event.progress.destination_error = None;
}

/// Notes that it did not: the record is offered again, or the event becomes a dead letter.
pub(super) fn refused(event: &mut Event, refusal: Refusal, now: u64) {
    let progress = &mut event.progress;
    let (message, again) = match refusal {
        Refusal::Temporary(message) => (message, progress.pauses + 1 < DELIVERIES),
        Refusal::Held(message) | Refusal::Permanent(message) => (message, false),
    };
    progress.destination_error = Some(message);
    if again {
        progress.due = now.saturating_add(u64::try_from(pause(progress.pauses).as_millis()).unwrap_or(u64::MAX));
        progress.pauses += 1;
    } else {
        progress.destination_status = Some(DestinationStatus::Failed);
        progress.dead = true;
    }
}

/// Notes that the destination takes nothing for the moment. Returns how long its lane pauses; `None` if the record is as old
/// as an event of its function may be, so that the event becomes a dead letter.
pub(super) fn held(
    event: &mut Event,
    message: String,
    lane_pauses: u32,
    max_age: Duration,
    now: u64,
) -> Option<Duration> {
    let age = Duration::from_millis(now.saturating_sub(event.progress.since));
    match max_age.checked_sub(age) {
        None | Some(Duration::ZERO) => {
            refused(event, Refusal::Held(message), now);
            None
        }
        Some(left) => {
            event.progress.destination_error = Some(message);
            Some(pause(lane_pauses).min(LONGEST_HOLD).min(left))
        }
    }
}

/// Starts a dead letter over: its call, or, if only its record was not taken, the delivery.
pub(super) fn redrive(event: &mut Event, now: u64) {
    let record_alone = event.status() == Status::Succeeded && event.progress.destination_status.is_some();
    event.progress.dead = false;
    event.progress.pauses = 0;
    event.progress.due = now;
    event.progress.since = now;
    if record_alone {
        event.progress.destination_status = Some(DestinationStatus::Pending);
        return;
    }
    event.becomes(Status::Enqueued, now, "{\"Redriven\":true}");
    event.progress.failed = 0;
    event.progress.ended = None;
    event.progress.destination = None;
    event.progress.destination_status = None;
    event.progress.destination_error = None;
}

#[cfg(test)]
mod tests {
    use super::{
        super::event::{Progress, Submission},
        *,
    };

    fn event(invocation_id: Option<&str>) -> Event {
        let submission = Submission {
            request_id: "r".into(),
            service: "s".into(),
            function: "f".into(),
            qualifier: "LATEST".into(),
            invocation_id: invocation_id.map(str::to_owned),
            trace_parent: None,
            received: 0,
            depth: 0,
            trigger: None,
            payload: Bytes::new(),
        };
        Event { seq: 1, submission, progress: Progress::new(0) }
    }

    fn policy(on_success: Option<&str>, on_failure: Option<&str>) -> AsyncConfig {
        let parse = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        AsyncConfig { on_success: parse(on_success), on_failure: parse(on_failure), ..AsyncConfig::default() }
    }

    #[test]
    fn each_end_has_its_destination_and_what_nobody_takes_is_a_dead_letter() {
        use Settlement as S;
        let table = [
            (S::Succeeded, Status::Succeeded, Some("good"), false),
            (S::Failed, Status::Failed, Some("bad"), false),
            (S::Expired, Status::Expired, Some("bad"), false),
            (S::Invalid, Status::Invalid, Some("bad"), false),
            (S::Stopped, Status::Stopped, None, false),
        ];
        for (settlement, status, destination, _) in table {
            let mut event = event(None);
            let taken = conclude(&mut event, settlement, &policy(Some("good"), Some("bad")), 7);
            assert_eq!(taken.map(|taken| taken.to_string()).as_deref(), destination);
            assert_eq!((event.status(), event.progress.ended, event.progress.dead), (status, Some(7), false));
            assert_eq!(event.progress.is_open(), destination.is_some());
        }
        for (settlement, dead) in [(S::Succeeded, false), (S::Failed, true), (S::Expired, true), (S::Stopped, false)] {
            let mut event = event(None);
            assert_eq!(conclude(&mut event, settlement, &policy(None, None), 7), None);
            assert_eq!((event.progress.dead, event.progress.is_open()), (dead, false));
        }
    }

    #[test]
    fn an_event_that_is_put_off_is_due_after_the_pause_and_remembers_why() {
        let mut event = event(Some("id"));
        event.progress.error = Some("HandledInvocationError".into());
        conclude(&mut event, Settlement::Again(Duration::from_secs(2)), &policy(None, None), 1_000);
        assert_eq!((event.status(), event.progress.due, event.progress.pauses), (Status::Retrying, 3_000, 1));
        assert_eq!(event.progress.history[0].detail, r#"{"Error":"HandledInvocationError"}"#);
    }

    #[test]
    fn a_record_is_offered_a_limited_number_of_times() {
        let mut event = event(None);
        conclude(&mut event, Settlement::Succeeded, &policy(Some("http://h/"), None), 0);
        let mut offers = 0;
        while event.progress.is_open() {
            let now = event.progress.due;
            refused(&mut event, Refusal::Temporary("busy".into()), now);
            offers += 1;
        }
        assert_eq!((offers, event.progress.dead), (DELIVERIES, true));
        let half_an_hour = Duration::from_millis(event.progress.due);
        assert!(
            (Duration::from_secs(20 * 60)..Duration::from_secs(40 * 60)).contains(&half_an_hour),
            "{half_an_hour:?}"
        );
    }

    #[test]
    fn a_record_is_held_as_long_as_an_event_may_live_and_then_it_is_dead() {
        let mut event = event(None);
        conclude(&mut event, Settlement::Succeeded, &policy(Some("queue:q"), None), 1_000);
        let age = Duration::from_secs(60);
        assert_eq!(held(&mut event, "full".into(), 0, age, 1_000), Some(Duration::from_millis(500)));
        assert_eq!(held(&mut event, "full".into(), 30, age, 2_000), Some(LONGEST_HOLD));
        assert_eq!(held(&mut event, "full".into(), 30, age, 60_000), Some(Duration::from_secs(1)));
        assert!(event.progress.is_open());
        assert_eq!(held(&mut event, "full".into(), 30, age, 61_000), None);
        assert!(event.progress.dead && event.progress.destination_error.as_deref() == Some("full"));
        redrive(&mut event, 90_000);
        assert!(held(&mut event, "full".into(), 0, age, 90_000).is_some(), "its time starts over");
    }

    #[test]
    fn redriving_calls_a_failed_event_again_but_not_one_that_succeeded() {
        let mut failed = event(None);
        failed.progress.failed = 4;
        conclude(&mut failed, Settlement::Failed, &policy(None, None), 0);
        redrive(&mut failed, 50);
        assert_eq!((failed.status(), failed.progress.failed, failed.progress.due), (Status::Enqueued, 0, 50));

        let mut succeeded = event(None);
        conclude(&mut succeeded, Settlement::Succeeded, &policy(Some("http://h/"), None), 0);
        refused(&mut succeeded, Refusal::Permanent("gone".into()), 0);
        redrive(&mut succeeded, 50);
        assert_eq!(succeeded.status(), Status::Succeeded);
        assert!(succeeded.progress.is_open() && !succeeded.progress.dead);
    }

    #[test]
    fn a_result_that_is_too_long_is_not_kept_and_the_history_says_so() {
        let mut event = event(Some("id"));
        event.progress.response = vec![0; LONGEST_RESPONSE + 1].into();
        conclude(&mut event, Settlement::Succeeded, &policy(None, None), 0);
        assert!(event.progress.response.is_empty());
        assert!(event.progress.history[0].detail.contains("1048577 bytes is not kept"), "{:?}", event.progress.history);
    }
}
