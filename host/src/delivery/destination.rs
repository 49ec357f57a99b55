//! Where the record of a finished asynchronous invocation goes.

use std::{fmt, str::FromStr};

use http::Uri;

use crate::config::{InboxConfig, InboxKind, SourceConfig};

/// The longest destination of Function Compute's async-invoke-config.
const LONGEST: usize = 512;

/// A destination: `on_success`, `on_failure`. Displayed as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    given: String,
    pub(crate) kind: DestinationKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DestinationKind {
    /// The record becomes an event of this function.
    Function {
        /// `None`: a function of FC 3.0, which has no service.
        service: Option<String>,
        function: String,
        qualifier: String,
    },
    /// The record is posted to this `http` or `https` URL.
    Webhook(Uri),
    /// The record becomes a message of this one of `[sources]`.
    Source {
        /// What it was called in the destination.
        holds: Holds,
        /// The source's name.
        name: String,
    },
    /// It is a destination of Function Compute that wisp does not have: every record becomes a dead letter.
    Unknown,
}

/// What a destination calls one of `[sources]`, in the words of MNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// `queue:NAME`: each message for one reader.
    Queue,
    /// `topic:NAME`: each message for all readers.
    Topic,
}

impl Holds {
    /// As it is written before the source's name.
    fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Topic => "topic",
        }
    }

    /// Whether messages can be sent to a source that is called so; brokers know no difference.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub(crate) fn check(self, name: &str, source: &SourceConfig) -> Result<(), String> {
        match (source, self) {
            (SourceConfig::Inbox(InboxConfig { kind: InboxKind::Queue, .. }), Self::Queue)
            | (SourceConfig::Inbox(InboxConfig { kind: InboxKind::Topic, .. }), Self::Topic) => Ok(()),
            (SourceConfig::Inbox(InboxConfig { kind: InboxKind::Queue | InboxKind::Topic, .. }), _) => {
                Err(format!("source {name} is a {kind}; give \"{kind}:{name}\"", kind = source.kind()))
            }
            _ => source.check_outlet().map_err(|reason| format!("source {name} {reason}")),
        }
    }
}

impl Destination {
    /// The source of the configuration that the record is sent to, and what the destination calls it.
    pub(crate) fn source(&self) -> Option<(Holds, &str)> {
        match &self.kind {
            DestinationKind::Source { holds, name } => Some((*holds, name)),
            _ => None,
        }
    }

    /// The destination of a text that was taken without a look, as Function Compute's own tools write it.
    pub(crate) fn of(text: &str) -> Self {
        text.parse().unwrap_or_else(|_| Self { given: text.to_owned(), kind: DestinationKind::Unknown })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

impl FromStr for Destination {
    /// A sentence that says what to give instead.
    type Err = String;

    /// Reads `service/function`, `function`, `queue:NAME` or `topic:NAME` of one of `[sources]`, an `http://` or `https://`
    /// URL, or a resource name as Function Compute writes it:
    ///
    /// * `acs:fc:REGION:ACCOUNT:services/SERVICE[.QUALIFIER]/functions/FUNCTION`,
    /// * `acs:fc:REGION:ACCOUNT:functions/FUNCTION[/QUALIFIER]`,
    /// * `acs:mns:REGION:ACCOUNT:/queues/NAME/messages`, `acs:mns:REGION:ACCOUNT:/topics/NAME/messages`.
    ///
    /// Region and account are not looked at: there is one host.
    fn from_str(text: &str) -> Result<Self, String> {
        let kind = if text.is_empty() || text.len() > LONGEST {
            None
        } else if text.contains("://") {
            webhook(text)
        } else if let Some(resource) = text.strip_prefix("acs:fc:") {
            resource_name(resource)
        } else if let Some(resource) = text.strip_prefix("acs:mns:") {
            mns_name(resource)
        } else if let Some((word, name)) = text.split_once(':') {
            [Holds::Queue, Holds::Topic].into_iter().find(|holds| holds.word() == word).and_then(|it| held(it, name))
        } else {
            short_name(text)
        };
        kind.map(|kind| Self { given: text.to_owned(), kind }).ok_or_else(|| {
            format!(
                "{text:?} is no destination; give a function as \"service/function\" or by its acs:fc: resource name, one of \
                 [sources] as \"queue:name\", \"topic:name\" or by its acs:mns: resource name, or an http:// or https:// URL, of \
                 {LONGEST} characters at most"
            )
        })
    }
}

fn webhook(text: &str) -> Option<DestinationKind> {
    let uri: Uri = text.parse().ok()?;
    let speaks_http = matches!(uri.scheme_str(), Some("http" | "https"));
    // Credentials in a URL end up in logs and records.
    let plain =
        uri.authority().is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    (speaks_http && plain).then_some(DestinationKind::Webhook(uri))
}

fn resource_name(resource: &str) -> Option<DestinationKind> {
    let name = resource.splitn(3, ':').nth(2)?;
    let segments: Vec<_> = name.split('/').collect();
    match *segments.as_slice() {
        ["services", service, "functions", function] => {
            let (service, qualifier) = service.split_once('.').unwrap_or((service, ""));
            called(Some(service), function, qualifier)
        }
        ["functions", function] => called(None, function, ""),
        ["functions", function, qualifier] => called(None, function, qualifier),
        _ => None,
    }
}

/// `REGION:ACCOUNT:/queues/NAME/messages`; some tools leave `messages`, or the first `/`, out.
fn mns_name(resource: &str) -> Option<DestinationKind> {
    let path = resource.splitn(3, ':').nth(2)?;
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    match *segments.as_slice() {
        ["queues", name] | ["queues", name, "messages"] => held(Holds::Queue, name),
        ["topics", name] | ["topics", name, "messages"] => held(Holds::Topic, name),
        _ => None,
    }
}

fn held(holds: Holds, name: &str) -> Option<DestinationKind> {
    is_name(name).then(|| DestinationKind::Source { holds, name: name.to_owned() })
}

fn short_name(text: &str) -> Option<DestinationKind> {
    match text.split_once('/') {
        Some((service, function)) => called(Some(service), function, ""),
        None => called(None, text, ""),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn called(service: Option<&str>, function: &str, qualifier: &str) -> Option<DestinationKind> {
    let is_qualifier = |text: &str| text.is_empty() || is_name(text) || text.bytes().all(|byte| byte.is_ascii_digit());
    (service.is_none_or(is_name) && is_name(function) && is_qualifier(qualifier)).then(|| DestinationKind::Function {
        service: service.map(str::to_owned),
        function: function.to_owned(),
        qualifier: if qualifier.is_empty() { crate::catalog::LATEST.to_owned() } else { qualifier.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(text: &str) -> (Option<String>, String, String) {
        match text.parse::<Destination>().unwrap().kind {
            DestinationKind::Function { service, function, qualifier } => (service, function, qualifier),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn functions_are_named_in_short_or_as_function_compute_does() {
        let expect = |service: Option<&str>, function: &str, qualifier: &str| {
            (service.map(str::to_owned), function.to_owned(), qualifier.to_owned())
        };
        assert_eq!(function("f"), expect(None, "f", "LATEST"));
        assert_eq!(function("s/f"), expect(Some("s"), "f", "LATEST"));
        assert_eq!(function("acs:fc:cn-shanghai:1:services/s/functions/f"), expect(Some("s"), "f", "LATEST"));
        assert_eq!(function("acs:fc:::services/s.prod/functions/f"), expect(Some("s"), "f", "prod"));
        assert_eq!(function("acs:fc:cn-shanghai:1:functions/f/2"), expect(None, "f", "2"));
    }

    #[test]
    fn what_is_no_destination_is_told_what_to_give() {
        let too_long = format!("http://h/{}", "x".repeat(LONGEST));
        for text in [
            "",
            "acs:mns:cn-shanghai:1:/queues/q/messages/1",
            "acs:eventbridge:cn-shanghai:1:eventbus/b",
            "stack:q",
            "queue:",
            "queue:a b",
            "ftp://h/",
            "http://user:secret@h/",
            "a b",
            "1f",
            &too_long,
        ] {
            let reason = text.parse::<Destination>().unwrap_err();
            assert!(reason.contains("give a function"), "{reason}");
        }
    }

    #[test]
    fn sources_are_named_in_short_or_as_mns_does() {
        for (text, holds) in [
            ("queue:jobs", Holds::Queue),
            ("acs:mns:cn-shanghai:1:/queues/jobs/messages", Holds::Queue),
            ("acs:mns:::queues/jobs", Holds::Queue),
            ("topic:jobs", Holds::Topic),
            ("acs:mns:::/topics/jobs/messages", Holds::Topic),
        ] {
            assert_eq!(text.parse::<Destination>().unwrap().source(), Some((holds, "jobs")), "{text}");
        }
    }

    #[test]
    fn a_webhook_keeps_its_path_and_query() {
        let destination: Destination = "https://example.com:8443/a?b=1".parse().unwrap();
        assert_eq!(destination.to_string(), "https://example.com:8443/a?b=1");
        assert!(matches!(destination.kind, DestinationKind::Webhook(uri) if uri.port_u16() == Some(8443)));
    }
}
