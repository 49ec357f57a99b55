//! `wisp deploy`: what a project says → a running wisp, by its API.
//!
//! The way: `source` reads the project and packs its code ▸ this file asks what is there ▸ `plan` compares ▸ the steps
//! are shown ▸ and done one after the other. A deploy that broke off is finished by the next.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, anyhow};
use clap::Args;
use http::Method;
use serde_json::Value as Json;
use wisp::config::template::Project;

use super::{
    Failure,
    activity::{Activity, Show},
    client::ServerArgs,
    control::{Control, resource::Resource},
    project, runtime,
    runtimes::RuntimesArgs,
    terminal::{FAINT, GOOD, counted, paint, warn},
};

mod plan;
mod render;
mod source;

use plan::{Action, Current, Step};

/// Create and update what a project says on a running wisp
#[derive(Debug, Args)]
#[command(after_help = "What is there but not in the file stays; `wisp remove` removes it.\n\
                        Doing it again changes nothing.")]
pub(crate) struct DeployArgs {
    /// The project: wisp.toml, template.yml of Fun, or s.yaml of Serverless Devs [default: whichever is here]
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the steps as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    runtimes: RuntimesArgs,
}

impl DeployArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let file = self.file.clone().unwrap_or_else(|| self.server.config.path());
        let source = source::read(&file, &self.runtimes)?;
        project::show_warnings(&source.project.warnings);
        // A wisp.toml that is deployed also says where and by which key, unless another is named for that.
        let client = if self.server.config.is_typed() { self.server.client() } else { self.server.client_by(&file) };
        let control = Control(client?);
        runtime::alone(self.deploy(&control, &source))??;
        Ok(ExitCode::SUCCESS)
    }

    async fn deploy(&self, control: &Control, source: &source::Source) -> anyhow::Result<()> {
        let current = current(control, &source.project).await?;
        let steps = plan::plan(&source.project, &source.packages, &current)?;
        if !self.json {
            writeln!(anstream::stdout(), "{}", render::plan(&steps))?;
        }
        if !self.dry_run {
            apply(control, &steps, self.json).await?;
            warn_of_triggers(control, &source.project).await;
        }
        if self.json {
            writeln!(anstream::stdout(), "{:#}", render::json(&steps, !self.dry_run))?;
        } else {
            anstream::eprintln!("{}", summary(&steps, control, self.dry_run));
        }
        Ok(())
    }
}

/// The documents of everything that the project names and that is there.
async fn current(control: &Control, project: &Project) -> anyhow::Result<Current> {
    let mut current = BTreeMap::new();
    for resource in plan::resources(project) {
        // What belongs to something that is not there is not there either.
        if let Some(document) = control.find(&resource.path()).await? {
            current.insert(resource, document);
        }
    }
    Ok(current)
}

async fn apply(control: &Control, steps: &[Step], quiet: bool) -> anyhow::Result<()> {
    let to_do: Vec<&Step> = steps.iter().filter(|step| step.request.is_some()).collect();
    for (done, step) in to_do.iter().enumerate() {
        let Some(request) = &step.request else { continue };
        let (doing, did) = words(step.action);
        let activity = Activity::start(format!("{doing} {}", step.resource), Show::fitting());
        let answer = control.call(request.method.clone(), &request.path, Some(&request.body)).await;
        drop(activity);
        answer.with_context(|| failed(&step.resource, doing, done, to_do.len()))?;
        if !quiet {
            anstream::eprintln!("{} {}", paint(GOOD, did), step.resource);
        }
    }
    Ok(())
}

/// Triggers of the project that fire nothing: their sources are a matter of the host's configuration.
async fn warn_of_triggers(control: &Control, project: &Project) {
    let Ok(answer) = control.call(Method::GET, "/wisp/triggers", None).await else { return };
    let is_ours = |trigger: &Json| {
        project.functions.iter().any(|function| {
            trigger["function"] == *function.name
                && trigger["service"] == function.service.as_deref().unwrap_or_default()
        })
    };
    let triggers = answer["triggers"].as_array().map(Vec::as_slice).unwrap_or_default();
    for trigger in triggers.iter().filter(|trigger| trigger["state"] == "unbound" && is_ours(trigger)) {
        let text = |key: &str| trigger[key].as_str().unwrap_or_default().to_owned();
        warn(&format!("trigger {} of function {} fires nothing: {}", text("name"), text("function"), text("reason")));
    }
}

fn failed(resource: &Resource, doing: &str, done: usize, all: usize) -> String {
    let rest = match (done, all - done - 1) {
        (0, 0) => String::new(),
        (done, 0) => format!(" ({} done before)", counted(done, "step")),
        (done, left) => format!(" ({} done before, {left} not tried; deploy again to go on)", counted(done, "step")),
    };
    format!("{doing} {resource} failed{rest}")
}

fn words(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::Create => ("creating", "created"),
        Action::Update => ("updating", "updated"),
        Action::Keep => ("keeping", "kept"),
    }
}

fn summary(steps: &[Step], control: &Control, dry_run: bool) -> String {
    let count = |action| steps.iter().filter(|step| step.action == action).count();
    let (create, update, keep) = (count(Action::Create), count(Action::Update), count(Action::Keep));
    let endpoint = control.0.endpoint();
    let text = match (create + update, dry_run) {
        (0, _) => format!("nothing to change on the wisp at {endpoint}"),
        (_, true) => format!("a deploy to the wisp at {endpoint} would create {create}, update {update}, keep {keep}"),
        (_, false) => format!("deployed to the wisp at {endpoint}: {create} created, {update} updated, {keep} kept"),
    };
    paint(FAINT, &text)
}

/// The error of a file that is neither of the kinds.
fn no_project(file: &std::path::Path) -> Failure {
    Failure::usage(anyhow!(
        "there is no {}. Give a wisp.toml, a template.yml or an s.yaml: `wisp deploy -f FILE`",
        file.display()
    ))
}
