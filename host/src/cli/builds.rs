//! Components from the sources that a configuration names.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use wisp::{
    component::source::{self, BuildError, Plan},
    config::{Config, FunctionConfig},
};

use super::{
    activity::{Activity, Show},
    terminal::{ERROR, FAINT, full_name, paint},
};

/// Which builds to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those whose sources are newer than their component.
    Stale,
    /// All.
    All,
}

/// What became of one build.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The component is up to date.
    Fresh,
    /// It was built.
    Built,
    /// It could not be built; the old component, if any, is still there.
    Failed(BuildError),
}

/// Builds one after the other; functions that share a component are built once.
pub(super) fn run<'a>(
    config: &Config,
    functions: impl IntoIterator<Item = &'a FunctionConfig>,
    which: Which,
    show: Show,
) -> Vec<(&'a FunctionConfig, Outcome)> {
    let mut seen = HashSet::new();
    let plans = functions.into_iter().filter_map(|function| Some((function, plan(function, &config.server.data_dir)?)));
    plans
        .filter(|(function, _)| seen.insert(&function.component))
        .map(|(function, plan)| (function, one(function, &plan, which, show)))
        .collect()
}

/// Whether the sources of a function are newer than its component.
pub(super) fn is_stale(config: &Config, function: &FunctionConfig) -> bool {
    plan(function, &config.server.data_dir).is_some_and(|plan| source::is_stale(&plan))
}

/// What all projects of a user build once, such as the standard library for Rust guests: it takes most of a minute.
static USER_CACHE: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?.join("wisp"))
});

/// `None` if the function's component is given as it is.
fn plan<'a>(function: &'a FunctionConfig, data_dir: &'a Path) -> Option<Plan<'a>> {
    let build = function.build.as_ref()?;
    Some(Plan {
        source: &build.source,
        language: build.language,
        command: build.command.as_deref(),
        world: &build.world,
        component: &function.component,
        cache_dir: USER_CACHE.as_deref().unwrap_or(data_dir),
    })
}

fn one(function: &FunctionConfig, plan: &Plan<'_>, which: Which, show: Show) -> Outcome {
    if which == Which::Stale && !source::is_stale(plan) {
        return Outcome::Fresh;
    }
    let name = full_name(&function.service, &function.name);
    let activity = Activity::start(format!("building {name}"), show);
    let result = source::build(plan, &mut |line| activity.note(line));
    drop(activity);
    match result {
        Ok(()) => Outcome::Built,
        Err(error) => Outcome::Failed(error),
    }
}

/// What the tool said last, and what went wrong.
pub(super) fn report(error: &BuildError) {
    for line in error.output.lines() {
        anstream::eprintln!("{} {line}", paint(FAINT, "|"));
    }
    anstream::eprintln!("{} {error}", paint(ERROR, "error:"));
}
