//! What one core module has, as far as merging needs to know.

use std::collections::{HashMap, HashSet};

use wasmparser::{ElementItems, FunctionBody, KnownCustom, Name, Operator, Parser, Payload, TypeRef};

use crate::{
    constant,
    error::{FlattenError, unsupported},
};

/// Items that live in index spaces of core modules and of a component's core level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Func,
    Table,
    Memory,
    Global,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Func, Kind::Table, Kind::Memory, Kind::Global];

impl Kind {
    pub(crate) fn of(kind: wasmparser::ExternalKind) -> Result<Self, FlattenError> {
        use wasmparser::ExternalKind as E;
        match kind {
            E::Func => Ok(Self::Func),
            E::Table => Ok(Self::Table),
            E::Memory => Ok(Self::Memory),
            E::Global => Ok(Self::Global),
            E::Tag => unsupported("it shares exception tags between core modules"),
            E::FuncExact => unsupported("it uses functions of exact types"),
        }
    }

    pub(crate) fn encoded(self) -> wasm_encoder::ExportKind {
        match self {
            Self::Func => wasm_encoder::ExportKind::Func,
            Self::Table => wasm_encoder::ExportKind::Table,
            Self::Memory => wasm_encoder::ExportKind::Memory,
            Self::Global => wasm_encoder::ExportKind::Global,
        }
    }
}

/// A number for each kind of item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) funcs: u32,
    pub(crate) tables: u32,
    pub(crate) memories: u32,
    pub(crate) globals: u32,
}

impl Counts {
    pub(crate) fn of(self, kind: Kind) -> u32 {
        match kind {
            Kind::Func => self.funcs,
            Kind::Table => self.tables,
            Kind::Memory => self.memories,
            Kind::Global => self.globals,
        }
    }

    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Func => &mut self.funcs,
            Kind::Table => &mut self.tables,
            Kind::Memory => &mut self.memories,
            Kind::Global => &mut self.globals,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Import<'a> {
    pub(crate) module: &'a str,
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    /// The index of a function's type; 0 for other kinds.
    pub(crate) func_type: u32,
}

/// A core module: its bytes and a summary of them.
#[derive(Debug, Default)]
pub(crate) struct Module<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) imports: Vec<Import<'a>>,
    pub(crate) exports: HashMap<&'a str, (Kind, u32)>,
    pub(crate) imported: Counts,
    pub(crate) defined: Counts,
    pub(crate) types: u32,
    pub(crate) elements: u32,
    pub(crate) data: u32,
    /// The types of the functions that are defined here.
    pub(crate) func_types: Vec<u32>,
    /// What 32-bit globals begin with, by their index. It is what they have for good, unless they are among `set_globals`.
    pub(crate) constants: Vec<(u32, constant::Expression)>,
    /// Functions and the globals that they set, by their indices here.
    sets: Vec<(u32, u32)>,
    /// Functions that something refers to, by their indices here.
    mentioned: HashSet<u32>,
    /// How many bodies were read.
    bodies: u32,
    /// Names of functions, for backtraces.
    pub(crate) func_names: Vec<(u32, &'a str)>,
}

impl<'a> Module<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, FlattenError> {
        let mut module = Self { bytes, ..Self::default() };
        for payload in Parser::new(0).parse_all(bytes) {
            module.note(payload?)?;
        }
        Ok(module)
    }

    fn note(&mut self, payload: Payload<'a>) -> Result<(), FlattenError> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    self.types += u32::try_from(group?.types().len()).unwrap_or(u32::MAX);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.note_import(import?)?;
                }
            }
            Payload::FunctionSection(section) => self.func_types = section.into_iter().collect::<Result<_, _>>()?,
            Payload::TableSection(section) => self.defined.tables = section.count(),
            Payload::MemorySection(section) => self.defined.memories = section.count(),
            Payload::GlobalSection(section) => self.note_globals(section)?,
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.kind == wasmparser::ExternalKind::Func {
                        self.mentioned.insert(export.index);
                    }
                    self.exports.insert(export.name, (Kind::of(export.kind)?, export.index));
                }
            }
            Payload::ElementSection(section) => self.note_elements(section)?,
            Payload::DataSection(section) => self.data = section.count(),
            Payload::TagSection(_) => return unsupported("a core module defines exception tags"),
            Payload::StartSection { .. } => return unsupported("a core module has a start function"),
            Payload::CodeSectionEntry(body) => self.note_body(&body)?,
            Payload::CustomSection(section) => self.note_names(&section),
            _ => {}
        }
        self.defined.funcs = u32::try_from(self.func_types.len()).unwrap_or(u32::MAX);
        Ok(())
    }

    fn note_import(&mut self, import: wasmparser::Import<'a>) -> Result<(), FlattenError> {
        let (kind, func_type) = match import.ty {
            TypeRef::Func(index) => (Kind::Func, index),
            TypeRef::Table(_) => (Kind::Table, 0),
            TypeRef::Memory(_) => (Kind::Memory, 0),
            TypeRef::Global(_) => (Kind::Global, 0),
            TypeRef::Tag(_) => return unsupported("a core module imports an exception tag"),
            TypeRef::FuncExact(_) => return unsupported("a core module imports a function of an exact type"),
        };
        *self.imported.of_mut(kind) += 1;
        self.imports.push(Import { module: import.module, name: import.name, kind, func_type });
        Ok(())
    }

    fn note_globals(&mut self, section: wasmparser::GlobalSectionReader<'a>) -> Result<(), FlattenError> {
        self.defined.globals = section.count();
        for (position, global) in (0u32..).zip(section) {
            let global = global?;
            self.note_reference(&global.init_expr)?;
            if !global.ty.shared && global.ty.content_type == wasmparser::ValType::I32 {
                let index = self.imported.globals + position;
                self.constants.extend(constant::Expression::read(&global.init_expr)?.map(|it| (index, it)));
            }
        }
        Ok(())
    }

    fn note_elements(&mut self, section: wasmparser::ElementSectionReader<'a>) -> Result<(), FlattenError> {
        self.elements = section.count();
        for segment in section {
            match segment?.items {
                ElementItems::Functions(functions) => {
                    for function in functions {
                        self.mentioned.insert(function?);
                    }
                }
                ElementItems::Expressions(_, expressions) => {
                    for expression in expressions {
                        self.note_reference(&expression?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn note_reference(&mut self, expression: &wasmparser::ConstExpr<'_>) -> Result<(), FlattenError> {
        for operator in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.mentioned.insert(function_index);
            }
        }
        Ok(())
    }

    fn note_body(&mut self, body: &FunctionBody<'_>) -> Result<(), FlattenError> {
        let function = self.imported.funcs + self.bodies;
        self.bodies += 1;
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::GlobalSet { global_index } => self.sets.push((function, global_index)),
                Operator::Call { function_index }
                | Operator::ReturnCall { function_index }
                | Operator::RefFunc { function_index } => {
                    self.mentioned.insert(function_index);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The globals that are set by a function that can be called. What a linker wrote to place the others is still there in
    /// a component that was started once and saved, and nothing refers to it.
    pub(crate) fn set_globals(&self) -> impl Iterator<Item = u32> {
        self.sets.iter().filter(|(function, _)| self.mentioned.contains(function)).map(|(_, global)| *global)
    }

    /// Names help people only: a damaged section is left out.
    fn note_names(&mut self, section: &wasmparser::CustomSectionReader<'a>) {
        let KnownCustom::Name(names) = section.as_known() else { return };
        for subsection in names {
            if let Ok(Name::Function(map)) = subsection {
                self.func_names.extend(map.into_iter().flatten().map(|naming| (naming.index, naming.name)));
            }
        }
    }

    /// The imports of one kind, in the order of that kind's index space.
    pub(crate) fn imports_of(&self, kind: Kind) -> impl Iterator<Item = &Import<'a>> {
        self.imports.iter().filter(move |it| it.kind == kind)
    }

    /// Whether it imports or exports a name: how wit-component's shim and fix-up modules are told.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.exports.contains_key(name) || self.imports.iter().any(|it| it.name == name)
    }
}
