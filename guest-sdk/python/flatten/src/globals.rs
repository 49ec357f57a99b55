//! Globals of the merged module, and those that it does without.

use std::collections::{HashMap, HashSet};

use crate::{constant, error::FlattenError, layout::Source, module::Kind, plan::Plan};

/// The values of all globals that have one for good and can be told, by their index in the merged module.
///
/// Linked modules find what belongs to others in hundreds of globals, and an engine writes each when it makes an instance.
pub(crate) fn constants(plan: &Plan<'_, '_>) -> Result<HashMap<u32, i32>, FlattenError> {
    let mut set = HashSet::new();
    for part in 0..plan.parts.len() {
        for index in plan.module(part).set_globals() {
            set.insert(plan.index(part, Kind::Global, index)?);
        }
    }
    let mut values = HashMap::new();
    for part in 0..plan.parts.len() {
        for (index, expression) in &plan.module(part).constants {
            let merged = plan.index(part, Kind::Global, *index)?;
            if !set.contains(&merged)
                && let Some(value) = value(plan, part, expression, &values)
            {
                values.insert(merged, value);
            }
        }
    }
    Ok(values)
}

/// The globals of the merged module.
pub(crate) struct Globals {
    pub(crate) constants: HashMap<u32, i32>,
    /// Their new indices, by the merged ones; `None` for those that are left out: their value stands where they were read.
    written: Vec<Option<u32>>,
}

impl Globals {
    pub(crate) fn new(plan: &Plan<'_, '_>, used: &[(Source, Kind)]) -> Result<Self, FlattenError> {
        let constants = constants(plan)?;
        let used = used.iter().filter(|(_, kind)| *kind == Kind::Global);
        let used = used.map(|(source, _)| plan.index_of(source, Kind::Global)).collect::<Result<HashSet<_>, _>>()?;
        let mut next = 0..;
        let is_left_out = |index: &u32| constants.contains_key(index) && !used.contains(index);
        let written = (0..plan.total.items.globals).map(|index| if is_left_out(&index) { None } else { next.next() });
        Ok(Self { written: written.collect(), constants })
    }

    /// The new index of a global, by the merged one.
    pub(crate) fn written(&self, merged: u32) -> Option<u32> {
        self.written.get(merged as usize).copied().flatten()
    }
}

fn value(
    plan: &Plan<'_, '_>,
    part: usize,
    expression: &constant::Expression,
    values: &HashMap<u32, i32>,
) -> Option<i32> {
    expression.value(|index| values.get(&plan.index(part, Kind::Global, index).ok()?).copied())
}
