//! Functions that stand in the place of others.

use std::collections::HashMap;

use crate::{
    error::{FlattenError, no_such_item},
    module::Kind,
    plan::Plan,
    signature::{func_type, parameters_and_results},
};

/// A function that is called wherever another one was: in all modules, through the table too.
///
/// For example, a C library keeps to itself what it does not know on this machine, such as time zones, and one of the
/// modules that are linked to it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The function that is called no more, by the name that its module gives it for backtraces: it need not be exported.
    pub function: String,
    /// The core function in its place, by the name of its export. It has the same type.
    pub by: String,
}

/// Old → new, by their indices in the merged module.
#[derive(Debug, Default)]
pub(crate) struct Replacements(HashMap<u32, u32>);

impl Replacements {
    pub(crate) fn new(plan: &Plan<'_, '_>, replacements: &[Replacement]) -> Result<Self, FlattenError> {
        replacements.iter().map(|it| resolved(plan, it)).collect::<Result<_, _>>().map(Self)
    }

    /// What is called where the function of this index was.
    pub(crate) fn of(&self, function: u32) -> u32 {
        self.0.get(&function).copied().unwrap_or(function)
    }
}

fn resolved(plan: &Plan<'_, '_>, replacement: &Replacement) -> Result<(u32, u32), FlattenError> {
    let Replacement { function, by } = replacement;
    let (old_part, old) = plan.named_func(function)?;
    let (new_part, new) = plan.exported_func(by)?;
    let old_type = parameters_and_results(plan, old_part, func_type(plan, old_part, old)?)?;
    let new_type = parameters_and_results(plan, new_part, func_type(plan, new_part, new)?)?;
    if old_type != new_type {
        return no_such_item(format!("{by} cannot stand for {function}: their types differ"));
    }
    Ok((plan.index(old_part, Kind::Func, old)?, plan.index(new_part, Kind::Func, new)?))
}
