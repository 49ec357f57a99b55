//! The binary `wisp`: parse ▸ tracing ▸ the command ▸ exit code. What commands do is in `cli`, one file each.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;

/// Hot paths allocate little, but guests' host calls do, and from many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::answer_shell();
    let cli = cli::Cli::parse();
    cli.log.init();
    cli.execute().unwrap_or_else(|failure| failure.report())
}
