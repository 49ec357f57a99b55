//! A text that is part of what the host passed.

use bytes::Bytes;

/// UTF-8 that shares its bytes with others. A copy is cheap.
#[derive(Clone, Default)]
pub(crate) struct Text(Bytes);

impl Text {
    /// `None` if the bytes are not UTF-8.
    pub(crate) fn new(bytes: Bytes) -> Option<Self> {
        std::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }

    pub(crate) fn as_str(&self) -> &str {
        // Checked when it was made; looking once more costs less than `unsafe` would have to explain.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(formatter)
    }
}
