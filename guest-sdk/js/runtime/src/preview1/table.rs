//! Descriptors by number, and what they stand for.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use wasip2::{
    cli::{stderr::get_stderr, stdout::get_stdout},
    filesystem::types::{Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, OpenFlags},
    io::streams::OutputStream,
};

use super::{
    errno::{BADF, EXIST, Errno, INVAL, IO, ISDIR, NOENT, NOTDIR, ROFS, SPIPE},
    host::{Preopens, file_type, normalize, path_flags},
};
use crate::files::{self, Node};

/// The number of the one preopened directory, after standard input, output and error.
pub(super) const ROOT: u32 = 3;

/// Bytes that a stream takes in one write that blocks.
const MAX_WRITE: usize = 4096;

/// Bytes read in one call of the host.
const MAX_READ: u64 = 1 << 20;

pub(super) enum Entry {
    Stdin,
    Stdout,
    Stderr,
    Directory { path: String, listing: Option<Vec<(String, u8)>> },
    Memory { path: String, content: Rc<[u8]>, position: u64 },
    File { path: String, descriptor: Descriptor, position: u64, append: bool },
}

#[derive(Default)]
pub(super) struct Table {
    entries: BTreeMap<u32, Entry>,
    preopens: Option<Preopens>,
    stdout: Option<OutputStream>,
    stderr: Option<OutputStream>,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::new(Table::new());
}

pub(super) fn with<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    TABLE.with_borrow_mut(f)
}

/// What preview 1 tells about a file.
pub(super) struct Status {
    pub(super) kind: u8,
    pub(super) links: u64,
    pub(super) size: u64,
    /// Nanoseconds since 1970: access, modification, change.
    pub(super) times: [u64; 3],
    pub(super) inode: u64,
}

impl Status {
    fn memory(kind: u8, path: &str, size: u64) -> Self {
        Self { kind, links: 1, size, times: [0; 3], inode: inode(path) }
    }

    fn host(path: &str, stat: &DescriptorStat) -> Self {
        let nanoseconds = |time: Option<wasip2::clocks::wall_clock::Datetime>| {
            time.map_or(0, |time| time.seconds * 1_000_000_000 + u64::from(time.nanoseconds))
        };
        Self {
            kind: file_type(stat.type_),
            links: stat.link_count,
            size: stat.size,
            times: [stat.data_access_timestamp, stat.data_modification_timestamp, stat.status_change_timestamp]
                .map(nanoseconds),
            inode: inode(path),
        }
    }
}

/// FNV-1a of the path: the same file has the same number, and the host shows no real ones.
fn inode(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Table {
    fn new() -> Self {
        let root = Entry::Directory { path: "/".to_owned(), listing: None };
        let entries = BTreeMap::from([(0, Entry::Stdin), (1, Entry::Stdout), (2, Entry::Stderr), (ROOT, root)]);
        Self { entries, ..Self::default() }
    }

    pub(super) fn park(&mut self) {
        self.preopens = None;
        self.stdout = None;
        self.stderr = None;
    }

    pub(super) fn open_files(&self) -> Vec<String> {
        self.entries
            .values()
            .filter_map(
                |entry| if let Entry::File { path, .. } = entry { Some(format!("the file {path}")) } else { None },
            )
            .collect()
    }

    pub(super) fn get(&mut self, fd: u32) -> Result<&mut Entry, Errno> {
        self.entries.get_mut(&fd).ok_or(BADF)
    }

    pub(super) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        if fd <= ROOT {
            return Ok(());
        }
        self.entries.remove(&fd).map(drop).ok_or(BADF)
    }

    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        let entry = self.entries.remove(&from).ok_or(BADF)?;
        self.entries.insert(to, entry);
        Ok(())
    }

    fn insert(&mut self, entry: Entry) -> u32 {
        let fd = (ROOT + 1..).find(|fd| !self.entries.contains_key(fd)).unwrap_or(u32::MAX);
        self.entries.insert(fd, entry);
        fd
    }

    /// The absolute path of `path` under the directory `fd`.
    pub(super) fn absolute(&self, fd: u32, path: &str) -> Result<String, Errno> {
        match self.entries.get(&fd) {
            Some(Entry::Directory { path: directory, .. }) => Ok(normalize(&format!("{directory}/{path}"))),
            Some(_) => Err(NOTDIR),
            None => Err(BADF),
        }
    }

    pub(super) fn preopens(&mut self) -> &Preopens {
        self.preopens.get_or_insert_with(Preopens::get)
    }

    pub(super) fn open(
        &mut self,
        path: String,
        follow: bool,
        open: OpenFlags,
        flags: DescriptorFlags,
        append: bool,
    ) -> Result<u32, Errno> {
        let writes = flags.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY)
            || open.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
        let entry = match files::find(&path) {
            Some(_) if open.contains(OpenFlags::EXCLUSIVE) => return Err(EXIST),
            Some(Node::File(_)) if open.contains(OpenFlags::DIRECTORY) => return Err(NOTDIR),
            Some(Node::File(_)) if writes => return Err(ROFS),
            Some(Node::File(content)) => Entry::Memory { path, content, position: 0 },
            // The sources are a part of what the host may have there.
            Some(Node::Directory) if !writes => Entry::Directory { path, listing: None },
            _ if path == "/" || self.preopens().children(&path).next().is_some() => {
                Entry::Directory { path, listing: None }
            }
            _ => {
                let descriptor = self.preopens().open(&files::resolve(&path), follow, open, flags)?;
                if descriptor.get_type()? == DescriptorType::Directory {
                    Entry::Directory { path, listing: None }
                } else {
                    Entry::File { path, descriptor, position: 0, append }
                }
            }
        };
        Ok(self.insert(entry))
    }

    pub(super) fn status(&mut self, path: &str, follow: bool) -> Result<Status, Errno> {
        if !follow && let Some(target) = files::link(path) {
            return Ok(Status::memory(7, path, target.len() as u64));
        }
        match files::find(path) {
            Some(Node::File(content)) => return Ok(Status::memory(4, path, content.len() as u64)),
            Some(Node::Directory) => return Ok(Status::memory(3, path, 0)),
            None if path == "/" => return Ok(Status::memory(3, path, 0)),
            None => {}
        }
        let path = files::resolve(path);
        match self.preopens().stat(&path, follow) {
            Ok(stat) => Ok(Status::host(&path, &stat)),
            Err(NOENT) if self.preopens().children(&path).next().is_some() => Ok(Status::memory(3, &path, 0)),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn status_of(&mut self, fd: u32) -> Result<Status, Errno> {
        match self.get(fd)? {
            Entry::Stdin | Entry::Stdout | Entry::Stderr => Ok(Status::memory(2, "", 0)),
            Entry::Memory { path, content, .. } => Ok(Status::memory(4, path, content.len() as u64)),
            Entry::File { path, descriptor, .. } => Ok(Status::host(path, &descriptor.stat()?)),
            Entry::Directory { path, .. } => {
                let path = path.clone();
                self.status(&path, true)
            }
        }
    }

    /// Names in a directory with their types. The list is made once for each open directory, so that a position in it
    /// stays what it was.
    pub(super) fn listing(&mut self, fd: u32) -> Result<Vec<(String, u8)>, Errno> {
        let path = match self.get(fd)? {
            Entry::Directory { listing: Some(listing), .. } => return Ok(listing.clone()),
            Entry::Directory { path, .. } => path.clone(),
            _ => return Err(NOTDIR),
        };
        let mut names: BTreeMap<String, u8> = files::list(&path)
            .into_iter()
            .map(|(name, is_directory)| (name, if is_directory { 3 } else { 4 }))
            .collect();
        let in_memory = !names.is_empty();
        names.extend(self.preopens().children(&path).map(|name| (name.to_owned(), 3)));
        match self.host_listing(&files::resolve(&path)) {
            Ok(listed) => names.extend(listed),
            Err(errno) if names.is_empty() && !in_memory && path != "/" => return Err(errno),
            Err(_) => {}
        }
        let mut listed = vec![(".".to_owned(), 3), ("..".to_owned(), 3)];
        listed.extend(names);
        if let Entry::Directory { listing, .. } = self.get(fd)? {
            *listing = Some(listed.clone());
        }
        Ok(listed)
    }

    fn host_listing(&mut self, path: &str) -> Result<Vec<(String, u8)>, Errno> {
        let (directory, rest) = self.preopens().locate(path)?;
        let opened = directory.open_at(path_flags(true), rest, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
        let stream = opened.read_directory()?;
        let mut listed = Vec::new();
        while let Some(entry) = stream.read_directory_entry()? {
            listed.push((entry.name, file_type(entry.type_)));
        }
        Ok(listed)
    }

    /// Reads at `at`, or at the descriptor's position, which then moves.
    pub(super) fn read(&mut self, fd: u32, length: usize, at: Option<u64>) -> Result<Vec<u8>, Errno> {
        match self.get(fd)? {
            Entry::Stdin => Ok(Vec::new()),
            Entry::Stdout | Entry::Stderr => Err(BADF),
            Entry::Directory { .. } => Err(ISDIR),
            Entry::Memory { content, position, .. } => {
                let start = usize::try_from(at.unwrap_or(*position)).unwrap_or(usize::MAX).min(content.len());
                let read = content[start..content.len().min(start.saturating_add(length))].to_vec();
                if at.is_none() {
                    *position = (start + read.len()) as u64;
                }
                Ok(read)
            }
            Entry::File { descriptor, position, .. } => {
                let (read, _) = descriptor.read((length as u64).min(MAX_READ), at.unwrap_or(*position))?;
                if at.is_none() {
                    *position += read.len() as u64;
                }
                Ok(read)
            }
        }
    }

    pub(super) fn write(&mut self, fd: u32, bytes: &[u8], at: Option<u64>) -> Result<usize, Errno> {
        match self.get(fd)? {
            Entry::Stdin => Err(BADF),
            Entry::Stdout => write_all(self.stdout.get_or_insert_with(get_stdout), bytes),
            Entry::Stderr => write_all(self.stderr.get_or_insert_with(get_stderr), bytes),
            Entry::Directory { .. } => Err(ISDIR),
            Entry::Memory { .. } => Err(ROFS),
            Entry::File { descriptor, position, append, .. } => {
                let start = match at {
                    Some(at) => at,
                    None if *append => descriptor.stat()?.size,
                    None => *position,
                };
                let written = descriptor.write(bytes, start)?;
                if at.is_none() {
                    *position = start + written;
                }
                usize::try_from(written).map_err(|_| IO)
            }
        }
    }

    /// Moves a position; `from` as preview 1 numbers it: start, current, end.
    pub(super) fn seek(&mut self, fd: u32, offset: i64, from: u32) -> Result<u64, Errno> {
        let (position, size) = match self.get(fd)? {
            Entry::Memory { content, position, .. } => (position, content.len() as u64),
            Entry::File { descriptor, position, .. } => {
                let size = if from == 2 { descriptor.stat()?.size } else { 0 };
                (position, size)
            }
            Entry::Directory { .. } => return Err(BADF),
            _ => return Err(SPIPE),
        };
        let base = match from {
            0 => 0,
            1 => *position,
            2 => size,
            _ => return Err(INVAL),
        };
        *position = base.checked_add_signed(offset).ok_or(INVAL)?;
        Ok(*position)
    }

    pub(super) fn file(&mut self, fd: u32) -> Result<&Descriptor, Errno> {
        match self.get(fd)? {
            Entry::File { descriptor, .. } => Ok(descriptor),
            Entry::Memory { .. } => Err(ROFS),
            _ => Err(BADF),
        }
    }
}

fn write_all(stream: &OutputStream, bytes: &[u8]) -> Result<usize, Errno> {
    for part in bytes.chunks(MAX_WRITE) {
        stream.blocking_write_and_flush(part)?;
    }
    Ok(bytes.len())
}
