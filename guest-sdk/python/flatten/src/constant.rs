//! Constant expressions of 32-bit numbers.
//!
//! Linked modules place their data and elements at `__memory_base` and `__table_base`, which they import. In one module
//! those are known numbers, and only an offset that is a plain number lets an engine prepare memory and tables ahead: it
//! is what makes a flattened component start fast.

use wasmparser::{ConstExpr, Operator};

use crate::error::FlattenError;

/// A postfix expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression(Vec<Step>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Number(i32),
    Global(u32),
    Add,
    Sub,
    Mul,
}

impl Expression {
    /// `None` if it has anything but 32-bit numbers, globals and arithmetic.
    pub(crate) fn read(expression: &ConstExpr<'_>) -> Result<Option<Self>, FlattenError> {
        let mut steps = Vec::new();
        for operator in expression.get_operators_reader() {
            steps.push(match operator? {
                Operator::I32Const { value } => Step::Number(value),
                Operator::GlobalGet { global_index } => Step::Global(global_index),
                Operator::I32Add => Step::Add,
                Operator::I32Sub => Step::Sub,
                Operator::I32Mul => Step::Mul,
                Operator::End => continue,
                _ => return Ok(None),
            });
        }
        Ok(Some(Self(steps)))
    }

    /// The number, if every global in it has one.
    pub(crate) fn value(&self, global: impl Fn(u32) -> Option<i32>) -> Option<i32> {
        let mut stack = Vec::new();
        for step in &self.0 {
            let number = match *step {
                Step::Number(number) => number,
                Step::Global(index) => global(index)?,
                Step::Add | Step::Sub | Step::Mul => {
                    let (right, left): (i32, i32) = (stack.pop()?, stack.pop()?);
                    match step {
                        Step::Add => left.wrapping_add(right),
                        Step::Sub => left.wrapping_sub(right),
                        _ => left.wrapping_mul(right),
                    }
                }
            };
            stack.push(number);
        }
        match stack[..] {
            [number] => Some(number),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Expression, Step::*};

    #[test]
    fn arithmetic_over_known_globals_is_a_number() {
        let expression = Expression(vec![Global(7), Number(8), Add, Number(2), Mul]);
        assert_eq!(expression.value(|index| (index == 7).then_some(100)), Some(216));
        assert_eq!(expression.value(|_| None), None);
    }

    #[test]
    fn arithmetic_wraps_as_in_webassembly() {
        assert_eq!(Expression(vec![Number(i32::MAX), Number(1), Add]).value(|_| None), Some(i32::MIN));
        assert_eq!(Expression(vec![Number(i32::MIN), Number(1), Sub]).value(|_| None), Some(i32::MAX));
    }
}
