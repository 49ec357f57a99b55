//! Making the system forget what it has read of a file, so that the next start reads the disk.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    path::Path,
};

use rustix::{
    fs::{Advice, fadvise},
    io::{Errno, ReadWriteFlags, preadv2},
};

/// Asks the system to drop a file's pages (`posix_fadvise`, `POSIX_FADV_DONTNEED`), and says whether it did: pages that
/// are mapped somewhere, and file systems that live in memory, keep theirs.
///
/// # Errors
/// If the file cannot be opened or written back.
pub fn drop_pages(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    // Only pages that are on the disk can be dropped.
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(!is_cached(&file))
}

/// Whether the first byte can be had without the disk; where the system cannot tell, that counts as yes.
fn is_cached(file: &File) -> bool {
    let mut byte = [0];
    let read = preadv2(file, &mut [IoSliceMut::new(&mut byte)], 0, ReadWriteFlags::NOWAIT);
    !matches!(read, Err(Errno::AGAIN))
}
