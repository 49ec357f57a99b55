//! The tokio runtimes of the commands.

use std::{future::Future, io, num::NonZeroUsize, thread};

use tokio::runtime::{Builder, Runtime};

/// Runs a command that runs functions.
///
/// One worker more than there are cores: guests that spin may hold as many workers as there are cores (the processor
/// gate of [`wisp::engine`]), so one is always free for those that do not.
pub(super) fn with_workers<T>(command: impl Future<Output = T>) -> io::Result<T> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    run(Builder::new_multi_thread().worker_threads(cores + 1).enable_all().build()?, command)
}

/// Runs a command that only asks another process.
pub(super) fn alone<T>(command: impl Future<Output = T>) -> io::Result<T> {
    run(Builder::new_current_thread().enable_all().build()?, command)
}

fn run<T>(runtime: Runtime, command: impl Future<Output = T>) -> io::Result<T> {
    let value = runtime.block_on(command);
    // A build or a compilation that still runs must not hold the exit up.
    runtime.shutdown_background();
    Ok(value)
}
