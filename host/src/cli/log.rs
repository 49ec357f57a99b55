//! What wisp says about itself while it runs, on stderr: tracing.

use std::io;

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt};

/// How much, and in which form.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// What wisp logs about itself: a level, or `module=level` with commas between
    #[arg(
        long,
        global = true,
        env = "WISP_LOG",
        value_name = "FILTER",
        default_value = "warn",
        hide_env_values = true
    )]
    #[arg(help_heading = "Diagnostics")]
    log: EnvFilter,
    /// How a log line is written
    #[arg(long, global = true, env = "WISP_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    #[arg(help_heading = "Diagnostics", hide_env_values = true)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl LogArgs {
    /// From here on, what is traced is written. Called once, by `main`.
    pub(crate) fn init(&self) {
        let lines = fmt().with_env_filter(self.log.clone()).with_writer(io::stderr);
        match self.log_format {
            LogFormat::Text => lines.with_ansi(super::terminal::stderr_has_colors()).with_target(false).init(),
            LogFormat::Json => lines.json().init(),
        }
    }
}
