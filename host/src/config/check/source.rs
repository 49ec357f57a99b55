//! `[sources.<name>]`: one function for each type, in a file of its own below `source/`.

use super::{Found, Section, text};
use crate::config::{InboxKind, Problem, SourceConfig, file::Problems, hint};

mod broker;
mod embedded;

/// The longest name of a source.
const NAME: usize = 128;

/// The types of sources.
const TYPES: &[&str] =
    &["bucket", "topic", "queue", "cloudevents", "s3", "nats", "jetstream", "mqtt", "redis", "postgres"];

impl Found {
    /// All sources of a file.
    pub(super) fn add_sources(&mut self, top: &mut Section<'_>) {
        top.tables("sources", |name, section| {
            let place = section.here();
            if let Err(reason) = text::name(name, NAME) {
                section.problem_here(&reason);
            }
            let Some(source) = source(section) else { return };
            if let SourceConfig::Bucket(bucket) = &source
                && !bucket.path.is_dir()
            {
                let path = bucket.path.display();
                let message =
                    format!("source {name}: there is no directory {path}; its triggers start when it is made");
                let place = section.place("path");
                self.warnings.push(Problem { file: place.file, line: place.line, message });
            }
            match self.sources.get(name) {
                Some((first, _)) => section.clash(&format!("source {name}"), first),
                None => drop(self.sources.insert(name.to_owned(), (place, source))),
            }
        });
    }

    /// Triggers may name sources of other files, so they are followed when all files are read.
    pub(super) fn check_triggers(&self, problems: &Problems) {
        for (place, trigger) in &self.triggers {
            let Some(name) = &trigger.source else { continue };
            if let Err(reason) = self.check_source(name, trigger.settings.kind()) {
                problems.report(place, format!("trigger `{}`: {reason}", trigger.name));
            }
        }
    }

    /// Destinations may be sources of other files as well.
    pub(super) fn check_destinations(&self, problems: &Problems) {
        for (place, function) in self.functions.values() {
            let asynchronous = &function.asynchronous;
            let given = [("on_success", &asynchronous.on_success), ("on_failure", &asynchronous.on_failure)];
            for (key, destination) in given {
                let Some((holds, name)) = destination.as_ref().and_then(|it| it.source()) else { continue };
                let checked = match self.sources.get(name) {
                    Some((_, source)) => holds.check(name, source),
                    None => Err(self.no_source(name)),
                };
                if let Err(reason) = checked {
                    problems.report(place, format!("function {}: `{key}`: {reason}", function.name));
                }
            }
        }
    }

    fn no_source(&self, name: &str) -> String {
        let known: Vec<_> = self.sources.keys().map(String::as_str).collect();
        let there = if known.is_empty() { String::new() } else { format!("; there is {}", known.join(", ")) };
        format!("there is no source {name:?}{there}; add [sources.{name}]{}", hint(name, known))
    }

    fn check_source(&self, name: &str, kind: &str) -> Result<(), String> {
        match self.sources.get(name) {
            Some((_, source)) if source.trigger_types().contains(&kind) => Ok(()),
            Some((_, source)) => Err(format!(
                "source {name} is of the type {:?}, whose events go to triggers of the type {}, not {kind:?}",
                source.kind(),
                source.trigger_types().join(" or ")
            )),
            None => Err(self.no_source(name)),
        }
    }
}

/// `None` if it is wrong, which is then reported.
fn source(section: &mut Section<'_>) -> Option<SourceConfig> {
    let Some(kind) = section.get::<String>("type") else {
        if !section.has("type") {
            section.problem_here(&format!("`type` is missing; give one of {}", TYPES.join(", ")));
        }
        section.ignore_rest();
        return None;
    };
    match kind.as_str() {
        "bucket" => embedded::bucket(section),
        "topic" => Some(embedded::inbox(InboxKind::Topic, section)),
        "queue" => Some(embedded::inbox(InboxKind::Queue, section)),
        "cloudevents" => Some(embedded::inbox(InboxKind::CloudEvents, section)),
        "s3" => Some(embedded::inbox(InboxKind::S3, section)),
        "nats" => broker::nats(section).map(SourceConfig::Nats),
        "jetstream" => broker::jetstream(section).map(SourceConfig::JetStream),
        "mqtt" => broker::mqtt(section).map(SourceConfig::Mqtt),
        "redis" => broker::redis(section).map(SourceConfig::Redis),
        "postgres" => broker::postgres(section).map(SourceConfig::Postgres),
        other => {
            let hint = hint(other, TYPES.iter().copied());
            section.problem("type", format!("{other:?} is no type of sources; there are {}{hint}", TYPES.join(", ")));
            section.ignore_rest();
            None
        }
    }
}
