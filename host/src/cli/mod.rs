//! The command line. One file a subcommand: its clap struct says what was typed, its `execute` does it.
//!
//! What commands share: `project` (finding and reading its file), `runtimes` (finding language runtimes), `builds`,
//! `serving` (deploy ▸ bind ▸ serve until a signal), `watch`, `client` (asking a running wisp), `control` (its control
//! plane), `activity` and `terminal` (what people see), `failure` (exit codes). The environment is read here and nowhere
//! else: by clap, by `project` for variables that a configuration names, and by `runtimes` for the user's cache.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod activity;
mod alias;
mod bench;
mod build;
mod builds;
mod client;
mod completions;
mod control;
mod deploy;
mod doctor;
mod domain;
mod events;
mod failure;
mod get;
mod inspect;
mod invoke;
mod list;
mod log;
mod logs;
mod new;
mod project;
mod publish;
mod remove;
mod runtime;
mod runtimes;
mod serve;
mod serving;
mod template;
mod terminal;
mod trigger;
mod up;
mod watch;

use failure::Failure;

/// A WebAssembly function host: Function Compute's programming model, without docker.
#[derive(Debug, Parser)]
#[command(name = "wisp", version, arg_required_else_help = true, infer_subcommands = true)]
#[command(after_help = "Start with `wisp new hello`; `wisp COMMAND --help` says more about a command.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: log::LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::NewArgs),
    Up(up::UpArgs),
    Build(build::BuildArgs),
    Serve(serve::ServeArgs),
    Deploy(deploy::DeployArgs),
    Invoke(invoke::InvokeArgs),
    List(list::ListArgs),
    Get(get::GetArgs),
    Remove(remove::RemoveArgs),
    Publish(publish::PublishArgs),
    Alias(alias::AliasArgs),
    Trigger(trigger::TriggerArgs),
    Domain(domain::DomainArgs),
    Logs(logs::LogsArgs),
    Events(events::EventsArgs),
    Bench(bench::BenchArgs),
    Inspect(inspect::InspectArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
}

pub(crate) use completions::answer_shell;

impl Cli {
    /// Does what was typed.
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::New(args) => args.execute(),
            Command::Up(args) => args.execute(),
            Command::Build(args) => args.execute(),
            Command::Serve(args) => args.execute(),
            Command::Invoke(args) => args.execute(),
            Command::Deploy(args) => args.execute(),
            Command::List(args) => args.execute(),
            Command::Get(args) => args.execute(),
            Command::Remove(args) => args.execute(),
            Command::Publish(args) => args.execute(),
            Command::Alias(args) => args.execute(),
            Command::Trigger(args) => args.execute(),
            Command::Domain(args) => args.execute(),
            Command::Logs(args) => args.execute(),
            Command::Events(args) => args.execute(),
            Command::Bench(args) => args.execute(),
            Command::Inspect(args) => args.execute(),
            Command::Doctor(args) => args.execute(),
            Command::Completions(args) => args.execute(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
