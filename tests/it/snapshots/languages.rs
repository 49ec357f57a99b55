//! Snapshots of JavaScript and Python: randomness and clocks are each instance's own.

use support::{Project, example, project, root};

use super::*;

const JAVASCRIPT: &str = r#"
const crypto = require('crypto');
let state = { runs: 0 };
exports.initializer = (context, callback) => {
  console.log('the initializer runs');
  state = { runs: state.runs + 1, drawn: draw(), now: Date.now() };
  setTimeout(() => {}, 10);
  callback(null);
};
const draw = () => [Math.random(), crypto.randomUUID(), crypto.randomBytes(8).toString('hex'), globalThis.crypto.randomUUID()];
exports.handler = async (event, context) => ({
  state, drawn: draw(), now: Date.now(), ago: Date.now() - state.now,
  instance: process.env.FC_INSTANCE_ID, requestId: context.requestId,
});
"#;

const PYTHON: &str = r#"
import json, os, random, secrets, time, uuid

state = {"runs": 0}


def draw():
    return [random.random(), random.SystemRandom().random(), secrets.token_hex(8), str(uuid.uuid4())]


def initializer(context):
    global state
    print("the initializer runs")
    state = {"runs": state["runs"] + 1, "drawn": draw(), "now": time.time() * 1000, "clock": time.monotonic()}


def handler(event, context):
    return json.dumps({
        "state": state, "drawn": draw(), "now": time.time() * 1000, "ago": (time.monotonic() - state["clock"]) * 1000,
        "instance": os.environ["FC_INSTANCE_ID"], "requestId": context.request_id,
    })
"#;

#[tokio::test(flavor = "multi_thread")]
async fn javascript_instances_share_the_initializers_state_and_nothing_that_is_drawn() {
    started_alike_and_drew_differently("js", ("index.js", JAVASCRIPT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_instances_share_the_initializers_state_and_nothing_that_is_drawn() {
    started_alike_and_drew_differently("python", ("index.py", PYTHON)).await;
}

async fn started_alike_and_drew_differently(sdk: &str, source: (&str, &str)) {
    let runtimes = project::runtimes(Project::loader(), &root().join("guest-sdk").join(sdk).join("runtime"));
    let project = Project::with(runtimes, &[source]);
    let toml = "[functions.f]\nhandler = \"index.handler\"\ninitializer = \"index.initializer\"\nmemory = \"512 MB\"\n\
                snapshot = true\nisolation = \"request\"\ninitialization_timeout = \"60 s\"\ntimeout = \"60 s\"\n[functions.f.build]\n";
    project.build(toml).unwrap();
    let host = TestHost::start_project(&project, toml).await;
    let answers = [host.invoke("f", "{}").await, host.invoke("f", "{}").await];
    let [first, second] = answers.map(|answer| {
        let value = answer.json();
        assert_eq!(value["requestId"], answer.header("x-fc-request-id"));
        assert_eq!(value["instance"], answer.header("x-fc-instance-id"));
        value
    });
    assert_eq!(first["state"], second["state"]);
    assert_eq!(first["state"]["runs"], 1);
    assert_ne!(first["instance"], second["instance"]);
    for (index, kept) in first["state"]["drawn"].as_array().unwrap().iter().enumerate() {
        let (one, other) = (&first["drawn"][index], &second["drawn"][index]);
        assert!(one != other && one != kept && other != kept, "draw {index}: {kept}, {one}, {other}");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0;
    assert!((second["now"].as_f64().unwrap() - now).abs() < 60_000.0, "{second}");
    let (early, late) = (first["ago"].as_f64().unwrap(), second["ago"].as_f64().unwrap());
    assert!(0.0 <= early && early <= late, "{early} ms, then {late} ms after the initializer");
    let initialized = initialized(&host).await;
    assert!(initialized["requestId"].is_string(), "{initialized}");
    assert_eq!(host.count("f", "ok").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_componentize_js_starts_from_a_snapshot_of_its_initializer() {
    let event = json!({ "items": [{ "price": 1.0, "quantity": 2 }] }).to_string();
    foreign("js-event", &event).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_componentize_py_starts_from_a_snapshot_of_its_initializer() {
    foreign("python-event", "a,b\n1,2\n").await;
}

/// An example that says in each answer when its initializer ran, and which call of its instance this is.
async fn foreign(name: &'static str, event: &str) {
    let component = tokio::task::spawn_blocking(move || example(name)).await.unwrap();
    let host = TestHost::start(&format!(
        "[functions.f]\ncomponent = \"{}\"\ninitializer = \"i\"\nmemory = \"128 MB\"\nsnapshot = true\nisolation = \
         \"request\"\ninitialization_timeout = \"60 s\"\n",
        component.display()
    ))
    .await;
    let answers = [host.invoke("f", event).await, host.invoke("f", event).await];
    let [first, second] = answers.map(|answer| {
        assert_eq!(answer.header("x-fc-error-type"), "", "{}", answer.text());
        answer.json()
    });
    assert_eq!((&first["calls"], &second["calls"]), (&json!(1), &json!(1)));
    let at = first["initializedAt"].as_u64().unwrap();
    assert_eq!(second["initializedAt"].as_u64().unwrap(), at);
    assert!(initialized(&host).await["atMs"].as_u64().unwrap().abs_diff(at) < 60_000);
}
