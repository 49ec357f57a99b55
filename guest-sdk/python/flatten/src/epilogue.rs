//! Work that is added to the end of an exported function.

use wasm_encoder::{Function, InstructionSink, MemArg, MemArgTarget};
use wasmparser::{Operator, Parser, Payload};

use crate::{
    error::{FlattenError, no_such_item},
    globals::constants,
    module::Kind,
    plan::Plan,
    signature::{counts, func_type},
};

/// What an exported core function does in addition, after all that it does by itself.
///
/// For example, the function with which a language runtime gets ready for a snapshot is written in that language, and
/// cannot close the descriptors that the language itself writes its log to. The C library can, once the function is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epilogue {
    /// The function: the name under which a core module exports it to be lifted, such as
    /// `wisp:function/loader@1.0.0#park`.
    pub function: String,
    /// Core functions without parameters that are called then, by the names of their exports. What they return is dropped.
    pub calls: Vec<String>,
    /// Marks that all objects get then, after the calls.
    pub marks: Vec<Mark>,
    /// Core functions that make something once and keep it, such as the handle of the network, and are to make it anew:
    /// the one-byte flag that they look at first is cleared.
    pub forgets: Vec<String>,
}

/// A value for the first word of many objects.
///
/// For example, the count of references to an object stands there, and one with a certain count is never counted again: so
/// an instance that only uses it does not write to its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The core function, by the name of its export, that calls `visit(object, argument)` for each object, if it is called
    /// with `visit` and `argument`, until `visit` returns 0.
    pub visitor: String,
    /// The value.
    pub value: i32,
}

/// A 32-bit word of the merged memory.
const WORD: MemArg = MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(0), ordering: None };

/// A byte of the merged memory.
const BYTE: MemArg = MemArg { offset: 0, align: 0, target: MemArgTarget::Memory(0), ordering: None };

/// An [`Epilogue`] in terms of the merged module.
pub(crate) struct ResolvedEpilogue {
    /// The function's index.
    pub(crate) index: u32,
    pub(crate) func_type: u32,
    parameters: u32,
    calls: Vec<Call>,
    marks: Vec<ResolvedMark>,
    flags: Vec<i32>,
}

struct ResolvedMark {
    visitor: Call,
    value: i32,
}

struct Call {
    index: u32,
    results: u32,
}

impl Call {
    fn write(&self, code: &mut InstructionSink<'_>) {
        code.call(self.index);
        for _ in 0..self.results {
            code.drop();
        }
    }
}

impl ResolvedEpilogue {
    pub(crate) fn new(plan: &Plan<'_, '_>, epilogue: &Epilogue) -> Result<Self, FlattenError> {
        let (part, index) = plan.exported_func(&epilogue.function)?;
        let own_type = func_type(plan, part, index)?;
        Ok(Self {
            index: plan.index(part, Kind::Func, index)?,
            func_type: plan.parts[part].base.types + own_type,
            parameters: counts(plan, part, index)?.0,
            calls: epilogue.calls.iter().map(|name| called_function(plan, name)).collect::<Result<_, _>>()?,
            marks: epilogue.marks.iter().map(|mark| resolved_mark(plan, mark)).collect::<Result<_, _>>()?,
            flags: epilogue.forgets.iter().map(|name| flag(plan, name)).collect::<Result<_, _>>()?,
        })
    }

    /// The functions that visitors call, in the order of the marks.
    pub(crate) fn callbacks(&self) -> Vec<Function> {
        let callback = |mark: &ResolvedMark| {
            let mut body = Function::new([]);
            body.instructions().local_get(0).i32_const(mark.value).i32_store(WORD).i32_const(1).end();
            body
        };
        self.marks.iter().map(callback).collect()
    }

    /// The results of the function stay on the stack meanwhile. `callbacks` is the place of the first callback in the table.
    pub(crate) fn body(&self, callbacks: i32) -> Function {
        let mut body = Function::new([]);
        let mut code: InstructionSink<'_> = body.instructions();
        for parameter in 0..self.parameters {
            code.local_get(parameter);
        }
        code.call(self.index);
        for call in &self.calls {
            call.write(&mut code);
        }
        for (place, mark) in (callbacks..).zip(&self.marks) {
            code.i32_const(place).i32_const(0);
            mark.visitor.write(&mut code);
        }
        for flag in &self.flags {
            code.i32_const(*flag).i32_const(0).i32_store8(BYTE);
        }
        code.end();
        body
    }
}

fn called_function(plan: &Plan<'_, '_>, name: &str) -> Result<Call, FlattenError> {
    let (part, index) = plan.exported_func(name)?;
    match counts(plan, part, index)? {
        (0, results) => Ok(Call { index: plan.index(part, Kind::Func, index)?, results }),
        _ => no_such_item(format!("the core function {name} has parameters")),
    }
}

fn resolved_mark(plan: &Plan<'_, '_>, mark: &Mark) -> Result<ResolvedMark, FlattenError> {
    let (part, index) = plan.exported_func(&mark.visitor)?;
    match counts(plan, part, index)? {
        (2, results) => {
            let visitor = Call { index: plan.index(part, Kind::Func, index)?, results };
            Ok(ResolvedMark { visitor, value: mark.value })
        }
        _ => no_such_item(format!("the core function {} has not two parameters", mark.visitor)),
    }
}

/// The merged index of a function without parameters and results.
pub(crate) fn plain_function(plan: &Plan<'_, '_>, name: &str) -> Result<u32, FlattenError> {
    let (part, index) = plan.exported_func(name)?;
    match counts(plan, part, index)? {
        (0, 0) => plan.index(part, Kind::Func, index),
        _ => no_such_item(format!("the core function {name} has parameters or results")),
    }
}

/// The address of the flag that a function looks at first: `global.get base; i32.const offset; i32.add; i32.load8_u`.
fn flag(plan: &Plan<'_, '_>, name: &str) -> Result<i32, FlattenError> {
    let (part, index) = plan.exported_func(name)?;
    let own = index - plan.module(part).imported.funcs;
    let bodies = Parser::new(0).parse_all(plan.module(part).bytes).filter_map(|payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => Some(body),
        _ => None,
    });
    let body =
        bodies.skip(own as usize).map(Ok).next().unwrap_or_else(|| no_such_item(format!("{name} has no body")))?;
    let operators = body.get_operators_reader()?.into_iter().take(8).collect::<Result<Vec<_>, _>>()?;
    let known = constants(plan)?;
    let address = operators.windows(4).find_map(|window| match *window {
        [
            Operator::GlobalGet { global_index },
            Operator::I32Const { value },
            Operator::I32Add,
            Operator::I32Load8U { memarg },
        ] if memarg.offset == 0 => {
            let base = plan.index(part, Kind::Global, global_index).ok()?;
            Some(known.get(&base)?.wrapping_add(value))
        }
        _ => None,
    });
    address.map_or_else(|| no_such_item(format!("the core function {name} does not begin by looking at a flag")), Ok)
}
