//! `wisp serve`.

use std::process::ExitCode;

use clap::Args;
use wisp::{config::Config, server::Listeners};

use super::{
    Failure,
    project::ConfigArgs,
    runtime,
    runtimes::RuntimesArgs,
    serving::{self, ListenArgs},
};

/// Serve the functions of a configuration until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    runtimes: RuntimesArgs,
    /// Once it serves, print the addresses on stdout as one line of JSON
    #[arg(long)]
    json: bool,
}

impl ServeArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let mut config = self.config.load_or_infer()?;
        self.listen.apply(&mut config)?;
        runtime::with_workers(serve(config, self.runtimes, self.json))?
    }
}

/// Whatever can be wrong is found before a port is bound.
async fn serve(config: Config, runtimes: RuntimesArgs, json: bool) -> Result<ExitCode, Failure> {
    let host = serving::deployed(&config, &runtimes).await?;
    let listeners = Listeners::bind(host.server()).await?;
    serving::announce(&host, &config, &listeners);
    if json {
        serving::announce_json(&config, &listeners)?;
    }
    serving::until_stopped(host, listeners).await
}
