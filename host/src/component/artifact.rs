//! Compiled code on disk: compiled once, mapped at start, never trusted unchecked.
//!
//! A file is named by the component's digest, in a directory named by the engine's compatibility hash, so that another
//! wasmtime or other settings never meet it. Beside each lies a MAC over its content under a key that only this user can
//! read: loading compiled code runs it, so a file that is damaged or was put there by somebody else is compiled anew.
//!
//! `snapshots/` has components with the state that an initializer left, by their own digests, and notes that say which of
//! them belongs to what.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use super::{ComponentError, Declaration, Kind, LoadStep, hex};

/// A block of SHA-256, the longest key that an HMAC uses as it is.
const KEY_LENGTH: usize = 64;

/// Bytes that are read at once to check a MAC: enough to make calls of the system rare, and few enough that the allocator
/// has them at hand. A megabyte is a mapping of its own, zeroed page by page, for each of a thousand small files.
const MAC_CHUNK: usize = 64 << 10;

/// Bytes of a MAC.
const MAC_LENGTH: usize = 32;

/// The file of compiled functions in the directory of an engine.
const FUNCTIONS: &str = "functions.wasm-code";

/// Extensions of what counts against the size of a cache: compiled components, snapshots, compiled functions.
const COUNTED: [&str; 3] = ["cwasm", "wasm", "wasm-code"];

/// The rules by which [`Known`] was found: a file written by other ones counts as absent. To be raised when what wisp
/// serves, or how it adapts core modules, changes.
const RULES: u32 = 1;

/// What was found out about a file when it was loaded for the first time: finding it out again would take longer than all
/// else that a start does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// SHA-256 in hex of the component that the file is, or was adapted to.
    pub(super) digest: String,
    pub(super) kind: Kind,
    pub(super) declaration: Option<Declaration>,
    rules: u32,
}

impl Known {
    pub(super) fn new(digest: String, kind: Kind, declaration: Option<Declaration>) -> Self {
        Self { digest, kind, declaration, rules: RULES }
    }
}

/// A directory of compiled components with an upper size. A cheap handle.
#[derive(Clone)]
pub struct ArtifactCache(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    key: [u8; KEY_LENGTH],
    capacity: u64,
    /// Files of code that is served and not mapped at the moment, and how many components each is of.
    kept: Mutex<HashMap<PathBuf, usize>>,
    /// The directory of each engine that asked for one.
    engines: Mutex<Vec<(Engine, PathBuf)>>,
}

impl ArtifactCache {
    /// Opens or makes the cache in `directory` for at most `capacity` bytes.
    ///
    /// # Errors
    /// If the directory cannot be made, or its key not be read or written.
    pub fn open(directory: &Path, capacity: u64) -> io::Result<Self> {
        make_private_dir(directory)?;
        let key = read_or_make_key(&directory.join("key"))?;
        Ok(Self(Arc::new(Shared {
            directory: directory.to_owned(),
            key,
            capacity,
            kept: Mutex::default(),
            engines: Mutex::default(),
        })))
    }

    /// Bytes that the compiled components take.
    pub fn size(&self) -> u64 {
        self.files().iter().map(|file| file.size).sum()
    }

    /// Bytes that they may take.
    pub fn capacity(&self) -> u64 {
        self.0.capacity
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// The file of a component's compiled code, and the one of its MAC; they may not be there.
    pub(crate) fn files_of(&self, engine: &Engine, digest: &str) -> io::Result<[PathBuf; 2]> {
        let path = self.path(engine, digest)?;
        Ok([path.with_extension("mac"), path])
    }

    /// What is known of the file with this SHA-256, if this user's wisp wrote it down by the rules of today.
    pub(super) fn known(&self, source: &str) -> Option<Known> {
        let content = fs::read(self.known_file(source)).ok()?;
        let json = self.unsealed(source.as_bytes(), &content)?;
        serde_json::from_slice(json).ok().filter(|known: &Known| known.rules == RULES)
    }

    /// Writes down what is known of a file. If that fails, it is found out again at the next start.
    pub(super) fn note_down(&self, source: &str, known: &Known) {
        let Ok(json) = serde_json::to_vec(known) else { return };
        let content = self.sealed(source.as_bytes(), &json);
        let path = self.known_file(source);
        let written = make_private_dir(path.parent().unwrap_or(&path)).and_then(|()| write_whole(&path, &content));
        if let Err(error) = written {
            tracing::debug!(file = %path.display(), %error, "what is known of a component cannot be written down");
        }
    }

    fn known_file(&self, source: &str) -> PathBuf {
        self.0.directory.join("known").join(source)
    }

    /// Removes the notes of components whose compiled code has gone.
    fn prune_notes(&self, gone: &HashSet<String>) {
        let Ok(notes) = fs::read_dir(self.0.directory.join("known")) else { return };
        for note in notes.flatten() {
            let source = note.file_name().to_string_lossy().into_owned();
            if self.known(&source).is_none_or(|known| gone.contains(&known.digest)) {
                let _ = fs::remove_file(note.path());
            }
        }
    }

    /// Bytes of a component's compiled code; 0 if there is none.
    pub(super) fn size_of(&self, engine: &Engine, digest: &str) -> u64 {
        let metadata = self.path(engine, digest).and_then(fs::metadata);
        metadata.map_or(0, |metadata| metadata.len())
    }

    /// The compiled code of a component, if it is there.
    pub(super) fn compiled(
        &self,
        engine: &Engine,
        digest: &str,
        passed: &mut dyn FnMut(LoadStep),
    ) -> io::Result<Option<Component>> {
        Ok(self.map(engine, &self.path(engine, digest)?, passed))
    }

    /// Keeps a component's compiled code, however full the cache is, until it is released; `false` if there is none.
    pub(super) fn keep(&self, engine: &Engine, digest: &str) -> bool {
        let Ok(path) = self.path(engine, digest) else { return false };
        // Held while the file is looked for, so that none is pruned between.
        let mut kept = self.0.kept.lock();
        let is_there = path.is_file() && path.with_extension("mac").is_file();
        if is_there {
            *kept.entry(path).or_default() += 1;
        }
        is_there
    }

    /// Takes back one [`Self::keep`].
    pub(super) fn release(&self, engine: &Engine, digest: &str) {
        let Ok(path) = self.path(engine, digest) else { return };
        let mut kept = self.0.kept.lock();
        if let Some(count) = kept.get_mut(&path) {
            *count -= 1;
            if *count == 0 {
                kept.remove(&path);
            }
        }
    }

    /// Whether there is compiled code of this component.
    pub(super) fn has(&self, engine: &Engine, digest: &str) -> bool {
        self.path(engine, digest).is_ok_and(|path| path.with_extension("mac").is_file())
    }

    /// The compiled component for `engine`: mapped from its file, or compiled from `bytes` by `compiler`, which may be
    /// another engine with the same settings of code, and kept, once `compiling` was told.
    pub(super) fn component(
        &self,
        engine: &Engine,
        compiler: &Engine,
        digest: &str,
        bytes: &[u8],
        compiling: impl FnOnce(),
    ) -> Result<Component, ComponentError> {
        self.component_watched(engine, compiler, digest, bytes, compiling, &mut |_| {})
    }

    /// The same, and `passed` is told the end of each step.
    pub(super) fn component_watched(
        &self,
        engine: &Engine,
        compiler: &Engine,
        digest: &str,
        bytes: &[u8],
        compiling: impl FnOnce(),
        passed: &mut dyn FnMut(LoadStep),
    ) -> Result<Component, ComponentError> {
        let path = self.path(engine, digest)?;
        if let Some(component) = self.map(engine, &path, passed) {
            return Ok(component);
        }
        // Somebody may have cleared the cache since the directory was made.
        make_private_dir(path.parent().unwrap_or(&path))?;
        // One writer at a time, over all processes; who waited finds the file made.
        let lock = File::create(path.with_extension("lock"))?;
        lock.lock()?;
        if let Some(component) = self.map(engine, &path, passed) {
            return Ok(component);
        }
        compiling();
        let code =
            compiler.precompile_component(bytes).map_err(|error| ComponentError::Compile(format!("{error:#}")))?;
        self.write(&path, &code)?;
        passed(LoadStep::Compile);
        let _ = fs::remove_file(path.with_extension("lock"));
        self.prune(&path);
        self.map(engine, &path, passed)
            .ok_or_else(|| ComponentError::Compile("the compiled code cannot be read back".into()))
    }

    /// A component compiled by `compiler` for this process alone.
    pub(super) fn compiled_for_now(
        engine: &Engine,
        compiler: &Engine,
        bytes: &[u8],
    ) -> Result<Component, ComponentError> {
        let code =
            compiler.precompile_component(bytes).map_err(|error| ComponentError::Compile(format!("{error:#}")))?;
        #[allow(unsafe_code, reason = "the line above made this code, and nobody else had it")]
        let component = unsafe { Component::deserialize(engine, code) };
        component.map_err(|error| ComponentError::Compile(format!("{error:#}")))
    }

    /// Held by whoever makes the snapshot of this name, over all processes. Blocking.
    pub(super) fn lock(&self, name: &str) -> io::Result<Lock> {
        let path = self.snapshots()?.join(name).with_extension("lock");
        let file = File::create(&path)?;
        file.lock()?;
        Ok(Lock { path, _file: file })
    }

    /// What was noted under a name, if it is whole and ours.
    pub(super) fn note(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.snapshots().ok()?.join(name).with_extension("json");
        let mac = fs::read(path.with_extension("mac")).ok()?;
        self.mac_of(&path).ok()?.verify_slice(&mac).ok()?;
        fs::read(path).ok()
    }

    /// Notes something under a name.
    pub(super) fn keep_note(&self, name: &str, note: &[u8]) -> io::Result<()> {
        self.write(&self.snapshots()?.join(name).with_extension("json"), note)
    }

    /// A component that was kept, if it is whole: its digest is its name.
    pub(super) fn snapshot(&self, digest: &str) -> Option<Vec<u8>> {
        let path = self.snapshots().ok()?.join(digest).with_extension("wasm");
        let bytes = fs::read(&path).ok()?;
        if hex(&Sha256::digest(&bytes)) != digest {
            tracing::warn!(file = %path.display(), "a snapshot is damaged: its initializer runs once more");
            return None;
        }
        Some(bytes)
    }

    /// Keeps a component, so that other settings of the compiler need no other snapshot.
    pub(super) fn keep_snapshot(&self, digest: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.snapshots()?.join(digest).with_extension("wasm");
        write_whole(&path, bytes)?;
        self.prune(&path);
        Ok(())
    }

    /// The compiled functions that were kept for an engine, if this user's wisp wrote them.
    pub(super) fn functions(&self, engine: &Engine) -> Option<Vec<u8>> {
        let path = self.directory_of(engine).ok()?.join(FUNCTIONS);
        let mut content = fs::read(&path).ok()?;
        if self.unsealed(FUNCTIONS.as_bytes(), &content).is_none() {
            tracing::warn!(file = %path.display(), "compiled functions are damaged or foreign: compiling anew");
            return None;
        }
        // So that pruning knows when they were last of use. Not worth failing for.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(content.split_off(MAC_LENGTH))
    }

    /// Keeps compiled functions in place of those that were kept before. In one file with their MAC: two processes that
    /// write at a time leave what one of them wrote.
    pub(super) fn keep_functions(&self, engine: &Engine, functions: &[u8]) -> io::Result<()> {
        let directory = self.directory_of(engine)?;
        make_private_dir(&directory)?;
        let path = directory.join(FUNCTIONS);
        write_whole(&path, &self.sealed(FUNCTIONS.as_bytes(), functions))?;
        self.prune(&path);
        Ok(())
    }

    fn snapshots(&self) -> io::Result<PathBuf> {
        let directory = self.0.directory.join("snapshots");
        make_private_dir(&directory)?;
        Ok(directory)
    }

    fn path(&self, engine: &Engine, digest: &str) -> io::Result<PathBuf> {
        Ok(self.directory_of(engine)?.join(digest).with_extension("cwasm"))
    }

    /// Where the code for an engine lies; it is named and made once.
    fn directory_of(&self, engine: &Engine) -> io::Result<PathBuf> {
        let mut engines = self.0.engines.lock();
        if let Some((_, directory)) = engines.iter().find(|(known, _)| Engine::same(known, engine)) {
            return Ok(directory.clone());
        }
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let directory = self.0.directory.join(format!("{:016x}", hasher.finish()));
        make_private_dir(&directory)?;
        engines.push((engine.clone(), directory.clone()));
        Ok(directory)
    }

    /// The component in `path`, if the file is there, whole and ours.
    fn map(&self, engine: &Engine, path: &Path, passed: &mut dyn FnMut(LoadStep)) -> Option<Component> {
        let mac = fs::read(path.with_extension("mac")).ok()?;
        if self.mac_of(path).ok()?.verify_slice(&mac).is_err() {
            tracing::warn!(file = %path.display(), "compiled code is damaged or foreign: compiling anew");
            return None;
        }
        passed(LoadStep::Verify);
        // So that pruning knows when it was last of use. Not worth failing for.
        let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
        #[allow(
            unsafe_code,
            reason = "the MAC above says that this user's wisp wrote the file, with this very content"
        )]
        let component = unsafe { Component::deserialize_file(engine, path) };
        let component = component
            .inspect_err(|error| tracing::warn!(file = %path.display(), %error, "compiled code does not load"))
            .ok()?;
        passed(LoadStep::Map);
        Some(component)
    }

    fn mac_of(&self, path: &Path) -> io::Result<Hmac<Sha256>> {
        let mut file = File::open(path)?;
        let mut mac = self.mac();
        let mut chunk = vec![0; MAC_CHUNK];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(mac),
                read => mac.update(chunk.get(..read).unwrap_or_default()),
            }
        }
    }

    /// A content behind its MAC, for a file that is read whole; `name` keeps it from being taken for another.
    fn sealed(&self, name: &[u8], content: &[u8]) -> Vec<u8> {
        let mut mac = self.mac();
        mac.update(name);
        mac.update(content);
        [&mac.finalize().into_bytes()[..], content].concat()
    }

    /// The content that was sealed under this name, if it is whole and ours.
    fn unsealed<'a>(&self, name: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (mac, content) = sealed.split_at_checked(MAC_LENGTH)?;
        let mut expected = self.mac();
        expected.update(name);
        expected.update(content);
        expected.verify_slice(mac).ok()?;
        Some(content)
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new(&self.0.key.into())
    }

    fn write(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        let mut mac = self.mac();
        mac.update(code);
        // The MAC goes last: a file without its MAC counts as absent.
        write_whole(path, code)?;
        write_whole(&path.with_extension("mac"), &mac.finalize().into_bytes())
    }

    /// Removes the least recently used files until the rest fits, but never `keep`.
    fn prune(&self, keep: &Path) {
        let mut files = self.files();
        files.sort_by_key(|file| file.used);
        let mut size: u64 = files.iter().map(|file| file.size).sum();
        let kept = self.0.kept.lock();
        let mut gone = HashSet::new();
        for file in files.iter().filter(|file| file.path != keep && !kept.contains_key(&file.path)) {
            if size <= self.0.capacity {
                break;
            }
            // A process that has it mapped keeps its mapping.
            let _ = fs::remove_file(&file.path);
            let _ = fs::remove_file(file.path.with_extension("mac"));
            gone.extend(file.path.file_stem().map(|digest| digest.to_string_lossy().into_owned()));
            size -= file.size;
        }
        drop(kept);
        if !gone.is_empty() {
            self.prune_notes(&gone);
        }
    }

    fn files(&self) -> Vec<Artifact> {
        let Ok(engines) = fs::read_dir(&self.0.directory) else { return Vec::new() };
        engines
            .flatten()
            .filter_map(|engine| fs::read_dir(engine.path()).ok())
            .flat_map(|files| files.flatten())
            .filter(|file| file.path().extension().is_some_and(|it| COUNTED.iter().any(|counted| it == *counted)))
            .filter_map(|file| {
                let metadata = file.metadata().ok()?;
                Some(Artifact { path: file.path(), size: metadata.len(), used: metadata.modified().ok()? })
            })
            .collect()
    }
}

/// A lock among processes, until it is dropped.
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who waits has the file open, and gets the lock of it all the same.
        let _ = fs::remove_file(&self.path);
    }
}

struct Artifact {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_LENGTH]> {
    if let Ok(key) = fs::read(path)
        && let Ok(key) = key.try_into()
    {
        return Ok(key);
    }
    // Each version-4 UUID is 122 random bits from the system's generator.
    let parts = [(); KEY_LENGTH / 16].map(|()| uuid::Uuid::new_v4().into_bytes());
    write_whole(path, parts.as_flattened())?;
    let key = fs::read(path)?;
    key.try_into()
        .map_err(|_| io::Error::other(format!("{} is not a key of {KEY_LENGTH} bytes: remove it", path.display())))
}

/// Writes a file that is either whole or not there, readable for this user alone.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        Engine::default()
    }

    fn component() -> Vec<u8> {
        wat::parse_str("(component (core module (func (export \"f\"))))").unwrap()
    }

    fn only_file(cache: &ArtifactCache) -> PathBuf {
        let files = cache.files();
        assert_eq!(files.len(), 1);
        files[0].path.clone()
    }

    #[test]
    fn compiled_code_is_kept_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(directory.path(), 1 << 30).unwrap();
        assert_eq!(cache.size(), 0);
        cache.component(&engine(), &engine(), "d", &component(), || {}).unwrap();
        let reopened = ArtifactCache::open(directory.path(), 1 << 30).unwrap();
        // No bytes to compile from: it must come from the file.
        reopened.component(&engine(), &engine(), "d", b"", || {}).unwrap();
        assert!(reopened.size() > 0);
    }

    #[test]
    fn a_damaged_file_is_compiled_anew() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(directory.path(), 1 << 30).unwrap();
        cache.component(&engine(), &engine(), "d", &component(), || {}).unwrap();
        let path = only_file(&cache);
        let mut damaged = fs::read(&path).unwrap();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(&path, &damaged).unwrap();
        cache.component(&engine(), &engine(), "d", &component(), || {}).unwrap();
        assert_ne!(fs::read(&path).unwrap(), damaged);
    }

    #[test]
    fn a_file_of_another_key_is_never_loaded() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ours = ArtifactCache::open(ours.path(), 1 << 30).unwrap();
        let theirs = ArtifactCache::open(theirs.path(), 1 << 30).unwrap();
        ours.component(&engine(), &engine(), "d", &component(), || {}).unwrap();
        theirs.component(&engine(), &engine(), "d", &component(), || {}).unwrap();
        for extension in ["cwasm", "mac"] {
            fs::copy(only_file(&theirs).with_extension(extension), only_file(&ours).with_extension(extension)).unwrap();
        }
        assert!(ours.map(&engine(), &only_file(&ours), &mut |_| {}).is_none());
    }

    #[test]
    fn compiled_functions_are_kept_and_believed_only_with_their_mac() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(directory.path(), 1 << 30).unwrap();
        assert_eq!(cache.functions(&engine()), None);
        for functions in [&b"first"[..], b"second"] {
            cache.keep_functions(&engine(), functions).unwrap();
            assert_eq!(cache.functions(&engine()).as_deref(), Some(functions));
        }
        let path = only_file(&cache);
        let mut damaged = fs::read(&path).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&path, damaged).unwrap();
        assert_eq!(cache.functions(&engine()), None);
    }

    #[test]
    fn what_is_known_is_believed_only_with_its_mac_and_goes_with_its_code() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(directory.path(), 0).unwrap();
        let known = Known::new("first".into(), Kind::Command, None);
        cache.note_down("source", &known);
        assert_eq!((cache.known("source"), cache.known("another")), (Some(known.clone()), None));
        fs::copy(cache.known_file("source"), cache.known_file("another")).unwrap();
        assert_eq!(cache.known("another"), None);
        for digest in ["first", "second"] {
            cache.component(&engine(), &engine(), digest, &component(), || {}).unwrap();
        }
        assert_eq!(cache.known("source"), None);
    }

    #[test]
    fn what_is_kept_stays_in_a_full_cache_until_it_is_released() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(directory.path(), 0).unwrap();
        let engine = engine();
        let compile = |digest| cache.component(&engine, &engine, digest, &component(), || {}).unwrap();
        compile("first");
        assert!(cache.keep(&engine, "first") && !cache.keep(&engine, "absent"));
        compile("second");
        assert!(cache.compiled(&engine, "first", &mut |_| {}).unwrap().is_some());
        cache.release(&engine, "first");
        compile("third");
        assert!(cache.compiled(&engine, "first", &mut |_| {}).unwrap().is_none());
    }

    #[test]
    fn the_least_recently_used_goes_when_the_cache_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(directory.path(), 0).unwrap();
        cache.component(&engine(), &engine(), "first", &component(), || {}).unwrap();
        cache.component(&engine(), &engine(), "second", &component(), || {}).unwrap();
        assert!(only_file(&cache).to_string_lossy().contains("second"));
    }
}
