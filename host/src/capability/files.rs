//! Files of guests: the code directory, read-only, as `/code`, and a scratch directory as `/tmp` that goes with the
//! instance and holds so many bytes.
//!
//! Both are opened when the guest first asks for its directories: most never do, and an instance starts in microseconds.

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi::{
    FsPerms, WasiCtxBuilder,
    filesystem::{Descriptor, WasiFilesystem, WasiFilesystemCtx, WasiFilesystemCtxView, WasiFilesystemView as _},
    p2::{
        DynOutputStream, FsResult, OutputStream, Pollable, StreamError, StreamResult,
        bindings::filesystem::{
            preopens,
            types::{DescriptorFlags, ErrorCode, HostDescriptor as _, OpenFlags, PathFlags},
        },
    },
};

use crate::{engine::EngineKind, instance::Guest};

const TYPES: &str = "wasi:filesystem/types@0.2.12";

/// What every file or directory costs beyond its bytes, so that empty ones cannot be made without end.
const ENTRY_COST: u64 = 4 << 10;

/// Where guests see their code directory.
pub(crate) const CODE: &str = "/code";

/// Where the scratch directories of one host process lie. It goes with the process; what a killed one left behind goes at
/// the next start.
pub(crate) struct ScratchRoot {
    directory: tempfile::TempDir,
    /// Held as long as the directory is in use, so that another process does not take it for left behind.
    _lock: File,
}

impl ScratchRoot {
    /// Makes a root inside `parent`, and removes those whose process is gone.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub(crate) fn new(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        remove_left_behind(parent)?;
        let directory = tempfile::Builder::new().prefix("host-").tempdir_in(parent)?;
        let lock = File::create(directory.path().join("lock"))?;
        lock.lock()?;
        Ok(Self { directory, _lock: lock })
    }

    fn make(&self) -> io::Result<tempfile::TempDir> {
        tempfile::Builder::new().prefix("instance-").tempdir_in(self.directory.path())
    }
}

fn remove_left_behind(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)?.flatten() {
        let free = File::open(entry.path().join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if free {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// The directories of one instance.
pub(crate) struct Files {
    root: Arc<ScratchRoot>,
    code: Option<PathBuf>,
    data_dir: Arc<Path>,
    /// The data directory, if it lies in the code directory.
    private: Option<Private>,
    scratch_limit: u64,
    opened: bool,
    scratch: Option<Arc<Scratch>>,
    /// What WASI 0.3 sees: the code alone, because its streams bypass the byte count.
    read_only: WasiFilesystemCtx,
}

impl Files {
    pub(crate) fn new(root: Arc<ScratchRoot>, code: Option<PathBuf>, data_dir: Arc<Path>, scratch_limit: u64) -> Self {
        Self {
            root,
            code,
            data_dir,
            private: None,
            scratch_limit,
            opened: false,
            scratch: None,
            read_only: WasiFilesystemCtx::default(),
        }
    }

    /// Whether the guest left anything in its scratch directory.
    pub(crate) fn has_scratch_files(&self) -> bool {
        let path = self.scratch.as_ref().and_then(|scratch| scratch.path());
        path.is_some_and(|path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()))
    }

    /// Opens the directories; at the second call and later it does nothing.
    fn open(&mut self) -> Option<WasiFilesystemCtx> {
        if std::mem::replace(&mut self.opened, true) {
            return None;
        }
        self.scratch = self.make_scratch();
        let code = self.code.as_deref();
        let scratch = self.scratch.as_ref().and_then(|scratch| scratch.path());
        self.private = code.and_then(|code| Private::within(code, &self.data_dir, scratch));
        // The files of WASI 0.3 are opened past `open_at`.
        self.read_only = directories(code.filter(|_| self.private.is_none()), None);
        Some(directories(code, scratch))
    }

    fn make_scratch(&self) -> Option<Arc<Scratch>> {
        if self.scratch_limit == 0 {
            return None;
        }
        match self.root.make() {
            Ok(directory) => Some(Arc::new(Scratch::new(directory, self.scratch_limit))),
            Err(error) => {
                tracing::warn!(%error, "the scratch directory cannot be made");
                None
            }
        }
    }
}

/// A data directory among the files of a guest, as it is by default: beside the sources. It holds what is not the guest's:
/// events and packages of others, private keys, the key of compiled code.
#[derive(Clone, Debug)]
struct Private {
    /// Without links, as the next.
    directory: PathBuf,
    /// The instance's own scratch directory, which lies in the data directory and is the guest's.
    scratch: Option<PathBuf>,
}

/// What lies in the data directory for the guest: packages that were installed for its sources.
const PACKAGES: &str = "site-packages";

impl Private {
    /// `None` if the data directory lies elsewhere.
    fn within(code: &Path, data_dir: &Path, scratch: Option<&Path>) -> Option<Self> {
        let directory = data_dir.canonicalize().ok()?;
        let scratch = scratch.and_then(|scratch| scratch.canonicalize().ok());
        directory.starts_with(code.canonicalize().ok()?).then_some(Self { directory, scratch })
    }

    /// Whether what was opened may be seen. The system says where it is, whatever path of links led there; what it does not
    /// say is not seen.
    fn shows(&self, opened: &Descriptor) -> bool {
        let file = match opened {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(directory) => &directory.dir,
        };
        let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        path.is_ok_and(|path| match path.strip_prefix(&self.directory) {
            // Its own name is no secret, and a walk over all files need not fail there.
            Ok(inside) if inside.as_os_str().is_empty() || inside.starts_with(PACKAGES) => true,
            Ok(_) => self.scratch.as_ref().is_some_and(|scratch| path.starts_with(scratch)),
            Err(_) => true,
        })
    }
}

fn directories(code: Option<&Path>, scratch: Option<&Path>) -> WasiFilesystemCtx {
    let mut wasi = WasiCtxBuilder::new();
    let code = code.map(|path| (path, CODE, FsPerms::ReadOnly));
    let scratch = scratch.map(|path| (path, "/tmp", FsPerms::ReadWrite));
    for (path, name, permissions) in code.into_iter().chain(scratch) {
        if let Err(error) = wasi.preopened_dir(path, name, permissions) {
            tracing::warn!(directory = %path.display(), %error, "the directory for {name} cannot be opened");
        }
    }
    wasi.build().filesystem().clone()
}

/// A scratch directory and how much of it is left.
///
/// Writes are charged as they come. When nothing is left, the directory is measured: what was overwritten or removed
/// since is free again.
struct Scratch {
    directory: Option<tempfile::TempDir>,
    limit: u64,
    left: AtomicU64,
}

impl Scratch {
    fn new(directory: tempfile::TempDir, limit: u64) -> Self {
        Self { directory: Some(directory), limit, left: AtomicU64::new(limit) }
    }

    fn path(&self) -> Option<&Path> {
        self.directory.as_ref().map(tempfile::TempDir::path)
    }

    fn try_charge(&self, bytes: u64) -> bool {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    /// Takes `bytes` of what is left, measuring the directory if that seems too little.
    async fn charge(self: &Arc<Self>, bytes: u64) -> bool {
        if self.try_charge(bytes) {
            return true;
        }
        self.measure().await;
        self.try_charge(bytes)
    }

    async fn measure(self: &Arc<Self>) {
        let scratch = self.clone();
        let _ = tokio::task::spawn_blocking(move || {
            let Some(directory) = &scratch.directory else { return };
            let used = size_of_tree(directory.path()) + size_of_removed(directory.path());
            scratch.left.store(scratch.limit.saturating_sub(used), Relaxed);
        })
        .await;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let directory = self.directory.take();
        // Removing a tree blocks; an instance ends on a thread that serves others.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(directory))),
            Err(_) => drop(directory),
        }
    }
}

fn size_of_tree(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => ENTRY_COST + size_of_tree(&entry.path()),
            Ok(metadata) => ENTRY_COST + metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Bytes of files that were removed from the directory while the guest still has them open: they take space, but no walk
/// finds them.
fn size_of_removed(directory: &Path) -> u64 {
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else { return 0 };
    descriptors
        .flatten()
        .filter(|descriptor| {
            fs::read_link(descriptor.path())
                .is_ok_and(|target| target.starts_with(directory) && target.to_string_lossy().ends_with(" (deleted)"))
        })
        .filter_map(|descriptor| fs::metadata(descriptor.path()).ok())
        .map(|metadata| metadata.len())
        .sum()
}

impl Guest {
    fn preopens(&mut self) -> WasiFilesystemCtxView<'_> {
        if let Some(opened) = self.files.open() {
            *self.wasi.filesystem() = opened;
        }
        self.filesystem()
    }

    fn read_only_preopens(&mut self) -> WasiFilesystemCtxView<'_> {
        let _ = self.preopens();
        WasiFilesystemCtxView { ctx: &mut self.files.read_only, table: &mut self.table }
    }

    /// Charges the scratch directory. Descriptors of the code directory are read-only: what is charged for one of them is
    /// refused right after, and comes back at the next measuring.
    fn scratch(&self) -> Option<Arc<Scratch>> {
        self.files.scratch.clone()
    }
}

/// Replaces what opens directories, and what may take space.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>, kind: EngineKind) -> wasmtime::Result<()> {
    preopens::add_to_linker::<Guest, WasiFilesystem>(linker, Guest::preopens)?;
    if kind == EngineKind::Concurrent {
        wasmtime_wasi::p3::bindings::filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(
            linker,
            Guest::read_only_preopens,
        )?;
    }
    add_types(linker)
}

type Store<'a> = StoreContextMut<'a, Guest>;
type Answer<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

fn add_types(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap_async("[method]descriptor.write", |mut store: Store<'_>, (file, bytes, offset)| {
        Box::new(async move { write(&mut store, file, bytes, offset).await })
    })?;
    types.func_wrap_async("[method]descriptor.set-size", |mut store: Store<'_>, (file, size)| {
        Box::new(async move { set_size(&mut store, file, size).await })
    })?;
    types.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: Store<'_>, (directory, follow, path, how, flags)| {
            Box::new(async move { open_at(&mut store, directory, follow, path, how, flags).await })
        },
    )?;
    types.func_wrap_async("[method]descriptor.create-directory-at", |mut store: Store<'_>, (directory, path)| {
        Box::new(async move { create_directory_at(&mut store, directory, path).await })
    })?;
    types.func_wrap_async("[method]descriptor.symlink-at", |mut store: Store<'_>, (directory, old, new)| {
        Box::new(async move { symlink_at(&mut store, directory, old, new).await })
    })?;
    types.func_wrap("[method]descriptor.write-via-stream", write_via_stream)?;
    types.func_wrap("[method]descriptor.append-via-stream", append_via_stream)
}

fn answer<T>(result: FsResult<T>) -> Answer<T> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

/// Takes `bytes` of the scratch directory, or says that there is no room.
async fn charge(scratch: Option<Arc<Scratch>>, bytes: u64) -> Result<(), ErrorCode> {
    match scratch {
        Some(scratch) if !scratch.charge(bytes).await => Err(ErrorCode::InsufficientSpace),
        _ => Ok(()),
    }
}

async fn write(store: &mut Store<'_>, file: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> Answer<u64> {
    if let Err(full) = charge(store.data().scratch(), bytes.len() as u64).await {
        return Ok((Err(full),));
    }
    // A write far behind the end makes a hole that counts as if it were written.
    let size = store.data_mut().filesystem().stat(Resource::new_borrow(file.rep())).await.map_or(0, |stat| stat.size);
    if let Err(full) = charge(store.data().scratch(), offset.saturating_sub(size)).await {
        return Ok((Err(full),));
    }
    answer(store.data_mut().filesystem().write(file, bytes, offset).await)
}

async fn set_size(store: &mut Store<'_>, file: Resource<Descriptor>, size: u64) -> Answer<()> {
    let now = store.data_mut().filesystem().stat(Resource::new_borrow(file.rep())).await.map_or(0, |stat| stat.size);
    if let Err(full) = charge(store.data().scratch(), size.saturating_sub(now)).await {
        return Ok((Err(full),));
    }
    answer(store.data_mut().filesystem().set_size(file, size).await)
}

async fn open_at(
    store: &mut Store<'_>,
    directory: Resource<Descriptor>,
    follow: PathFlags,
    path: String,
    how: OpenFlags,
    flags: DescriptorFlags,
) -> Answer<Resource<Descriptor>> {
    if how.contains(OpenFlags::CREATE)
        && let Err(full) = charge(store.data().scratch(), ENTRY_COST).await
    {
        return Ok((Err(full),));
    }
    let opened = store.data_mut().filesystem().open_at(directory, follow, path, how, flags).await;
    let guest = store.data_mut();
    if let (Ok(opened), Some(private)) = (&opened, guest.files.private.clone())
        && !private.shows(guest.table.get(opened)?)
    {
        guest.table.delete(Resource::<Descriptor>::new_own(opened.rep()))?;
        return Ok((Err(ErrorCode::NoEntry),));
    }
    answer(opened)
}

async fn create_directory_at(store: &mut Store<'_>, directory: Resource<Descriptor>, path: String) -> Answer<()> {
    if let Err(full) = charge(store.data().scratch(), ENTRY_COST).await {
        return Ok((Err(full),));
    }
    answer(store.data_mut().filesystem().create_directory_at(directory, path).await)
}

async fn symlink_at(store: &mut Store<'_>, directory: Resource<Descriptor>, old: String, new: String) -> Answer<()> {
    if let Err(full) = charge(store.data().scratch(), ENTRY_COST).await {
        return Ok((Err(full),));
    }
    answer(store.data_mut().filesystem().symlink_at(directory, old, new).await)
}

fn write_via_stream(
    mut store: Store<'_>,
    (file, offset): (Resource<Descriptor>, u64),
) -> Answer<Resource<DynOutputStream>> {
    let stream = store.data_mut().filesystem().write_via_stream(file, offset);
    metered(&mut store, stream)
}

fn append_via_stream(mut store: Store<'_>, (file,): (Resource<Descriptor>,)) -> Answer<Resource<DynOutputStream>> {
    let stream = store.data_mut().filesystem().append_via_stream(file);
    metered(&mut store, stream)
}

fn metered(store: &mut Store<'_>, stream: FsResult<Resource<DynOutputStream>>) -> Answer<Resource<DynOutputStream>> {
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => return Ok((Err(error.downcast()?),)),
    };
    let guest = store.data_mut();
    let Some(scratch) = guest.scratch() else { return Ok((Ok(stream),)) };
    let inner = guest.table.delete(stream)?;
    let metered: DynOutputStream = Box::new(Metered { inner, scratch, full: AtomicBool::new(false) });
    Ok((Ok(guest.table.push(metered)?),))
}

/// The system's own error: guests are told its number.
fn full() -> StreamError {
    StreamError::LastOperationFailed(io::Error::from(rustix::io::Errno::NOSPC).into())
}

/// A file's stream that charges the scratch directory.
struct Metered {
    inner: DynOutputStream,
    scratch: Arc<Scratch>,
    /// Measured, and found that there is no room.
    full: AtomicBool,
}

impl OutputStream for Metered {
    fn check_write(&mut self) -> StreamResult<usize> {
        let permitted = self.inner.check_write()?;
        let left = usize::try_from(self.scratch.left.load(Relaxed)).unwrap_or(usize::MAX);
        if left == 0 && self.full.swap(false, Relaxed) {
            return Err(full());
        }
        // With 0 the guest waits until the stream is ready: that is when the directory is measured.
        Ok(permitted.min(left))
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if !self.scratch.try_charge(bytes.len() as u64) {
            // Another stream took what this one was permitted.
            return Err(full());
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Metered {
    async fn ready(&mut self) {
        self.inner.ready().await;
        if self.scratch.left.load(Relaxed) == 0 {
            self.scratch.measure().await;
            self.full.store(self.scratch.left.load(Relaxed) == 0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_behind_is_removed_and_what_is_in_use_stays() {
        let parent = tempfile::tempdir().unwrap();
        let in_use = ScratchRoot::new(parent.path()).unwrap();
        let left_behind = parent.path().join("host-left");
        fs::create_dir(&left_behind).unwrap();
        File::create(left_behind.join("lock")).unwrap();
        let _second = ScratchRoot::new(parent.path()).unwrap();
        assert!(in_use.directory.path().exists());
        assert!(!left_behind.exists());
    }

    #[tokio::test]
    async fn removed_bytes_are_free_again_once_no_descriptor_holds_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let scratch = Arc::new(Scratch::new(directory, 10_000));
        fs::write(&path, [0; 5_000]).unwrap();
        assert!(scratch.charge(9_999).await);
        let open = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!scratch.charge(6_000).await, "the open descriptor still holds 5,000 bytes");
        drop(open);
        assert!(scratch.charge(6_000).await);
    }
}
