//! Timers against the real clock.

use std::collections::BTreeSet;

use super::*;

fn times(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["triggerTime"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tick_is_one_event_though_the_host_is_killed_again_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let toml = format!(
        "{KEEPER}[functions.f.triggers.t]\ntype = \"timer\"\ncron_expression = \"@every 1s\"\npayload = \"p\"\nmissed = \"once\"\n"
    );
    let config = written(directory.path(), &toml);
    let mut seen = 0;
    for _ in 0..4 {
        let host = HostProcess::start(&config);
        in_time("it goes on firing", || async { texts(host.api, "t").await.len() > seen + 1 }).await;
        seen = texts(host.api, "t").await.len();
    }
    let host = HostProcess::start(&config);
    in_time("it fires", || async { texts(host.api, "t").await.len() > seen }).await;
    let events = payloads(host.api, "t").await;
    assert!(events.iter().all(|event| event["triggerName"] == "t" && event["payload"] == "p"), "{events:?}");
    let times = times(&events);
    assert_eq!(times.iter().collect::<BTreeSet<_>>().len(), times.len(), "a tick came twice: {times:?}");
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_passed_while_the_host_was_down_is_made_up_for_once_if_it_is_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let timer = |name: &str, missed: &str| {
        format!(
            "[functions.f.triggers.{name}]\ntype = \"timer\"\ncronExpression = \"@every 4s\"\nmissed = \"{missed}\"\n"
        )
    };
    let config = written(directory.path(), &format!("{KEEPER}{}{}", timer("once", "once"), timer("skip", "skip")));
    let host = HostProcess::start(&config);
    in_time("both fire", || async {
        !texts(host.api, "once").await.is_empty() && !texts(host.api, "skip").await.is_empty()
    })
    .await;
    drop(host);
    // Two ticks at least.
    tokio::time::sleep(Duration::from_secs(9)).await;
    let down_until = jiff::Timestamp::now();
    let host = HostProcess::start(&config);
    let during = |times: Vec<String>, last: jiff::Timestamp| {
        let ticks = times.iter().map(|time| time.parse::<jiff::Timestamp>().unwrap());
        ticks.filter(|tick| *tick > last && *tick < down_until).count()
    };
    let last = down_until - jiff::SignedDuration::from_secs(8);
    in_time("the missed one comes", || async { during(times(&payloads(host.api, "once").await), last) == 1 }).await;
    assert_eq!(during(times(&payloads(host.api, "skip").await), last), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_of_the_api_fires_until_it_is_removed() {
    let host = TestHost::start("").await;
    let zip = zip();
    let function =
        serde_json::json!({ "functionName": "g", "runtime": "custom", "handler": "x", "code": { "zipFile": zip } });
    assert!(host.api("POST", "/2023-03-30/functions", function).await.status < 300);
    let config = serde_json::json!({ "cronExpression": "@every 1s", "enable": true, "payload": "count" }).to_string();
    let trigger = serde_json::json!({ "triggerName": "t", "triggerType": "timer", "triggerConfig": config });
    assert!(host.api("POST", "/2023-03-30/functions/g/triggers", trigger).await.status < 300);
    in_time("it fires", || async { described(host.api, "g/t").await["delivered"].as_u64() > Some(1) }).await;
    let off = serde_json::json!({ "triggerConfig": serde_json::json!({ "cronExpression": "@every 1s", "enable": false }).to_string() });
    assert!(host.api("PUT", "/2023-03-30/functions/g/triggers/t", off).await.status < 300);
    has_state(host.api, "g/t", "disabled").await;
    let bad = serde_json::json!({ "triggerName": "u", "triggerType": "timer",
        "triggerConfig": "{\"cronExpression\":\"0 61 * * * *\",\"enable\":true}" });
    let refused = host.api("POST", "/2023-03-30/functions/g/triggers", bad).await;
    assert!(refused.status == 400 && refused.text().contains("the minute"), "{refused:?}");
}
