//! A core module becomes a component, with the adapter from WASI preview 1 that belongs to this wasmtime.

use std::borrow::Cow;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};

use super::ComponentError;

const MAGIC: &[u8] = b"\0asm";
const CORE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// The bytes as a component: as they are, or adapted if they are a core module.
///
/// # Errors
/// `Foreign` for anything that is not WebAssembly, `Damaged` and `NotAdaptable` for what claims to be.
pub fn to_component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ComponentError> {
    match (bytes.get(..4), bytes.get(4..8)) {
        (Some(MAGIC), Some(COMPONENT)) => Ok(Cow::Borrowed(bytes)),
        (Some(MAGIC), Some(CORE)) => Ok(Cow::Owned(adapt(bytes)?)),
        (Some(MAGIC), Some(version)) => Err(ComponentError::Foreign(format!(
            "WebAssembly of an unknown binary version {version:02x?}: wisp serves core modules of version 1 and components"
        ))),
        (Some(MAGIC), None) => Err(ComponentError::Damaged("the file ends within its header".into())),
        _ => Err(ComponentError::Foreign(foreign(bytes))),
    }
}

fn foreign(bytes: &[u8]) -> String {
    let guess = match bytes {
        [] => "the file is empty",
        [b'P', b'K', 3, 4, ..] => "this is a zip archive",
        [0x7f, b'E', b'L', b'F', ..] => "this is a compiled ELF file (perhaps a .cwasm of another host)",
        _ if bytes.trim_ascii_start().starts_with(b"(") => {
            "this is the WebAssembly text format: compile it with `wat2wasm`"
        }
        _ => "the file does not start with the WebAssembly magic number",
    };
    format!("not WebAssembly: {guess}. wisp serves components and core modules (.wasm)")
}

fn adapt(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let adapter = if exports_start(module)? {
        WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER
    } else {
        WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER
    };
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|encoder| encoder.encode())
        .map_err(|error| ComponentError::NotAdaptable(format!("{error:#}")))
}

/// Whether the module is a program with a `main`. Reads it to its end, so that a truncated one is told apart from one that
/// cannot be adapted.
fn exports_start(module: &[u8]) -> Result<bool, ComponentError> {
    let mut found = false;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(exports) = payload.map_err(damaged)? {
            for export in exports {
                found |= export.map_err(damaged)?.name == "_start";
            }
        }
    }
    Ok(found)
}

pub(super) fn damaged(error: wasmparser::BinaryReaderError) -> ComponentError {
    ComponentError::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        to_component(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_foreign_file_is_refused_with_a_guess_at_what_it_is() {
        assert!(error(b"").contains("the file is empty"));
        assert!(error(b"PK\x03\x04...").contains("zip archive"));
        assert!(error(b"#!/bin/sh").contains("does not start with the WebAssembly magic number"));
        assert!(error(b"\n(module)").contains("text format"));
        assert!(error(b"\0asm\x63\0\0\0").contains("unknown binary version"));
    }

    #[test]
    fn a_truncated_module_is_refused() {
        let module = wat::parse_str("(module (func (export \"_start\")) (memory 1))").unwrap();
        assert!(error(&module[..6]).contains("ends within its header"));
        assert!(error(&module[..module.len() - 3]).contains("damaged or truncated"));
    }

    #[test]
    fn a_command_module_becomes_a_component_that_runs() {
        let module = wat::parse_str("(module (func (export \"_start\")) (memory (export \"memory\") 1))").unwrap();
        let component = to_component(&module).unwrap();
        assert_eq!(&component[4..8], COMPONENT);
    }

    #[test]
    fn a_module_with_unknown_imports_names_them() {
        let module = wat::parse_str("(module (import \"env\" \"secret\" (func)))").unwrap();
        assert!(error(&module).contains("env"), "{}", error(&module));
    }
}
