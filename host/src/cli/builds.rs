//! Components from the sources that a configuration names.

use std::{collections::HashSet, path::PathBuf};

use wisp::{
    component::{
        runtime::Runtimes,
        source::{self, BuildError, Loading, Packages, Plan},
    },
    config::{Config, FunctionConfig, SourceConfig},
};

use super::{
    activity::{Activity, Show},
    runtimes,
    terminal::{ERROR, FAINT, full_name, paint, warn},
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

/// How the functions of a configuration are built.
pub(super) struct Builder<'a> {
    config: &'a Config,
    /// `None` if no function needs one.
    runtimes: Option<&'a Runtimes>,
    /// The directories that are buckets.
    data: Vec<PathBuf>,
    cache_dir: PathBuf,
    show: Show,
}

impl<'a> Builder<'a> {
    pub(super) fn new(config: &'a Config, runtimes: Option<&'a Runtimes>, show: Show) -> Self {
        Self { config, runtimes, data: buckets(config), cache_dir: runtimes::cache_dir(config), show }
    }

    /// Builds one after the other; functions that share a component are built once.
    pub(super) fn run<'f>(
        &self,
        functions: impl IntoIterator<Item = &'f FunctionConfig>,
        which: Which,
    ) -> Vec<(&'f FunctionConfig, Outcome)> {
        let mut seen = HashSet::new();
        let buildable = functions.into_iter().filter(|function| function.build.is_some());
        buildable
            .filter(|function| seen.insert(&function.component))
            .map(|function| (function, self.one(function, which)))
            .collect()
    }

    fn one(&self, function: &FunctionConfig, which: Which) -> Outcome {
        let Some(plan) = self.plan(function) else { return Outcome::Fresh };
        if which == Which::Stale && !source::is_stale(&plan) {
            return Outcome::Fresh;
        }
        let name = full_name(&function.service, &function.name);
        let activity = Activity::start(format!("building {name}"), self.show);
        let result = source::build(&plan, &mut |line| activity.note(line));
        drop(activity);
        match result {
            Ok(built) => {
                built.warnings.iter().for_each(|warning| warn(&format!("{name}: {warning}")));
                Outcome::Built
            }
            Err(error) => Outcome::Failed(error),
        }
    }

    /// `None` if the function's component is given as it is.
    fn plan<'p>(&'p self, function: &'p FunctionConfig) -> Option<Plan<'p>> {
        let build = function.build.as_ref()?;
        let Config { server, limits, .. } = self.config;
        let loading = self.runtimes.map(|runtimes| Loading {
            runtimes,
            function,
            server,
            limits,
            evaluate: build.evaluate,
            packages: Packages::Installed,
        });
        Some(Plan {
            source: &build.source,
            data: &self.data,
            language: build.language,
            command: build.command.as_deref(),
            world: build.world.as_deref(),
            loading,
            component: &function.component,
            cache_dir: &self.cache_dir,
        })
    }
}

/// The directories that are buckets, without symbolic links: what lies in them is no source, wherever they lie.
pub(super) fn buckets(config: &Config) -> Vec<PathBuf> {
    let paths = config.sources.values().filter_map(|source| match source {
        SourceConfig::Bucket(bucket) => bucket.path.canonicalize().ok(),
        _ => None,
    });
    paths.collect()
}

/// What the tool said last, and what went wrong.
pub(super) fn report(error: &BuildError) {
    for line in error.output.lines() {
        anstream::eprintln!("{} {line}", paint(FAINT, "|"));
    }
    anstream::eprintln!("{} {error}", paint(ERROR, "error:"));
}
