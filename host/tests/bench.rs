//! `wisp bench` through the real binary: tiny runs, whose figures are there, in order and in a stable shape. How long
//! anything takes is not asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A directory with the smallest program that there is, which answers every event with nothing, and a project of it.
struct Project(TempDir);

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Project {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"_start\")))").unwrap();
        fs::write(directory.path().join("f.wasm"), program).unwrap();
        fs::write(directory.path().join("wisp.toml"), "[functions.small]\ncomponent = \"f.wasm\"\n").unwrap();
        Self(directory)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wisp"));
        command.arg("bench").args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.path("cache"));
        for variable in ["WISP_SERVER", "WISP_CONFIG", "WISP_RUNTIMES"] {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        serde_json::from_str(&said.out).unwrap()
    }
}

/// Every distribution has samples, and its quantiles are in order.
fn assert_sound(report: &Value) {
    for key in ["processor", "cores", "memory", "kernel", "wisp", "wasmtime", "taken"] {
        assert!(!report["machine"][key].is_null(), "{key}");
    }
    assert!(report["noise"]["before"]["median_ns"].as_u64().unwrap() > 0);
    assert!(report["noise"].as_object().unwrap().contains_key("warning"));
    let mut rows = 0;
    for section in report["subjects"].as_array().unwrap().iter().flat_map(sections) {
        for row in section["rows"].as_array().unwrap() {
            let value = |key: &str| row[key].as_u64().unwrap_or_else(|| panic!("{key} of {row}"));
            assert!(value("count") > 0, "{row}");
            let order = ["min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns"].map(value);
            assert!(order.is_sorted() && order[0] > 0, "{row}");
            assert!(value("mean_ns") <= order[4], "{row}");
            rows += 1;
        }
        for figure in section["figures"].as_array().unwrap() {
            assert!(figure["value"].as_f64().unwrap() >= 0.0, "{figure}");
            assert!(figure["unit"].is_string() && figure["name"].is_string());
        }
    }
    assert!(rows > 0);
}

fn sections(subject: &Value) -> &Vec<Value> {
    subject["sections"].as_array().unwrap()
}

fn names(values: &Value) -> Vec<&str> {
    values.as_array().unwrap().iter().map(|value| value["name"].as_str().unwrap()).collect()
}

fn figure(section: &Value, name: &str) -> f64 {
    let found = section["figures"].as_array().unwrap().iter().find(|figure| figure["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {section}"))["value"].as_f64().unwrap()
}

#[test]
fn a_cold_start_is_shown_stage_by_stage() {
    let project = Project::new();
    let report = project.json(&["cold", "small", "-n", "3", "--cold-runs", "2"]);
    assert_sound(&report);
    assert_eq!((report["kind"].as_str().unwrap(), names(&report["subjects"])), ("cold", vec!["small"]));
    let sections = sections(&report["subjects"][0]);
    let titles: Vec<_> = sections.iter().map(|section| section["title"].as_str().unwrap()).collect();
    assert_eq!(
        titles,
        [
            "files in the page cache",
            "files dropped from the page cache",
            "request to response over HTTP, no instance alive"
        ]
    );
    // A command runs once, so it has no warm call.
    let stages =
        ["read", "check", "verify", "map", "link", "instantiate", "first call", "teardown", "instantiate again"];
    let sums = ["instance: instantiate to first answer", "all: file to first answer"];
    for (section, runs) in sections.iter().zip([3, 2]) {
        assert_eq!(names(&section["rows"]), [&stages[..], &sums[..]].concat());
        assert!(section["rows"].as_array().unwrap().iter().all(|row| row["count"] == runs), "{section}");
        let median = |name: &str| {
            let row = section["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
            row["p50_ns"].as_u64().unwrap()
        };
        assert!(median("all: file to first answer") >= median("instance: instantiate to first answer"));
        assert!(figure(section, "linear memory of an instance") >= 65536.0);
    }
}

#[test]
fn settings_and_files_are_compared_side_by_side() {
    let project = Project::new();
    let subjects = ["small", "small:memory=64 MB", "f.wasm"];
    let report = project.json(&[&["cold", "-n", "2", "--cold-runs", "0", "--compare"][..], &subjects].concat());
    assert_sound(&report);
    assert_eq!(names(&report["subjects"]), subjects);
    let shown = project.run(&[&["cold", "-n", "2", "--cold-runs", "0", "--compare"][..], &subjects].concat());
    assert!(shown.out.contains("medians side by side") && shown.out.contains("wasmtime 48"), "{shown:?}");
}

#[test]
fn a_load_counts_answers_in_both_loops_and_on_another_server() {
    let project = Project::new();
    let short = ["--duration", "1 s", "--warm-up", "50 ms", "--connections", "2"];
    let report = project.json(&[&["warm", "small"][..], &short].concat());
    assert_sound(&report);
    let sections = sections(&report["subjects"][0]);
    assert_eq!([&sections[0]["title"], &sections[1]["title"]], ["closed loop", "open loop"]);
    for section in sections {
        assert_eq!(figure(section, "failed"), 0.0);
        assert!(figure(section, "answers") > 0.0);
    }
    assert!(figure(&sections[1], "asked") <= figure(&sections[0], "answers"));

    let url = serve_ok();
    let report = project.json(&[&["warm", "--url", &url, "--rate", "50"][..], &short].concat());
    assert_sound(&report);
    let section = &report["subjects"][0]["sections"][0];
    let counted = |row: usize| section["rows"][row]["count"].as_u64().unwrap();
    // 50 were due within a second, and each is counted, sent or not.
    assert_eq!(counted(0), 50);
    assert_eq!(figure(section, "asked"), 50.0);
}

/// A server that answers everything with "ok", until the test's process ends.
fn serve_ok() -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let heads = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                for _ in heads.filter(String::is_empty) {
                    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                }
            });
        }
    });
    url
}

#[test]
fn density_says_what_functions_and_instances_take() {
    let project = Project::new();
    // A command ends with its call, so it cannot be idle: an event handler is needed here.
    fs::write(project.path("idle.wasm"), idle_component()).unwrap();
    let report = project.json(&["density", "idle.wasm", "--functions", "3", "--instances", "4"]);
    assert_sound(&report);
    let titles: Vec<_> = sections(&report["subjects"][0]).iter().map(|section| &section["title"]).collect();
    let crowds = ["3 functions deployed", "3 functions of one component", "3 functions stored through the API"];
    assert_eq!(titles, [&["1 function deployed"], &crowds[..], &["4 idle instances"]].concat());
    let [alone, different, same, stored, idle] = [0, 1, 2, 3, 4].map(|index| &report["subjects"][0]["sections"][index]);
    assert!(figure(alone, "start") > 0.0);
    for crowd in [different, same, stored] {
        assert!(figure(crowd, "start") > 0.0, "{crowd}");
        assert_eq!((&crowd["rows"][0]["count"], &crowd["rows"][1]["count"]), (&3.into(), &1000.into()));
    }
    assert_eq!((&idle["rows"][0]["count"], &idle["rows"][1]["count"]), (&4.into(), &1000.into()));
    assert!(figure(idle, "memory of an idle instance") > 0.0);
    assert!(figure(idle, "slots of the instance pool") >= 4.0);
}

/// Answers every event with nothing.
fn idle_component() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (type $types (instance
                (type $context-record (record (field "request-id" string) (field "deadline-ms" u64)
                    (field "retry-count" u32) (field "trace-parent" (option string))))
                (export "context" (type $context (eq $context-record)))
                (type $kind-enum (enum "handled" "unhandled"))
                (export "failure-kind" (type $kind (eq $kind-enum)))
                (type $failure-record (record (field "kind" $kind) (field "document" string)))
                (export "failure" (type $failure (eq $failure-record)))))
            (import "wisp:function/types@1.0.0" (instance $imported (type $types)))
            (alias export $imported "context" (type $context))
            (alias export $imported "failure" (type $failure))
            (core module $module
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2048))
                (func (export "handle") (param i32 i32 i32 i32 i64 i32 i32 i32 i32) (result i32) (i32.const 64)))
            (core instance $core (instantiate $module))
            (type $handle (func (param "event" (list u8)) (param "context" $context)
                (result (result (list u8) (error $failure)))))
            (func $lifted (type $handle)
                (canon lift (core func $core "handle") (memory (core memory $core "memory"))
                    (realloc (core func $core "realloc"))))
            (instance $handler (export "handle" (func $lifted)))
            (export "wisp:function/event-handler@1.0.0" (instance $handler)))"#,
    )
    .unwrap()
}

#[test]
fn a_deploy_compiles_every_time() {
    let project = Project::new();
    let report = project.json(&["deploy", "f.wasm", "-n", "2"]);
    assert_sound(&report);
    for section in sections(&report["subjects"][0]) {
        let compile = section["rows"].as_array().unwrap().iter().find(|row| row["name"] == "compile").unwrap();
        assert_eq!(compile["count"], 2);
    }
}

#[test]
fn a_report_is_one_file_that_asks_for_nothing_else() {
    let project = Project::new();
    let said = project.run(&["cold", "small", "-n", "2", "--cold-runs", "1", "--report", "page.html"]);
    assert_eq!(said.code, 0, "{said:?}");
    let page = fs::read_to_string(project.path("page.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("<svg") && page.contains("instantiate") && page.contains("small"));
    for foreign in ["<script", "http://", "https://", "<link", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn what_cannot_be_measured_is_named() {
    let project = Project::new();
    let refused = |arguments: &[&str], code: i32, reasons: &[&str]| {
        let said = project.run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
        for reason in reasons {
            assert!(said.err.contains(reason), "{reason}: {said:?}");
        }
    };
    fs::write(project.path("text.wasm"), "(module)").unwrap();
    refused(&["cold", "absent.wasm"], 2, &["absent.wasm cannot be read", "No such file"]);
    refused(&["cold", "text.wasm"], 1, &["text.wasm", "WebAssembly text format"]);
    refused(&["cold", "other"], 2, &["there is no function 'other'; there is small"]);
    refused(&["cold", "small:colour=red"], 2, &["small:colour=red", "colour"]);
    refused(&["cold", "small:memory=lots"], 2, &["memory"]);
    refused(&["warm", "--url", "https://localhost/"], 2, &["without TLS"]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refused(&["warm", "--url", &format!("http://{nobody}/")], 1, &[&nobody.to_string(), "refused"]);
    refused(&["warm", "small", "--rate", "0"], 2, &["requests a second"]);
}
