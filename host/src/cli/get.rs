//! `wisp get`.

use std::{io::Write as _, process::ExitCode};

use clap::Args;
use serde_json::Value as Json;

use super::{
    Failure,
    client::ServerArgs,
    completions,
    control::{
        Control,
        resource::{Kind, Resource},
    },
    runtime,
    terminal::{STRONG, paint},
};

/// Show one service, function, trigger, version, alias or domain of a running wisp
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// What it is
    kind: Kind,
    /// Its name, such as demo, demo/hello or demo/hello/http
    #[arg(add = completions::names())]
    name: String,
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl GetArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let control = Control(self.server.client()?);
        let document = runtime::alone(async {
            let resource = Resource::named(self.kind, &self.name, &control).await?;
            control.document(&resource).await
        })??;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{document:#}")?;
        } else {
            writeln!(out, "{}", fields(&document))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A line for each attribute that is set; what is nested stays JSON.
pub(super) fn fields(document: &Json) -> String {
    let pairs: Vec<(&String, String)> = document
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !is_unset(value))
        .map(|(key, value)| (key, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    let width = pairs.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    let lines = pairs.iter().map(|(key, value)| format!("{}  {value}", paint(STRONG, &format!("{key:<width$}"))));
    lines.collect::<Vec<_>>().join("\n")
}

/// The ways to say nothing.
pub(super) fn is_unset(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(entries) => entries.values().all(is_unset),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_that_are_set_have_a_line_each() {
        let document = json!({"aliasName": "prod", "versionId": "1", "description": "", "weights": {"2": 0.5}, "x": null, "y": {"z": ""}});
        let text = anstream::adapter::strip_str(&fields(&document)).to_string();
        assert_eq!(text, "aliasName  prod\nversionId  1\nweights    {\"2\":0.5}");
    }
}
