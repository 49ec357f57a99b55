//! Where the core items of the component are, once it is rewritten.

use std::collections::HashMap;

use wasm_encoder::reencode::{self, Reencode, ReencodeComponent};

use crate::{
    error::{FlattenError, unsupported},
    module::Kind,
};

/// Old → new indices of the component's core level.
#[derive(Default)]
pub(crate) struct Indices {
    pub(crate) modules: HashMap<u32, u32>,
    pub(crate) instances: HashMap<u32, u32>,
    pub(crate) items: HashMap<(Kind, u32), u32>,
}

pub(crate) fn known(index: Option<&u32>, what: &str, number: u32) -> Result<u32, FlattenError> {
    index.copied().map_or_else(|| unsupported(format!("{what} {number} is used in a place that is not known")), Ok)
}

impl Indices {
    pub(crate) fn item(&self, kind: Kind, index: u32) -> Result<u32, FlattenError> {
        match self.items.get(&(kind, index)) {
            Some(index) => Ok(*index),
            None => unsupported(format!("core {kind:?} {index} is used before the merged instance is there")),
        }
    }

    fn written(&self, kind: Kind, index: u32) -> Result<u32, reencode::Error<FlattenError>> {
        self.item(kind, index).map_err(reencode::Error::UserError)
    }
}

type Index = Result<u32, reencode::Error<FlattenError>>;

impl Reencode for Indices {
    type Error = FlattenError;

    fn function_index(&mut self, index: u32) -> Index {
        self.written(Kind::Func, index)
    }

    fn table_index(&mut self, index: u32) -> Index {
        self.written(Kind::Table, index)
    }

    fn memory_index(&mut self, index: u32) -> Index {
        self.written(Kind::Memory, index)
    }

    fn global_index(&mut self, index: u32) -> Index {
        self.written(Kind::Global, index)
    }
}

impl ReencodeComponent for Indices {}

pub(crate) fn reencoding(error: reencode::Error<FlattenError>) -> FlattenError {
    match error {
        reencode::Error::UserError(error) => error,
        reencode::Error::ParseError(error) => FlattenError::Invalid(error),
        other => FlattenError::Unsupported(other.to_string()),
    }
}
