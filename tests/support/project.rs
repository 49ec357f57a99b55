//! Sources on disk, built by language runtimes as `wisp build` does it.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use wisp::{
    component::{
        ArtifactCache, Loader,
        runtime::Runtimes,
        source::{self, BuildError, Built, Loading, Packages, Plan},
    },
    config::{Config, FunctionConfig},
    engine::Engines,
};

use crate::{cache, guest, parsed_with};

/// A directory with the test runtime (`tests/guests/runtime`) in the place of both languages' own.
pub static TEST_RUNTIME: LazyLock<PathBuf> = LazyLock::new(|| {
    let runtime = guest("runtime");
    let directory = cache().join("runtimes");
    fs::create_dir_all(&directory).unwrap();
    for name in ["js-runtime.wasm", "python-runtime.wasm"] {
        let scratch = tempfile::NamedTempFile::new_in(&directory).unwrap();
        fs::copy(&runtime, scratch.path()).unwrap();
        scratch.persist(directory.join(name)).unwrap();
    }
    directory
});

static LOADER: LazyLock<Loader> = LazyLock::new(|| {
    let slots = NonZeroUsize::new(8).unwrap();
    Loader::new(Engines::new(slots).unwrap(), artifacts()).unwrap()
});

/// The one that all hosts of tests have too: what is compiled here, none of them compiles again.
fn artifacts() -> ArtifactCache {
    ArtifactCache::open(&cache().join("data/artifacts"), 4 << 30).unwrap()
}

/// The runtimes in a directory, for instances of `loader`.
pub fn runtimes(loader: Loader, directory: &Path) -> Runtimes {
    runtimes_in(loader, vec![directory.to_owned()])
}

/// The runtimes in several directories.
pub fn runtimes_in(loader: Loader, directories: Vec<PathBuf>) -> Runtimes {
    Runtimes::new(loader, artifacts(), directories).unwrap()
}

/// Sources in a directory of their own.
pub struct Project {
    directory: tempfile::TempDir,
    data: tempfile::TempDir,
    runtimes: Runtimes,
}

impl Project {
    /// A project for the test runtime: name and text of its files.
    pub fn new(files: &[(&str, &str)]) -> Self {
        Self::with(runtimes(LOADER.clone(), &TEST_RUNTIME), files)
    }

    /// A project for some runtimes.
    pub fn with(runtimes: Runtimes, files: &[(&str, &str)]) -> Self {
        let project = Self { directory: tempfile::tempdir().unwrap(), data: tempfile::tempdir().unwrap(), runtimes };
        files.iter().for_each(|(name, text)| project.write(name, text));
        project
    }

    /// The loader of projects that no host shares.
    pub fn loader() -> Loader {
        LOADER.clone()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Installs what a `package.json` names; Python's packages are installed by the build. npm's own cache makes it quick
    /// from the second time on.
    pub fn install_packages(&self) {
        if !fs::read_to_string(self.path().join("package.json")).is_ok_and(|text| text.contains("\"dependencies\"")) {
            return;
        }
        let mut npm = Command::new("npm");
        npm.args(["install", "--omit=dev", "--no-audit", "--no-fund", "--silent", "--prefer-offline"]);
        assert!(npm.current_dir(self.path()).status().unwrap().success(), "npm install failed");
    }

    /// A configuration as it stands in the project's directory.
    pub fn config(&self, toml: &str) -> Config {
        parsed_with(toml, self.path(), &self.data.path().join("data"))
    }

    /// Builds the one function of a configuration.
    pub fn build(&self, toml: &str) -> Result<Built, BuildError> {
        self.build_telling(toml, &mut |_| {})
    }

    /// As `build`; what is told meanwhile goes to `progress`.
    pub fn build_telling(&self, toml: &str, progress: &mut dyn FnMut(&str)) -> Result<Built, BuildError> {
        let config = self.config(toml);
        self.with_plan(&config, &config.functions[0], |plan| source::build(plan, progress))
    }

    /// Builds all functions of a configuration.
    pub fn build_all(&self, toml: &str) -> Vec<Built> {
        let config = self.config(toml);
        let build = |function| self.with_plan(&config, function, |plan| source::build(plan, &mut |_| {}));
        let built = config.functions.iter().map(build);
        built.map(|built| built.unwrap_or_else(|error| panic!("{error}\n{}", error.output))).collect()
    }

    /// Whether the one function of a configuration has to be built.
    pub fn is_stale(&self, toml: &str) -> bool {
        let config = self.config(toml);
        self.with_plan(&config, &config.functions[0], source::is_stale)
    }

    /// Compiles the components of a configuration, as a host does when it deploys them: a host of a test finds them
    /// compiled. Components of a language have most of their functions in common, and this process compiles each once.
    pub(crate) fn compile(config: &Config) {
        for function in &config.functions {
            let component = fs::read(&function.component).unwrap();
            // What is wrong with it, the host says.
            drop(LOADER.load(&component, || {}));
        }
    }

    fn with_plan<T>(&self, config: &Config, function: &FunctionConfig, then: impl FnOnce(&Plan<'_>) -> T) -> T {
        let build = function.build.as_ref().unwrap();
        let loading = Loading {
            runtimes: &self.runtimes,
            function,
            server: &config.server,
            limits: &config.limits,
            evaluate: build.evaluate,
            packages: Packages::Installed,
        };
        then(&Plan {
            source: &build.source,
            data: &[],
            language: build.language,
            command: None,
            world: build.world.as_deref(),
            loading: Some(loading),
            component: &function.component,
            cache_dir: &self.path().join(".wisp"),
        })
    }
}
