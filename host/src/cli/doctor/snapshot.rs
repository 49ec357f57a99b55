//! Whether the functions that ask for a snapshot can have one, as far as can be said without running them.

use std::fs;

use wisp::{
    component::snapshot,
    config::{Config, FunctionConfig},
};

use super::{Check, Status};

/// One check for each function with `snapshot = true`.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    config.functions.iter().filter(|function| function.snapshot).map(check).collect()
}

fn check(function: &FunctionConfig) -> Check {
    let name = format!("snapshot of {}", function.name);
    let Ok(component) = fs::read(&function.component) else {
        return Check::ok(&name, format!("{} is not built yet", function.component.display()));
    };
    match snapshot::examine(&component) {
        Ok(()) => Check::ok(&name, "possible; its initializer runs once, at the first deploy"),
        // The reason has its own way out.
        Err(reason) => Check { status: Status::Fail, ..Check::ok(&name, reason.to_string()) },
    }
}

#[cfg(test)]
mod tests {
    use wisp::config;

    use super::*;

    #[test]
    fn only_functions_that_want_a_snapshot_are_judged_by_their_components() {
        let directory = tempfile::tempdir().unwrap();
        let toml = "[functions.plain]\ncomponent = \"f.wasm\"\n[functions.fast]\ncomponent = \"f.wasm\"\ninitializer = \"i\"\nsnapshot = true\n";
        let config = config::parse(toml, &directory.path().join("wisp.toml")).unwrap();
        let judged = || checks(&config).into_iter().map(|check| (check.name, check.status)).collect::<Vec<_>>();
        assert_eq!(judged(), [("snapshot of fast".to_owned(), Status::Ok)]);
        let command = wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"_start\")))").unwrap();
        fs::write(directory.path().join("f.wasm"), command).unwrap();
        assert_eq!(judged(), [("snapshot of fast".to_owned(), Status::Fail)]);
    }
}
