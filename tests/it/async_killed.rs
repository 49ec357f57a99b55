//! The real binary is killed again and again under load: every event that it acknowledged is executed, none after it was
//! settled, and twice only if it was in flight when the host was killed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{HostProcess, MISBEHAVE, Recorder, client};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// What may run at once, and so be in flight at a kill.
const CONCURRENCY: usize = 8;
const KILLS: usize = 100;

/// The whole takes no longer than this, however slow the machine is; then there were fewer kills.
const PATIENCE: Duration = Duration::from_secs(75);
const FEWEST_KILLS: usize = 25;

const CLIENTS: usize = 4;

/// One request on a connection of its own; `None` if the host is killed meanwhile.
async fn ask(api: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(api).await.ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

/// Submits events until told to stop; returns those that were acknowledged.
async fn submit(api: SocketAddr, recorder: SocketAddr, next: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let id = format!("e{}", next.fetch_add(1, Ordering::Relaxed));
        let headers = format!("x-fc-invocation-type: Async\r\nx-fc-stateful-async-invocation-id: {id}\r\n");
        let event = format!("fetch:http://{recorder}/{id}");
        let path = "/2016-08-15/services/default/functions/f/invocations";
        match ask(api, "POST", path, &headers, &event).await {
            Some((202, _)) => acknowledged.push(id),
            // The queue is full: it is worked off while nothing is submitted.
            Some((429, _)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
    acknowledged
}

/// Events that the host says it has settled.
async fn settled(api: SocketAddr) -> Vec<String> {
    let Some((200, body)) = ask(api, "GET", "/wisp/events?status=Succeeded&limit=1000", "", "").await else {
        return Vec::new();
    };
    // The head says how long it is; a body that broke off is none.
    let Ok(answer) = serde_json::from_str::<Value>(&body) else { return Vec::new() };
    let ids = answer["events"].as_array().unwrap().iter();
    ids.map(|event| event["invocationId"].as_str().unwrap().to_owned()).collect()
}

fn configuration(directory: &Path, recorder: &Recorder) -> PathBuf {
    let file = directory.join("wisp.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\n[functions.f]\ncomponent = \"{}\"\n\
         max_instances = {CONCURRENCY}\nallowed_outbound = [\"{}\"]\n",
        MISBEHAVE.display(),
        recorder.address
    );
    fs::write(&file, text).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_a_hundred_times_loses_no_event_and_repeats_only_what_was_in_flight() {
    let began = Instant::now();
    let recorder = Recorder::start().await;
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(directory.path(), &recorder);
    let next = Arc::new(AtomicUsize::new(0));
    let (mut acknowledged, mut done) = (Vec::new(), HashMap::new());
    // The first start compiles the component.
    drop(HostProcess::start(&config));

    let mut kills = 0;
    while kills < KILLS && began.elapsed() < PATIENCE {
        recorder.set_generation(kills);
        let host = HostProcess::start(&config);
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| tokio::spawn(submit(host.api, recorder.address, next.clone(), stop.clone())))
            .collect();
        // Some kills hit the start and its recovery, some a host that is well under way.
        tokio::time::sleep(Duration::from_millis((kills as u64 * 37) % 250)).await;
        for id in settled(host.api).await {
            done.entry(id).or_insert(kills);
        }
        drop(host);
        kills += 1;
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            acknowledged.extend(client.await.unwrap());
        }
    }
    recorder.set_generation(kills);
    let host = HostProcess::start(&config);
    finish(&host, &recorder, &acknowledged).await;
    drop(host);
    assert!(kills >= FEWEST_KILLS, "the machine is too slow for this test: {kills} kills in {:?}", began.elapsed());
    let repeated = judge(&recorder, &acknowledged, &done, kills);
    let (events, settled, took) = (acknowledged.len(), done.len(), began.elapsed());
    eprintln!("{kills} kills, {events} events, {settled} seen settled, {repeated} executed again, in {took:?}");
}

/// Waits until nothing is left to do.
async fn finish(host: &HostProcess, recorder: &Recorder, acknowledged: &[String]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = client::send(host.api, "GET", "/metrics", &[], Vec::new()).await.text();
        let idle =
            ["wisp_events_queued 0", "wisp_events_running 0"].iter().all(|line| metrics.lines().any(|it| it == *line));
        let paths: BTreeSet<_> = recorder.paths().into_iter().collect();
        let missing = acknowledged.iter().filter(|id| !paths.contains(&format!("/{id}"))).count();
        if idle && missing == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{missing} of {} events were never executed\n{metrics}", acknowledged.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns how many executions were repetitions.
fn judge(recorder: &Recorder, acknowledged: &[String], done: &HashMap<String, usize>, kills: usize) -> usize {
    let mut executions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for seen in recorder.seen() {
        executions.entry(seen.path.trim_start_matches('/').to_owned()).or_default().push(seen.generation);
    }
    assert!(acknowledged.iter().all(|id| executions.contains_key(id)));
    let mut repeated_after = vec![0; kills + 1];
    for (id, generations) in &executions {
        let distinct: BTreeSet<_> = generations.iter().collect();
        assert_eq!(distinct.len(), generations.len(), "{id} was executed twice by one host: {generations:?}");
        if let Some(settled) = done.get(id) {
            let last = generations.last().unwrap();
            assert!(last <= settled, "{id} was settled in generation {settled} and executed in {last}");
        }
        for generation in &generations[..generations.len() - 1] {
            repeated_after[*generation] += 1;
        }
    }
    // What a host executed and another repeated was in flight when it was killed.
    for (generation, repeated) in repeated_after.iter().enumerate() {
        assert!(*repeated <= CONCURRENCY, "{repeated} events of generation {generation} were executed again");
    }
    repeated_after.iter().sum()
}
