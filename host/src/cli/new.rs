//! `wisp new`.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum as _};
use wisp::config;

use super::{
    Failure, project,
    template::{Template, Trial},
    terminal::{STRONG, paint, table},
};

/// Start a project in a new directory
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The directory; its name becomes the function's name
    #[arg(value_name = "NAME", required_unless_present = "list")]
    path: Option<PathBuf>,
    /// What to start from
    #[arg(long, short, value_enum, default_value = "js-http", hide_possible_values = true)]
    template: Template,
    /// List the templates
    #[arg(long)]
    list: bool,
}

impl NewArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        match &self.path {
            Some(path) if !self.list => self.start(path)?,
            _ => writeln!(anstream::stdout(), "{}", table(&templates()))?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn start(&self, path: &Path) -> Result<(), Failure> {
        let name = function_name(path)?;
        check_is_free(path)?;
        for (file, text) in self.template.render(&name) {
            write(&path.join(&file), &text).with_context(|| format!("{file} cannot be written"))?;
        }
        writeln!(anstream::stdout(), "{}", self.next_steps(path, &name)?)?;
        Ok(())
    }

    fn next_steps(&self, path: &Path, name: &str) -> Result<String, Failure> {
        let mut lines = vec![
            format!("{} is made from the template {}. Next:\n", paint(STRONG, name), self.template.name()),
            format!("  cd {}", path.display()),
        ];
        lines.extend(self.template.set_up().map(|command| format!("  {command}")));
        lines.push("  wisp up".to_owned());
        lines.push("\nand from another terminal, in the same directory:\n".to_owned());
        lines.push(match self.template.trial() {
            Trial::Get(path) => {
                let listen = project::default_config()?.server.listen;
                // Shells take a question mark for a pattern.
                let quote = if path.contains('?') { "'" } else { "" };
                format!("  curl {quote}http://{listen}/2016-08-15/proxy/default/{name}/{path}{quote}")
            }
            Trial::Command(command) => format!("  {command}"),
            Trial::Event(event) if event.starts_with('"') => format!("  wisp invoke {name} --event {event}"),
            Trial::Event(event) => format!("  wisp invoke {name} --event '{event}'"),
        });
        Ok(lines.join("\n"))
    }
}

/// The last part of the path, if a function may be called so.
fn function_name(path: &Path) -> Result<String, Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // The rule for names is the configuration's.
    let text = format!("[functions.{name:?}]\ncomponent = \"c.wasm\"\n");
    match config::parse(&text, Path::new(project::FILE)) {
        Ok(_) => Ok(name),
        Err(error) => {
            let reason = error.problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
            // The message begins with the section, which nobody wrote here.
            let reason = reason.split_once("]: ").map_or(reason.as_str(), |(_, reason)| reason);
            Err(Failure::usage(anyhow!("no function can be called like the directory {}: {reason}", path.display())))
        }
    }
}

/// Nothing that is there is ever overwritten.
fn check_is_free(path: &Path) -> Result<(), Failure> {
    let reason = match fs::read_dir(path).map(Iterator::count) {
        Ok(0) => return Ok(()),
        Ok(_) => "is not empty",
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => "is a file",
        Err(error) => return Err(anyhow!(error).context(format!("{} cannot be read", path.display())).into()),
    };
    Err(Failure::usage(anyhow!("{} {reason}; give a directory that is not there yet", path.display())))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(path, text)
}

fn templates() -> Vec<Vec<String>> {
    let mut rows = vec![vec!["TEMPLATE".to_owned(), "WHAT IT IS".to_owned()]];
    rows.extend(Template::value_variants().iter().map(|template| {
        let help = template.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
        vec![template.name().to_owned(), help.unwrap_or_default()]
    }));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_directory_must_do_for_a_function() {
        assert_eq!(function_name(Path::new("a/orders")).unwrap(), "orders");
        for path in ["9lives", "a b", "..", "na\"me"] {
            let error = function_name(Path::new(path)).unwrap_err().into_error().to_string();
            assert!(error.contains("letters, digits"), "{error}");
        }
    }

    #[test]
    fn only_an_empty_or_absent_directory_is_written_to() {
        let directory = tempfile::tempdir().unwrap();
        assert!(check_is_free(directory.path()).is_ok());
        assert!(check_is_free(&directory.path().join("absent")).is_ok());
        fs::write(directory.path().join("file"), "").unwrap();
        for taken in [directory.path().to_owned(), directory.path().join("file")] {
            assert!(check_is_free(&taken).is_err());
        }
    }
}
