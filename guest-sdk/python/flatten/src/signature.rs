//! Types of core functions.

use wasmparser::{CompositeInnerType, Parser, Payload, ValType};

use crate::{
    error::{FlattenError, no_such_item},
    plan::Plan,
};

/// The type of a function that a part defines, by its index among the part's types.
pub(crate) fn func_type(plan: &Plan<'_, '_>, part: usize, index: u32) -> Result<u32, FlattenError> {
    let module = plan.module(part);
    let own = index.checked_sub(module.imported.funcs).and_then(|own| module.func_types.get(own as usize));
    own.copied().map_or_else(|| no_such_item(format!("core function {index} has no type")), Ok)
}

/// What the functions of one of a part's types take and give.
pub(crate) fn parameters_and_results(
    plan: &Plan<'_, '_>,
    part: usize,
    func_type: u32,
) -> Result<(Vec<ValType>, Vec<ValType>), FlattenError> {
    for payload in Parser::new(0).parse_all(plan.module(part).bytes) {
        let Payload::TypeSection(section) = payload? else { continue };
        let mut types = Vec::new();
        for group in section {
            types.extend(group?.into_types());
        }
        let found = types.get(func_type as usize).map(|it| &it.composite_type.inner);
        if let Some(CompositeInnerType::Func(func)) = found {
            return Ok((func.params().to_vec(), func.results().to_vec()));
        }
    }
    no_such_item(format!("core type {func_type} is no function's"))
}

/// How many parameters and results a function has.
pub(crate) fn counts(plan: &Plan<'_, '_>, part: usize, index: u32) -> Result<(u32, u32), FlattenError> {
    let (parameters, results) = parameters_and_results(plan, part, func_type(plan, part, index)?)?;
    let count = |list: Vec<ValType>| u32::try_from(list.len()).unwrap_or(u32::MAX);
    Ok((count(parameters), count(results)))
}
