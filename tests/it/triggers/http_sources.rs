//! Sources that others send to by HTTP: topics, queues, CloudEvents, notifications of stores; and API gateway's format.

use super::*;

const SOURCES: &str = "[sources.news]\ntype = \"topic\"\nmax_messages = 3\n[sources.jobs]\ntype = \"queue\"\n\
                       token = \"sesame-open-sesame\"\n[sources.bus]\ntype = \"cloudevents\"\n[sources.store]\ntype = \"s3\"\n";

fn trigger(name: &str, kind: &str, source: &str, more: &str) -> String {
    format!("[functions.f.triggers.{name}]\ntype = \"{kind}\"\nsource = \"{source}\"\n{more}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_acknowledged_survives_the_kill_of_the_host_and_comes_once() {
    let directory = tempfile::tempdir().unwrap();
    let triggers = trigger("t", "mns_topic", "news", "notify_content_format = \"JSON\"")
        + &trigger("tagged", "mns_topic", "news", "filter_tag = \"red\"")
        + &trigger("q", "eventbridge", "jobs", "");
    let config = written(directory.path(), &format!("{SOURCES}{KEEPER}{triggers}"));
    let bearer = [("authorization", "Bearer sesame-open-sesame")];
    let host = HostProcess::start(&config);
    for name in ["t", "tagged", "q"] {
        has_state(host.api, name, "running").await;
        assert_eq!(post(host.api, &format!("/wisp/triggers/{name}/pause"), &[], "").await.status, 200);
        has_state(host.api, name, "paused").await;
    }
    let xml = "<Message xmlns=\"http://mns.aliyuncs.com/doc/v1/\"><MessageBody>two</MessageBody>\
               <MessageTag>red</MessageTag></Message>";
    assert_eq!(post(host.api, "/topics/news/messages?attribute=k:v", &[], "one").await.status, 201);
    let answer = post(host.api, "/topics/news/messages", &[("content-type", "text/xml")], xml).await;
    assert!(answer.status == 201 && answer.text().contains("<MessageBodyMD5>"), "{answer:?}");
    assert_eq!(post(host.api, "/topics/news/messages", &[], "three").await.status, 201);
    let full = post(host.api, "/topics/news/messages", &[], "four").await;
    assert_eq!((full.status, full.error_code().as_str()), (429, "ResourceExhausted"));
    assert_eq!(post(host.api, "/queues/jobs/messages", &[], "job").await.status, 403);
    assert_eq!(post(host.api, "/queues/jobs/messages", &bearer, "job").await.status, 201);
    drop(host);
    let host = HostProcess::start(&config);
    for name in ["t", "tagged", "q"] {
        assert_eq!(post(host.api, &format!("/wisp/triggers/{name}/resume"), &[], "").await.status, 200);
    }
    in_time("all are delivered", || async {
        payloads(host.api, "t").await.len() == 3 && texts(host.api, "q").await.len() == 1
    })
    .await;
    drop(host);
    let host = HostProcess::start(&config);
    has_state(host.api, "t", "running").await;
    assert_eq!(post(host.api, "/topics/news/messages", &[], "five").await.status, 201);
    in_time("the next one comes", || async { payloads(host.api, "t").await.len() > 3 }).await;
    let messages: Vec<_> = payloads(host.api, "t").await.iter().map(|it| it["Message"].clone()).collect();
    assert_eq!(messages, ["one", "two", "three", "five"]);
    assert_eq!(payloads(host.api, "t").await[0]["k"], "v");
    assert_eq!(texts(host.api, "tagged").await, ["two"]);
    let jobs = payloads(host.api, "q").await;
    assert_eq!((jobs.len(), &jobs[0]["data"]["messageBody"]), (1, &"job".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_events_reach_rules_and_cdn_triggers_in_their_forms() {
    let pattern = "event_rule_filter_pattern = '{\"source\": [\"shop\"]}'";
    let triggers = trigger("rule", "eventbridge", "bus", pattern)
        + &trigger(
            "cdn",
            "cdn_events",
            "bus",
            "event_name = \"LogFileCreated\"\nfilter = { domain = [\"example.com\"] }",
        );
    let host = TestHost::start(&format!("{SOURCES}{}", keeper(&triggers))).await;
    has_state(host.api, "rule", "running").await;
    has_state(host.api, "cdn", "running").await;
    let binary = |source: &'static str, kind: &'static str| {
        [
            ("ce-specversion", "1.0"),
            ("ce-id", "7"),
            ("ce-source", source),
            ("ce-type", kind),
            ("content-type", "application/json"),
        ]
    };
    let sent = post(host.api, "/sources/bus", &binary("shop", "order:created"), "{\"n\":1}").await;
    assert_eq!((sent.status, sent.text()), (202, String::new()));
    let log = "{\"domain\":\"example.com\",\"filePath\":\"/a.gz\"}";
    assert_eq!(post(host.api, "/sources/bus", &binary("cdn", "cdn:LogFileCreated"), log).await.status, 202);
    let batch = r#"[{"specversion":"1.0","id":"8","source":"shop","type":"t"},{"specversion":"1.0","id":"9","source":"x","type":"t"}]"#;
    let content_type = [("content-type", "application/cloudevents-batch+json")];
    assert_eq!(post(host.api, "/sources/bus", &content_type, batch).await.status, 202);
    in_time("they come", || async {
        texts(host.api, "rule").await.len() == 2 && texts(host.api, "cdn").await.len() == 1
    })
    .await;
    let first = r#"{"id":"7","source":"shop","specversion":"1.0","type":"order:created","datacontenttype":"application/json","data":{"n":1}}"#;
    assert_eq!(texts(host.api, "rule").await[0], first);
    let cdn = &payloads(host.api, "cdn").await[0]["events"][0];
    assert_eq!((&cdn["eventName"], &cdn["eventParameter"]["filePath"]), (&"LogFileCreated".into(), &"/a.gz".into()));
    in_time("the rest is counted", || async { described(host.api, "rule").await["filtered"] == 2 }).await;
    assert_eq!(post(host.api, "/sources/bus", &[], "hello").await.status, 400);
    assert_eq!(post(host.api, "/sources/buss", &[], "hello").await.error_code(), "SourceNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_of_a_store_is_an_event_of_oss() {
    let triggers =
        trigger("t", "oss", "store", "events = [\"oss:ObjectCreated:PutObject\"]\nfilter = { prefix = \"a/\" }");
    let host = TestHost::start(&format!("{SOURCES}{}", keeper(&triggers))).await;
    has_state(host.api, "t", "running").await;
    let body = r#"{"EventName":"s3:ObjectCreated:Put","Records":[{"eventName":"s3:ObjectCreated:Put","eventTime":"2026-01-01T00:00:00.000Z",
        "s3":{"bucket":{"name":"photos"},"object":{"key":"a%2Fb.png","size":5,"eTag":"ab"}}}]}"#;
    assert_eq!(post(host.api, "/sources/store", &[], body).await.status, 202);
    in_time("it comes", || async { !texts(host.api, "t").await.is_empty() }).await;
    let event = &payloads(host.api, "t").await[0]["events"][0];
    assert_eq!(
        (&event["oss"]["bucket"]["name"], &event["oss"]["object"]["key"]),
        (&"photos".into(), &"a/b.png".into())
    );
    assert_eq!(event["eventTime"], "2026-01-01T00:00:00.000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_notifications_that_were_acknowledged_survive_the_kill_of_the_host_and_come_once() {
    let directory = tempfile::tempdir().unwrap();
    let triggers = trigger("rule", "eventbridge", "bus", "")
        + &trigger("cdn", "cdn_events", "bus", "event_name = \"LogFileCreated\"")
        + &trigger("oss", "oss", "store", "events = [\"oss:ObjectRemoved:*\"]");
    let config = written(directory.path(), &format!("{SOURCES}{KEEPER}{triggers}"));
    let names = ["rule", "cdn", "oss"];
    let mut host = HostProcess::start(&config);
    for name in names {
        assert_eq!(post(host.api, &format!("/wisp/triggers/{name}/pause"), &[], "").await.status, 200);
    }
    let content_type = [("content-type", "application/cloudevents+json")];
    for number in 0..5 {
        let event = format!(
            r#"{{"specversion":"1.0","id":"{number}","source":"cdn","type":"cdn:LogFileCreated","data":{{"domain":"d"}}}}"#
        );
        assert_eq!(post(host.api, "/sources/bus", &content_type, &event).await.status, 202);
        let removed = format!(
            r#"{{"Records":[{{"eventName":"s3:ObjectRemoved:Delete","s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{number}"}}}}}}]}}"#
        );
        assert_eq!(post(host.api, "/sources/store", &[], &removed).await.status, 202);
    }
    host.kill();
    let mut host = HostProcess::start(&config);
    for name in names {
        assert_eq!(post(host.api, &format!("/wisp/triggers/{name}/resume"), &[], "").await.status, 200);
    }
    // In the middle of their delivery.
    in_time("some come", || async { !texts(host.api, "rule").await.is_empty() }).await;
    host.kill();
    let host = HostProcess::start(&config);
    for name in names {
        in_time("all come", || async { texts(host.api, name).await.len() >= 5 }).await;
        has_state(host.api, name, "running").await;
        in_time("nothing waits", || async { described(host.api, name).await["waiting"] == 0 }).await;
    }
    let ids: Vec<_> = payloads(host.api, "rule").await.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
    assert_eq!(texts(host.api, "cdn").await.len(), 5);
    let objects = payloads(host.api, "oss").await;
    let keys: Vec<_> = objects.iter().map(|event| event["events"][0]["oss"]["object"]["key"].clone()).collect();
    assert_eq!(keys, ["0", "1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_api_gateways_event_and_its_answer_a_response() {
    let toml = "[functions.g]\ncomponent = \"{event}\"\nenvironment = { RETURN = \"response\" }\n[functions.g.http]\n\
                payload_format = \"api-gateway\"\n";
    let host = TestHost::start(toml).await;
    let answer = host.request("POST", "g", "/a?b=c", &[("content-type", "text/plain")], "hi").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // The guest answers with its event as the body.
    let event = answer.json();
    assert_eq!((&event["path"], &event["httpMethod"], &event["body"]), (&"/a".into(), &"POST".into(), &"hi".into()));
    assert_eq!((&event["queryParameters"]["b"], &event["isBase64Encoded"]), (&"c".into(), &false.into()));
}
