//! `wisp list`.

use std::{io::Write as _, process::ExitCode};

use clap::Args;
use serde_json::Value;

use super::{
    Failure,
    client::ServerArgs,
    runtime,
    terminal::{full_name, table},
};

/// List the functions of a running wisp
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl ListArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let client = self.server.client()?;
        let functions = runtime::alone(client.get_json("/wisp/functions"))??;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{functions:#}")?;
        } else {
            match functions.as_array().map(Vec::as_slice) {
                None | Some([]) => writeln!(out, "the wisp at {} has no functions", client.endpoint())?,
                Some(functions) => writeln!(out, "{}", table(&rows(functions)))?,
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn rows(functions: &[Value]) -> Vec<Vec<String>> {
    let heading = ["FUNCTION", "KIND", "LIVE", "IDLE", "COLD STARTS", "OK", "FAILED", "URL"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    rows.extend(functions.iter().map(row));
    rows
}

fn row(function: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default().to_string();
    let (ok, failed) = outcomes(&function["invocations"]);
    vec![
        full_name(&text(&function["service"]), &text(&function["name"])),
        text(&function["kind"]),
        number(&function["instances"]["live"]),
        number(&function["instances"]["idle"]),
        number(&function["coldStarts"]),
        ok.to_string(),
        failed.to_string(),
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
        let url = "http://127.0.0.1:9000/2016-08-15/proxy/shop/orders/";
        assert_eq!(row(&function), ["shop/orders", "function", "3", "1", "2", "7", "2", url]);
    }
}
