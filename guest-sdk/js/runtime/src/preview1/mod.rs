//! WASI preview 1 for the C library and Rust's, made of WASI 0.2 and of the sources in memory.
//!
//! The usual adapter keeps descriptors where nobody can let go of them; a snapshot would hold handles that do not exist in
//! the instances started from it. Here everything that comes from the host is in [`table`], and [`park`] drops it.
//! There is one preopened directory, `/`: below it the sources in memory come first, then what the host preopened.

mod abi;
mod errno;
mod host;
mod table;

pub(crate) use host::normalize;

/// Names the files that are open.
pub(crate) fn open_files() -> Vec<String> {
    table::with(|table| table.open_files())
}

/// Lets go of every handle of the host. They are opened again when they are needed.
pub(crate) fn park() {
    table::with(table::Table::park);
}
