//! What a host keeps: records by kind, scope and name, each a JSON document with the number of the commit that wrote it.
//!
//! The interface is narrow so that another backend can stand behind it: read one, read many, and commit a batch of writes
//! that all hold or none. What a record means is not known here. [`Storage`] is blocking; [`Store`] takes it off the
//! workers' threads.

use std::sync::Arc;

#[cfg(test)]
mod conformance;
mod sqlite;

pub use sqlite::SqliteStorage;

/// What a record is about. The text is what is stored: it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A service, or the scope of an FC 3.0 function.
    Scope,
    /// The changing head of a function.
    Function,
    /// A published version: the service and all its functions.
    Version,
    /// A name for a version, or for two with a weight.
    Alias,
    /// A trigger of a function.
    Trigger,
    /// A custom domain.
    Domain,
    /// The tags of one resource.
    Tags,
    /// Kept instances of a function's qualifier.
    Provision,
    /// The most instances of a function's qualifier.
    OnDemand,
    /// How asynchronous invocations of a function's qualifier are treated.
    AsyncConfig,
    /// The reserved concurrency of a function.
    Concurrency,
    /// The scaling of a function's qualifier.
    Scaling,
    /// A virtual private cloud that a function is bound to.
    VpcBinding,
}

impl Kind {
    /// The text that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Function => "function",
            Self::Version => "version",
            Self::Alias => "alias",
            Self::Trigger => "trigger",
            Self::Domain => "domain",
            Self::Tags => "tags",
            Self::Provision => "provision",
            Self::OnDemand => "on-demand",
            Self::AsyncConfig => "async-config",
            Self::Concurrency => "concurrency",
            Self::Scaling => "scaling",
            Self::VpcBinding => "vpc-binding",
        }
    }
}

/// Names one record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is about.
    pub kind: Kind,
    /// What it belongs to; empty if it stands alone.
    pub scope: String,
    /// Its name there. Listed in the order of the bytes.
    pub name: String,
}

impl Key {
    /// The key of a record.
    pub fn new(kind: Kind, scope: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, scope: scope.into(), name: name.into() }
    }
}

/// One record as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where.
    pub key: Key,
    /// The number of the commit that wrote it: it grows, over all records.
    pub revision: i64,
    /// JSON.
    pub document: String,
}

/// What must hold for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Anything,
    /// There is no such record.
    Absent,
    /// The record is the one of this commit.
    Revision(i64),
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Makes or replaces a record.
    Put {
        /// Where.
        key: Key,
        /// JSON.
        document: String,
        /// What must hold.
        expect: Expect,
    },
    /// Removes a record, if it is there.
    Delete(Key),
    /// Removes all records of a kind in a scope.
    DeleteAll(Kind, String),
}

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What was expected does not hold; nothing of the batch was written.
    #[error("{} '{}' was changed by another request", .0.kind.as_str(), .0.name)]
    Conflict(Key),
    /// The backend failed; what of the batch was written is all or nothing.
    #[error("the catalog cannot be read or written: {0}")]
    Failed(String),
}

/// A backend. Blocking.
pub trait Storage: Send + Sync {
    /// One record.
    ///
    /// # Errors
    /// `Failed`.
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// All records of a kind, of one scope or of all, ordered by scope and name.
    ///
    /// # Errors
    /// `Failed`.
    fn list(&self, kind: Kind, scope: Option<&str>) -> Result<Vec<Record>, StoreError>;

    /// Makes all writes in their order, or none. They are durable when this returns. Returns the number of the commit.
    ///
    /// # Errors
    /// `Conflict` if an expectation does not hold, else `Failed`.
    fn commit(&self, writes: &[Write]) -> Result<i64, StoreError>;
}

/// A backend behind async calls. A cheap handle.
#[derive(Clone)]
pub struct Store(Arc<dyn Storage>);

impl Store {
    /// Takes a backend into use.
    pub fn new(storage: impl Storage + 'static) -> Self {
        Self(Arc::new(storage))
    }

    /// Reads on a blocking thread; several reads in one call see one state only if nothing writes meanwhile.
    ///
    /// # Errors
    /// Whatever `read` returns.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Storage) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let storage = self.0.clone();
        let reading = tokio::task::spawn_blocking(move || read(&*storage));
        reading.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }

    /// See [`Storage::commit`].
    ///
    /// # Errors
    /// See [`Storage::commit`].
    pub async fn commit(&self, writes: Vec<Write>) -> Result<i64, StoreError> {
        self.read(move |storage| storage.commit(&writes)).await
    }
}
