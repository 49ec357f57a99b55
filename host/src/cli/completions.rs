//! `wisp completions`, and what a shell is told when somebody presses Tab.
//!
//! The script of a shell asks wisp itself, so that names of what a running wisp has can be completed. Whatever goes
//! wrong then is no candidate, never an error: somebody is in the middle of a line.

use std::{
    ffi::OsStr,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::anyhow;
use clap::{Args, CommandFactory as _, Parser};
use clap_complete::{CompleteEnv, CompletionCandidate, engine::ArgValueCompleter, env::Shells};
use serde_json::Value as Json;

use super::{
    Cli, Failure,
    client::ServerArgs,
    control::{
        Control, names as names_of,
        resource::{FunctionName, domains, services},
    },
    list, runtime,
};

/// The variable by which a shell's script asks.
const VARIABLE: &str = "COMPLETE";

/// Nobody waits for longer in the middle of a line.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "For bash: wisp completions bash > ~/.local/share/bash-completion/completions/wisp\n\
                        For zsh:  wisp completions zsh > a file `_wisp` in a directory of $fpath\n\
                        For fish: wisp completions fish > ~/.config/fish/completions/wisp.fish\n\
                        Names are completed by asking the running wisp that a command would ask.")]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_parser = ["bash", "zsh", "fish", "elvish", "powershell"])]
    shell: String,
}

impl CompletionsArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let shells = Shells::builtins();
        let shell =
            shells.completer(&self.shell).ok_or_else(|| anyhow!("there are no completions for {}", self.shell))?;
        let mut script = Vec::new();
        shell.write_registration(VARIABLE, "wisp", "wisp", "wisp", &mut script)?;
        io::stdout().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Answers a shell that asks, and ends the process then.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// Completes names of what a running wisp has.
pub(super) fn names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let current = current.to_str().unwrap_or_default();
        let words: Vec<String> = std::env::args().collect();
        // The script puts the line behind a `--`.
        let line = words.iter().position(|word| word == "--").map_or(&words[..0], |at| &words[at + 1..]);
        let candidates = candidates(line, current).unwrap_or_default();
        candidates.into_iter().filter(|name| name.starts_with(current)).map(CompletionCandidate::new).collect()
    })
}

/// What is asked for in a line that is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Services,
    Functions,
    /// A function's, whose name comes first.
    Triggers,
    /// A service's or a function's, whose name comes first.
    Versions,
    Aliases,
    Domains,
    /// What owns versions and aliases.
    Scopes,
}

fn wanted(line: &[String]) -> Option<Wanted> {
    let word = |index: usize| line.get(index).map(String::as_str);
    let kind = match word(2)? {
        "service" | "services" => Wanted::Services,
        "function" | "functions" => Wanted::Functions,
        "trigger" | "triggers" => Wanted::Triggers,
        "version" | "versions" => Wanted::Versions,
        "alias" | "aliases" => Wanted::Aliases,
        "domain" | "domains" => Wanted::Domains,
        _ => Wanted::Scopes,
    };
    match (word(1)?, kind) {
        ("get" | "remove" | "rm", Wanted::Scopes) => None,
        ("get" | "remove" | "rm", kind) => Some(kind),
        ("list", Wanted::Functions) => Some(Wanted::Services),
        ("list", Wanted::Triggers) => Some(Wanted::Functions),
        ("list", Wanted::Versions | Wanted::Aliases) | ("publish", _) => Some(Wanted::Scopes),
        ("alias", _) => Some(Wanted::Aliases),
        ("trigger", _) => Some(Wanted::Triggers),
        ("domain", _) => Some(Wanted::Domains),
        _ => None,
    }
}

fn candidates(line: &[String], current: &str) -> Option<Vec<String>> {
    let wanted = wanted(line)?;
    let control = Control(server(line)?.client().ok()?);
    let asked = async { tokio::time::timeout(PATIENCE, ask(&control, wanted, current)).await };
    runtime::alone(asked).ok()?.ok()?.ok()
}

/// The server that the line names, or the one that goes without saying.
fn server(line: &[String]) -> Option<ServerArgs> {
    #[derive(Parser)]
    struct OnlyServer {
        #[command(flatten)]
        server: ServerArgs,
    }
    let mut typed = vec!["wisp".to_owned()];
    for name in ["--server", "--url", "--config", "-c"] {
        if let Some(value) = line.iter().position(|word| word == name).and_then(|at| line.get(at + 1)) {
            typed.extend([name.to_owned(), value.clone()]);
        }
        typed.extend(line.iter().find(|word| word.starts_with(&format!("{name}="))).cloned());
    }
    OnlyServer::try_parse_from(typed).ok().map(|parsed| parsed.server)
}

async fn ask(control: &Control, wanted: Wanted, current: &str) -> anyhow::Result<Vec<String>> {
    let owner = current.rsplit_once('/').map(|(owner, _)| owner);
    match (wanted, owner) {
        (Wanted::Services, _) => listed(control, &services(), "services", "serviceName", "").await,
        (Wanted::Domains, _) => listed(control, &domains(), "customDomains", "domainName", "").await,
        (Wanted::Functions, _) => functions(control, "").await,
        (Wanted::Scopes, _) => scopes(control, "").await,
        (Wanted::Versions, Some(owner)) => qualifiers(control, owner, "versions", "versionId").await,
        (Wanted::Aliases, Some(owner)) => qualifiers(control, owner, "aliases", "aliasName").await,
        (Wanted::Versions | Wanted::Aliases, None) => scopes(control, "/").await,
        (Wanted::Triggers, owner) => {
            let mut found = functions(control, "/").await?;
            if let Some(owner) = owner {
                let path = format!("{}/triggers", FunctionName::parse(owner).path());
                found.extend(listed(control, &path, "triggers", "triggerName", &format!("{owner}/")).await?);
            }
            Ok(found)
        }
    }
}

async fn listed(control: &Control, path: &str, key: &str, name: &str, before: &str) -> anyhow::Result<Vec<String>> {
    let documents = control.all(path, key).await?;
    Ok(names_of(&documents, name).map(|name| format!("{before}{name}")).collect())
}

async fn functions(control: &Control, behind: &str) -> anyhow::Result<Vec<String>> {
    let name = |function: &Json| {
        let name = function["functionName"].as_str()?;
        let service = function["serviceName"].as_str().map(|service| format!("{service}/")).unwrap_or_default();
        Some(format!("{service}{name}{behind}"))
    };
    Ok(list::all_functions(control).await?.iter().filter_map(name).collect())
}

async fn scopes(control: &Control, behind: &str) -> anyhow::Result<Vec<String>> {
    let functions = functions(control, behind).await?;
    let of_3 = functions.into_iter().filter(|name| !name.trim_end_matches('/').contains('/'));
    let services = control.all(&services(), "services").await?;
    Ok(names_of(&services, "serviceName").map(|name| format!("{name}{behind}")).chain(of_3).collect())
}

async fn qualifiers(control: &Control, owner: &str, list: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let scope = control.scope(owner).await?;
    listed(control, &format!("{}/{list}", scope.path()), list, name, &format!("{owner}/")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_wanted_is_told_by_the_words_before() {
        assert_eq!(wanted(&line("wisp get function s")), Some(Wanted::Functions));
        assert_eq!(wanted(&line("wisp remove aliases s/")), Some(Wanted::Aliases));
        assert_eq!(wanted(&line("wisp list functions s")), Some(Wanted::Services));
        assert_eq!(wanted(&line("wisp list triggers s")), Some(Wanted::Functions));
        assert_eq!(wanted(&line("wisp publish s")), Some(Wanted::Scopes));
        assert_eq!(wanted(&line("wisp trigger s/f/t")), Some(Wanted::Triggers));
        assert_eq!(wanted(&line("wisp get nothing x")), None);
        assert_eq!(wanted(&line("wisp")), None);
    }

    #[test]
    fn the_server_is_the_one_that_the_line_names() {
        let server = server(&line("wisp get function --server 127.0.0.1:9999 s")).unwrap();
        assert_eq!(server.server.unwrap().to_string(), "127.0.0.1:9999");
    }
}
