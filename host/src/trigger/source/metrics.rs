//! Triggers in the text exposition of Prometheus.

use std::{fmt::Write as _, sync::atomic::Ordering::Relaxed};

use super::status::Status;

/// Name, type, meaning and value of a family.
type Family = (&'static str, &'static str, &'static str, fn(&Status) -> u64);

const FAMILIES: [Family; 6] = [
    ("wisp_trigger_events_total", "counter", "Events that triggers brought.", |it| it.delivered.load(Relaxed)),
    ("wisp_trigger_filtered_total", "counter", "What filters of triggers left out.", |it| it.filtered.load(Relaxed)),
    ("wisp_trigger_refused_total", "counter", "What triggers brought and no function could take.", |it| {
        it.refused.load(Relaxed)
    }),
    ("wisp_trigger_failures_total", "counter", "How often a trigger's source could not go on.", |it| {
        it.failures.load(Relaxed)
    }),
    ("wisp_trigger_lag", "gauge", "What waits at the source of a trigger, as far as it is known.", |it| {
        it.waiting.load(Relaxed)
    }),
    (
        "wisp_trigger_last_event_seconds",
        "gauge",
        "When a trigger's last event came, in seconds since the epoch.",
        |it| it.last.load(Relaxed) / 1000,
    ),
];

/// Ids need no escaping: they are letters, digits, `_`, `-` and `/`.
pub(super) fn write<'a>(text: &mut String, triggers: impl Iterator<Item = (&'a str, &'a Status)> + Clone) {
    // Writing to a String cannot fail.
    for (name, kind, help, value) in FAMILIES {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (id, status) in triggers.clone() {
            let _ = writeln!(text, "{name}{{{}}} {}", labels(id), value(status));
        }
    }
    let name = "wisp_trigger_state";
    let _ = writeln!(text, "# HELP {name} The state that a trigger is in.\n# TYPE {name} gauge");
    for (id, status) in triggers {
        let _ = writeln!(text, "{name}{{{},state=\"{}\"}} 1", labels(id), status.state().label());
    }
}

fn labels(id: &str) -> String {
    let mut parts = id.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default();
    format!("service=\"{}\",function=\"{}\",trigger=\"{}\"", part(), part(), part())
}
