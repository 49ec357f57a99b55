//! Code packages on disk: `code/<SHA-256 of the package>/` has the `package` as it was sent, its `files`, and the
//! components that were built from them.
//!
//! A directory appears by a rename when everything in it is on the disk; the record that names it is committed after that.
//! So a crash leaves at most what no record names, and that is removed at the next start.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use sha2::{Digest as _, Sha256};

use super::{error::Error, record::Code};
use crate::{
    api::checksum,
    component::{
        hex,
        package::{self, Contents, PackageError, PackageLimits, Tree},
        runtime::Runtimes,
        source::{self, BuildError, Loading, Packages, Plan},
    },
    config::{Evaluate, FunctionConfig, Language, Limits, ServerConfig},
};

/// Code packages in a directory. Blocking. A cheap handle.
#[derive(Clone)]
pub(crate) struct CodeStore(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    limits: PackageLimits,
    server: ServerConfig,
    guest_limits: Arc<Limits>,
    /// What sources are built with.
    runtimes: OnceLock<Runtimes>,
    /// Packages that changes are being made with, and by how many: no record may name them yet.
    in_use: parking_lot::Mutex<HashMap<String, usize>>,
}

/// A package that stays while a change is made with it: no garbage, though no record names it.
#[must_use = "the package may go when this does"]
pub(crate) struct InUse {
    store: CodeStore,
    digest: String,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut in_use = self.store.0.in_use.lock();
        match in_use.get_mut(&self.digest) {
            Some(changes) if *changes > 1 => *changes -= 1,
            _ => drop(in_use.remove(&self.digest)),
        }
    }
}

/// What tells how a package is served.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    /// The runtime of Function Compute, such as `nodejs20`.
    pub(crate) runtime: String,
    /// The function, as far as it is known without its code.
    pub(crate) function: FunctionConfig,
}

impl CodeStore {
    pub(crate) fn new(server: &ServerConfig, guest_limits: Arc<Limits>) -> Self {
        Self(Arc::new(Shared {
            directory: server.data_dir.join("code"),
            limits: PackageLimits::default(),
            server: server.clone(),
            guest_limits,
            runtimes: OnceLock::new(),
            in_use: parking_lot::Mutex::default(),
        }))
    }

    /// From now on sources are built with these, if the configuration allows it.
    pub(crate) fn build_with(&self, runtimes: Runtimes) {
        // Set once, when the host is made.
        let _ = self.0.runtimes.set(runtimes);
    }

    /// Decodes `code.zipFile` of a request.
    pub(crate) fn decode(&self, base64: &str) -> Result<Vec<u8>, Error> {
        Ok(package::decode(base64, &self.0.limits)?)
    }

    fn in_use(&self, digest: &str) -> InUse {
        *self.0.in_use.lock().entry(digest.to_owned()).or_default() += 1;
        InUse { store: self.clone(), digest: digest.to_owned() }
    }

    /// Keeps a package and makes sure that there is a component of it. Both stay at least as long as what is returned with
    /// the code, which is to be dropped when a record that names it is committed.
    pub(crate) fn add(&self, package: &[u8], usage: &Usage) -> Result<(Code, InUse), Error> {
        let digest = hex(&Sha256::digest(package));
        let directory = self.0.directory.join(&digest);
        // Before it is looked for: what is found is not removed any more.
        let in_use = self.in_use(&digest);
        if !directory.exists() {
            self.unpack(package, &directory)?;
        }
        let code = Code {
            component: String::new(),
            checksum: checksum::checksum(package),
            size: package.len() as u64,
            digest,
        };
        // A package that cannot be served stays until garbage is collected: another request may have it as well, and
        // serve it otherwise.
        Ok((self.component_of(&code, usage)?, in_use))
    }

    fn unpack(&self, package: &[u8], directory: &Path) -> Result<(), Error> {
        let work = || -> Result<(), PackageError> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.0.directory)?;
            let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.0.directory)?;
            package::unpack(package, &scratch.path().join("files"), &self.0.limits)?;
            fs::write(scratch.path().join("package"), package)?;
            sync_tree(scratch.path())?;
            match fs::rename(scratch.path(), directory) {
                // Another request had the same package.
                Err(_) if directory.exists() => return Ok(()),
                renamed => renamed?,
            }
            let _ = scratch.keep();
            Ok(File::open(&self.0.directory)?.sync_all()?)
        };
        Ok(work()?)
    }

    /// The same code, served as another handler and runtime want it: builds, if it must. See [`Self::add`].
    pub(crate) fn serve(&self, code: &Code, usage: &Usage) -> Result<(Code, InUse), Error> {
        let in_use = self.in_use(&code.digest);
        Ok((self.component_of(code, usage)?, in_use))
    }

    fn component_of(&self, code: &Code, usage: &Usage) -> Result<Code, Error> {
        let directory = self.0.directory.join(&code.digest);
        let tree = Tree::read(&directory.join("files"))
            .map_err(|error| Error::internal(format!("the code package cannot be read: {error}")))?;
        let component = match tree.contents(&usage.function.handler, &usage.runtime)? {
            Contents::Component { path } => format!("files/{path}"),
            Contents::JavaScript { module } => self.built(&tree, Language::JavaScript, &module, usage)?,
            Contents::Python { module } => self.built(&tree, Language::Python, &module, usage)?,
        };
        Ok(Code { component, ..code.clone() })
    }

    /// The component of sources. One is built for each way to load them.
    fn built(&self, tree: &Tree, language: Language, module: &str, usage: &Usage) -> Result<String, Error> {
        let name = format!("built-{}.wasm", loaded_as(language, &usage.function));
        let directory = tree.directory.parent().unwrap_or(&tree.directory);
        let component = directory.join(&name);
        if component.exists() {
            return Ok(name);
        }
        let Some(runtimes) = self.0.runtimes.get().filter(|_| self.0.server.build_sources) else {
            return Err(Error::invalid(format!(
                "the code package has sources ('{module}'), and this host builds none (`server.build_sources`): build \
                 them with `wisp build`, and send the component"
            )));
        };
        let function = FunctionConfig { code_dir: Some(tree.directory.clone()), ..usage.function.clone() };
        let plan = Plan {
            source: &tree.directory,
            data: &[],
            language: Some(language),
            command: None,
            world: None,
            loading: Some(Loading {
                runtimes,
                function: &function,
                server: &self.0.server,
                limits: &self.0.guest_limits,
                evaluate: Evaluate::Build,
                packages: Packages::Included,
            }),
            component: &component,
            cache_dir: &self.0.server.data_dir.join("build"),
        };
        let mut log = Vec::new();
        source::build(&plan, &mut |line| log.push(line.to_owned()))
            .map_err(|error| unbuilt(&error, &log, tree, language))?;
        let synced =
            File::open(&component).and_then(|file| file.sync_all()).and_then(|()| File::open(directory)?.sync_all());
        synced.map_err(|error| Error::internal(format!("the component cannot be stored: {error}")))?;
        Ok(name)
    }

    /// The component that is served.
    pub(crate) fn component(&self, code: &Code) -> PathBuf {
        self.0.directory.join(&code.digest).join(&code.component)
    }

    /// The directory that guests see as `/code`.
    pub(crate) fn files(&self, code: &Code) -> PathBuf {
        self.0.directory.join(&code.digest).join("files")
    }

    /// The package as it was sent.
    pub(crate) fn package(&self, digest: &str) -> PathBuf {
        self.0.directory.join(digest).join("package")
    }

    /// Removes what no record names and is older than `age`: packages whose request never came to its end, and those of
    /// deleted functions. What cannot be removed stays.
    pub(crate) fn collect_garbage(&self, named: &HashSet<String>, age: Duration) -> io::Result<usize> {
        let entries = match fs::read_dir(&self.0.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_old = entry
                .metadata()
                .and_then(|it| it.modified())
                .is_ok_and(|time| time.elapsed().unwrap_or_default() >= age);
            if is_old && !named.contains(&name) && self.discard(&name, &entry.path()) {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes one entry, unless a change is being made with it.
    fn discard(&self, name: &str, path: &Path) -> bool {
        let discarded = self.0.directory.join(format!("{DISCARDED}{name}"));
        {
            // Renamed while nobody can begin to use it; removing takes longer.
            let in_use = self.0.in_use.lock();
            if in_use.contains_key(name) {
                return false;
            }
            if let Err(error) = fs::rename(path, &discarded) {
                tracing::warn!(path = %path.display(), %error, "a code package that nobody has cannot go");
                return false;
            }
        }
        let removed = if discarded.is_dir() { fs::remove_dir_all(&discarded) } else { fs::remove_file(&discarded) };
        removed
            .inspect_err(
                |error| tracing::warn!(path = %discarded.display(), %error, "is no code package, or cannot go"),
            )
            .is_ok()
    }
}

/// Before the name of a package that is being removed; should that be cut short, it goes the next time.
const DISCARDED: &str = ".gone-";

/// Why sources are not built, with what was written meanwhile. Paths are those of the package: the sender knows no others.
fn unbuilt(error: &BuildError, log: &[String], tree: &Tree, language: Language) -> Error {
    if error.is_hosts() {
        return Error::internal(format!("the sources of the code package cannot be built: {}", error.reason));
    }
    let mut message = format!("the sources of the code package cannot be built with {}: {}", error.tool, error.reason);
    if !error.advice.is_empty() {
        message = format!("{message}. {}", error.advice);
    }
    if let Some(missing) = source::not_included(&tree.directory, language) {
        message = format!("{message}. {missing}");
    }
    for text in log.iter().chain([&error.output]).filter(|text| !text.is_empty()) {
        message = format!("{message}\n{text}");
    }
    Error::invalid(message.replace(&format!("{}/", tree.directory.display()), ""))
}

/// A digest of everything about a function that loading its sources depends on.
fn loaded_as(language: Language, function: &FunctionConfig) -> String {
    let FunctionConfig { handler, initializer, pre_freeze_handler, pre_stop_handler, environment, memory, .. } =
        function;
    let hooks = (initializer, pre_freeze_handler, pre_stop_handler, function.handler_type, &function.name);
    let digest = Sha256::digest(format!("{language:?} {handler} {hooks:?} {environment:?} {memory}"));
    hex(digest.get(..8).unwrap_or_default())
}

/// Everything below a directory is on the disk when this returns.
fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn store(directory: &Path) -> CodeStore {
        let config = config::parse("", &directory.join("wisp.toml")).unwrap();
        CodeStore::new(&config.server, Arc::new(config.limits))
    }

    fn usage() -> Usage {
        let toml = "[functions.f]\ncomponent = \"f.wasm\"\nhandler = \"index.handler\"\n";
        let function = config::parse(toml, Path::new("/srv/wisp.toml")).unwrap().functions.remove(0);
        Usage { runtime: "custom".to_owned(), function }
    }

    const PACKAGE: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_package_is_no_garbage_before_a_record_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        let nobody = HashSet::new();
        let (code, first) = store.add(PACKAGE, &usage()).unwrap();
        let (_, second) = store.add(PACKAGE, &usage()).unwrap();
        drop(first);
        assert_eq!(store.collect_garbage(&nobody, Duration::ZERO).unwrap(), 0, "another change is made with it");
        assert!(store.component(&code).is_file());
        drop(second);
        assert_eq!(store.collect_garbage(&HashSet::from([code.digest.clone()]), Duration::ZERO).unwrap(), 0);
        let (_, again) = store.serve(&code, &usage()).unwrap();
        assert_eq!(store.collect_garbage(&nobody, Duration::ZERO).unwrap(), 0, "it is served otherwise");
        drop(again);
        assert_eq!(store.collect_garbage(&nobody, Duration::ZERO).unwrap(), 1);
        assert!(!store.package(&code.digest).exists());
        assert_eq!(fs::read_dir(directory.path().join(".wisp/code")).unwrap().count(), 0);
    }
}
