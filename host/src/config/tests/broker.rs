use std::path::Path;

use crate::config::{Batching, Config, SourceConfig, Start, parse};

fn parsed(source: &str) -> Result<Config, String> {
    parse(&format!("[sources.s]\n{source}\n"), Path::new("wisp.toml")).map_err(|error| error.to_string())
}

fn source(text: &str) -> SourceConfig {
    parsed(text).unwrap_or_else(|error| panic!("{error}")).sources.remove("s").unwrap()
}

fn problem(text: &str) -> String {
    parsed(text).map(|config| format!("{:?}", config.sources)).unwrap_err()
}

#[test]
fn every_type_has_its_settings_and_defaults() {
    let SourceConfig::Nats(nats) = source("type = \"nats\"\nurl = \"nats://h\"\nsubject = \"a.*.>\"") else { panic!() };
    assert_eq!((nats.subject.as_str(), nats.consumer.as_str()), ("a.*.>", "wisp"));

    let text = "type = \"jetstream\"\nurl = \"tls://h\"\nstream = \"S\"\nstart = \"new\"\nbatch_records = 5\nbatch_window = \"2s\"";
    let SourceConfig::JetStream(jetstream) = source(text) else { panic!() };
    assert_eq!((jetstream.start, jetstream.ack_wait.as_secs()), (Start::New, 30));
    assert_eq!(jetstream.batching, Batching { records: 5, window: std::time::Duration::from_secs(2) });

    let text = "type = \"redis\"\nurl = \"redis://me:pass@h/3\"\nstream = \"k\"";
    let SourceConfig::Redis(redis) = source(text) else { panic!() };
    assert_eq!((redis.database, redis.start, redis.broker.to_string().as_str()), (3, Start::All, "redis://h/3"));

    let SourceConfig::Postgres(postgres) = source("type = \"postgres\"\nurl = \"postgres://h/db\"\ntable = \"t\"")
    else {
        panic!()
    };
    assert_eq!((postgres.schema.as_str(), postgres.table.as_str(), postgres.tls), ("public", "t", true));
    assert_eq!((postgres.database.as_str(), postgres.publication.as_str()), ("db", "wisp_public_t"));

    let SourceConfig::Mqtt(mqtt) = source("type = \"mqtt\"\nurl = \"mqtts://h\"\ntopic = \"a/+/#\"") else { panic!() };
    assert_eq!(mqtt.topic, "a/+/#");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (text, reason) in [
        ("type = \"nats\"\nurl = \"nats://h\"", "subject: is missing; give the subject"),
        ("type = \"nats\"\nsubject = \"a\"", "url: is missing; give nats://host"),
        (
            "type = \"nats\"\nurl = \"nats://h\"\nsubject = \"a\"\nstream = \"S\"",
            "stream: is of the type \"jetstream\"",
        ),
        ("type = \"nats\"\nurl = \"nats://h\"\nsubject = \"a..b\"", "\"a..b\" is no subject"),
        ("type = \"jetstream\"\nurl = \"nats://h\"\nstream = \"a.b\"", "\"a.b\" is no name of a stream"),
        ("type = \"mqtt\"\nurl = \"mqtt://h\"\ntopic = \"a/#/b\"", "\"a/#/b\" is no topic filter"),
        ("type = \"redis\"\nurl = \"redis://h/x\"\nstream = \"k\"", "\"x\" is no number of a database"),
        ("type = \"redis\"\nurl = \"http://h\"\nstream = \"k\"", "has the scheme \"http\"; give redis://"),
        ("type = \"redis\"\nurl = \"redis://h\"\nstream = \"\"", "stream: is empty"),
        (
            "type = \"redis\"\nurl = \"redis://h\"\nstream = \"k\"\nbatch_records = 0",
            "0 is out of range; give 1 to 1000",
        ),
        ("type = \"postgres\"\nurl = \"postgres://h\"\ntable = \"t\"", "names no database"),
        ("type = \"postgres\"\nurl = \"postgres://u@h/d\"\nuser = \"v\"\ntable = \"t\"", "keep one of them"),
        ("type = \"mqtt\"\nurl = \"mqtt://h\"\ntopic = \"a\"\nconsumer = \"A-b\"", "is no name of consumers"),
        ("type = \"mqtt\"\nurl = \"mqtt://h\"\ntopic = \"a\"\nsubject = \"b\"", "unknown key"),
        ("type = \"kafka\"", "\"kafka\" is no type of sources"),
    ] {
        let found = problem(text);
        assert!(found.contains(reason), "{text}\n{found}\n{reason}");
    }
}

#[test]
fn a_password_is_in_no_message() {
    let found = problem("type = \"redis\"\nurl = \"redis:me:hidden@\"\nstream = \"k\"");
    assert!(!found.contains("hidden"), "{found}");
    let config = format!("{:?}", source("type = \"redis\"\nurl = \"redis://me:hidden@h\"\nstream = \"k\""));
    assert!(!config.contains("hidden"), "{config}");
}
