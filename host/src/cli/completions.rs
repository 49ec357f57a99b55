//! `wisp completions`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Failure};

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "For bash: wisp completions bash > ~/.local/share/bash-completion/completions/wisp\n\
                        For zsh:  wisp completions zsh > a file `_wisp` in a directory of $fpath\n\
                        For fish: wisp completions fish > ~/.config/fish/completions/wisp.fish")]
pub(crate) struct CompletionsArgs {
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "wisp", &mut script);
        io::stdout().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}
