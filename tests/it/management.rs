//! The management API 2016-08-15 and 2023-03-30 through the real server.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use support::{Answer, EVENT, MISBEHAVE, TestHost, client};

mod crash;
mod events;
mod functions;
mod host_failures;
mod qualifiers;
mod references;
mod signed;
mod sources;
mod tags;
mod triggers;

/// `code` with a component in the place of a zip.
fn code(component: &std::path::Path) -> Value {
    json!({ "zipFile": BASE64_STANDARD.encode(std::fs::read(component).unwrap()) })
}

fn ok(answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn gone(answer: &Answer) {
    assert_eq!((answer.status, answer.body.len()), (204, 0), "{}", answer.text());
}

fn refused(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!((answer.status, answer.error_code().as_str()), (status, code), "{}", answer.text());
    assert_eq!(answer.header("x-fc-request-id").len(), 36);
    answer.json()["ErrorMessage"].as_str().unwrap().to_owned()
}

/// Calls below the version's prefix.
struct Api<'a>(&'a TestHost, &'static str);

impl Api<'_> {
    async fn post(&self, path: &str, body: Value) -> Answer {
        self.0.api("POST", &format!("/{}{path}", self.1), body).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.0.api("PUT", &format!("/{}{path}", self.1), body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.0.api("GET", &format!("/{}{path}", self.1), Value::Null).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.0.api("DELETE", &format!("/{}{path}", self.1), Value::Null).await
    }

    /// Invokes a function of the service `svc` and returns what it says.
    async fn says(&self, qualified: &str, function: &str, event: &str) -> String {
        let path = format!("/2016-08-15/services/{qualified}/functions/{function}/invocations");
        let answer = client::send(self.0.api, "POST", &path, &[], event.as_bytes().to_vec()).await;
        assert_eq!((answer.status, answer.header("x-fc-error-type")), (200, ""), "{}", answer.text());
        answer.text()
    }
}

fn fc2(host: &TestHost) -> Api<'_> {
    Api(host, "2016-08-15")
}

fn fc3(host: &TestHost) -> Api<'_> {
    Api(host, "2023-03-30")
}

/// A service `svc` with a function `f` that does as it is told, with `VALUE` in its environment.
async fn deployed(api: &Api<'_>, value: &str) {
    ok(api.post("/services", json!({ "serviceName": "svc" })).await);
    ok(api.post("/services/svc/functions", function("f", value)).await);
}

fn function(name: &str, value: &str) -> Value {
    json!({
        "functionName": name,
        "runtime": "custom",
        "handler": "index.handler",
        "code": code(&MISBEHAVE),
        "environmentVariables": { "VALUE": value },
    })
}

fn names<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap()).collect()
}
