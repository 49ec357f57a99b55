//! Writes the component around the merged module.
//!
//! Sections are copied in their order. What refers to core items gets their new indices; what refers to a merged
//! instance waits until that instance is there.

use wasm_encoder as we;
use wasm_encoder::reencode::ReencodeComponent as _;
use wasmparser::{CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentTypeRef, Instance, Payload};

use crate::{
    error::{FlattenError, unsupported},
    indices::{Indices, known, reencoding},
    layout::{CoreInstance, Layout, Source, slice, top_level},
    merge::{HOST, Merged},
    module::{Counts, Kind},
    plan::Plan,
};

/// What the component's core level uses of the merged instances: what it aliases.
pub(crate) fn used(plan: &Plan<'_, '_>) -> Result<Vec<(Source, Kind)>, FlattenError> {
    let mut used = Vec::new();
    for kind in crate::module::KINDS {
        if kind == Kind::Global && !plan.passes_globals() {
            continue;
        }
        let count = u32::try_from(plan.layout.space(kind).len()).unwrap_or(u32::MAX);
        for index in 0..count {
            let source = plan.layout.item(kind, index)?;
            if matches!(&source, Source::Export { instance, .. } if plan.is_merged(*instance)) {
                used.push((source, kind));
            }
        }
    }
    Ok(used)
}

pub(crate) fn rebuild(component: &[u8], plan: &Plan<'_, '_>, merged: &Merged) -> Result<Vec<u8>, FlattenError> {
    let mut writer = Writer::new(component, plan, merged);
    for payload in top_level(component)? {
        writer.copy(payload)?;
    }
    Ok(writer.out.finish())
}

struct Writer<'w, 'l, 'a> {
    component: &'w [u8],
    plan: &'w Plan<'l, 'a>,
    layout: &'l Layout<'a>,
    merged: &'w Merged,
    out: we::Component,
    /// How much of the input was read.
    seen: Seen,
    /// How much was written, which gives the next index.
    written: Seen,
    indices: Indices,
    /// The merged instance, once it is there.
    merged_instance: Option<u32>,
    /// Aliases of merged instances that came before that.
    waiting: Vec<(Kind, u32, Source)>,
}

#[derive(Default)]
struct Seen {
    modules: u32,
    instances: u32,
    items: Counts,
}

impl<'w, 'l, 'a> Writer<'w, 'l, 'a> {
    fn new(component: &'w [u8], plan: &'w Plan<'l, 'a>, merged: &'w Merged) -> Self {
        Self {
            component,
            plan,
            layout: plan.layout,
            merged,
            out: we::Component::new(),
            seen: Seen::default(),
            written: Seen::default(),
            indices: Indices::default(),
            merged_instance: None,
            waiting: Vec::new(),
        }
    }

    fn copy(&mut self, payload: Payload<'_>) -> Result<(), FlattenError> {
        match payload {
            // Custom sections of a component are names and producers, with indices that no longer hold.
            Payload::Version { .. } | Payload::End(_) | Payload::CustomSection(_) => Ok(()),
            Payload::ModuleSection { unchecked_range, .. } => self.module(slice(self.component, unchecked_range)?),
            Payload::ComponentSection { unchecked_range, .. } => {
                self.section(we::ComponentSectionId::Component, slice(self.component, unchecked_range)?)
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.instance(&instance?)?;
                }
                Ok(())
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(alias?)?;
                }
                Ok(())
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.canonical(function?)?;
                }
                Ok(())
            }
            other => self.unchanged(&other),
        }
    }

    fn section(&mut self, id: we::ComponentSectionId, data: &[u8]) -> Result<(), FlattenError> {
        self.out.section(&we::RawSection { id: id.into(), data });
        Ok(())
    }

    fn unchanged(&mut self, payload: &Payload<'_>) -> Result<(), FlattenError> {
        check_no_modules(payload)?;
        match payload.as_section() {
            Some((id, range)) => {
                self.out.section(&we::RawSection { id, data: slice(self.component, range)? });
                Ok(())
            }
            None => unsupported("it has a section of a kind that is not known"),
        }
    }

    fn module(&mut self, bytes: &[u8]) -> Result<(), FlattenError> {
        let index = self.seen.modules;
        self.seen.modules += 1;
        if !self.plan.merges_module(index) {
            self.indices.modules.insert(index, self.written.modules);
            self.written.modules += 1;
            self.section(we::ComponentSectionId::CoreModule, bytes)?;
        }
        Ok(())
    }

    fn instance(&mut self, instance: &Instance<'_>) -> Result<(), FlattenError> {
        let index = self.seen.instances;
        self.seen.instances += 1;
        match instance {
            Instance::FromExports(_) if !self.is_needed(index) => Ok(()),
            Instance::Instantiate { .. } if self.plan.is_merged(index) => {
                if index == self.plan.anchor {
                    self.merged_instance()
                } else {
                    Ok(())
                }
            }
            other => self.kept_instance(index, other),
        }
    }

    /// Only what kept modules are instantiated with.
    fn is_needed(&self, bag: u32) -> bool {
        (0u32..).zip(&self.layout.instances).any(|(index, instance)| match instance {
            CoreInstance::Module { arguments, .. } => {
                !self.plan.is_merged(index) && arguments.iter().any(|it| it.1 == bag)
            }
            CoreInstance::Bag(_) => false,
        })
    }

    fn kept_instance(&mut self, index: u32, instance: &Instance<'_>) -> Result<(), FlattenError> {
        let mut section = we::InstanceSection::new();
        match instance {
            Instance::Instantiate { module_index, args } => {
                let module = known(self.indices.modules.get(module_index), "core module", *module_index)?;
                let arguments = args.iter().map(|it| {
                    let instance = known(self.indices.instances.get(&it.index), "core instance", it.index)?;
                    Ok((it.name, we::ModuleArg::Instance(instance)))
                });
                section.instantiate(module, arguments.collect::<Result<Vec<_>, FlattenError>>()?);
            }
            Instance::FromExports(exports) => {
                let items = exports.iter().map(|it| {
                    let kind = Kind::of(it.kind)?;
                    Ok((it.name, kind.encoded(), self.indices.item(kind, it.index)?))
                });
                section.export_items(items.collect::<Result<Vec<_>, FlattenError>>()?);
            }
        }
        self.out.section(&section);
        self.indices.instances.insert(index, self.written.instances);
        self.written.instances += 1;
        Ok(())
    }

    /// The merged module, a bag with what it imports, and its instance.
    fn merged_instance(&mut self) -> Result<(), FlattenError> {
        self.section(we::ComponentSectionId::CoreModule, &self.merged.bytes)?;
        let module = self.written.modules;
        self.written.modules += 1;
        let mut imports = Vec::new();
        for (number, func) in self.plan.host.iter().enumerate() {
            imports.push((number.to_string(), we::ExportKind::Func, self.host_func(&func.source)?));
        }
        let mut section = we::InstanceSection::new();
        section.export_items(imports.iter().map(|(name, kind, index)| (name.as_str(), *kind, *index)));
        section.instantiate(module, [(HOST, we::ModuleArg::Instance(self.written.instances))]);
        self.out.section(&section);
        self.merged_instance = Some(self.written.instances + 1);
        self.written.instances += 2;
        for (kind, index, source) in std::mem::take(&mut self.waiting) {
            self.alias_of_merged(kind, index, source)?;
        }
        Ok(())
    }

    fn host_func(&mut self, source: &Source) -> Result<u32, FlattenError> {
        match source {
            Source::Canonical(index) => match self.indices.items.get(&(Kind::Func, *index)) {
                Some(index) => Ok(*index),
                None => unsupported("a core module imports a function that is lowered after it is instantiated"),
            },
            Source::Export { instance, name } => {
                let instance = known(self.indices.instances.get(instance), "core instance", *instance)?;
                Ok(self.write_alias(Kind::Func, instance, name))
            }
        }
    }

    fn write_alias(&mut self, kind: Kind, instance: u32, name: &str) -> u32 {
        let mut section = we::ComponentAliasSection::new();
        section.alias(we::Alias::CoreInstanceExport { instance, kind: kind.encoded(), name });
        self.out.section(&section);
        let written = self.written.items.of_mut(kind);
        *written += 1;
        *written - 1
    }

    fn alias(&mut self, alias: ComponentAlias<'_>) -> Result<(), FlattenError> {
        let ComponentAlias::CoreInstanceExport { kind, .. } = alias else {
            let mut section = we::ComponentAliasSection::new();
            section.alias(self.indices.component_alias(alias).map_err(reencoding)?);
            self.out.section(&section);
            return Ok(());
        };
        let kind = Kind::of(kind)?;
        let index = self.seen.items.of(kind);
        *self.seen.items.of_mut(kind) += 1;
        match self.layout.item(kind, index)? {
            // It was for modules that are merged.
            Source::Export { instance, .. }
                if kind == Kind::Global && self.plan.is_merged(instance) && !self.plan.passes_globals() =>
            {
                Ok(())
            }
            Source::Canonical(canonical) => {
                let written = self.indices.item(Kind::Func, canonical)?;
                self.indices.items.insert((kind, index), written);
                Ok(())
            }
            Source::Export { instance, name } if !self.plan.is_merged(instance) => {
                let instance = known(self.indices.instances.get(&instance), "core instance", instance)?;
                let written = self.write_alias(kind, instance, &name);
                self.indices.items.insert((kind, index), written);
                Ok(())
            }
            source if self.merged_instance.is_some() => self.alias_of_merged(kind, index, source),
            source => {
                self.waiting.push((kind, index, source));
                Ok(())
            }
        }
    }

    fn alias_of_merged(&mut self, kind: Kind, index: u32, source: Source) -> Result<(), FlattenError> {
        let merged = self.merged;
        match (self.merged_instance, merged.exports.get(&(source, kind))) {
            (Some(instance), Some(name)) => {
                let written = self.write_alias(kind, instance, name);
                self.indices.items.insert((kind, index), written);
                Ok(())
            }
            _ => unsupported(format!("{kind:?} {index} is not exported by what was merged")),
        }
    }

    fn canonical(&mut self, function: CanonicalFunction) -> Result<(), FlattenError> {
        let makes_core_func = !matches!(function, CanonicalFunction::Lift { .. });
        let mut section = we::CanonicalFunctionSection::new();
        self.indices.parse_component_canonical(&mut section, function).map_err(reencoding)?;
        self.out.section(&section);
        if makes_core_func {
            self.indices.items.insert((Kind::Func, self.seen.items.funcs), self.written.items.funcs);
            self.seen.items.funcs += 1;
            self.written.items.funcs += 1;
        }
        Ok(())
    }
}

/// Core modules can also be imported, exported and passed on: no toolchain does that yet.
fn check_no_modules(payload: &Payload<'_>) -> Result<(), FlattenError> {
    match payload {
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                if matches!(import?.ty, ComponentTypeRef::Module(_)) {
                    return unsupported("it imports a core module");
                }
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                if export?.kind == ComponentExternalKind::Module {
                    return unsupported("it exports a core module");
                }
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section.clone() {
                if passes_module(&instance?) {
                    return unsupported("it passes a core module to a component");
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn passes_module(instance: &wasmparser::ComponentInstance<'_>) -> bool {
    use wasmparser::ComponentInstance as I;
    match instance {
        I::Instantiate { args, .. } => args.iter().any(|it| it.kind == ComponentExternalKind::Module),
        I::FromExports(exports) => exports.iter().any(|it| it.kind == ComponentExternalKind::Module),
    }
}
