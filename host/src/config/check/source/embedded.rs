//! Sources without a broker: directories, and what comes by HTTP.

use std::{ops::RangeInclusive, time::Duration};

use super::super::{Section, access_key, server::COUNT};
use crate::config::{BucketConfig, InboxConfig, InboxKind, SourceConfig, units::Span};

/// Long enough for the pauses of a program that writes, short enough for whoever waits.
const SETTLE: Span = Span(Duration::from_millis(500));
const SETTLE_RANGE: RangeInclusive<Span> = Span(Duration::from_millis(1))..=Span(Duration::from_secs(3600));

const RESCAN: Span = Span(Duration::from_secs(30));
const RESCAN_RANGE: RangeInclusive<Span> = Span(Duration::from_millis(100))..=Span(Duration::from_secs(86_400));

const MESSAGES: usize = 10_000;

const EXISTING: [(&str, bool); 2] = [("ignore", false), ("deliver", true)];

/// `type = "bucket"`.
pub(super) fn bucket(section: &mut Section<'_>) -> Option<SourceConfig> {
    let path = section.path("path");
    if path.is_none() && !section.has("path") {
        section.problem_here("`path` is missing; give the directory that is the bucket");
    }
    let settle = section.within("settle", SETTLE, SETTLE_RANGE).0;
    let rescan = section.within("rescan", RESCAN, RESCAN_RANGE).0;
    let deliver_existing = section.choice("existing", &EXISTING).unwrap_or(false);
    Some(SourceConfig::Bucket(BucketConfig { path: path?, settle, rescan, deliver_existing }))
}

/// `type = "topic"` and the others that come by HTTP.
pub(super) fn inbox(kind: InboxKind, section: &mut Section<'_>) -> SourceConfig {
    SourceConfig::Inbox(InboxConfig {
        kind,
        token: access_key::token(section),
        max_messages: section.count("max_messages", MESSAGES, COUNT),
    })
}
