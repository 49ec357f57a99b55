//! The C library in components that are linked when they run, such as those of componentize-py: it keeps descriptors of
//! WASI 0.2 by itself, without an adapter, and has a function that lets go of them.

use wasm_encoder::{
    CanonicalFunctionSection, CanonicalOption, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentTypeSection, ExportKind,
};
use wasmparser::{ExternalKind, Instance, Parser, Payload, Validator, WasmFeatures};

use crate::component::{ComponentError, adapt};

/// The name by which the function can be called in a component that [`with_reset`] has made.
pub(super) const RESET: &str = "wisp-reset-descriptors";

/// wasi-libc's own, which clears the table of descriptors, the standard streams and the directories.
const OF_LIBC: &str = "__wasilibc_reset_preopens";

/// The component with that function among its exports; `None` if it has none such.
pub(super) fn with_reset(component: &[u8]) -> Result<Option<Vec<u8>>, ComponentError> {
    let Some(instance) = instance_of_libc(component)? else { return Ok(None) };
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(component).map_err(adapt::damaged)?;
    let types = types.as_ref();
    let (core_function, function, kind) =
        (types.function_count(), types.component_function_count(), types.component_type_count());

    let mut aliases = ComponentAliasSection::new();
    aliases.alias(wasm_encoder::Alias::CoreInstanceExport { instance, kind: ExportKind::Func, name: OF_LIBC });
    let mut kinds = ComponentTypeSection::new();
    kinds.function().params([] as [(&str, wasm_encoder::ComponentValType); 0]).result(None);
    let mut lifts = CanonicalFunctionSection::new();
    lifts.lift(core_function, kind, [] as [CanonicalOption; 0]);
    let mut exports = ComponentExportSection::new();
    exports.export(RESET, ComponentExportKind::Func, function, None);

    let mut appended = Component::new();
    appended.section(&aliases).section(&kinds).section(&lifts).section(&exports);
    let mut made = component.to_vec();
    // All but the header: magic number and version.
    made.extend_from_slice(appended.finish().get(8..).unwrap_or_default());
    Ok(Some(made))
}

/// The core instance whose module exports it.
fn instance_of_libc(component: &[u8]) -> Result<Option<u32>, ComponentError> {
    let (mut modules, mut instances) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(adapt::damaged)? {
            Payload::ModuleSection { .. } => {
                if depth == 0 {
                    modules.push(false);
                }
                depth += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Inside a module; those of nested components are behind the depth of 1.
            Payload::ExportSection(exports) if depth == 1 => {
                if let Some(has_it) = modules.last_mut() {
                    *has_it |= exports
                        .into_iter()
                        .flatten()
                        .any(|export| export.kind == ExternalKind::Func && export.name == OF_LIBC);
                }
            }
            Payload::InstanceSection(section) if depth == 0 => {
                for instance in section {
                    instances.push(match instance.map_err(adapt::damaged)? {
                        Instance::Instantiate { module_index, .. } => Some(module_index),
                        Instance::FromExports(_) => None,
                    });
                }
            }
            _ => {}
        }
    }
    let is_libc = |module: &Option<u32>| module.is_some_and(|index| modules.get(index as usize) == Some(&true));
    Ok(instances.iter().position(is_libc).and_then(|index| u32::try_from(index).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_of_the_c_library_can_be_called_from_outside() {
        let linked = format!(
            r#"(component
                (core module $other (func (export "f")))
                (core module $libc (func (export "{OF_LIBC}")))
                (core instance (instantiate $other))
                (core instance (instantiate $libc)))"#
        );
        let made = with_reset(&wat::parse_str(linked).unwrap()).unwrap().unwrap();
        let inspection = crate::component::inspect::inspect(&made).unwrap();
        assert_eq!(inspection.exports, [RESET]);
        Validator::new_with_features(WasmFeatures::all()).validate_all(&made).unwrap();
    }

    #[test]
    fn a_component_without_it_stays_as_it_is() {
        assert_eq!(with_reset(&wat::parse_str("(component (core module))").unwrap()).unwrap(), None);
    }
}
