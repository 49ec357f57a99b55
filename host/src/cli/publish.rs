//! `wisp publish`.

use std::{io::Write as _, process::ExitCode};

use clap::Args;
use http::Method;
use serde_json::json;

use super::{Failure, client::ServerArgs, completions, control::Control, runtime};

/// Publish a version: what a service, or a function of 3.0, is now, never to change
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The service, or the function of Function Compute 3.0
    #[arg(add = completions::names())]
    name: String,
    /// What is said about the version
    #[arg(long, short, default_value = "")]
    description: String,
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl PublishArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let control = Control(self.server.client()?);
        let version = runtime::alone(async {
            let scope = control.scope(&self.name).await?;
            let path = format!("{}/versions", scope.path());
            control.call(Method::POST, &path, Some(&json!({ "description": self.description }))).await
        })??;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{version:#}")?;
        } else {
            writeln!(out, "published version {} of {}", version["versionId"].as_str().unwrap_or("?"), self.name)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
