//! `wisp up`: build, serve, watch, reload.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use anyhow::anyhow;
use clap::Args;
use tokio::{
    sync::{Mutex, broadcast::error::RecvError},
    task::spawn_blocking,
};
use wisp::{
    catalog::Revision, component::runtime::Runtimes, config::Config, host::FunctionHost, server::Listeners,
    telemetry::LogFollower,
};

use super::{
    Failure,
    activity::{Show, deploy_progress},
    builds::{self, Builder, Outcome, Which},
    project, runtime,
    runtimes::{self, RuntimesArgs},
    serving::{self, ListenArgs},
    terminal::{ERROR, FAINT, GOOD, counted, full_name, log_line, paint, warn},
    watch::Watch,
};

/// So that nobody wonders what the host answers with while the sources are broken.
const STILL_SERVED: &str = "what was served before is served on";

/// Build what is stale, serve it, and reload it whenever its sources change
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// The project: a directory with a wisp.toml or with just an index.js, main.py, …, or a wisp.toml itself
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    runtimes: RuntimesArgs,
}

impl UpArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let file = configuration_file(&self.path)?;
        let mut config = project::read_or_infer(&file).map_err(Failure::usage)?;
        project::show_warnings(&config.warnings);
        self.listen.apply(&mut config)?;
        // Before the build, so that no edit meanwhile is missed.
        let mut watch = Watch::new()?;
        watch.follow(&config);
        let project = Project { file, listen: self.listen, current: Mutex::new(config) };
        runtime::with_workers(up(project, self.runtimes, watch))?
    }
}

/// The file of a project; it need not be there if the sources beside it speak for themselves.
fn configuration_file(path: &Path) -> Result<PathBuf, Failure> {
    let file = if path.is_dir() { project::file_in(path) } else { path.to_owned() };
    if file.is_file() || (path.is_dir() && project::infer(path)?.is_some()) {
        return Ok(file);
    }
    let advice =
        "`wisp new NAME` starts a project; a directory with an index.js, index.ts, main.py or app.py is one too";
    Err(Failure::usage(if path == Path::new(".") {
        anyhow!("there is no {} here. Go to a project, or name one: `wisp up PATH`; {advice}", project::FILE)
    } else if path.is_dir() {
        anyhow!("there is no {} in {}. {advice}", project::FILE, path.display())
    } else {
        anyhow!("there is no {}. Give a directory with a {}; {advice}", path.display(), project::FILE)
    }))
}

/// What of the sources has changed is built, on a thread that may wait; gives how many could not be.
pub(super) async fn build(config: &Config, runtimes: &Runtimes, show: Show) -> usize {
    let (config, runtimes) = (config.clone(), runtimes.clone());
    let build = spawn_blocking(move || {
        let outcomes = Builder::new(&config, Some(&runtimes), show).run(&config.functions, Which::Stale);
        report_failed(outcomes.iter().map(|(_, outcome)| outcome))
    });
    // A task that is lost built nothing; the deploy finds the components as they are.
    build.await.unwrap_or_default()
}

fn report_failed<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> usize {
    let errors = outcomes.filter_map(|outcome| match outcome {
        Outcome::Failed(error) => Some(error),
        Outcome::Fresh | Outcome::Built => None,
    });
    errors.inspect(|error| builds::report(error)).count()
}

async fn up(project: Project, runtimes: RuntimesArgs, mut watch: Watch) -> Result<ExitCode, Failure> {
    let config = project.current.lock().await.clone();
    let host = serving::empty(&config)?;
    let runtimes = runtimes.open(host.loader().clone(), &config)?;
    host.serve_before_compiled(runtimes.clone());
    // At the start there is nothing older to fall back on, so every build must succeed.
    let failed = build(&config, &runtimes, Show::fitting()).await;
    if failed > 0 {
        return Err(anyhow!("{} could not be built, so nothing is served", counted(failed, "component")).into());
    }
    watch.follow(&config);
    host.build_packages_with(runtimes.clone());
    serving::put_in_force(&host, &config).await?;
    let listeners = Listeners::bind(host.server()).await?;
    serving::announce(&host, &config, &listeners);
    anstream::eprintln!("\n{}", paint(FAINT, "watching the sources; Ctrl-C ends"));
    tokio::spawn(print_logs(host.follow_logs(), name_width(&config)));
    warm_up(&config, &runtimes);
    let project = Arc::new(project);
    tokio::spawn(settle(project.clone(), host.clone()));
    tokio::spawn(reload_on_change(project, runtimes, host.clone(), watch));
    serving::until_stopped(host, listeners).await
}

/// So that the first edit need not wait for the runtimes.
fn warm_up(config: &Config, runtimes: &Runtimes) {
    for language in runtimes::languages(config) {
        let runtimes = runtimes.clone();
        // A build that needs the runtime tells what is wrong with it.
        spawn_blocking(move || runtimes.warm_up(language).ok());
    }
}

/// Compiles what is served by its language runtime for the time being, and puts it in force. The rounds go on until
/// nothing is left: sources may change while code is compiled.
async fn settle(project: Arc<Project>, host: FunctionHost) {
    loop {
        let compiling = host.clone();
        if !spawn_blocking(move || compiling.compile_interim()).await.unwrap_or_default() {
            return;
        }
        let config = project.current.lock().await;
        if let Err(errors) = host.deploy(&config, |_| {}).await {
            return complain(&serving::undeployed(&errors));
        }
    }
}

fn name_width(config: &Config) -> usize {
    let names = config.functions.iter().map(|function| full_name(&function.service, &function.name));
    names.map(|name| name.len()).max().unwrap_or_default()
}

async fn print_logs(mut lines: LogFollower, name_width: usize) {
    loop {
        match lines.recv().await {
            Ok(line) => anstream::println!("{}", log_line(&line, name_width)),
            Err(RecvError::Lagged(missed)) => warn(&format!("{missed} log lines came too fast to be shown")),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Where the configuration comes from.
struct Project {
    file: PathBuf,
    listen: ListenArgs,
    /// The configuration in force; held while it is put in force.
    current: Mutex<Config>,
}

async fn reload_on_change(project: Arc<Project>, runtimes: Runtimes, host: FunctionHost, mut watch: Watch) {
    while watch.changed().await {
        let mut current = project.current.lock().await;
        let Some(next) = project.read_again(&current) else { continue };
        watch.follow(&next);
        reload(&next, &runtimes, &host).await;
        watch.follow(&next);
        *current = next;
        drop(current);
        tokio::spawn(settle(project.clone(), host.clone()));
    }
}

impl Project {
    /// `None`, and a message, if the configuration is wrong now.
    fn read_again(&self, current: &Config) -> Option<Config> {
        let checked = project::read_or_infer(&self.file).and_then(|mut next| {
            self.listen.apply(&mut next).map_err(Failure::into_error)?;
            Ok(next)
        });
        match checked {
            Ok(next) => {
                warn_of_restart(current, &next);
                if current.warnings != next.warnings {
                    project::show_warnings(&next.warnings);
                }
                Some(next)
            }
            Err(error) => {
                complain(&error);
                None
            }
        }
    }
}

/// Listeners, limits and access keys belong to the process. Said once: the next change is compared with this one.
fn warn_of_restart(current: &Config, next: &Config) {
    let same = current.server == next.server && current.limits == next.limits && current.events == next.events;
    if !same || current.access_keys != next.access_keys {
        warn("[server], [limits], [events] and [[access_keys]] take effect when wisp is started again");
    }
}

/// Builds what is stale and puts it in force. What fails leaves the functions that are there.
async fn reload(config: &Config, runtimes: &Runtimes, host: &FunctionHost) {
    let began = Instant::now();
    let failed = build(config, runtimes, Show::Lines).await;
    let before = revisions(host);
    match host.deploy(config, deploy_progress(Show::Lines)).await {
        Ok(()) => announce_changes(config, host, &before, began),
        Err(errors) => return complain(&serving::undeployed(&errors)),
    }
    if failed > 0 {
        anstream::eprintln!("{}", paint(FAINT, STILL_SERVED));
    }
}

fn revisions(host: &FunctionHost) -> Vec<Arc<Revision>> {
    host.catalog().revisions().to_vec()
}

fn announce_changes(config: &Config, host: &FunctionHost, before: &[Arc<Revision>], began: Instant) {
    let after = revisions(host);
    let is_new = |revision: &Arc<Revision>| !before.iter().any(|old| Arc::ptr_eq(old, revision));
    // The catalog and the configuration have one order: service, then name.
    let changed = config.functions.iter().zip(&after).filter(|(_, revision)| is_new(revision));
    let names: Vec<_> = changed.map(|(function, _)| full_name(&function.service, &function.name)).collect();
    let took = format!("in {:.2} s", began.elapsed().as_secs_f64());
    if !names.is_empty() {
        anstream::eprintln!("{} {} {}", paint(GOOD, "reloaded"), names.join(", "), paint(FAINT, &took));
    } else if after.len() != before.len() {
        anstream::eprintln!("{} {}", paint(GOOD, "now serving"), counted(after.len(), "function"));
    }
}

fn complain(error: &anyhow::Error) {
    anstream::eprintln!("{} {error:#}", paint(ERROR, "error:"));
    anstream::eprintln!("{}", paint(FAINT, STILL_SERVED));
}
