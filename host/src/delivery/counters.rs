//! What metrics say about asynchronous invocations.

use std::{
    fmt::Write as _,
    sync::atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

use super::{event::Status, places::FunctionKey};

/// Counters since the start, and gauges.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) throttled: AtomicU64,
    settled: [AtomicU64; Status::ALL.len()],
    pub(super) waiting: AtomicUsize,
    pub(super) running: AtomicUsize,
    pub(super) dead: AtomicUsize,
    /// When the oldest open event was accepted: milliseconds since the epoch; 0: there is none.
    pub(super) oldest: AtomicU64,
}

impl Counters {
    /// Counts the end of an event.
    pub(super) fn settled(&self, status: Status) {
        if let Some(counter) = self.settled.get(status as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// The text exposition of Prometheus.
    pub(super) fn write(&self, text: &mut String, queued: &[(FunctionKey, usize)], now: u64) {
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let plain = |value: u64| vec![(String::new(), value)];
        let of = |counter: &AtomicU64| plain(counter.load(Relaxed));
        let gauge = |gauge: &AtomicUsize| plain(gauge.load(SeqCst) as u64);
        family("wisp_events_accepted_total", "counter", "Asynchronous invocations accepted.", &of(&self.accepted));
        family(
            "wisp_events_refused_total",
            "counter",
            "Asynchronous invocations refused because a queue was full.",
            &of(&self.refused),
        );
        family(
            "wisp_events_retried_total",
            "counter",
            "Calls of events that were put off after a failure.",
            &of(&self.retried),
        );
        family(
            "wisp_events_throttled_total",
            "counter",
            "Calls of events that found no instance.",
            &of(&self.throttled),
        );
        let settled: Vec<_> =
            Status::ALL.into_iter().zip(&self.settled).filter(|(status, _)| status.is_settled()).collect();
        let settled: Vec<_> = settled
            .into_iter()
            .map(|(status, count)| (format!("{{status=\"{}\"}}", status.as_str()), count.load(Relaxed)))
            .collect();
        family("wisp_events_settled_total", "counter", "Events that came to an end, by status.", &settled);
        let open: Vec<_> = queued
            .iter()
            .map(|((service, function), count)| {
                (format!("{{service=\"{service}\",function=\"{function}\"}}"), *count as u64)
            })
            .collect();
        family("wisp_events_open", "gauge", "Events that wait or run, by function.", &open);
        family("wisp_events_queued", "gauge", "Events that wait.", &gauge(&self.waiting));
        family(
            "wisp_events_running",
            "gauge",
            "Events that run, or whose record is being delivered.",
            &gauge(&self.running),
        );
        family("wisp_events_dead", "gauge", "Dead letters.", &gauge(&self.dead));
        let oldest = self.oldest.load(Relaxed);
        let age = if oldest == 0 { 0 } else { now.saturating_sub(oldest) / 1000 };
        family("wisp_events_oldest_age_seconds", "gauge", "Age of the oldest event that waits or runs.", &plain(age));
    }
}
