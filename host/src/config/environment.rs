//! The environment that a configuration may refer to.

use std::fmt;

/// Looks variables up for `secret_env` and for the variables of templates. The process's own environment is read by the
/// command line only, which hands this in.
#[derive(Clone, Copy)]
pub struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Environment<'a> {
    /// An environment that asks `look_up`.
    pub fn new(look_up: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(look_up)
    }

    /// An environment without variables.
    pub fn empty() -> Self {
        Self(&|_| None)
    }

    /// The value of a variable; `None` if it is not set.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

/// Its values may be secret.
impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
