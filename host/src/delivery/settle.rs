//! What follows a call of an event: a pure function, so that its rules are a table.

use std::time::Duration;

use crate::config::AsyncConfig;

/// The first pause before a call is repeated; each further one is twice as long. Function Compute's, for throttled events.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause: an event is tried at least this often as long as it may be.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How a call of an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered.
    Ok,
    /// The function reported or raised an error, timed out, crashed, or its initializer failed.
    FunctionError,
    /// No instance could be had: the function was not called.
    Throttled,
    /// The host ended, or lost the call, while it ran.
    Interrupted,
    /// There is no such function, or it takes no events.
    Invalid,
    /// Somebody stopped it.
    Stopped,
}

/// How far an event has come when an attempt is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Calls that ended in an error of the function, this one included.
    pub failed: u32,
    /// Pauses so far, whatever they were for.
    pub pauses: u32,
    /// Time since the event could first be called.
    pub age: Duration,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is handled.
    Succeeded,
    /// It is called again after this pause.
    Again(Duration),
    /// It is given up: the function failed too often.
    Failed,
    /// It is given up: it is too old, or would be at its next call.
    Expired,
    /// It is given up: nobody can ever take it.
    Invalid,
    /// It ends because somebody stopped it.
    Stopped,
}

/// Decides by Function Compute's rules: errors of the function are repeated `max_retry_attempts` times, everything that is
/// not its fault until the event is too old.
pub fn settle(outcome: Outcome, attempt: Attempt, policy: &AsyncConfig) -> Settlement {
    match outcome {
        Outcome::Ok => Settlement::Succeeded,
        Outcome::Stopped => Settlement::Stopped,
        Outcome::Invalid => Settlement::Invalid,
        Outcome::FunctionError if attempt.failed > policy.max_retry_attempts => Settlement::Failed,
        Outcome::FunctionError | Outcome::Interrupted => {
            let pause = pause(attempt.pauses);
            if attempt.age + pause >= policy.max_event_age { Settlement::Expired } else { Settlement::Again(pause) }
        }
        // It was never called, so it has its last chance at the very end.
        Outcome::Throttled => match policy.max_event_age.checked_sub(attempt.age) {
            None | Some(Duration::ZERO) => Settlement::Expired,
            Some(left) => Settlement::Again(pause(attempt.pauses).min(left)),
        },
    }
}

/// The pause after so many others.
pub(super) fn pause(pauses: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1_u32.checked_shl(pauses).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy(max_retry_attempts: u32, age: u64) -> AsyncConfig {
        AsyncConfig { max_retry_attempts, max_event_age: Duration::from_secs(age), ..AsyncConfig::default() }
    }

    fn attempt(failed: u32, pauses: u32, age: u64) -> Attempt {
        Attempt { failed, pauses, age: Duration::from_secs(age) }
    }

    /// Outcome, failed calls, pauses, age in seconds, retries allowed, age allowed in seconds → what follows.
    #[test]
    fn the_rules() {
        use Outcome::*;
        use Settlement as S;
        let half = Duration::from_millis(500);
        let table = [
            (Ok, 0, 0, 0, 3, 60, S::Succeeded),
            (Ok, 3, 3, 9_999, 3, 60, S::Succeeded),
            (FunctionError, 1, 0, 0, 3, 60, S::Again(half)),
            (FunctionError, 2, 1, 1, 3, 60, S::Again(SECOND)),
            (FunctionError, 3, 2, 2, 3, 60, S::Again(2 * SECOND)),
            (FunctionError, 4, 3, 4, 3, 60, S::Failed),
            (FunctionError, 1, 0, 0, 0, 60, S::Failed),
            (FunctionError, 1, 0, 60, 3, 60, S::Expired),
            // The next call would come too late: nobody waits for it.
            (FunctionError, 3, 2, 59, 3, 60, S::Expired),
            // Pauses of another kind make the next longer, but are no failures.
            (FunctionError, 1, 4, 0, 3, 60, S::Again(8 * SECOND)),
            (Interrupted, 0, 0, 0, 0, 60, S::Again(half)),
            (Interrupted, 0, 40, 0, 0, 86_400, S::Again(LONGEST_PAUSE)),
            (Interrupted, 0, 0, 60, 0, 60, S::Expired),
            (Throttled, 0, 0, 0, 0, 60, S::Again(half)),
            (Throttled, 9, 40, 0, 3, 86_400, S::Again(LONGEST_PAUSE)),
            (Throttled, 0, 9, 59, 3, 60, S::Again(SECOND)),
            (Throttled, 0, 0, 60, 3, 60, S::Expired),
            (Throttled, 0, 0, 61, 3, 60, S::Expired),
            (Invalid, 0, 0, 0, 3, 60, S::Invalid),
            (Stopped, 2, 2, 0, 3, 60, S::Stopped),
        ];
        for (outcome, failed, pauses, age, retries, max_age, expected) in table {
            let settlement = settle(outcome, attempt(failed, pauses, age), &policy(retries, max_age));
            assert_eq!(settlement, expected, "{outcome:?} failed {failed} pauses {pauses} age {age} of {max_age}");
        }
    }

    #[test]
    fn a_function_that_always_fails_is_called_once_more_than_it_has_retries() {
        for retries in 0..=8 {
            let again =
                |failed| settle(Outcome::FunctionError, attempt(failed, failed - 1, 0), &policy(retries, 86_400));
            let calls = (1..).take_while(|failed| matches!(again(*failed), Settlement::Again(_))).count() + 1;
            assert_eq!(calls, retries as usize + 1);
            assert_eq!(again(retries + 1), Settlement::Failed);
        }
    }

    #[test]
    fn a_throttled_event_lives_as_long_as_it_may_and_no_longer() {
        let policy = policy(0, 10);
        let (mut age, mut pauses) = (Duration::ZERO, 0);
        while let Settlement::Again(pause) = settle(Outcome::Throttled, Attempt { failed: 0, pauses, age }, &policy) {
            (age, pauses) = (age + pause, pauses + 1);
        }
        assert_eq!(age, Duration::from_secs(10));
    }
}
