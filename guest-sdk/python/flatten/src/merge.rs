//! Writes the merged core module.

use std::collections::HashMap;

use wasm_encoder as we;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::{Parser, Payload};

use crate::{
    constant,
    epilogue::ResolvedEpilogue,
    error::{FlattenError, unsupported},
    globals::Globals,
    layout::Source,
    module::{KINDS, Kind},
    plan::{Part, Plan},
    replacements::Replacements,
};

/// The module from which the merged one imports; its names are numbers.
pub(crate) const HOST: &str = "host";

/// The merged module, and the names under which it exports what the rest of the component uses.
pub(crate) struct Merged {
    pub(crate) bytes: Vec<u8>,
    pub(crate) exports: HashMap<(Source, Kind), String>,
}

/// What `plan` merges, as one module that exports each of `used`.
pub(crate) fn merge(
    plan: &Plan<'_, '_>,
    used: &[(Source, Kind)],
    epilogues: &[ResolvedEpilogue],
    replacements: &Replacements,
) -> Result<Merged, FlattenError> {
    let mut sections = Sections::default();
    for (number, func) in plan.host.iter().enumerate() {
        sections.imports.import(HOST, &number.to_string(), we::EntityType::Function(func.func_type));
    }
    let globals = Globals::new(plan, used)?;
    for (position, part) in plan.parts.iter().enumerate() {
        let mut remap = Remap::new(plan, position, &globals, replacements)?;
        sections.append(plan, position, part, &mut remap)?;
    }
    sections.append_epilogues(plan, epilogues)?;
    let exports = sections.export(plan, used, epilogues, &globals, replacements)?;
    Ok(Merged { bytes: sections.finish(plan), exports })
}

#[derive(Default)]
struct Sections {
    types: we::TypeSection,
    imports: we::ImportSection,
    funcs: we::FunctionSection,
    tables: we::TableSection,
    /// The last table: there is one.
    table: Option<we::TableType>,
    memories: we::MemorySection,
    globals: we::GlobalSection,
    exports: we::ExportSection,
    elements: we::ElementSection,
    code: we::CodeSection,
    data: we::DataSection,
    func_names: we::NameMap,
}

impl Sections {
    fn append(
        &mut self,
        plan: &Plan<'_, '_>,
        position: usize,
        part: &Part,
        remap: &mut Remap<'_>,
    ) -> Result<(), FlattenError> {
        let module = plan.module(position);
        for payload in Parser::new(0).parse_all(module.bytes) {
            self.append_section(payload?, remap).map_err(reencoding)?;
        }
        let imported = module.imported.funcs;
        for (index, name) in &module.func_names {
            if let Some(own) = index.checked_sub(imported) {
                self.func_names.append(part.base.items.funcs + own, name);
            }
        }
        Ok(())
    }

    /// The epilogues, then what they have called through the table, at its end.
    fn append_epilogues(&mut self, plan: &Plan<'_, '_>, epilogues: &[ResolvedEpilogue]) -> Result<(), FlattenError> {
        let first = self.table.map_or(0, |table| table.minimum);
        let mut callbacks = Vec::new();
        for epilogue in epilogues {
            let place = first + callbacks.len() as u64;
            self.funcs.function(epilogue.func_type);
            self.code.function(&epilogue.body(i32::try_from(place).unwrap_or(i32::MAX)));
            callbacks.extend(epilogue.callbacks());
        }
        if callbacks.is_empty() { Ok(()) } else { self.append_callbacks(plan, epilogues.len(), &callbacks) }
    }

    fn append_callbacks(
        &mut self,
        plan: &Plan<'_, '_>,
        epilogues: usize,
        callbacks: &[we::Function],
    ) -> Result<(), FlattenError> {
        let Some(mut table) = self.table.filter(|table| plan.total.items.tables == 1 && !table.table64) else {
            return unsupported("functions can be called back only where there is one table");
        };
        self.types.ty().function([we::ValType::I32, we::ValType::I32], [we::ValType::I32]);
        let mut indices = Vec::new();
        for (number, callback) in (epilogues..).zip(callbacks) {
            self.funcs.function(plan.total.types);
            self.code.function(callback);
            indices.push(plan.total.items.funcs + u32::try_from(number).unwrap_or(u32::MAX));
        }
        let place = we::ConstExpr::i32_const(i32::try_from(table.minimum).unwrap_or(i32::MAX));
        self.elements.active(None, &place, we::Elements::Functions(indices.into()));
        table.minimum += callbacks.len() as u64;
        table.maximum = table.maximum.map(|maximum| maximum.max(table.minimum));
        self.tables = we::TableSection::new();
        self.tables.table(table);
        Ok(())
    }

    fn append_section(&mut self, payload: Payload<'_>, remap: &mut Remap<'_>) -> Result<(), reencode::Error> {
        match payload {
            Payload::TypeSection(section) => remap.parse_type_section(&mut self.types, section),
            Payload::FunctionSection(section) => remap.parse_function_section(&mut self.funcs, section),
            Payload::TableSection(section) => {
                for table in section.clone() {
                    self.table = Some(remap.table_type(table?.ty)?);
                }
                remap.parse_table_section(&mut self.tables, section)
            }
            Payload::MemorySection(section) => remap.parse_memory_section(&mut self.memories, section),
            Payload::GlobalSection(section) => remap.parse_global_section(&mut self.globals, section),
            Payload::ElementSection(section) => remap.parse_element_section(&mut self.elements, section),
            Payload::CodeSectionEntry(body) => remap.parse_function_body(&mut self.code, body),
            Payload::DataSection(section) => remap.parse_data_section(&mut self.data, section),
            _ => Ok(()),
        }
    }

    fn export(
        &mut self,
        plan: &Plan<'_, '_>,
        used: &[(Source, Kind)],
        epilogues: &[ResolvedEpilogue],
        globals: &Globals,
        replacements: &Replacements,
    ) -> Result<HashMap<(Source, Kind), String>, FlattenError> {
        let mut names = HashMap::new();
        for (source, kind) in used {
            let Source::Export { instance, name } = source else { continue };
            if names.contains_key(&(source.clone(), *kind)) {
                continue;
            }
            let mut index = plan.index_of(source, *kind)?;
            if *kind == Kind::Func {
                index = replacements.of(index);
            }
            if let Some(position) = epilogues.iter().position(|it| *kind == Kind::Func && it.index == index) {
                index = plan.total.items.funcs + u32::try_from(position).unwrap_or(u32::MAX);
            }
            if *kind == Kind::Global {
                index = globals.written(index).unwrap_or(index);
            }
            // Two instances may export the same name.
            let exported = format!("{instance}:{name}");
            self.exports.export(&exported, kind.encoded(), index);
            names.insert((source.clone(), *kind), exported);
        }
        Ok(names)
    }

    fn finish(mut self, plan: &Plan<'_, '_>) -> Vec<u8> {
        let mut names = we::NameSection::new();
        names.module("flattened");
        names.functions(&std::mem::take(&mut self.func_names));
        let mut module = we::Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.funcs)
            .section(&self.tables)
            .section(&self.memories)
            .section(&self.globals)
            .section(&self.exports)
            .section(&self.elements)
            .section(&we::DataCountSection { count: plan.total.data })
            .section(&self.code)
            .section(&self.data)
            .section(&names);
        module.finish()
    }
}

/// A part's indices → those of the merged module.
struct Remap<'p> {
    part: &'p Part,
    imported: [Vec<u32>; 4],
    globals: &'p Globals,
    replacements: &'p Replacements,
    /// How many of the part's own globals were looked at.
    seen_globals: u32,
}

impl<'p> Remap<'p> {
    fn new(
        plan: &'p Plan<'_, '_>,
        position: usize,
        globals: &'p Globals,
        replacements: &'p Replacements,
    ) -> Result<Self, FlattenError> {
        let module = plan.module(position);
        let mut imported: [Vec<u32>; 4] = Default::default();
        for (slot, kind) in imported.iter_mut().zip(KINDS) {
            let indices = (0..module.imported.of(kind)).map(|index| plan.index(position, kind, index));
            *slot = indices.collect::<Result<_, _>>()?;
        }
        Ok(Self { part: &plan.parts[position], imported, globals, replacements, seen_globals: 0 })
    }

    fn index(&self, kind: Kind, index: u32) -> u32 {
        let imported = &self.imported[kind as usize];
        match imported.get(index as usize) {
            Some(index) => *index,
            None => self.part.base.items.of(kind) + index - u32::try_from(imported.len()).unwrap_or(u32::MAX),
        }
    }

    fn constant(&self, global: u32) -> Option<i32> {
        self.globals.constants.get(&self.index(Kind::Global, global)).copied()
    }
}

type Index = Result<u32, reencode::Error>;

impl Reencode for Remap<'_> {
    type Error = std::convert::Infallible;

    fn type_index(&mut self, index: u32) -> Index {
        Ok(self.part.base.types + index)
    }

    fn function_index(&mut self, index: u32) -> Index {
        Ok(self.replacements.of(self.index(Kind::Func, index)))
    }

    fn table_index(&mut self, index: u32) -> Index {
        Ok(self.index(Kind::Table, index))
    }

    fn memory_index(&mut self, index: u32) -> Index {
        Ok(self.index(Kind::Memory, index))
    }

    fn global_index(&mut self, index: u32) -> Index {
        let merged = self.index(Kind::Global, index);
        Ok(self.globals.written(merged).unwrap_or(merged))
    }

    fn parse_global(
        &mut self,
        globals: &mut we::GlobalSection,
        global: wasmparser::Global<'_>,
    ) -> Result<(), reencode::Error> {
        let merged = self.part.base.items.globals + self.seen_globals;
        self.seen_globals += 1;
        match self.globals.written(merged) {
            Some(_) => reencode::utils::parse_global(self, globals, global),
            None => Ok(()),
        }
    }

    fn instruction<'a>(&mut self, operator: wasmparser::Operator<'a>) -> Result<we::Instruction<'a>, reencode::Error> {
        let known = match operator {
            wasmparser::Operator::GlobalGet { global_index } => {
                self.constant(global_index).map(we::Instruction::I32Const)
            }
            // In a function that nothing refers to.
            wasmparser::Operator::GlobalSet { global_index } => {
                self.constant(global_index).map(|_| we::Instruction::Drop)
            }
            _ => None,
        };
        known.map_or_else(|| reencode::utils::instruction(self, operator), Ok)
    }

    fn element_index(&mut self, index: u32) -> Index {
        Ok(self.part.base.elements + index)
    }

    fn data_index(&mut self, index: u32) -> Index {
        Ok(self.part.base.data + index)
    }

    fn const_expr(&mut self, expression: wasmparser::ConstExpr<'_>) -> Result<we::ConstExpr, reencode::Error> {
        let known = constant::Expression::read(&expression)
            .ok()
            .flatten()
            .and_then(|expression| expression.value(|index| self.constant(index)));
        match known {
            Some(number) => Ok(we::ConstExpr::i32_const(number)),
            None => reencode::utils::const_expr(self, expression),
        }
    }
}

fn reencoding(error: reencode::Error) -> FlattenError {
    match error {
        reencode::Error::ParseError(error) => FlattenError::Invalid(error),
        other => FlattenError::Unsupported(other.to_string()),
    }
}
