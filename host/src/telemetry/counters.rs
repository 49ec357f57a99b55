//! Counters of one function: every lease ends in exactly one outcome, counted once.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered.
    Ok,
    /// The function reported or raised an error.
    FunctionError,
    /// The deadline passed.
    Timeout,
    /// The instance trapped, exited or ran out of memory.
    Crash,
    /// Refused at the function's or the host's cap.
    Throttled,
    /// The caller went away before the answer.
    Cancelled,
}

impl Outcome {
    const ALL: [Self; 6] =
        [Self::Ok, Self::FunctionError, Self::Timeout, Self::Crash, Self::Throttled, Self::Cancelled];

    /// As it stands in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::FunctionError => "function_error",
            Self::Timeout => "timeout",
            Self::Crash => "crash",
            Self::Throttled => "throttled",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Invocations by outcome, since the host started.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; Outcome::ALL.len()]);

impl Counters {
    /// Counts one.
    pub fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.0.get(outcome as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// All outcomes with their counts.
    pub fn read(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().zip(self.0.iter().map(|counter| counter.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_apart() {
        let counters = Counters::default();
        counters.count(Outcome::Timeout);
        counters.count(Outcome::Timeout);
        counters.count(Outcome::Cancelled);
        let counted: Vec<_> = counters.read().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Outcome::Timeout, 2), (Outcome::Cancelled, 1)]);
    }
}
