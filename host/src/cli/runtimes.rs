//! Where the language runtimes are.

use std::{
    env,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use anyhow::Context as _;
use clap::Args;
use wisp::{
    component::{ArtifactCache, Loader, runtime::Runtimes, source},
    config::{Config, Language},
    engine::Engines,
};

/// Beside the binary, and where packages install what belongs to one.
const BESIDE_BINARY: [&str; 2] = ["runtimes", "../lib/wisp"];

/// In a checkout, where `make` leaves them.
const IN_CHECKOUT: [&str; 2] = ["guest-sdk/js/runtime", "guest-sdk/python/runtime"];

/// Instances that load sources: one at a time, but every part of a component must find a place in the pool.
const SLOTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// Bytes that compiled runtimes may take.
const CACHE: u64 = 2 << 30;

/// `--runtimes`, wherever a command takes it.
#[derive(Clone, Debug, Args)]
pub(super) struct RuntimesArgs {
    /// Directory of the language runtimes [default: beside wisp]
    #[arg(long, env = "WISP_RUNTIMES", value_name = "DIRECTORY", hide_env_values = true)]
    runtimes: Option<PathBuf>,
}

impl RuntimesArgs {
    /// Where runtimes are looked for, the first first.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        if let Some(directory) = &self.runtimes {
            return vec![directory.clone()];
        }
        let binary = env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
        let directory = binary.parent().unwrap_or(Path::new("/"));
        let mut directories: Vec<_> = BESIDE_BINARY.iter().map(|place| directory.join(place)).collect();
        let checkouts = directory.ancestors().filter(|above| above.join("guest-sdk").is_dir());
        directories.extend(checkouts.flat_map(|checkout| IN_CHECKOUT.map(|place| checkout.join(place))));
        directories
    }

    /// The runtimes, for instances made by `loader`.
    pub(super) fn open(&self, loader: Loader, config: &Config) -> anyhow::Result<Runtimes> {
        let directory = cache_dir(config).join("runtimes");
        let context = || format!("the directory of compiled runtimes, {}, cannot be used", directory.display());
        let cache = ArtifactCache::open(&directory, CACHE).with_context(context)?;
        Runtimes::new(loader, cache, self.directories()).with_context(context)
    }

    /// The runtimes, for a command that serves nothing; `None` if no function needs one.
    pub(super) fn open_alone(&self, config: &Config) -> anyhow::Result<Option<Runtimes>> {
        if languages(config).is_empty() {
            return Ok(None);
        }
        let cache = ArtifactCache::open(&config.server.data_dir.join("artifacts"), config.server.artifact_cache)?;
        let loader = Loader::new(Engines::new(SLOTS)?, cache)?;
        self.open(loader, config).map(Some)
    }
}

/// The languages whose runtimes build functions of this configuration.
pub(super) fn languages(config: &Config) -> Vec<Language> {
    let builds = config.functions.iter().filter_map(|function| function.build.as_ref());
    let mut languages: Vec<_> = builds.filter_map(source::runtime_of).collect();
    languages.sort();
    languages.dedup();
    languages
}

/// What all projects of a user make once: compiled runtimes, the standard library for Rust guests.
static USER_CACHE: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let named = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?.join("wisp"))
});

/// Where things go that are made once for all projects; in the project's own data directory if the user has no cache.
pub(super) fn cache_dir(config: &Config) -> PathBuf {
    USER_CACHE.clone().unwrap_or_else(|| config.server.data_dir.clone())
}

/// The user's cache, if there is one.
pub(super) fn user_cache() -> Option<&'static Path> {
    USER_CACHE.as_deref()
}
