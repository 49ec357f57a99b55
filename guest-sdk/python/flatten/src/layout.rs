//! The core level of a component: its modules, their instances, and where every core item comes from.

use wasmparser::{CanonicalFunction, ComponentAlias, Instance, Parser, Payload};

use crate::{
    error::{FlattenError, unsupported},
    module::{Kind, Module},
};

/// Where an item of the component's core index spaces comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An export of a core instance.
    Export { instance: u32, name: String },
    /// A function of the canonical ABI: a lowered import, a built-in.
    Canonical,
}

#[derive(Debug)]
pub(crate) enum CoreInstance {
    /// A module with an instance for each module that it imports from.
    Module { module: u32, arguments: Vec<(String, u32)> },
    /// Items put together under names.
    Bag(Vec<(String, Kind, u32)>),
}

/// What an item is in the end, seen through bags and aliases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// An export of an instance of a module.
    Export { instance: u32, name: String },
    /// A canonical function, by its index among the component's core functions.
    Canonical(u32),
}

#[derive(Debug, Default)]
pub(crate) struct Layout<'a> {
    pub(crate) modules: Vec<Module<'a>>,
    pub(crate) instances: Vec<CoreInstance>,
    funcs: Vec<Origin>,
    tables: Vec<Origin>,
    memories: Vec<Origin>,
    globals: Vec<Origin>,
}

impl<'a> Layout<'a> {
    pub(crate) fn read(component: &'a [u8]) -> Result<Self, FlattenError> {
        let mut layout = Self::default();
        for payload in top_level(component)? {
            match payload {
                Payload::ModuleSection { unchecked_range, .. } => {
                    layout.modules.push(Module::read(slice(component, unchecked_range)?)?);
                }
                Payload::InstanceSection(section) => {
                    for instance in section {
                        layout.instances.push(core_instance(instance?)?);
                    }
                }
                Payload::ComponentAliasSection(section) => {
                    for alias in section {
                        layout.note_alias(&alias?)?;
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section {
                        if !matches!(function?, CanonicalFunction::Lift { .. }) {
                            layout.funcs.push(Origin::Canonical);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(layout)
    }

    fn note_alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), FlattenError> {
        if let ComponentAlias::CoreInstanceExport { kind, instance_index, name } = *alias {
            let origin = Origin::Export { instance: instance_index, name: name.to_owned() };
            self.space_mut(Kind::of(kind)?).push(origin);
        }
        Ok(())
    }

    pub(crate) fn space(&self, kind: Kind) -> &[Origin] {
        match kind {
            Kind::Func => &self.funcs,
            Kind::Table => &self.tables,
            Kind::Memory => &self.memories,
            Kind::Global => &self.globals,
        }
    }

    fn space_mut(&mut self, kind: Kind) -> &mut Vec<Origin> {
        match kind {
            Kind::Func => &mut self.funcs,
            Kind::Table => &mut self.tables,
            Kind::Memory => &mut self.memories,
            Kind::Global => &mut self.globals,
        }
    }

    /// What the item at `index` of a core index space is. Every step leads to an earlier instance, so this ends.
    pub(crate) fn item(&self, kind: Kind, index: u32) -> Result<Source, FlattenError> {
        match self.space(kind).get(index as usize) {
            Some(Origin::Canonical) => Ok(Source::Canonical(index)),
            Some(Origin::Export { instance, name }) => self.export(*instance, name, kind),
            None => unsupported(format!("there is no core {kind:?} {index}")),
        }
    }

    /// What an export of a core instance is.
    pub(crate) fn export(&self, instance: u32, name: &str, kind: Kind) -> Result<Source, FlattenError> {
        match self.instances.get(instance as usize) {
            Some(CoreInstance::Module { .. }) => Ok(Source::Export { instance, name: name.to_owned() }),
            Some(CoreInstance::Bag(items)) => match items.iter().find(|it| it.0 == name && it.1 == kind) {
                Some((_, _, index)) => self.item(kind, *index),
                None => unsupported(format!("core instance {instance} has no {kind:?} {name}")),
            },
            None => unsupported(format!("there is no core instance {instance}")),
        }
    }
}

fn core_instance(instance: Instance<'_>) -> Result<CoreInstance, FlattenError> {
    Ok(match instance {
        Instance::Instantiate { module_index, args } => {
            let arguments = args.iter().map(|it| (it.name.to_owned(), it.index)).collect();
            CoreInstance::Module { module: module_index, arguments }
        }
        Instance::FromExports(exports) => {
            let items = exports.iter().map(|it| Ok((it.name.to_owned(), Kind::of(it.kind)?, it.index)));
            CoreInstance::Bag(items.collect::<Result<_, FlattenError>>()?)
        }
    })
}

/// The sections of the outermost component; nested modules and components are one payload each.
pub(crate) fn top_level(component: &[u8]) -> Result<Vec<Payload<'_>>, FlattenError> {
    let mut payloads = Vec::new();
    let mut depth = 0u32;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        let nested = depth > 0;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !nested {
            payloads.push(payload);
        }
    }
    Ok(payloads)
}

pub(crate) fn slice(bytes: &[u8], range: std::ops::Range<u64>) -> Result<&[u8], FlattenError> {
    let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
    match (start, end) {
        (Ok(start), Ok(end)) => bytes.get(start..end),
        _ => None,
    }
    .map_or_else(|| unsupported("a nested section is cut off"), Ok)
}
