//! Sources with a broker: one function a type, and what they share.

use std::{fs, ops::RangeInclusive, time::Duration};

use super::super::{
    Section,
    access_key::{Keys, secret},
    function::seconds,
};
use crate::config::{
    Batching, Broker, JetStreamConfig, MqttConfig, NatsConfig, PostgresConfig, RedisConfig, Start, units::Span,
};

const PASSWORD_KEYS: Keys = Keys { text: "password", file: "password_file", variable: "password_env" };

const STARTS: [(&str, Start); 2] = [("all", Start::All), ("new", Start::New)];

/// What consumers are called unless the source says otherwise.
const CONSUMER: &str = "wisp";
/// The longest such name: that of a trigger must have room behind it.
const LONGEST_CONSUMER: usize = 20;

const BATCH_RECORDS: usize = 100;
const MOST_RECORDS: RangeInclusive<usize> = 1..=1000;
const BATCH_WINDOW: RangeInclusive<Span> = Span(Duration::ZERO)..=Span(Duration::from_secs(600));

const ACK_WAIT: Span = Span(Duration::from_secs(30));
const CLAIM_AFTER: Span = Span(Duration::from_secs(60));
const POLL_INTERVAL: Span = Span(Duration::from_millis(500));
const POLL_RANGE: RangeInclusive<Span> = Span(Duration::from_millis(10))..=Span(Duration::from_secs(600));

/// `nats`; `None` of this and the following if something is wrong, which is then reported.
pub(super) fn nats(section: &mut Section<'_>) -> Option<NatsConfig> {
    section.refuse("stream", "is of the type \"jetstream\"; the type \"nats\" has a `subject` only");
    let subject = required(section, "subject", "give the subject, such as \"orders.*\"");
    let consumer = consumer(section);
    Some(NatsConfig {
        broker: broker(section, &["nats", "tls"])?,
        subject: checked_subject(section, subject?)?,
        consumer,
    })
}

/// `jetstream`
pub(super) fn jetstream(section: &mut Section<'_>) -> Option<JetStreamConfig> {
    let stream = required(section, "stream", "give the name of a stream of JetStream");
    let subject: Option<String> = section.get("subject");
    let (consumer, start) = (consumer(section), start(section));
    let ack_wait = section.within("ack_wait", ACK_WAIT, seconds(1, 3600)).0;
    let batching = batching(section);
    let broker = broker(section, &["nats", "tls"])?;
    let stream = stream?;
    if stream.contains(['.', '*', '>', ' ', '/', '\\']) {
        section.problem("stream", format!("{stream:?} is no name of a stream; a filter by subject is `subject`"));
        return None;
    }
    let subject = match subject {
        Some(subject) => Some(checked_subject(section, subject)?),
        None => None,
    };
    Some(JetStreamConfig { broker, stream, subject, consumer, start, ack_wait, batching })
}

/// `mqtt`
pub(super) fn mqtt(section: &mut Section<'_>) -> Option<MqttConfig> {
    let topic = required(section, "topic", "give the topic filter, such as \"devices/+/state\"");
    let consumer = consumer(section);
    let broker = broker(section, &["mqtt", "mqtts"])?;
    let topic = topic?;
    let levels: Vec<_> = topic.split('/').collect();
    let is_wrong = |(index, level): (usize, &&str)| {
        level.len() > 1 && level.contains(['+', '#']) || level == &"#" && index + 1 < levels.len()
    };
    if topic.contains('\0') || levels.iter().enumerate().any(is_wrong) {
        section.problem(
            "topic",
            format!("{topic:?} is no topic filter; `+` stands for a whole level, `#` for all that follow"),
        );
        return None;
    }
    Some(MqttConfig { broker, topic, consumer })
}

/// `redis`
pub(super) fn redis(section: &mut Section<'_>) -> Option<RedisConfig> {
    let stream = required(section, "stream", "give the key of a stream");
    let (consumer, start) = (consumer(section), start(section));
    let claim_after = section.within("claim_after", CLAIM_AFTER, seconds(1, 86_400)).0;
    let batching = batching(section);
    let broker = broker(section, &["redis", "rediss"])?;
    let path = broker.path();
    let Ok(database) = (if path.is_empty() { "0" } else { &path }).parse() else {
        section.problem("url", format!("{path:?} is no number of a database"));
        return None;
    };
    Some(RedisConfig { broker, database, stream: stream?, consumer, start, claim_after, batching })
}

/// `postgres`
pub(super) fn postgres(section: &mut Section<'_>) -> Option<PostgresConfig> {
    let table = required(section, "table", "give the table, such as \"public.orders\"");
    let publication: Option<String> = section.get("publication");
    let consumer = consumer(section);
    let tls = section.or("tls", true);
    let poll_interval = section.within("poll_interval", POLL_INTERVAL, POLL_RANGE).0;
    let batch_records = section.count("batch_records", BATCH_RECORDS, MOST_RECORDS);
    let broker = broker(section, &["postgres", "postgresql"])?;
    let database = broker.path();
    if database.is_empty() {
        section.problem("url", "names no database; give postgres://host/database");
        return None;
    }
    let table = table?;
    let (schema, table) = table.split_once('.').unwrap_or(("public", &table));
    // By its table, so that the triggers of a table share it.
    let publication = publication.unwrap_or_else(|| format!("{consumer}_{schema}_{table}"));
    let (schema, table) = (schema.to_owned(), table.to_owned());
    Some(PostgresConfig { broker, database, schema, table, publication, consumer, tls, poll_interval, batch_records })
}

/// `url`, and who wisp is there.
fn broker(section: &mut Section<'_>, schemes: &[&str]) -> Option<Broker> {
    let url = required(section, "url", &format!("give {}://host", schemes.first().unwrap_or(&"")));
    let user: Option<String> = section.get("user");
    let password = secret(section, &PASSWORD_KEYS);
    let authorities = section.path("ca_file").and_then(|path| {
        let text = fs::read_to_string(&path);
        text.map_err(|error| section.problem("ca_file", format!("{} cannot be read: {error}", path.display()))).ok()
    });
    let mut broker = match Broker::parse(&url?, schemes) {
        Ok(broker) => broker,
        Err(reason) => {
            section.problem("url", reason);
            return None;
        }
    };
    if (user.is_some() && broker.user.is_some()) || (password.is_some() && broker.password.is_some()) {
        section.problem("url", "has a user or a password, and there is `user` or `password` as well; keep one of them");
    }
    broker.user = user.or(broker.user);
    broker.password = password.or(broker.password);
    broker.authorities = authorities.map(Into::into);
    Some(broker)
}

/// A text that must be there and not be empty.
fn required(section: &mut Section<'_>, key: &'static str, way_out: &str) -> Option<String> {
    let is_there = section.has(key);
    let text: Option<String> = section.get(key);
    if !is_there {
        section.problem(key, format!("is missing; {way_out}"));
    }
    if text.as_deref() == Some("") {
        section.problem(key, format!("is empty; {way_out}"));
    }
    text.filter(|text| !text.is_empty())
}

fn consumer(section: &mut Section<'_>) -> String {
    let name = section.or("consumer", CONSUMER.to_owned());
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > LONGEST_CONSUMER || !name.bytes().all(fits) {
        let reason = format!("{name:?} is no name of consumers; give 1 to {LONGEST_CONSUMER} of a-z, 0-9 and `_`");
        section.problem("consumer", reason);
    }
    name
}

fn start(section: &mut Section<'_>) -> Start {
    section.choice("start", &STARTS).unwrap_or(Start::All)
}

fn batching(section: &mut Section<'_>) -> Batching {
    Batching {
        records: section.count("batch_records", BATCH_RECORDS, MOST_RECORDS),
        window: section.within("batch_window", Span(Duration::ZERO), BATCH_WINDOW).0,
    }
}

/// Tokens between dots; `*` is one, `>` the last.
fn checked_subject(section: &Section<'_>, subject: String) -> Option<String> {
    let tokens: Vec<_> = subject.split('.').collect();
    let is_wrong = |(index, token): (usize, &&str)| {
        token.is_empty()
            || token.contains(char::is_whitespace)
            || token.len() > 1 && token.contains(['*', '>'])
            || token == &">" && index + 1 < tokens.len()
    };
    if tokens.iter().enumerate().any(is_wrong) {
        let reason =
            format!("{subject:?} is no subject; give names between dots, `*` for any one, `>` for all that follow");
        section.problem("subject", reason);
        return None;
    }
    Some(subject)
}

#[cfg(test)]
#[path = "../../tests/broker.rs"]
mod tests;
