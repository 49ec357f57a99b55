//! `wisp build`.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;
use wisp::config::FunctionConfig;

use super::{
    Failure,
    activity::Show,
    builds::{self, Builder, Outcome, Which},
    project::{self, ConfigArgs},
    runtimes::RuntimesArgs,
    terminal::{counted, full_name},
};

/// Build the components whose sources have changed
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Functions to build [default: all that have a `build`]
    #[arg(value_name = "FUNCTION")]
    functions: Vec<String>,
    /// Build even what is up to date
    #[arg(long, short)]
    force: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    runtimes: RuntimesArgs,
}

impl BuildArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let config = self.config.load_or_infer()?;
        let functions = project::named(&config, &self.functions)?;
        self.check_have_build(&functions)?;
        let which = if self.force { Which::All } else { Which::Stale };
        let runtimes = self.runtimes.open_alone(&config)?;
        let outcomes = Builder::new(&config, runtimes.as_ref(), Show::fitting()).run(functions, which);
        for (_, outcome) in &outcomes {
            if let Outcome::Failed(error) = outcome {
                builds::report(error);
            }
        }
        self.print(&outcomes)?;
        let failed = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count();
        if failed > 0 {
            return Err(anyhow!("{} could not be built", counted(failed, "component")).into());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn check_have_build(&self, functions: &[&FunctionConfig]) -> Result<(), Failure> {
        let given = functions.iter().find(|function| function.build.is_none() && !self.functions.is_empty());
        given.map_or(Ok(()), |function| {
            let name = &function.name;
            Err(Failure::usage(anyhow!(
                "function '{name}' has no [functions.{name}.build]: its component {} is used as it is",
                function.component.display()
            )))
        })
    }

    fn print(&self, outcomes: &[(&FunctionConfig, Outcome)]) -> std::io::Result<()> {
        use std::io::Write as _;
        let mut out = anstream::stdout();
        if self.json {
            let outcomes: Vec<_> = outcomes.iter().map(|(function, outcome)| as_json(function, outcome)).collect();
            return writeln!(out, "{:#}", serde_json::Value::from(outcomes));
        }
        if outcomes.is_empty() {
            return writeln!(out, "nothing to build: no function has a `build` section");
        }
        for (function, outcome) in outcomes {
            let (name, file) = (full_name(&function.service, &function.name), function.component.display());
            match outcome {
                Outcome::Fresh => writeln!(out, "{name}: {file} is up to date")?,
                Outcome::Built => writeln!(out, "{name}: built {file}")?,
                Outcome::Failed(_) => {}
            }
        }
        Ok(())
    }
}

fn as_json(function: &FunctionConfig, outcome: &Outcome) -> serde_json::Value {
    let (status, error) = match outcome {
        Outcome::Fresh => ("fresh", None),
        Outcome::Built => ("built", None),
        Outcome::Failed(error) => ("failed", Some(error)),
    };
    json!({
        "service": &*function.service,
        "function": &*function.name,
        "component": function.component,
        "status": status,
        "error": error.map(ToString::to_string),
        "output": error.map(|error| &error.output),
    })
}
