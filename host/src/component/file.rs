//! A component's file, read and hashed once for all that is made of it.

use std::{fs, io, path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::hex;

/// The bytes of a component or core module, and what they are known by.
pub struct ComponentFile {
    bytes: Vec<u8>,
    digest: [u8; 32],
}

impl ComponentFile {
    /// Reads a file, and takes its SHA-256. Blocking.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::of(fs::read(path)?))
    }

    /// What was read already.
    pub fn of(bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes).into();
        Self { bytes, digest }
    }

    /// All that is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The same in hex.
    pub(super) fn name(&self) -> String {
        hex(&self.digest)
    }
}

/// A file that several functions are made of at the same time: whoever comes first reads it. It stays in memory until the
/// last of them is done.
#[derive(Clone, Default)]
pub(crate) struct SharedFile(Arc<OnceCell<Result<Arc<ComponentFile>, Arc<io::Error>>>>);

impl SharedFile {
    /// The file, on whose path all who share this agree.
    pub(crate) async fn read(&self, path: &Path) -> Result<Arc<ComponentFile>, Arc<io::Error>> {
        let read = || async {
            let path = path.to_owned();
            let read = tokio::task::spawn_blocking(move || ComponentFile::read(&path)).await;
            read.map_err(io::Error::other).flatten().map(Arc::new).map_err(Arc::new)
        };
        self.0.get_or_init(read).await.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shared_file_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.wasm");
        fs::write(&path, "first").unwrap();
        let shared = SharedFile::default();
        let first = shared.clone().read(&path).await.unwrap();
        fs::write(&path, "second").unwrap();
        assert!(Arc::ptr_eq(&first, &shared.read(&path).await.unwrap()));
        assert_eq!(first.bytes(), b"first");
    }
}
