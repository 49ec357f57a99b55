//! Why a code package is refused.

use std::io;

/// Why a package cannot be unpacked, or unpacked not served. All but [`PackageError::Io`] are the sender's to mend.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// `zipFile` is no base64.
    #[error("the code package is not base64: {0}; give the zip file encoded as base64")]
    NotBase64(String),
    /// Larger than wisp takes.
    #[error("the code package is larger than {limit} bytes; leave out what the function does not need")]
    TooLarge {
        /// Bytes of the largest.
        limit: u64,
    },
    /// Neither a zip nor a component.
    #[error("the code package is no zip file and no WebAssembly component: {0}")]
    NotZip(String),
    /// More files than wisp takes.
    #[error("the code package has {entries} entries; {limit} is the most")]
    TooMany {
        /// How many there are.
        entries: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The files together are larger than wisp takes, or larger than honest files are.
    #[error(
        "the code package unpacks to more than {limit} bytes, at entry '{entry}': it is too large, or compressed in bad \
         faith"
    )]
    TooMuch {
        /// Where the limit was reached.
        entry: String,
        /// Bytes of all files.
        limit: u64,
    },
    /// Entries share bytes of the zip, as no archiver makes them.
    #[error("entries of the code package overlap, as no archiver makes them; pack it anew")]
    Overlap,
    /// One entry may not be in a package.
    #[error("entry '{entry}' of the code package {reason}")]
    Entry {
        /// Its name, with what cannot be printed replaced.
        entry: String,
        /// What is wrong with it, and the way out.
        reason: String,
    },
    /// The package has nothing that can be served.
    #[error("{0}")]
    Unusable(String),
    /// The disk failed, not the package.
    #[error("the code package cannot be stored: {0}")]
    Io(#[from] io::Error),
}

impl PackageError {
    /// Whether the sender can mend it: status 400 rather than 500.
    pub fn is_senders(&self) -> bool {
        !matches!(self, Self::Io(_))
    }

    /// FC's error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "InternalServerError",
            _ => "InvalidArgument",
        }
    }

    pub(super) fn entry(entry: &str, reason: impl Into<String>) -> Self {
        Self::Entry { entry: entry.escape_debug().to_string(), reason: reason.into() }
    }
}
