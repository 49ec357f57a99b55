//! `wisp events`.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use clap::{Args, Subcommand};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::{
    Failure,
    client::{self, ApiClient, ServerArgs, encoded},
    runtime,
    terminal::{counted, full_name, table},
};

/// Look at asynchronous invocations, and deal with those that nobody took
#[derive(Debug, Args)]
#[command(
    after_help = "An event is named by the id of its request, as in x-fc-request-id. Events that were handled are \
                        forgotten at once, unless they are stateful."
)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// List events, newest first
    List(ListArgs),
    /// Show one event with its payload and what came of it
    Show(ShowArgs),
    /// Start dead letters over: call their functions again, or deliver their records
    Redrive(DeadArgs),
    /// Forget dead letters
    Purge(DeadArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The function [default: all]
    function: Option<String>,
    /// The service of the function [default: any]
    #[arg(long, short)]
    service: Option<String>,
    /// Dead letters alone
    #[arg(long)]
    dead: bool,
    /// Only those of a status, such as Running or Failed
    #[arg(long)]
    status: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 100)]
    limit: usize,
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The id of the event's request
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct DeadArgs {
    /// The id of one dead letter's request
    #[arg(required_unless_present_any = ["all", "function"], conflicts_with_all = ["all", "function"])]
    id: Option<String>,
    /// All dead letters of a function
    #[arg(long, short)]
    function: Option<String>,
    /// The service of the function [default: any]
    #[arg(long, short, requires = "function")]
    service: Option<String>,
    /// All dead letters
    #[arg(long, conflicts_with = "function")]
    all: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl EventsArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        match self.command {
            EventsCommand::List(args) => args.execute(),
            EventsCommand::Show(args) => args.execute(),
            EventsCommand::Redrive(args) => args.execute(Method::POST, "redriven"),
            EventsCommand::Purge(args) => args.execute(Method::DELETE, "purged"),
        }
    }
}

impl ListArgs {
    fn execute(self) -> Result<ExitCode, Failure> {
        let client = self.server.client()?;
        let answer = runtime::alone(client.get_json(&self.path()))??;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{answer:#}")?;
            return Ok(ExitCode::SUCCESS);
        }
        match answer["events"].as_array().map(Vec::as_slice) {
            None | Some([]) => writeln!(out, "the wisp at {} has no such events", client.endpoint())?,
            Some(events) => writeln!(out, "{}", table(&rows(events)))?,
        }
        if answer["next"].is_u64() {
            writeln!(out, "there are more; --limit shows them")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn path(&self) -> String {
        let mut path = format!("/wisp/events?limit={}&dead={}", self.limit, self.dead);
        for (name, value) in [("function", &self.function), ("service", &self.service), ("status", &self.status)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        path
    }
}

fn rows(events: &[Value]) -> Vec<Vec<String>> {
    let heading = ["REQUEST", "FUNCTION", "TRIGGER", "STATUS", "CALLS", "RECEIVED", "ERROR"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    rows.extend(events.iter().map(row));
    rows
}

fn row(event: &Value) -> Vec<String> {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let dead = if event["dead"] == true { " (dead)" } else { "" };
    let error = ["destinationError", "error"].into_iter().map(text).find(|error| !error.is_empty());
    vec![
        text("requestId"),
        full_name(&text("service"), &text("function")),
        text("trigger"),
        text("status") + dead,
        event["calls"].as_u64().unwrap_or_default().to_string(),
        text("received"),
        error.unwrap_or_default(),
    ]
}

impl ShowArgs {
    fn execute(self) -> Result<ExitCode, Failure> {
        let client = self.server.client()?;
        let event = runtime::alone(client.get_json(&format!("/wisp/events/{}", encoded(&self.id))))??;
        writeln!(anstream::stdout(), "{event:#}")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl DeadArgs {
    fn execute(self, method: Method, done: &str) -> Result<ExitCode, Failure> {
        let client = self.server.client()?;
        let count = runtime::alone(change(&client, method.clone(), &self.path(&method), done))??;
        writeln!(anstream::stdout(), "{} {done}", counted(count, "dead letter"))?;
        Ok(ExitCode::SUCCESS)
    }

    fn path(&self, method: &Method) -> String {
        let verb = if *method == Method::POST { "/redrive" } else { "" };
        let (id, query) = match (&self.id, &self.function, &self.service) {
            (Some(id), ..) => (format!("/{}", encoded(id)), String::new()),
            (None, Some(function), None) => (String::new(), format!("?function={}", encoded(function))),
            (None, Some(function), Some(service)) => {
                (String::new(), format!("?function={}&service={}", encoded(function), encoded(service)))
            }
            (None, None, _) => (String::new(), String::new()),
        };
        format!("/wisp/events{id}{verb}{query}")
    }
}

async fn change(client: &ApiClient, method: Method, path: &str, done: &str) -> anyhow::Result<usize> {
    let response = client.send(method, path, HeaderMap::new(), Bytes::new()).await?;
    let status = response.status();
    let body = client::whole(response).await?;
    if status != StatusCode::OK {
        return Err(client::refusal(status, &body));
    }
    let answer: Value = serde_json::from_slice(&body).context("the server answered with no JSON")?;
    let count = answer[done].as_u64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| anyhow!("the server did not say how many were {done}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_names_the_dead_and_why() {
        let event = json!({
            "requestId": "r", "service": "shop", "function": "orders", "trigger": "nightly", "status": "Failed", "dead": true, "calls": 4,
            "received": "2026-01-01T00:00:00.000Z", "error": "UnhandledInvocationError", "destinationError": null,
        });
        assert_eq!(
            row(&event),
            [
                "r",
                "shop/orders",
                "nightly",
                "Failed (dead)",
                "4",
                "2026-01-01T00:00:00.000Z",
                "UnhandledInvocationError"
            ]
        );
    }
}
