//! The language runtimes of `guest-sdk`: the plain templates of `wisp new`, as they are, through the real host.

use std::{fs, path::PathBuf};

use serde_json::json;
use support::{Project, TestHost, project, root};
use wisp::config::Language;

fn runtimes() -> wisp::component::runtime::Runtimes {
    let directories = ["guest-sdk/js/runtime", "guest-sdk/python/runtime"].map(|place| root().join(place));
    project::runtimes_in(Project::loader(), directories.to_vec())
}

/// A template of `wisp new` as a project, built, and its configuration.
fn template(name: &str) -> (Project, String) {
    let project = Project::with(runtimes(), &[]);
    let directory: PathBuf = root().join("host/templates").join(name);
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        project.write(path.file_name().unwrap().to_str().unwrap(), fs::read(&path).unwrap());
    }
    let toml = fs::read_to_string(project.path().join("wisp.toml")).unwrap();
    // Tests share two cores.
    let toml = toml.replace("timeout = \"3 s\"", "timeout = \"30 s\"\ninitialization_timeout = \"30 s\"");
    let built = project.build(&toml);
    let built = built.unwrap_or_else(|error| panic!("{error}\n{}", error.output));
    assert!(built.warnings.is_empty(), "{:?}", built.warnings);
    (project, toml)
}

async fn served(name: &str) -> TestHost {
    let (project, toml) = template(name);
    TestHost::start_project(&project, &toml).await
}

/// What the top level and a call see of the environment, of randomness and of time.
const SEEN: &str = "const drawn = Math.random();
const greeting = process.env.GREETING;
let late = 'not yet';
setTimeout(() => { late = 'fired'; }, 1);
exports.handler = async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { drawn, greeting, late, now: process.env.GREETING, again: Math.random() };
};
";

const ORDER: &str = r#"{"currency": "USD", "items": [{"sku": "pen", "price": 1.5, "quantity": 4}]}"#;
const READINGS: &str = r#"[{"sensor": "a", "celsius": 21.5}, {"sensor": "b", "celsius": 9}]"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_template_js_event_prices_an_order() {
    let host = served("js-event").await;
    let answer = host.invoke("js-event", ORDER).await.json();
    assert_eq!((&answer["currency"], &answer["net"]), (&json!("USD"), &json!(6)));
    host.logs("js-event", "5 rates are loaded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_js_http_says_what_it_was_asked() {
    let host = served("js-http").await;
    let answer = host.get("js-http", "/a/b?c=d").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!((&answer.json()["path"], &answer.json()["queries"]["c"]), (&json!("/a/b"), &json!("d")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_js_snapshot_finds_articles_by_an_index_that_was_made_at_deploy() {
    let (project, toml) = template("js-snapshot");
    // An instance for each request: all begin with the one index.
    let toml = toml.replacen("snapshot = true", "snapshot = true\nisolation = \"request\"", 1);
    let host = TestHost::start_project(&project, &toml).await;
    let first = host.get("js-snapshot", "/?q=wool").await.json();
    assert_eq!(first["currency"], json!("EUR"));
    let names: Vec<_> = first["found"].as_array().unwrap().iter().map(|article| &article["name"]).collect();
    assert_eq!(names, ["Blue wool scarf", "Green wool hat"]);
    let second = host.get("js-snapshot", "/?q=grey+hat").await.json();
    assert_eq!(second["found"], json!([{ "name": "Grey felt hat", "price": 31 }]));
    assert!(first["indexed"].is_string() && first["indexed"] == second["indexed"], "{first} {second}");
    host.logs("js-snapshot", "6 articles are indexed by").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_ts_event_sums_up_readings() {
    let host = served("ts-event").await;
    let answer = host.invoke("ts-event", READINGS).await.json();
    assert_eq!(answer, json!({ "count": 2, "warmest": "a", "mean": 15.25 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_python_event_sums_up_a_table() {
    let host = served("python-event").await;
    let answer = host.invoke("python-event", "city,celsius\nRome,21.5\nOslo,9").await.json();
    assert_eq!(answer, json!({ "count": 2, "warmest": "Rome", "mean": 15.25 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_python_http_says_what_it_was_asked() {
    let host = served("python-http").await;
    let answer = host.get("python-http", "/a/b?c=d").await;
    assert_eq!((&answer.json()["path"], &answer.json()["query"]), (&json!("/a/b"), &json!("c=d")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_flask_keeps_notes() {
    let host = served("flask").await;
    let headers = [("content-type", "application/json")];
    let answer = host.request("POST", "flask", "/", &headers, r#"{"text":"buy milk"}"#).await;
    assert_eq!((answer.status, answer.json()), (201, json!({ "count": 1 })));
    assert_eq!(host.get("flask", "/").await.json(), json!({ "notes": ["buy milk"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_js_server_takes_requests_events_and_its_initializer() {
    let host = served("js-server").await;
    let answer = host.get("js-server", "/a?name=Ada").await;
    assert_eq!(answer.json(), json!({ "greeting": "Welcome, Ada!", "path": "/a" }));
    assert_eq!(host.invoke("js-server", "loud").await.text(), "LOUD");
    host.logs("js-server", "4 characters came").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_js_cloudbase_answers_in_the_forms_of_cloudbase() {
    let host = served("js-cloudbase").await;
    let page = host.get("js-cloudbase", "/page?name=Ada").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.text(), "<h1>Hello, Ada</h1>");
    let answer = host.get("js-cloudbase", "/a?b=c").await.json();
    assert_eq!((&answer["path"], &answer["query"]), (&json!("/a"), &json!({ "b": "c" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_asgi_keeps_its_state() {
    let host = served("asgi").await;
    assert_eq!(host.get("asgi", "/?name=Ada").await.json(), json!({ "served": ["Ada"] }));
    assert_eq!(host.get("asgi", "/").await.json(), json!({ "served": ["Ada", "stranger"] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_see_nothing_of_the_start_that_a_javascript_runtime_has_behind_it() {
    let mut drawn = Vec::new();
    for greeting in ["hello", "good evening"] {
        let runtimes = runtimes();
        // As `wisp up` does behind its first answer.
        tokio::task::block_in_place(|| runtimes.warm_up(Language::JavaScript)).unwrap();
        let project = Project::with(runtimes, &[("index.js", SEEN)]);
        let toml = format!(
            "[functions.f]\ntimeout = \"30 s\"\nenvironment = {{ GREETING = \"{greeting}\" }}\n[functions.f.build]\n"
        );
        project.build(&toml).unwrap();
        let host = TestHost::start_project(&project, &toml).await;
        let seen = host.invoke("f", "").await.json();
        assert_eq!(
            (&seen["greeting"], &seen["now"], &seen["late"]),
            (&json!(greeting), &json!(greeting), &json!("fired"))
        );
        drawn.extend([seen["drawn"].as_f64().unwrap(), seen["again"].as_f64().unwrap()]);
    }
    drawn.sort_by(f64::total_cmp);
    drawn.dedup();
    assert_eq!(drawn.len(), 4, "each load and each instance draws numbers of its own");
}

/// The start of 1970 as clocks show it at the top level and in a call, and in a format that the top level made.
const CLOCKS: &str = "const moment = new Date(0);
const atTop = moment.getHours();
const format = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' });
exports.handler = async () => [atTop, moment.getHours(), format.format(moment), format.resolvedOptions().timeZone, String(moment)];
";

#[tokio::test(flavor = "multi_thread")]
async fn local_time_is_that_of_the_instance_whatever_it_was_at_the_build() {
    let project = Project::with(runtimes(), &[("index.js", CLOCKS)]);
    let toml = |variable: &str| {
        format!("[functions.f]\ntimeout = \"30 s\"\nenvironment = {{ {variable} }}\n[functions.f.build]\n")
    };
    let new_york = "TZ = \"America/New_York\"";
    project.build(&toml(new_york)).unwrap();
    let shanghai = "Thu Jan 01 1970 08:00:00 GMT+0800 (China Standard Time)";
    let utc = "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)";
    let as_built = "Wed Dec 31 1969 19:00:00 GMT-0500 (Eastern Standard Time)";
    for (variable, expected) in [
        ("TZ = \"Asia/Shanghai\"", json!([19, 8, "08:00", "Asia/Shanghai", shanghai])),
        ("", json!([19, 0, "00:00", "UTC", utc])),
        (new_york, json!([19, 19, "19:00", "America/New_York", as_built])),
    ] {
        let host = TestHost::start_project(&project, &toml(variable)).await;
        assert_eq!(host.invoke("f", "").await.json(), expected, "{variable}");
    }
}

/// The hour of noon in UTC, as the top level and a call have it.
const NOON: &str = "import os, time

if 'OWN_TZ' in os.environ:
    os.environ['TZ'] = os.environ['OWN_TZ']
    time.tzset()
top = time.localtime(1704110400).tm_hour

def handler(event, context):
    return [top, time.localtime(1704110400).tm_hour, time.tzname[0]]
";

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_has_the_time_zone_that_it_is_told_not_that_of_the_build() {
    let toml = |variables: &str| format!("[functions.f]\nenvironment = {{ {variables} }}\n[functions.f.build]\n");
    for (built, served, expected) in [
        ("TZ = \"Asia/Shanghai\"", "TZ = \"Asia/Shanghai\"", json!([20, 20, "CST"])),
        ("TZ = \"Asia/Shanghai\"", "TZ = \"America/New_York\"", json!([20, 7, "EST"])),
        ("TZ = \"Asia/Shanghai\"", "", json!([20, 12, "UTC"])),
        ("", "TZ = \"Asia/Shanghai\"", json!([12, 20, "CST"])),
        // As Django does by its setting TIME_ZONE.
        ("OWN_TZ = \"Asia/Shanghai\"", "", json!([20, 20, "CST"])),
    ] {
        let project = Project::with(runtimes(), &[("index.py", NOON)]);
        project.build(&toml(built)).unwrap();
        let host = TestHost::start_project(&project, &toml(served)).await;
        assert_eq!(host.invoke("f", "").await.json(), expected, "built with {built:?}, served with {served:?}");
    }
}

#[test]
fn an_error_in_python_names_file_and_line() {
    let project =
        Project::with(runtimes(), &[("main.py", "import json\n\ndef handler(event, context)\n    return 1\n")]);
    let error = project.build("[functions.f.build]\n").unwrap_err();
    assert!(error.to_string().contains("main.py:3: "), "{error}");
    project.write("main.py", "import json\n\njson.nothing()\n\ndef handler(event, context):\n    return 1\n");
    let error = project.build("[functions.f.build]\n").unwrap_err();
    assert!(error.to_string().contains("main.py:3: "), "{error}");
    assert!(error.output.contains("3 | json.nothing()"), "{}", error.output);
}

#[test]
fn an_error_in_javascript_names_file_line_and_column() {
    let project = Project::with(runtimes(), &[("index.js", "const a = 1;\nconst b = ;\nexports.handler = () => a;\n")]);
    let error = project.build("[functions.f.build]\n").unwrap_err();
    assert!(error.to_string().contains("index.js:2:11: SyntaxError: "), "{error}");
    project.write("index.js", "const a = 1;\n\nnothing();\nexports.handler = () => a;\n");
    let error = project.build("[functions.f.build]\n").unwrap_err();
    assert!(error.to_string().contains("index.js:3:"), "{error}");
    assert!(error.output.contains("3 | nothing();"), "{}", error.output);
}

#[test]
fn a_module_or_a_handler_that_is_missing_is_named() {
    let project = Project::with(
        runtimes(),
        &[("index.js", "exports.handler = () => 1;\n"), ("main.py", "def handler(e, c): return 1\n")],
    );
    for (language, handler, name) in [
        ("javascript", "index.main", "main"),
        ("javascript", "other.handler", "other"),
        ("python", "main.main", "main"),
    ] {
        let toml = format!("[functions.f]\nhandler = \"{handler}\"\n[functions.f.build]\nlanguage = \"{language}\"\n");
        let error = project.build(&toml).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

const PLAIN: &str = "[functions.f]\ntimeout = \"30 s\"\n[functions.f.build]\n";

/// A function of one file, what its build warns of, and a host that serves it from the project's directories.
async fn served_from(source: (&str, &str)) -> (Project, Vec<String>, TestHost) {
    let project = Project::with(runtimes(), &[source]);
    let warnings = project.build_all(PLAIN).into_iter().flat_map(|built| built.warnings).collect();
    let host = TestHost::start_project(&project, PLAIN).await;
    (project, warnings, host)
}

/// Sources whose top level makes a directory in `/tmp` for their calls, as upload middleware does.
const SCRATCH_AT_LOAD: [(&str, &str); 2] = [
    (
        "index.js",
        "const fs = require('fs');\nfs.mkdirSync('/tmp/up');\n\
         exports.handler = async () => {\n  fs.writeFileSync('/tmp/up/file', 'kept');\n  return fs.readdirSync('/tmp/up');\n};\n",
    ),
    (
        "main.py",
        "import os\n\nos.makedirs('/tmp/up')\n\n\ndef handler(event, context):\n    open('/tmp/up/file', 'w').close()\n    \
         return os.listdir('/tmp/up')\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_top_level_that_leaves_files_in_tmp_runs_in_each_instance_and_the_build_warns_of_it() {
    for source in SCRATCH_AT_LOAD {
        let (_project, warnings, host) = served_from(source).await;
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(warning.contains("it leaves files in /tmp, which is empty in each instance"), "{warning}");
        assert_eq!(host.invoke("f", "").await.json(), json!(["file"]), "{source:?}");
    }
}

/// Sources whose top level writes to `/tmp`, reads it, and leaves nothing.
const SCRATCH_FOR_A_MOMENT: [(&str, &str); 2] = [
    (
        "index.js",
        "const fs = require('fs');\nfs.writeFileSync('/tmp/f', 'read');\nconst text = fs.readFileSync('/tmp/f', 'utf8');\n\
         fs.unlinkSync('/tmp/f');\nexports.handler = async () => {\n  fs.writeFileSync('/tmp/g', text);\n  return fs.readFileSync('/tmp/g', 'utf8');\n};\n",
    ),
    (
        "main.py",
        "import tempfile\n\nwith tempfile.NamedTemporaryFile('w+') as file:\n    file.write('read')\n    file.seek(0)\n    text = file.read()\n\n\n\
         def handler(event, context):\n    with open('/tmp/g', 'w') as file:\n        file.write(text)\n    return open('/tmp/g').read()\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_top_level_that_uses_tmp_for_a_moment_runs_at_build() {
    for source in SCRATCH_FOR_A_MOMENT {
        let (_project, warnings, host) = served_from(source).await;
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(host.invoke("f", "").await.text(), "read", "{source:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_out_of_python_sources_or_in_circles_are_left_out() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("secret.py"), "text = 'secret'\n").unwrap();
    let project = Project::with(
        runtimes(),
        &[
            ("main.py", "import other\n\n\ndef handler(event, context):\n    return other.text\n"),
            ("lib/shared.py", "text = 'shared'\n"),
        ],
    );
    let link = |to: &std::path::Path, name: &str| std::os::unix::fs::symlink(to, project.path().join(name)).unwrap();
    link(elsewhere.path(), "outside");
    link(&elsewhere.path().join("secret.py"), "secret.py");
    link("nowhere.py".as_ref(), "dangling.py");
    link(".".as_ref(), "lib/circle");
    link("lib/shared.py".as_ref(), "other.py");
    let [built] = &project.build_all(PLAIN)[..] else { panic!("one function") };
    assert!(built.warnings.is_empty(), "{:?}", built.warnings);
    let host = TestHost::start_project(&project, PLAIN).await;
    assert_eq!(host.invoke("f", "").await.text(), "shared");
}
