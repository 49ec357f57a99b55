//! A zip → files, counting while it inflates: what a zip says about its own sizes is not believed.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Cursor, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use zip::{
    ZipArchive,
    read::{Config, ZipFile, ZipFileEntry},
    result::ZipError,
    unstable::read::ZipIterable,
};

use super::{
    PackageError, PackageLimits,
    entry::{self, Kind, Paths},
};

type Source<'a> = Cursor<&'a [u8]>;

/// Writes the files of `package` below `root`; their sizes by path.
pub(super) fn unzip(
    package: &[u8],
    root: &Path,
    limits: &PackageLimits,
) -> Result<BTreeMap<String, u64>, PackageError> {
    check_entries(package, limits)?;
    let mut archive = ZipArchive::new(Cursor::new(package)).map_err(unreadable)?;
    if archive.has_overlapping_entries().map_err(unreadable)? {
        return Err(PackageError::Overlap);
    }
    let mut unpacked =
        Unpacked { root, limit: limits.unpacked_of(package.len() as u64), size: 0, files: BTreeMap::new() };
    for index in 0..archive.len() {
        let name = match archive.name_for_index(index) {
            Some(name) => name.map_err(unreadable)?.into_owned(),
            None => continue,
        };
        let mut file = archive.by_index(index).map_err(|error| unreadable_entry(&name, error))?;
        unpacked.add(&name, &mut file)?;
    }
    Ok(unpacked.files)
}

/// Checks everything that the directory of the zip tells, in one pass that keeps two equal names apart.
fn check_entries(package: &[u8], limits: &PackageLimits) -> Result<(), PackageError> {
    let mut listing = ZipIterable::try_new(Cursor::new(package), Config::default()).map_err(unreadable)?;
    if listing.len() > limits.entries {
        return Err(PackageError::TooMany { entries: listing.len(), limit: limits.entries });
    }
    let mut paths = Paths::default();
    for entry in listing.files().map_err(unreadable)? {
        check_entry(&entry.map_err(unreadable)?, &mut paths)?;
        if paths.len() > limits.entries {
            return Err(PackageError::TooMany { entries: paths.len(), limit: limits.entries });
        }
    }
    Ok(())
}

fn check_entry(entry: &ZipFileEntry<'_>, paths: &mut Paths) -> Result<(), PackageError> {
    let name = entry.name().map_err(unreadable)?;
    if entry.encrypted() {
        return Err(PackageError::entry(&name, "is encrypted; pack it without a password"));
    }
    let kind = entry::kind(&name, entry.unix_mode())?;
    entry::path(&name)?.map_or(Ok(()), |path| paths.add(&path, kind))
}

struct Unpacked<'a> {
    root: &'a Path,
    /// Bytes of all files together.
    limit: u64,
    size: u64,
    files: BTreeMap<String, u64>,
}

impl Unpacked<'_> {
    fn add(&mut self, name: &str, file: &mut ZipFile<'_, Source<'_>>) -> Result<(), PackageError> {
        let Some(path) = entry::path(name)? else { return Ok(()) };
        let target = self.root.join(&path);
        if entry::kind(name, file.unix_mode())? == Kind::Directory {
            return Ok(fs::create_dir_all(target)?);
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let size = self.write(name, &target, file)?;
        self.size += size;
        self.files.insert(path, size);
        Ok(())
    }

    fn write(&self, name: &str, target: &Path, file: &mut ZipFile<'_, Source<'_>>) -> Result<u64, PackageError> {
        let executable = file.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mode = if executable { 0o755 } else { 0o644 };
        let mut output = OpenOptions::new().write(true).create_new(true).mode(mode).open(target)?;
        let room = self.limit - self.size;
        // One byte more than fits tells that there is more. Reading to the end also compares the entry's CRC-32.
        let size = copy(name, &mut file.take(room + 1), &mut output)?;
        if size > room {
            return Err(PackageError::TooMuch { entry: name.escape_debug().to_string(), limit: self.limit });
        }
        Ok(size)
    }
}

/// Like `io::copy`, but a source that cannot be read is the sender's fault and a target that cannot be written is not.
fn copy(name: &str, source: &mut impl io::Read, target: &mut impl io::Write) -> Result<u64, PackageError> {
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        let length = source
            .read(&mut buffer)
            .map_err(|error| PackageError::entry(name, format!("is damaged: {error}; pack it anew")))?;
        if length == 0 {
            return Ok(size);
        }
        target.write_all(&buffer[..length])?;
        size += length as u64;
    }
}

fn unreadable(error: ZipError) -> PackageError {
    match error {
        ZipError::InvalidArchive(reason) => PackageError::NotZip(reason.into_owned()),
        other => PackageError::NotZip(other.to_string()),
    }
}

fn unreadable_entry(name: &str, error: ZipError) -> PackageError {
    let reason = match error {
        ZipError::CompressionMethodNotSupported(method) => {
            format!("is compressed by method {method}; wisp reads stored and deflated entries")
        }
        ZipError::UnsupportedArchive(reason) => format!("cannot be read: {reason}"),
        other => format!("is damaged: {other}; pack it anew"),
    };
    PackageError::entry(name, reason)
}
