//! Merges the linked core modules of a WebAssembly component into one.
//!
//! Toolchains that link shared libraries, such as componentize-py, make components of a dozen core modules that import
//! each other's memory, table and functions. Starting such a component costs half a millisecond: tables are filled
//! function by function, because the places are imported numbers that no engine can know ahead. Merged into one module
//! they are known, and the engine starts the component from a prepared image.
//!
//! The result has the same imports and exports, and does the same. What cannot be merged is an error.

mod constant;
mod epilogue;
mod error;
mod globals;
mod indices;
mod layout;
mod merge;
mod module;
mod plan;
mod rebuild;
mod replacements;
mod signature;

use wasm_encoder as we;
use wasmparser::{Validator, WasmFeatures};

pub use epilogue::{Epilogue, Mark};
pub use error::FlattenError;
pub use replacements::Replacement;

/// What is changed beside the merge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Core functions that the component exports in addition.
    pub exports: Vec<CoreExport>,
    /// Work that exported functions do in addition.
    pub epilogues: Vec<Epilogue>,
    /// Functions that stand in the place of others.
    pub replacements: Vec<Replacement>,
}

/// A core function without parameters and results that becomes an export of the component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreExport {
    /// The name under which a core module exports it, such as `__wasilibc_reset_preopens`.
    pub function: String,
    /// The component's export, in kebab case, such as `reset-preopens`.
    pub name: String,
}

/// The component with one core module in place of those that are linked to each other, and what `options` add.
///
/// # Errors
/// See [`FlattenError`]: a component that is invalid or has another shape than linked components have, or lacks what the
/// options name.
pub fn flatten(component: &[u8], options: &Options) -> Result<Vec<u8>, FlattenError> {
    validate(component).map_err(FlattenError::Invalid)?;
    if !wasmparser::Parser::is_component(component) {
        return error::unsupported("it is a core module, not a component");
    }
    let layout = layout::Layout::read(component)?;
    let plan = plan::Plan::new(&layout)?;
    let epilogues = options.epilogues.iter().map(|it| epilogue::ResolvedEpilogue::new(&plan, it));
    let epilogues = epilogues.collect::<Result<Vec<_>, _>>()?;
    let replacements = replacements::Replacements::new(&plan, &options.replacements)?;
    let mut used = rebuild::used(&plan)?;
    let exports = options.exports.iter().map(|it| core_export(&plan, it)).collect::<Result<Vec<_>, _>>()?;
    used.extend(exports.iter().map(|source| (source.clone(), module::Kind::Func)));
    let merged = merge::merge(&plan, &used, &epilogues, &replacements)?;
    let mut flattened = rebuild::rebuild(component, &plan, &merged)?;
    for (export, source) in options.exports.iter().zip(exports) {
        let core_name = merged.exports.get(&(source, module::Kind::Func));
        append_export(&mut flattened, &export.name, core_name.map_or("", String::as_str))?;
    }
    validate(&flattened).map_err(FlattenError::WrongResult)?;
    Ok(flattened)
}

fn validate(bytes: &[u8]) -> Result<wasmparser::types::Types, wasmparser::BinaryReaderError> {
    Validator::new_with_features(WasmFeatures::all()).validate_all(bytes)
}

fn core_export(plan: &plan::Plan<'_, '_>, export: &CoreExport) -> Result<layout::Source, FlattenError> {
    epilogue::plain_function(plan, &export.function)?;
    let (part, _) = plan.exported_func(&export.function)?;
    Ok(layout::Source::Export { instance: plan.parts[part].instance, name: export.function.clone() })
}

/// Appends an alias of a core export, its lift and the export. The merged instance is the one that exports `core_name`.
fn append_export(component: &mut Vec<u8>, name: &str, core_name: &str) -> Result<(), FlattenError> {
    use we::ComponentSection as _;
    let types = validate(component).map_err(FlattenError::WrongResult)?;
    let types = types.as_ref();
    let layout = layout::Layout::read(component)?;
    let instance = (0u32..).zip(&layout.instances).find_map(|(index, instance)| match instance {
        layout::CoreInstance::Module { module, .. } => {
            layout.modules.get(*module as usize)?.exports.contains_key(core_name).then_some(index)
        }
        layout::CoreInstance::Bag(_) => None,
    });
    let Some(instance) = instance else { return error::no_such_item(format!("no core module exports {core_name}")) };
    let mut alias = we::ComponentAliasSection::new();
    alias.alias(we::Alias::CoreInstanceExport { instance, kind: we::ExportKind::Func, name: core_name });
    let mut func_type = we::ComponentTypeSection::new();
    func_type.function().params::<[(&str, we::ComponentValType); 0], _>([]).result(None);
    let mut lift = we::CanonicalFunctionSection::new();
    lift.lift(types.function_count(), types.component_type_count(), []);
    let mut export = we::ComponentExportSection::new();
    export.export(name, we::ComponentExportKind::Func, types.component_function_count(), None);
    alias.append_to_component(component);
    func_type.append_to_component(component);
    lift.append_to_component(component);
    export.append_to_component(component);
    Ok(())
}
