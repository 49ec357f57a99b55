//! The fixtures of the language runtimes (`guest-sdk/*/fixtures/*/fixture.json`): built, deployed and called through the
//! real host. What a fixture expects of single hooks is what the host makes of them: initializers run before the first
//! call, pre-stop hooks when an instance is idle for long.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::Engine as _;
use serde_json::{Value, json};
use support::{Answer, Project, TestHost, project, root};
use wisp::component::runtime::Runtimes;

/// What a fixture may need that these tests do not start: the runtimes' own tests do.
const SERVERS: &str = "needs";

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_of_python_does_what_it_says() {
    run_all("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_of_javascript_does_what_it_says() {
    run_all("js").await;
}

async fn run_all(sdk: &str) {
    let directory = root().join("guest-sdk").join(sdk).join("fixtures");
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut fixtures: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    fixtures.retain(|path| path.join("fixture.json").is_file());
    fixtures.sort();
    assert!(!fixtures.is_empty(), "no fixtures in {}", directory.display());
    let runtimes = project::runtimes(Project::loader(), &root().join("guest-sdk").join(sdk).join("runtime"));
    let mut failures = Vec::new();
    for path in fixtures {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if let Err(reason) = Fixture::read(&path, runtimes.clone()).run().await {
            failures.push(format!("{sdk}/{name}: {reason}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

struct Fixture {
    project: Project,
    told: Value,
}

type Checked = Result<(), String>;

impl Fixture {
    fn read(path: &Path, runtimes: Runtimes) -> Self {
        let project = Project::with(runtimes, &[]);
        copy(path, path, &project);
        let text = fs::read(path.join("fixture.json")).unwrap();
        let told: Value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        install_packages(&project);
        Self { project, told: in_one_form(told) }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.told[key].as_str()
    }

    fn toml(&self) -> String {
        let timeout = self.told["timeout"].as_u64().unwrap_or(50);
        let mut toml = format!(
            "[functions.f]\nmemory = \"512 MB\"\ntimeout = \"{timeout} s\"\ninitialization_timeout = \"50 s\"\n"
        );
        for key in ["handler", "initializer", "pre_freeze", "pre_stop", "after_restore", "handler_type"] {
            if let Some(value) = self.text(key) {
                toml += &format!("{key} = {value:?}\n");
            }
        }
        let differs = self.calls().iter().any(|call| call["differs_between_instances"] == true);
        toml += if differs { "isolation = \"request\"\n" } else { "idle_timeout = \"5 s\"\n" };
        if let Some(variables) = self.told["environment"].as_object() {
            toml += "[functions.f.environment]\n";
            for (name, value) in variables {
                toml += &format!("{name} = {value}\n");
            }
        }
        let evaluate = if self.told["evaluate"] == false { "start" } else { "build" };
        toml += &format!("[functions.f.build]\nevaluate = \"{evaluate}\"\n");
        // A server or a handler of requests is called through a trigger; others are told of it only if they say so.
        if self.told["http_trigger"] == true || self.calls().iter().any(|call| !call["http"].is_null()) {
            toml += "[functions.f.http]\n";
        }
        toml
    }

    fn calls(&self) -> &[Value] {
        self.told["calls"].as_array().map_or(&[], Vec::as_slice)
    }

    async fn run(&self) -> Checked {
        if !self.told[SERVERS].is_null() {
            return Ok(());
        }
        let toml = self.toml();
        let built = self.project.build(&toml);
        let refused = |expected: &Value| expected["errorType"] == "NotInSnapshot";
        let (load, park) = (&self.told["load_fails"], &self.told["park_fails"]);
        let built = match built {
            Ok(built) => built,
            Err(error) if load.is_null() => return Err(format!("{error}\n{}", error.output)),
            Err(error) => return part_of(&load["errorMessage"], &error.to_string()),
        };
        if !park.is_null() || refused(load) {
            let expected = if park.is_null() { load } else { park };
            return part_of(&expected["errorMessage"], &built.warnings.join("\n"));
        }
        if !load.is_null() {
            return Err("it was built although it is wrong".into());
        }
        self.check_declaration()?;
        let host = TestHost::start_project(&self.project, &toml).await;
        for (number, call) in self.calls().iter().enumerate() {
            check_call(&host, call).await.map_err(|reason| format!("call {number}, {call}: {reason}"))?;
        }
        Ok(())
    }

    fn check_declaration(&self) -> Checked {
        let component = fs::read(self.project.path().join("f.wasm")).unwrap();
        let declared = wisp::component::inspect::inspect(&component).unwrap().declaration.unwrap();
        let declared = serde_json::to_value(declared).unwrap();
        let Some(expected) = self.told["loads"].as_object() else { return Ok(()) };
        for (key, value) in expected {
            let fits = match key.as_str() {
                "kinds" => ["event", "http"]
                    .iter()
                    .all(|kind| declared[*kind] == Value::Bool(value.as_array().unwrap().iter().any(|it| it == kind))),
                "pre_freeze" => declared["preFreeze"] == *value,
                "pre_stop" => declared["preStop"] == *value,
                "after_restore" => declared["afterRestore"] == *value,
                "warnings" => true,
                other => declared[other] == *value,
            };
            if !fits {
                return Err(format!("{key} should be {value}: {declared}"));
            }
        }
        Ok(())
    }
}

/// npm's own cache makes it quick from the second time on.
fn install_packages(project: &Project) {
    if project.path().join("package.json").is_file() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--omit=dev", "--no-audit", "--no-fund", "--silent"]).current_dir(project.path());
        assert!(npm.status().unwrap().success(), "npm install failed");
    }
}

/// The fixtures of JavaScript in the form of those of Python.
fn in_one_form(mut told: Value) -> Value {
    if !told["style"].is_null() {
        told["loads"] = json!({ "style": told["style"] });
        told["http_trigger"] = told["httpTrigger"].take();
    }
    for call in told["calls"].as_array_mut().into_iter().flatten() {
        let expect = call["expect"].take();
        if expect.is_null() {
            continue;
        }
        if let Some(headers) = call["http"]["headers"].as_object() {
            call["http"]["headers"] = headers.iter().map(|(name, value)| json!([name, value])).collect();
        }
        if call["http"].is_object() {
            call["http"]["url"] = call["http"]["path"].take();
            call["answer"] = json!({ "status": expect["status"], "any_header": pattern(&expect["headers"]) });
            if !expect["answer"].is_null() {
                call["answer"]["body"] = pattern(&expect["answer"]);
            }
        }
        if expect["failure"].is_object() {
            call["failure"] = pattern(&expect["failure"]);
            call["kind"] = expect["kind"].clone();
        } else if !expect["result"].is_null() || !expect["json"].is_null() {
            let key = if expect["json"].is_null() { "result" } else { "json" };
            call["result"] = pattern(&expect[key]);
        }
    }
    told
}

/// `"contains:…"` as `{"contains": "…"}`, wherever it stands.
fn pattern(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix("contains:") {
            Some(part) => json!({ "contains": part }),
            None => value.clone(),
        },
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), pattern(value))).collect(),
        Value::Array(items) => items.iter().map(pattern).collect(),
        other => other.clone(),
    }
}

fn copy(root: &Path, directory: &Path, project: &Project) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            copy(root, &path, project);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            project.write(&name, fs::read(&path).unwrap());
        }
    }
}

async fn check_call(host: &TestHost, call: &Value) -> Checked {
    if let Some(hook) = call["hook"].as_str() {
        return check_hook(host, call, hook).await;
    }
    let answer = if call["http"].is_null() { event(host, call).await } else { request(host, call).await };
    if !call["http"].is_null() {
        check_answer(&call["answer"], &answer)?;
    } else if call["failure"].is_null() {
        if !answer.header("x-fc-error-type").is_empty() {
            return Err(format!("it failed: {}", answer.text()));
        }
        check_result(host, call, &answer).await?;
    } else {
        if answer.header("x-fc-error-type").is_empty() {
            return Err(format!("it did not fail: {}", answer.text()));
        }
        check_kind(&call["kind"], &answer)?;
        matches(&call["failure"], &answer.json())?;
    }
    check_log(host, call, &answer).await
}

fn check_kind(expected: &Value, answer: &Answer) -> Checked {
    let kind = match expected.as_str() {
        None => return Ok(()),
        Some("handled") => "HandledInvocationError",
        Some(_) => "UnhandledInvocationError",
    };
    let found = answer.header("x-fc-error-type");
    if found == kind { Ok(()) } else { Err(format!("{found} in place of {kind}")) }
}

/// The host calls the hooks: only what a failed initializer answers, and what hooks leave in the log, can be seen.
async fn check_hook(host: &TestHost, call: &Value, hook: &str) -> Checked {
    if hook == "initialize" && !call["failure"].is_null() {
        let answer = host.invoke("f", "").await;
        return matches(&call["failure"], &answer.json());
    }
    if hook == "pre_stop" {
        for text in texts(&call["log"]) {
            // The request ids of the runtimes' own tests are numbers of theirs.
            host.logs("f", text.split("request-").next().unwrap_or_default().trim_end()).await;
        }
    }
    Ok(())
}

async fn event(host: &TestHost, call: &Value) -> Answer {
    let event = match &call["event"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    host.invoke_with("f", event, &[("x-fc-log-type", "Tail")]).await
}

async fn request(host: &TestHost, call: &Value) -> Answer {
    let request = &call["http"];
    let pairs: Vec<(String, String)> = serde_json::from_value(request["headers"].clone()).unwrap_or_default();
    let headers: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = match &request["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    host.request(request["method"].as_str().unwrap(), "f", request["url"].as_str().unwrap(), &headers, body).await
}

async fn check_result(host: &TestHost, call: &Value, answer: &Answer) -> Checked {
    if call["differs_between_instances"] == true {
        let other = event(host, call).await;
        return if other.body == answer.body { Err(format!("{} in both", other.text())) } else { Ok(()) };
    }
    call.get("result").map_or(Ok(()), |expected| matches_text(expected, &String::from_utf8_lossy(&answer.body)))
}

fn check_answer(expected: &Value, answer: &Answer) -> Checked {
    let status = expected["status"].as_u64().unwrap_or(200);
    if u64::from(answer.status) != status {
        return Err(format!("status {}: {}", answer.status, String::from_utf8_lossy(&answer.body)));
    }
    for (name, value) in expected["headers"].as_object().into_iter().flatten() {
        let values = answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        matches(value, &Value::String(values.collect::<Vec<_>>().join(", ")))
            .map_err(|reason| format!("{name}: {reason}"))?;
    }
    if !expected["any_header"].is_null() {
        let all: Vec<_> = answer.headers.values().map(|value| value.to_str().unwrap_or_default()).collect();
        part_of(&expected["any_header"], &all.join("\n"))?;
    }
    expected.get("body").map_or(Ok(()), |body| matches_text(body, &String::from_utf8_lossy(&answer.body)))
}

async fn check_log(host: &TestHost, call: &Value, answer: &Answer) -> Checked {
    let tail = base64::engine::general_purpose::STANDARD.decode(answer.header("x-fc-log-result")).unwrap_or_default();
    let tail = without_ids(&String::from_utf8_lossy(&tail));
    let all = without_ids(&(host.log("f").await.join("\n") + "\n"));
    for text in texts(&call["log"]) {
        if !all.contains(&without_ids(text)) {
            return Err(format!("{text:?} is not in the log:\n{all}"));
        }
    }
    // Ids are the runtimes' own numbers there, and the host's here.
    for text in texts(&call["no_log"]).into_iter().filter(|text| !text.starts_with("request-")) {
        if tail.contains(text) {
            return Err(format!("{text:?} is in the log:\n{tail}"));
        }
    }
    Ok(())
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A text is compared as it is, anything else as JSON.
fn matches_text(expected: &Value, actual: &str) -> Checked {
    let is_pattern = expected.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("contains"));
    if expected.is_string() || is_pattern {
        return matches(expected, &Value::String(actual.to_owned()));
    }
    let json = serde_json::from_str(actual).map_err(|error| format!("{error}: {actual}"))?;
    matches(expected, &json)
}

/// Every member that is expected is there; `{"contains": …}` asks for parts of a text, or of what is written as JSON.
fn matches(expected: &Value, actual: &Value) -> Checked {
    let wrong = || Err(format!("expected {expected}, found {actual}"));
    match expected {
        Value::Object(members) if members.len() == 1 && members.contains_key("contains") => {
            let text = actual.as_str().map_or_else(|| actual.to_string(), str::to_owned);
            part_of(expected, &text)
        }
        Value::Object(members) => members
            .iter()
            .try_for_each(|(name, value)| matches(value, &actual[name]).map_err(|reason| format!("{name}: {reason}"))),
        Value::Array(items) => match actual.as_array() {
            Some(found) if found.len() == items.len() => {
                items.iter().zip(found).try_for_each(|(item, found)| matches(item, found))
            }
            _ => wrong(),
        },
        Value::String(text) => match actual.as_str() {
            Some(found) if without_ids(found) == without_ids(text) => Ok(()),
            _ => wrong(),
        },
        _ if expected == actual => Ok(()),
        _ => wrong(),
    }
}

/// A text, or all texts of `contains`, are parts of `actual`.
fn part_of(expected: &Value, actual: &str) -> Checked {
    let parts = if expected["contains"].is_null() { texts(expected) } else { texts(&expected["contains"]) };
    // The builder writes paths as the user has them.
    let plain = actual.replace("/code/", "");
    match parts.into_iter().find(|part| !plain.contains(&part.replace("/code/", ""))) {
        Some(part) => Err(format!("{part:?} is not in: {actual}")),
        None => Ok(()),
    }
}

/// Request ids in one form: those of the fixtures are numbered, those of the host are UUIDs.
fn without_ids(text: &str) -> String {
    let is_id = |text: &str| {
        text.len() == 36
            && text.bytes().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("request-") {
            out.push_str("request-*");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        } else if rest.get(..36).is_some_and(is_id) {
            out.push_str("request-*");
            rest = &rest[36..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}
