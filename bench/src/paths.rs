//! Where things are in a checkout.

use std::path::{Path, PathBuf};

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap_or_else(|_| "..".into())
}

/// What is built for the comparison.
pub(crate) fn data() -> PathBuf {
    root().join("target/bench")
}

/// Programs that are installed for the comparison.
pub(crate) fn peers() -> PathBuf {
    data().join("peers")
}

/// The binary beside this one.
pub(crate) fn wisp() -> PathBuf {
    root().join("target/release/wisp")
}
