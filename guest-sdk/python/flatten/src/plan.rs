//! Which core instances become one module, and the index that every item of theirs has in it.

use std::collections::HashMap;

use crate::{
    error::{FlattenError, no_such_item, unsupported},
    layout::{CoreInstance, Layout, Source},
    module::{Counts, Import, Kind, Module},
};

/// wit-component's name of the table through which a function is called that is lowered only later: the shim module
/// exports it, the fix-up module imports it. Those two stay as they are.
const DEFERRED_CALLS: &str = "$imports";

/// One instance that is merged. A module that is instantiated twice is two parts.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) instance: u32,
    pub(crate) module: usize,
    arguments: HashMap<String, u32>,
    pub(crate) base: Base,
}

/// Where a part's own items begin in the merged module.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Base {
    pub(crate) types: u32,
    pub(crate) elements: u32,
    pub(crate) data: u32,
    pub(crate) items: Counts,
}

/// A function that the merged module imports, at the index of its place in the list.
#[derive(Debug)]
pub(crate) struct HostFunc {
    pub(crate) source: Source,
    /// The type, in the merged module.
    pub(crate) func_type: u32,
}

#[derive(Debug)]
pub(crate) struct Plan<'l, 'a> {
    pub(crate) layout: &'l Layout<'a>,
    pub(crate) parts: Vec<Part>,
    pub(crate) host: Vec<HostFunc>,
    /// What is in all parts together.
    pub(crate) total: Base,
    /// The last instance that is merged: the merged one takes its place.
    pub(crate) anchor: u32,
    part_of: HashMap<u32, usize>,
    host_index: HashMap<Source, u32>,
}

impl<'l, 'a> Plan<'l, 'a> {
    pub(crate) fn new(layout: &'l Layout<'a>) -> Result<Self, FlattenError> {
        let parts = merged_instances(layout)?;
        let part_of = (0..).zip(&parts).map(|(position, part)| (part.instance, position)).collect();
        let anchor = anchor(layout, &parts)?;
        let (host, total) = (Vec::new(), Base::default());
        let mut plan = Self { layout, parts, host, total, anchor, part_of, host_index: HashMap::new() };
        plan.lay_out_types();
        plan.find_host_funcs()?;
        plan.lay_out_items();
        plan.check_memory()?;
        Ok(plan)
    }

    pub(crate) fn module(&self, part: usize) -> &'l Module<'a> {
        &self.layout.modules[self.parts[part].module]
    }

    pub(crate) fn is_merged(&self, instance: u32) -> bool {
        self.part_of.contains_key(&instance)
    }

    /// Whether instances of a module are merged.
    pub(crate) fn merges_module(&self, module: u32) -> bool {
        self.layout.modules.get(module as usize).is_some_and(|it| !it.mentions(DEFERRED_CALLS))
    }

    /// Whether a module that stays as it is imports a global: nothing else in a component can use one.
    pub(crate) fn passes_globals(&self) -> bool {
        (0u32..)
            .zip(&self.layout.modules)
            .any(|(index, module)| !self.merges_module(index) && module.imported.globals > 0)
    }

    /// Types come first, because host functions have types of the parts that import them.
    fn lay_out_types(&mut self) {
        for part in &mut self.parts {
            part.base.types = self.total.types;
            self.total.types += self.layout.modules[part.module].types;
        }
    }

    fn find_host_funcs(&mut self) -> Result<(), FlattenError> {
        for part in 0..self.parts.len() {
            for import in &self.module(part).imports {
                let source = self.source_of(part, import)?;
                if self.is_inside(&source) || self.host_index.contains_key(&source) {
                    continue;
                }
                if import.kind != Kind::Func {
                    let Import { module, name, kind, .. } = import;
                    return unsupported(format!("{kind:?} {module} {name} comes from outside of what is merged"));
                }
                let index = u32::try_from(self.host.len()).unwrap_or(u32::MAX);
                let func_type = self.parts[part].base.types + import.func_type;
                self.host_index.insert(source.clone(), index);
                self.host.push(HostFunc { source, func_type });
            }
        }
        Ok(())
    }

    fn lay_out_items(&mut self) {
        self.total.items.funcs = u32::try_from(self.host.len()).unwrap_or(u32::MAX);
        for part in &mut self.parts {
            let module = &self.layout.modules[part.module];
            part.base = Base { types: part.base.types, ..self.total };
            self.total.elements += module.elements;
            self.total.data += module.data;
            for kind in [Kind::Func, Kind::Table, Kind::Memory, Kind::Global] {
                *self.total.items.of_mut(kind) += module.defined.of(kind);
            }
        }
    }

    /// One memory: instructions and segments of all parts then mean the same one, number 0.
    fn check_memory(&self) -> Result<(), FlattenError> {
        match self.total.items.memories {
            0 | 1 => Ok(()),
            several => unsupported(format!("its core modules have {several} memories")),
        }
    }

    fn is_inside(&self, source: &Source) -> bool {
        matches!(source, Source::Export { instance, .. } if self.is_merged(*instance))
    }

    fn source_of(&self, part: usize, import: &Import<'_>) -> Result<Source, FlattenError> {
        match self.parts[part].arguments.get(import.module) {
            Some(instance) => self.layout.export(*instance, import.name, import.kind),
            None => unsupported(format!("a core module lacks its import {}", import.module)),
        }
    }

    /// The index in the merged module of a part's own index.
    pub(crate) fn index(&self, part: usize, kind: Kind, index: u32) -> Result<u32, FlattenError> {
        let module = self.module(part);
        let imported = module.imported.of(kind);
        if let Some(own) = index.checked_sub(imported) {
            return Ok(self.parts[part].base.items.of(kind) + own);
        }
        match module.imports_of(kind).nth(index as usize) {
            Some(import) => self.index_of(&self.source_of(part, import)?, kind),
            None => unsupported(format!("there is no import {index} of {kind:?}")),
        }
    }

    /// The index in the merged module of what a source is. An instance's imports are of earlier instances, so this ends.
    pub(crate) fn index_of(&self, source: &Source, kind: Kind) -> Result<u32, FlattenError> {
        if let Some(host) = self.host_index.get(source) {
            return Ok(*host);
        }
        let Source::Export { instance, name } = source else {
            return unsupported("a canonical function is used where none can be");
        };
        let Some(part) = self.part_of.get(instance) else {
            return unsupported(format!("{kind:?} {name} of core instance {instance} is not merged"));
        };
        match self.module(*part).exports.get(name.as_str()) {
            Some((found, index)) if *found == kind => self.index(*part, kind, *index),
            _ => unsupported(format!("core instance {instance} exports no {kind:?} {name}")),
        }
    }

    /// The part that alone defines a function of this name, and the function's index there.
    pub(crate) fn named_func(&self, name: &str) -> Result<(usize, u32), FlattenError> {
        let mut found = (0..self.parts.len()).flat_map(|part| {
            let module = self.module(part);
            let own = move |(index, found): &&(u32, &str)| *index >= module.imported.funcs && *found == name;
            module.func_names.iter().filter(own).map(move |(index, _)| (part, *index))
        });
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => no_such_item(format!("no core module names a function {name}")),
            (Some(_), Some(_)) => no_such_item(format!("several core functions are named {name}")),
        }
    }

    /// The part that alone defines and exports a function of this name, and the function's index there.
    pub(crate) fn exported_func(&self, name: &str) -> Result<(usize, u32), FlattenError> {
        let mut found = (0..self.parts.len()).filter_map(|part| {
            let module = self.module(part);
            match module.exports.get(name) {
                Some((Kind::Func, index)) if *index >= module.imported.funcs => Some((part, *index)),
                _ => None,
            }
        });
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => no_such_item(format!("no core module exports a function {name}")),
            (Some(_), Some(_)) => no_such_item(format!("several core modules export a function {name}")),
        }
    }
}

fn merged_instances(layout: &Layout<'_>) -> Result<Vec<Part>, FlattenError> {
    let mut parts = Vec::new();
    for (instance, item) in (0u32..).zip(&layout.instances) {
        let CoreInstance::Module { module, arguments } = item else { continue };
        let module = *module as usize;
        let Some(summary) = layout.modules.get(module) else {
            return unsupported("it instantiates a core module that it does not contain");
        };
        if !summary.mentions(DEFERRED_CALLS) {
            let arguments = arguments.iter().cloned().collect();
            parts.push(Part { instance, module, arguments, base: Base::default() });
        }
    }
    if parts.is_empty() { unsupported("it has no core module to merge") } else { Ok(parts) }
}

/// The merged instance must exist before the fix-up module, which lowers functions with its memory.
fn anchor(layout: &Layout<'_>, parts: &[Part]) -> Result<u32, FlattenError> {
    let fix_up = (0u32..).zip(&layout.instances).find(|(_, instance)| match instance {
        CoreInstance::Module { module, .. } => layout
            .modules
            .get(*module as usize)
            .is_some_and(|it| it.mentions(DEFERRED_CALLS) && !it.exports.contains_key(DEFERRED_CALLS)),
        CoreInstance::Bag(_) => false,
    });
    let before = |part: &&Part| fix_up.is_none_or(|(instance, _)| part.instance < instance);
    match parts.iter().rfind(before) {
        Some(part) => Ok(part.instance),
        None => unsupported("its core modules are instantiated in an order that is not known"),
    }
}
