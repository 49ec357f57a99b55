//! `wisp logs`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;
use http_body_util::BodyExt as _;
use serde_json::Value;
use wisp::telemetry::LogLine;

use super::{
    Failure,
    client::{ApiClient, ServerArgs, encoded},
    project, runtime,
    terminal::log_line,
};

/// Print what functions have logged
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The function, or SERVICE/FUNCTION [default: all]
    function: Option<String>,
    /// The service of the function [default: any]
    #[arg(long, short)]
    service: Option<String>,
    /// Go on with lines as they come
    #[arg(long, short)]
    follow: bool,
    /// Print only this many of the lines that are kept [default: all; with --follow 10]
    #[arg(long, short, value_name = "LINES")]
    tail: Option<usize>,
    /// Print each line as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Enough to see where the followed log stands.
const LINES_BEFORE_FOLLOWING: usize = 10;

impl LogsArgs {
    pub(super) fn execute(mut self) -> Result<ExitCode, Failure> {
        if let Some((service, function)) = self.function.as_deref().and_then(|name| name.split_once('/')) {
            (self.service, self.function) = (Some(service.to_owned()), Some(function.to_owned()));
        }
        let client = self.server.client()?;
        runtime::alone(self.print(&client))??;
        Ok(ExitCode::SUCCESS)
    }

    async fn print(&self, client: &ApiClient) -> anyhow::Result<()> {
        self.check_function(client).await?;
        let mut body = client.get(&self.path()).await?.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.context("the server ended the log")?;
            rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            self.print_lines(&mut rest)?;
        }
        Ok(())
    }

    /// No lines of a function that is not there look just like none of one that is silent.
    async fn check_function(&self, client: &ApiClient) -> anyhow::Result<()> {
        let Some(function) = &self.function else { return Ok(()) };
        let functions = client.get_json("/wisp/functions").await?;
        let of_service = |known: &&Value| self.service.as_deref().is_none_or(|service| known["service"] == service);
        let known = functions.as_array().into_iter().flatten().filter(of_service);
        let known: Vec<_> = known.filter_map(|known| known["name"].as_str()).collect();
        if known.contains(&function.as_str()) {
            return Ok(());
        }
        Err(project::unknown(known, function))
    }

    fn path(&self) -> String {
        let mut path = format!("/wisp/logs?follow={}", self.follow);
        let mut add = |name: &str, value: &str| path.push_str(&format!("&{name}={}", encoded(value)));
        if let Some(function) = &self.function {
            add("function", function);
        }
        if let Some(service) = &self.service {
            add("service", service);
        }
        if let Some(tail) = self.tail.or(self.follow.then_some(LINES_BEFORE_FOLLOWING)) {
            add("tail", &tail.to_string());
        }
        path
    }

    /// Takes the whole lines from the front of `bytes`.
    fn print_lines(&self, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let whole: Vec<u8> = bytes.drain(..=end).collect();
        if self.json {
            io::stdout().write_all(&whole)?;
            return Ok(());
        }
        let mut out = anstream::stdout();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: LogLine = serde_json::from_slice(line).context("the server sent a line that is no log line")?;
            writeln!(out, "{}", log_line(&line, 0))?;
        }
        out.flush()?;
        Ok(())
    }
}
