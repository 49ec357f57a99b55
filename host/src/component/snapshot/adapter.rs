//! The adapter from WASI preview 1 in a component: it holds handles of the host, which no other instance has.
//!
//! Its state is reached by its own globals alone, and it makes that state when it is first called. So in a snapshot its
//! module is the component's own again: the new instance opens the standard streams and the directories as any new one
//! does, under the same numbers. What it had taken of the guest's memory, two pages, stays taken.

use std::ops::Range;

use wasm_encoder::{Component, RawSection};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use crate::component::{ComponentError, adapt};

/// Of the functions of preview 1 those that no other module would export. An adapter has at least one of them.
const PREVIEW1: &[&str] = &[
    "args_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_prestat_get",
    "fd_read",
    "fd_seek",
    "fd_write",
    "path_open",
    "poll_oneoff",
    "proc_exit",
    "random_get",
];

/// One section of the outermost component.
struct Section {
    id: u8,
    range: Range<usize>,
}

const CORE_MODULE: u8 = wasm_encoder::ComponentSectionId::CoreModule as u8;

/// Whether the component has an adapter.
pub(super) fn is_in(component: &[u8]) -> Result<bool, ComponentError> {
    Ok(modules(component)?.iter().any(|module| is_adapter(&component[module.clone()])))
}

/// `snapshot` with the adapters of the component that it was taken of.
pub(super) fn as_new(snapshot: &[u8], component: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let mut originals = modules(component)?.into_iter();
    let mut encoder = Component::new();
    for section in sections(snapshot)? {
        let mut data = &snapshot[section.range];
        if section.id == CORE_MODULE
            && let Some(original) = originals.next().map(|range| &component[range])
            && is_adapter(original)
        {
            data = original;
        }
        encoder.section(&RawSection { id: section.id, data });
    }
    Ok(encoder.finish())
}

fn modules(component: &[u8]) -> Result<Vec<Range<usize>>, ComponentError> {
    let modules = sections(component)?.into_iter().filter(|section| section.id == CORE_MODULE);
    Ok(modules.map(|section| section.range).collect())
}

fn sections(component: &[u8]) -> Result<Vec<Section>, ComponentError> {
    let mut sections = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(adapt::damaged)?;
        if depth == 0
            && let Some((id, range)) = payload.as_section()
        {
            sections.push(Section { id, range: to_usize(range.start)..to_usize(range.end) });
        }
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(sections)
}

/// A place in bytes that are in memory.
fn to_usize(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// An adapter works in the memory of the module that it serves, and exports functions of preview 1 to it.
fn is_adapter(module: &[u8]) -> bool {
    let (mut takes_memory, mut gives_preview1) = (false, false);
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        match payload {
            Payload::ImportSection(imports) => {
                takes_memory |= imports.into_imports().flatten().any(|import| matches!(import.ty, TypeRef::Memory(_)));
            }
            Payload::ExportSection(exports) => {
                gives_preview1 |= exports
                    .into_iter()
                    .flatten()
                    .any(|export| export.kind == ExternalKind::Func && PREVIEW1.contains(&export.name));
            }
            _ => {}
        }
    }
    takes_memory && gives_preview1
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADAPTER: &str = r#"(core module
        (import "env" "memory" (memory 0))
        (global $state (mut i32) (i32.const 0))
        (func (export "fd_write") (global.set $state (i32.const 1))))"#;

    fn component(modules: &str) -> Vec<u8> {
        wat::parse_str(format!("(component {modules})")).unwrap()
    }

    #[test]
    fn an_adapter_is_known_by_what_it_takes_and_gives() {
        assert!(is_in(&component(ADAPTER)).unwrap());
        // A main module with a function of that name has a memory of its own.
        assert!(!is_in(&component(r#"(core module (memory 1) (func (export "fd_write")))"#)).unwrap());
        assert!(!is_in(&component(r#"(core module (import "env" "memory" (memory 0)) (func (export "f")))"#)).unwrap());
    }

    #[test]
    fn an_adapter_is_as_new_in_a_snapshot_and_all_else_is_not() {
        let main = "(core module (global (export \"g\") i32 (i32.const 7)))";
        let before = component(&format!("(core module (global (export \"g\") i32 (i32.const 0))) {ADAPTER}"));
        let after =
            component(&format!("{main} {}", ADAPTER.replace("(mut i32) (i32.const 0)", "(mut i32) (i32.const 9)")));
        assert_eq!(as_new(&after, &before).unwrap(), component(&format!("{main} {ADAPTER}")));
    }
}
