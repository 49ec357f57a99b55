//! Access keys: who may ask the API, and for what.

use std::{fmt, sync::Arc};

/// One of `[[access_keys]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKeyConfig {
    /// What requests name the key by: 1 to 128 printable ASCII characters without space, `:`, `,` and `=`.
    pub id: Arc<str>,
    /// What requests are signed with: at least 16 characters.
    pub secret: Secret,
    /// The token that must come with each request, for keys that are lent for a time. Default: none, and none may come.
    pub security_token: Option<Secret>,
    /// What the key may do. Default `admin`.
    pub scope: AccessScope,
}

/// `scope` of an access key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessScope {
    /// `"admin"`, the default: everything.
    Admin,
    /// `"invoke"`: calling functions, by the API and by their triggers.
    Invoke,
    /// `"read-only"`: getting and listing; calling nothing and changing nothing.
    ReadOnly,
}

/// What a request wants to do, as far as scopes tell requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Get and list.
    Read,
    /// Call a function.
    Invoke,
    /// Create, update, delete, stop.
    Write,
}

impl AccessScope {
    /// Whether a key of this scope may do `access`.
    pub fn permits(self, access: Access) -> bool {
        match self {
            Self::Admin => true,
            Self::Invoke => access == Access::Invoke,
            Self::ReadOnly => access == Access::Read,
        }
    }
}

/// As it is written in a configuration.
impl fmt::Display for AccessScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Invoke => "invoke",
            Self::ReadOnly => "read-only",
        })
    }
}

/// A text that is never logged: it has no display form, and its debug form is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever computes with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
