//! Where things are in a checkout.

use std::{
    env,
    path::{Path, PathBuf},
};

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

/// The program beside this one: built by the same profile.
pub(crate) fn wisp() -> PathBuf {
    let this = env::current_exe().unwrap_or_else(|_| root().join("target/dist/wisp-bench"));
    this.with_file_name("wisp")
}
