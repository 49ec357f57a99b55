use std::fmt;

/// Why a component was not flattened. Nothing was written, and the component can be served as it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum FlattenError {
    /// The bytes are no valid WebAssembly component.
    Invalid(wasmparser::BinaryReaderError),
    /// The component is valid, but has a shape that cannot be merged. The text names the item.
    Unsupported(String),
    /// An item that the options name is not there, or is not what they say it is.
    NoSuchItem(String),
    /// What came out is not valid: an error of this crate.
    WrongResult(wasmparser::BinaryReaderError),
}

impl fmt::Display for FlattenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => write!(f, "this is no valid component: {error}"),
            Self::Unsupported(what) => write!(f, "the component cannot be flattened: {what}"),
            Self::NoSuchItem(what) => write!(f, "{what}"),
            Self::WrongResult(error) => write!(f, "flattening made an invalid component, please report this: {error}"),
        }
    }
}

impl std::error::Error for FlattenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid(error) | Self::WrongResult(error) => Some(error),
            Self::Unsupported(_) | Self::NoSuchItem(_) => None,
        }
    }
}

impl From<wasmparser::BinaryReaderError> for FlattenError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid(error)
    }
}

pub(crate) fn unsupported<T>(what: impl Into<String>) -> Result<T, FlattenError> {
    Err(FlattenError::Unsupported(what.into()))
}

pub(crate) fn no_such_item<T>(what: impl Into<String>) -> Result<T, FlattenError> {
    Err(FlattenError::NoSuchItem(what.into()))
}
