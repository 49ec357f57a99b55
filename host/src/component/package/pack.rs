//! A directory → a zip, the same for the same files: neither clocks nor the order of a directory enter it, so that its
//! checksum tells whether anything changed.

use std::{
    fs,
    io::{Cursor, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use zip::{DateTime, ZipWriter, write::SimpleFileOptions};

use super::{PackageError, PackageLimits, WASM, ignore::Ignored};

/// What a package leaves out, in the form of `.gitignore`, at the top of the directory that is packed.
pub const IGNORE_FILE: &str = ".fcignore";

/// A package ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// A zip, or what already was a package.
    pub bytes: Vec<u8>,
    /// How many files went in; 0 for what already was a package.
    pub files: usize,
}

/// Packs `source`: a directory, or a file that is a zip or a component already and goes as it is. Symbolic links are
/// followed as long as they stay inside the directory.
///
/// # Errors
/// It cannot be read, is too large, or a link leads out of it.
pub fn pack(source: &Path, limits: &PackageLimits) -> Result<Packed, PackageError> {
    if source.is_dir() {
        return Packer::new(source, limits)?.pack();
    }
    let bytes = read(source)?;
    if !bytes.starts_with(WASM) && !bytes.starts_with(b"PK") {
        let reason = format!("{} is neither a directory, nor a zip, nor a WebAssembly component", source.display());
        return Err(PackageError::Unusable(reason));
    }
    super::check_size(&bytes, limits)?;
    Ok(Packed { bytes, files: 0 })
}

struct Packer<'a> {
    root: PathBuf,
    limits: &'a PackageLimits,
    ignored: Ignored,
    size: u64,
    files: usize,
    zip: ZipWriter<Cursor<Vec<u8>>>,
}

impl<'a> Packer<'a> {
    fn new(source: &Path, limits: &'a PackageLimits) -> Result<Self, PackageError> {
        let root = source.canonicalize()?;
        let ignored = Ignored::read(&root, IGNORE_FILE)?;
        Ok(Self { root, limits, ignored, size: 0, files: 0, zip: ZipWriter::new(Cursor::default()) })
    }

    fn pack(mut self) -> Result<Packed, PackageError> {
        self.add_directory(&self.root.clone(), "")?;
        let bytes = self.zip.finish().map_err(failed)?.into_inner();
        super::check_size(&bytes, self.limits)?;
        Ok(Packed { bytes, files: self.files })
    }

    fn add_directory(&mut self, directory: &Path, prefix: &str) -> Result<(), PackageError> {
        let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else {
                return Err(PackageError::entry(&entry.path().to_string_lossy(), "has a name that is not UTF-8"));
            };
            self.add(&entry.path(), &format!("{prefix}{name}"))?;
        }
        Ok(())
    }

    fn add(&mut self, file: &Path, path: &str) -> Result<(), PackageError> {
        if self.ignored.leaves_out(path, file.is_dir()) {
            return Ok(());
        }
        let target =
            file.canonicalize().map_err(|error| PackageError::entry(path, format!("leads nowhere: {error}")))?;
        if !target.starts_with(&self.root) {
            let reason =
                format!("leads out of the package, to {}; copy it, or list it in {IGNORE_FILE}", target.display());
            return Err(PackageError::entry(path, reason));
        }
        if !target.is_dir() {
            return self.add_file(&target, path);
        }
        // A link to a directory above itself would never end.
        if file.is_symlink() && self.root.join(path).starts_with(&target) {
            return Err(PackageError::entry(path, "is a link to a directory that it is in; remove it"));
        }
        self.add_directory(file, &format!("{path}/"))
    }

    fn add_file(&mut self, file: &Path, path: &str) -> Result<(), PackageError> {
        let metadata = fs::metadata(file)?;
        if !metadata.is_file() {
            return Err(PackageError::entry(path, format!("is no file; list it in {IGNORE_FILE}")));
        }
        self.size += metadata.len();
        if self.size > self.limits.unpacked {
            return Err(PackageError::TooMuch { entry: path.to_owned(), limit: self.limits.unpacked });
        }
        self.files += 1;
        if self.files > self.limits.entries {
            return Err(PackageError::TooMany { entries: self.files, limit: self.limits.entries });
        }
        let mode = if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
        let options = SimpleFileOptions::default().unix_permissions(mode).last_modified_time(DateTime::default());
        self.zip.start_file(path, options).map_err(failed)?;
        Ok(self.zip.write_all(&read(file)?)?)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, PackageError> {
    fs::read(file).map_err(|error| PackageError::Unusable(format!("{} cannot be read: {error}", file.display())))
}

fn failed(error: zip::result::ZipError) -> PackageError {
    PackageError::Io(error.into())
}
