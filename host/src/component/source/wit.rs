//! The WIT package `wisp:function@1.0.0` inside the binary, and as files for the tools that read it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

macro_rules! wit_files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../wit/", $path)))),*]
    };
}

/// The package's files: path within the package, text.
pub const WIT_FILES: &[(&str, &str)] = wit_files![
    "types.wit",
    "handlers.wit",
    "loader.wit",
    "worlds.wit",
    "deps/cli.wit",
    "deps/clocks.wit",
    "deps/filesystem.wit",
    "deps/http.wit",
    "deps/io.wit",
    "deps/random.wit",
    "deps/sockets.wit",
];

/// The package as a directory under `cache_dir`, written if it is not there yet. Its name carries the content's digest,
/// so that another version of wisp writes another one.
///
/// # Errors
/// If the directory cannot be written.
pub fn wit_dir(cache_dir: &Path) -> io::Result<PathBuf> {
    let directory = cache_dir.join(format!("wit-{}", digest()));
    if directory.is_dir() {
        return Ok(directory);
    }
    fs::create_dir_all(cache_dir)?;
    let scratch = tempfile::Builder::new().prefix(".wit-").tempdir_in(cache_dir)?;
    let package = scratch.path().join("wit");
    for (path, text) in WIT_FILES {
        let path = package.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&package))?;
        fs::write(path, text)?;
    }
    match fs::rename(&package, &directory) {
        // Another process was faster, with the same content.
        Err(_) if directory.is_dir() => Ok(directory),
        renamed => renamed.map(|()| directory),
    }
}

/// The first half of it: names stay short, and nobody attacks a cache of his own.
pub(super) fn digest() -> String {
    let mut hash = Sha256::new();
    for (path, text) in WIT_FILES {
        hash.update(path);
        hash.update([0]);
        hash.update(text);
    }
    short_hex(&hash.finalize())
}

pub(super) fn short_hex(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
