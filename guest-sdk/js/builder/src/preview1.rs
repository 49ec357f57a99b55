//! Connects a module's imports of WASI preview 1 to functions of the same module.

use anyhow::{Context as _, bail};
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::{ExternalKind, Payload, TypeRef};

/// The names of the functions that take the imports' place: `preview1_fd_write` for `fd_write`.
const PREFIX: &str = "preview1_";
const NAMESPACE: &str = "wasi_snapshot_preview1";

/// Replaces every import from `wasi_snapshot_preview1` by the exported function of that name. C's and Rust's standard
/// libraries for wasm32-wasip1 import preview 1; the usual adapter to preview 2 keeps descriptors in memory of its own, where
/// a snapshot would catch them and nobody could let go of them.
///
/// # Errors
/// If the module is not valid, or lacks one of the functions.
pub fn rewire(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let map = FunctionMap::read(module)?;
    let mut rewired = wasm_encoder::Module::new();
    Rewire { map }
        .parse_core_module(&mut rewired, wasmparser::Parser::new(0), module)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(rewired.finish())
}

/// Where each function of the old module is in the new one.
struct FunctionMap(Vec<u32>);

impl FunctionMap {
    fn read(module: &[u8]) -> anyhow::Result<Self> {
        let (mut imports, mut exports, mut defined) = (Vec::new(), std::collections::HashMap::new(), 0);
        for payload in wasmparser::Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                            imports.push((import.module == NAMESPACE).then(|| import.name.to_owned()));
                        }
                    }
                }
                Payload::FunctionSection(section) => defined = section.count(),
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            exports.insert(export.name.to_owned(), export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        let removed = u32::try_from(imports.iter().flatten().count())?;
        let mut map = Vec::new();
        let mut kept = 0;
        for import in &imports {
            match import {
                None => {
                    map.push(kept);
                    kept += 1;
                }
                Some(name) => {
                    let index = exports.get(&format!("{PREFIX}{name}"));
                    map.push(index.with_context(|| format!("the runtime has no {PREFIX}{name}"))? - removed);
                }
            }
        }
        let first = u32::try_from(imports.len())?;
        if exports.values().any(|index| *index >= first + defined) {
            bail!("an export names a function that does not exist");
        }
        map.extend((first..first + defined).map(|index| index - removed));
        Ok(Self(map))
    }
}

struct Rewire {
    map: FunctionMap,
}

impl Reencode for Rewire {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<Self::Error>> {
        Ok(self.map.0[index as usize])
    }

    fn parse_import_section(
        &mut self,
        imports: &mut wasm_encoder::ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        for import in section.into_imports() {
            let import = import?;
            if import.module != NAMESPACE {
                self.parse_import(imports, import)?;
            }
        }
        Ok(())
    }

    /// The names of functions would have to be sorted anew; nobody reads them in a released runtime.
    fn parse_custom_section(
        &mut self,
        module: &mut wasm_encoder::Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        if section.name() == "name" { Ok(()) } else { reencode::utils::parse_custom_section(self, module, section) }
    }

    fn parse_export(
        &mut self,
        exports: &mut wasm_encoder::ExportSection,
        export: wasmparser::Export<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        if export.name.starts_with(PREFIX) { Ok(()) } else { reencode::utils::parse_export(self, exports, export) }
    }
}
