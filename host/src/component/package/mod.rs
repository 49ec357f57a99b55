//! Code packages: a zip, or a component as it is → a directory of checked files, and back.
//!
//! Whoever sends a package is not trusted. [`unpack`] decodes nothing before its size is known, refuses what no honest
//! package holds, counts while it inflates, and leaves either the whole tree or nothing. [`Tree::contents`] tells what
//! the tree can be served as. [`pack`] makes a package of a directory.
//!
//! Blocking: inflating and writing a package takes seconds for the largest.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

mod contents;
mod entry;
mod error;
mod ignore;
mod pack;
mod unzip;

#[cfg(test)]
mod tests;

pub use contents::Contents;
pub use error::PackageError;
pub use pack::{IGNORE_FILE, Packed, pack};

/// How a component begins: WebAssembly's magic number.
const WASM: &[u8] = b"\0asm";

/// The name that a component gets that was sent without a zip around it.
const COMPONENT: &str = "component.wasm";

/// What a package may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageLimits {
    /// Bytes of the package itself.
    pub package: u64,
    /// Bytes of its files together.
    pub unpacked: u64,
    /// Files and directories.
    pub entries: usize,
    /// How many times larger than the package its files may be. Small packages may exceed it: see
    /// `PackageLimits::unpacked_of`.
    pub ratio: u64,
}

impl Default for PackageLimits {
    /// FC's own: 100 MB in a request, 500 MB unpacked. No honest source or component shrinks to a hundredth.
    fn default() -> Self {
        Self { package: 100 << 20, unpacked: 500 << 20, entries: 50_000, ratio: 100 }
    }
}

/// What any package may unpack to, whatever its ratio: a file of zeros in a tiny package is odd, not dangerous.
const HARMLESS: u64 = 16 << 20;

impl PackageLimits {
    /// How many bytes a package of `package` bytes may unpack to.
    fn unpacked_of(&self, package: u64) -> u64 {
        package.saturating_mul(self.ratio).max(HARMLESS).min(self.unpacked)
    }
}

/// The bytes of a package as an API request holds them: `code.zipFile`.
///
/// # Errors
/// It is no base64, or larger than `limits` allow.
pub fn decode(base64: &str, limits: &PackageLimits) -> Result<Vec<u8>, PackageError> {
    // Four characters hold three bytes. Told before they are decoded, so that nothing large is allocated for nothing.
    if base64.len() as u64 / 4 * 3 > limits.package.saturating_add(3) {
        return Err(PackageError::TooLarge { limit: limits.package });
    }
    let package = BASE64_STANDARD.decode(base64.trim()).map_err(|error| PackageError::NotBase64(error.to_string()))?;
    check_size(&package, limits)?;
    Ok(package)
}

fn check_size(package: &[u8], limits: &PackageLimits) -> Result<(), PackageError> {
    match package.len() as u64 > limits.package {
        true => Err(PackageError::TooLarge { limit: limits.package }),
        false => Ok(()),
    }
}

/// The files of an unpacked package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The directory that they are in.
    pub directory: PathBuf,
    /// Bytes of each file, by its path inside the package: relative, with `/`, without `.` and `..`.
    pub files: BTreeMap<String, u64>,
}

impl Tree {
    /// The files of a directory, such as one that an earlier [`unpack`] made.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut tree = Self { directory: directory.to_owned(), files: BTreeMap::new() };
        tree.collect(directory, "")?;
        Ok(tree)
    }

    fn collect(&mut self, directory: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.file_type()? {
                kind if kind.is_dir() => self.collect(&entry.path(), &format!("{path}/"))?,
                kind if kind.is_file() => drop(self.files.insert(path, entry.metadata()?.len())),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where a file of the package is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }
}

/// Puts the files of `package`, a zip or a component, into `directory`, which must not exist yet: it appears complete,
/// by a rename, or not at all. What is there then is the user's alone to write; of the modes in the zip, only whether a
/// file can be executed is kept.
///
/// # Errors
/// See [`PackageError`]; those of one entry name it.
pub fn unpack(package: &[u8], directory: &Path, limits: &PackageLimits) -> Result<Tree, PackageError> {
    check_size(package, limits)?;
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    let scratch = tempfile::Builder::new().prefix(".package-").tempdir_in(parent)?;
    let files = if package.starts_with(WASM) {
        fs::write(scratch.path().join(COMPONENT), package)?;
        BTreeMap::from([(COMPONENT.to_owned(), package.len() as u64)])
    } else {
        unzip::unzip(package, scratch.path(), limits)?
    };
    // A scratch directory is its owner's alone; a package may be looked at.
    fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    fs::rename(scratch.path(), directory)?;
    // Renamed away, so there is nothing left to remove.
    let _ = scratch.keep();
    Ok(Tree { directory: directory.to_owned(), files })
}
