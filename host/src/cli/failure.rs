//! Why a command did not do what it was asked, and the exit code that says so.

use std::{io, process::ExitCode};

use super::terminal::{ERROR, paint};

/// The exit codes of failures; 0 is success, and what a signal ended has 128 and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It was tried and did not work.
    Failed = 1,
    /// What was typed or configured makes no sense.
    Usage = 2,
}

/// An error on its way to the terminal.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    error: anyhow::Error,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { kind: Kind::Failed, error: error.into() }
    }
}

impl Failure {
    /// A failure that whoever typed the command, or wrote the configuration, can mend.
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { kind: Kind::Usage, error: error.into() }
    }

    /// The same failure with the exit code for usage.
    pub(super) fn into_usage(self) -> Self {
        Self { kind: Kind::Usage, ..self }
    }

    /// The error without the exit code.
    pub(super) fn into_error(self) -> anyhow::Error {
        self.error
    }

    /// Prints the error with its causes.
    pub(crate) fn report(&self) -> ExitCode {
        if self.is_broken_pipe() {
            // Whoever read our output has seen enough, as `head` does.
            return ExitCode::SUCCESS;
        }
        anstream::eprintln!("{} {}", paint(ERROR, "error:"), self.error);
        for cause in self.error.chain().skip(1) {
            anstream::eprintln!("  because: {cause}");
        }
        ExitCode::from(self.kind as u8)
    }

    fn is_broken_pipe(&self) -> bool {
        let mut causes = self.error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error() {
        let closed = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing the list");
        assert!(Failure::from(closed.unwrap_err()).is_broken_pipe());
        assert!(!Failure::from(anyhow!("another")).is_broken_pipe());
    }
}
