//! `wisp list`.

use std::{io::Write as _, process::ExitCode};

use anyhow::bail;
use clap::Args;
use http::Method;
use serde_json::Value;

use super::{
    Failure,
    client::{ServerArgs, encoded},
    completions,
    control::{
        Control, names,
        resource::{FunctionName, Kind, domains, functions_3, functions_of, services},
    },
    runtime,
    terminal::{full_name, table},
};

/// List what a running wisp serves, or the services, functions, triggers, versions, aliases or domains that its API has
#[derive(Debug, Args)]
#[command(after_help = "wisp list                        what is served, with figures\n\
                        wisp list services\n\
                        wisp list functions shop         those of a service; without a name, all\n\
                        wisp list triggers               those that wisp runs, with their states\n\
                        wisp list triggers shop/orders   all of a function\n\
                        wisp list aliases shop\n\
                        wisp list domains")]
pub(crate) struct ListArgs {
    /// What to list [default: the functions that are served]
    kind: Option<Kind>,
    /// Whose: a service for functions, a function for triggers, either for versions and aliases
    #[arg(add = completions::names())]
    of: Option<String>,
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl ListArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let control = Control(self.server.client()?);
        let documents = runtime::alone(self.documents(&control))??;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{:#}", Value::Array(documents))?;
        } else if documents.is_empty() {
            writeln!(out, "the wisp at {} has {}", control.0.endpoint(), self.none())?;
        } else {
            writeln!(out, "{}", table(&rows(self.kind, &documents)))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn documents(&self, control: &Control) -> anyhow::Result<Vec<Value>> {
        let Some(kind) = self.kind else {
            let functions = control.0.get_json("/wisp/functions").await?;
            let triggers = control.0.get_json("/wisp/triggers").await?;
            return Ok(with_triggers(functions.as_array().cloned().unwrap_or_default(), &triggers["triggers"]));
        };
        match (kind, &self.of) {
            (Kind::Service, None) => control.all(&services(), "services").await,
            (Kind::Domain, None) => control.all(&domains(), "customDomains").await,
            (Kind::Function, None) => all_functions(control).await,
            (Kind::Function, Some(service)) => functions(control, service).await,
            (Kind::Trigger, Some(function)) => {
                let function = FunctionName::parse(function);
                let triggers = control.all(&format!("{}/triggers", function.path()), "triggers").await?;
                Ok(with_states(triggers, &states(control, &function).await?))
            }
            (Kind::Version | Kind::Alias, Some(name)) => {
                let (list, key) = if kind == Kind::Version { ("versions", "versions") } else { ("aliases", "aliases") };
                control.all(&format!("{}/{list}", control.scope(name).await?.path()), key).await
            }
            (Kind::Service | Kind::Domain, Some(_)) => {
                bail!("{}s belong to nobody; leave the second name out", kind.word())
            }
            (Kind::Trigger, None) => {
                let all = control.call(Method::GET, "/wisp/triggers", None).await?;
                Ok(all["triggers"].as_array().cloned().unwrap_or_default())
            }
            (Kind::Version | Kind::Alias, None) => bail!("say whose: `wisp list {} SERVICE`", kind.word()),
        }
    }

    fn none(&self) -> String {
        let of = self.of.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        match self.kind {
            None => "no functions".to_owned(),
            Some(Kind::Alias) => format!("no aliases{of}"),
            Some(kind) => format!("no {}s{of}", kind.word()),
        }
    }
}

/// The functions of a service, which then has to be there.
async fn functions(control: &Control, service: &str) -> anyhow::Result<Vec<Value>> {
    let path = functions_of(service);
    if control.find(&format!("{}/{service}", services())).await?.is_none() {
        bail!("there is no service {service}; `wisp list services` lists them");
    }
    Ok(with_service(control.all(&path, "functions").await?, service))
}

/// The functions of all services, then those of 3.0.
pub(super) async fn all_functions(control: &Control) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    for service in names(&control.all(&services(), "services").await?, "serviceName") {
        found.extend(with_service(control.all(&functions_of(&service), "functions").await?, &service));
    }
    // That API also tells of functions that have a service, as `service$function`.
    let of_3 = control.all(&functions_3(), "functions").await?.into_iter();
    found.extend(of_3.filter(|function| !function["functionName"].as_str().is_some_and(|name| name.contains('$'))));
    Ok(found)
}

/// How the triggers of a function are, by their names.
async fn states(control: &Control, function: &FunctionName) -> anyhow::Result<Vec<Value>> {
    let service = function.service.as_deref().unwrap_or_default();
    let path = format!("/wisp/triggers?service={}&function={}", encoded(service), encoded(&function.name));
    let all = control.call(Method::GET, &path, None).await?;
    Ok(all["triggers"].as_array().cloned().unwrap_or_default())
}

/// Beside each function the names of what calls it besides HTTP.
fn with_triggers(mut functions: Vec<Value>, triggers: &Value) -> Vec<Value> {
    let triggers = triggers.as_array().map(Vec::as_slice).unwrap_or_default();
    for function in &mut functions {
        let is_own = |it: &&Value| {
            it["service"] == function["service"] && it["function"] == function["name"] && it["state"] != "removed"
        };
        let names: Vec<Value> = triggers.iter().filter(is_own).map(|trigger| trigger["name"].clone()).collect();
        function["triggers"] = names.into();
    }
    functions
}

/// The API of Function Compute has no states.
fn with_states(mut triggers: Vec<Value>, states: &[Value]) -> Vec<Value> {
    for trigger in &mut triggers {
        if let Some(state) = states.iter().find(|state| state["name"] == trigger["triggerName"]) {
            let reason = state["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
            trigger["state"] = format!("{}{reason}", cell(&state["state"])).into();
        }
    }
    triggers
}

fn running_trigger(trigger: &Value) -> Vec<String> {
    let function = full_name(&cell(&trigger["service"]), &cell(&trigger["function"]));
    let name = format!("{function}/{}", cell(&trigger["name"]));
    let rest = texts(trigger, &["type", "source", "state", "delivered", "reason"]);
    std::iter::once(name).chain(rest).collect()
}

/// A function's document does not say whose it is.
fn with_service(mut functions: Vec<Value>, service: &str) -> Vec<Value> {
    functions.iter_mut().for_each(|function| function["serviceName"] = service.into());
    functions
}

/// What makes a row of a document.
type Row = fn(&Value) -> Vec<String>;

fn rows(kind: Option<Kind>, documents: &[Value]) -> Vec<Vec<String>> {
    let (heading, row): (&[&str], Row) = match kind {
        None => (&["FUNCTION", "KIND", "LIVE", "IDLE", "COLD STARTS", "OK", "FAILED", "TRIGGERS", "URL"], served),
        Some(Kind::Service) => (&["SERVICE", "DESCRIPTION", "CHANGED"], |it| {
            texts(it, &["serviceName", "description", "lastModifiedTime"])
        }),
        Some(Kind::Function) => (&["FUNCTION", "RUNTIME", "HANDLER", "MEMORY", "TIMEOUT", "CHANGED"], function),
        Some(Kind::Trigger) if documents.iter().all(|it| it["triggerName"].is_null()) => {
            (&["TRIGGER", "TYPE", "SOURCE", "STATE", "DELIVERED", "REASON"], running_trigger)
        }
        Some(Kind::Trigger) => (&["TRIGGER", "TYPE", "QUALIFIER", "CONFIG", "STATE"], |it| {
            texts(it, &["triggerName", "triggerType", "qualifier", "triggerConfig", "state"])
        }),
        Some(Kind::Version) => {
            (&["VERSION", "DESCRIPTION", "CREATED"], |it| texts(it, &["versionId", "description", "createdTime"]))
        }
        Some(Kind::Alias) => (&["ALIAS", "VERSION", "SHARES", "DESCRIPTION"], |it| {
            texts(it, &["aliasName", "versionId", "additionalVersionWeight", "description"])
        }),
        Some(Kind::Domain) => (&["DOMAIN", "PROTOCOL", "ROUTES"], domain),
    };
    let mut rows = vec![heading.iter().map(ToString::to_string).collect()];
    rows.extend(documents.iter().map(row));
    rows
}

/// A cell for each key; what is not set is empty, what is nested is JSON.
fn texts(document: &Value, keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| cell(&document[*key])).collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(entries) if entries.is_empty() => String::new(),
        other => other.to_string(),
    }
}

fn function(document: &Value) -> Vec<String> {
    let name = cell(&document["functionName"]);
    let name = document["serviceName"].as_str().map_or(name.clone(), |service| format!("{service}/{name}"));
    let unit =
        |key: &str, unit: &str| document[key].as_u64().map(|number| format!("{number} {unit}")).unwrap_or_default();
    let [runtime, handler] = ["runtime", "handler"].map(|key| cell(&document[key]));
    vec![name, runtime, handler, unit("memorySize", "MB"), unit("timeout", "s"), cell(&document["lastModifiedTime"])]
}

fn domain(document: &Value) -> Vec<String> {
    let routes = document["routeConfig"]["routes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let routes: Vec<String> = routes
        .iter()
        .map(|route| {
            let service = route["serviceName"].as_str().filter(|service| !service.is_empty());
            let service = service.map(|service| format!("{service}/")).unwrap_or_default();
            let qualifier = route["qualifier"].as_str().filter(|qualifier| !matches!(*qualifier, "" | "LATEST"));
            let qualifier = qualifier.map(|qualifier| format!("@{qualifier}")).unwrap_or_default();
            format!("{} → {service}{}{qualifier}", cell(&route["path"]), cell(&route["functionName"]))
        })
        .collect();
    vec![cell(&document["domainName"]), cell(&document["protocol"]), routes.join(", ")]
}

fn served(function: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default().to_string();
    let (ok, failed) = outcomes(&function["invocations"]);
    vec![
        full_name(&text(&function["service"]), &text(&function["name"])),
        // Its instances start initialized.
        text(&function["kind"]) + if function["initialized"].is_object() { ", snapshot" } else { "" },
        number(&function["instances"]["live"]),
        number(&function["instances"]["idle"]),
        number(&function["coldStarts"]),
        ok.to_string(),
        failed.to_string(),
        function["triggers"]
            .as_array()
            .map(|names| names.iter().map(text).collect::<Vec<_>>().join(", "))
            .unwrap_or_default(),
        text(&function["urls"][0]),
    ]
}

/// Invocations that ended well, and all others.
fn outcomes(invocations: &Value) -> (u64, u64) {
    let Some(outcomes) = invocations.as_object() else { return (0, 0) };
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let all: u64 = outcomes.values().map(count).sum();
    let ok = outcomes.get("ok").map_or(0, count);
    (ok, all.saturating_sub(ok))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_sums_up_a_function() {
        let function = json!({
            "service": "shop", "name": "orders", "kind": "function", "coldStarts": 2,
            "instances": { "live": 3, "idle": 1 },
            "invocations": { "ok": 7, "function_error": 1, "timeout": 1 },
            "urls": ["http://127.0.0.1:9000/2016-08-15/proxy/shop/orders/"],
        });
        let triggers = json!([
            { "service": "shop", "function": "orders", "name": "tick", "state": "running" },
            { "service": "shop", "function": "orders", "name": "jobs", "state": "paused" },
            { "service": "shop", "function": "orders", "name": "old", "state": "removed" },
            { "service": "other", "function": "orders", "name": "news", "state": "running" },
        ]);
        let function = &with_triggers(vec![function], &triggers)[0];
        let url = "http://127.0.0.1:9000/2016-08-15/proxy/shop/orders/";
        assert_eq!(served(function), ["shop/orders", "function", "3", "1", "2", "7", "2", "tick, jobs", url]);
    }

    #[test]
    fn each_kind_has_a_table_of_its_own() {
        let row = |kind, document: Value| rows(Some(kind), &[document]).swap_remove(1);
        assert_eq!(
            row(
                Kind::Function,
                json!({"serviceName": "s", "functionName": "f", "runtime": "custom", "memorySize": 128})
            ),
            ["s/f", "custom", "", "128 MB", "", ""]
        );
        assert_eq!(
            row(Kind::Alias, json!({"aliasName": "prod", "versionId": "1", "additionalVersionWeight": {"2": 0.05}})),
            ["prod", "1", "{\"2\":0.05}", ""]
        );
        let routes = json!({"routes": [{"path": "/*", "serviceName": "s", "functionName": "f"}, {"path": "/a", "functionName": "g", "qualifier": "prod"}]});
        assert_eq!(
            row(Kind::Domain, json!({"domainName": "example.com", "protocol": "HTTP", "routeConfig": routes})),
            ["example.com", "HTTP", "/* → s/f, /a → g@prod"]
        );
    }
}
