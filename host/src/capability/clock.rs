//! The monotonic clock of guests: it goes on where it was when a snapshot was taken.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use wasmtime_wasi::HostMonotonicClock;

/// An instant of this process, and the time since 1970 at that instant.
static START: LazyLock<(Instant, Duration)> =
    LazyLock::new(|| (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));

/// Counts nanoseconds since 1970, as far as the wall clock was right when this process first asked.
///
/// wasmtime's own begins with each instance. An instant that an initializer kept would then lie in the future of every
/// instance that starts from its snapshot: nothing that it measures from there would ever be over.
pub(crate) struct MonotonicClock;

impl HostMonotonicClock for MonotonicClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        let (start, since_epoch) = &*START;
        u64::try_from((*since_epoch + start.elapsed()).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_1970_and_never_goes_back() {
        let first = MonotonicClock.now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((first as f64 / 1e9 - wall).abs() < 60.0);
        assert!(MonotonicClock.now() >= first);
    }
}
