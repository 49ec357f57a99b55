//! The types that the SDKs give to editors: `guest-sdk/js/types` and `guest-sdk/python/types`.

use std::{fs, process::Command};

use serde_json::json;
use support::root;

/// What a program prints if it fails.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&text).into_owned()) }
}

#[test]
fn typescript_checks_functions_against_the_types() {
    let directory = tempfile::tempdir().unwrap();
    let sources = root().join("tests/it/editor_types");
    let options = json!({
        "compilerOptions": {
            "strict": true, "noEmit": true, "module": "nodenext", "target": "es2022", "lib": ["es2022"], "types": [],
            "paths": { "@wisp-functions/types": [root().join("guest-sdk/js/types/index.d.ts")] },
        },
        "files": [sources.join("node.d.ts"), sources.join("functions.ts")],
    });
    let project = directory.path().join("tsconfig.json");
    fs::write(&project, options.to_string()).unwrap();
    let compiler = root().join("examples/node_modules/typescript/bin/tsc");
    run("node", &[compiler.to_str().unwrap(), "-p", project.to_str().unwrap()]).unwrap();
}

#[test]
fn the_stubs_of_python_have_what_the_runtime_gives() {
    let sdk = root().join("guest-sdk/python");
    let [script, stubs, runtime] = [
        root().join("tests/it/editor_types/stubs.py"),
        sdk.join("types/wisp/__init__.pyi"),
        sdk.join("runtime/wisp_runtime/context.py"),
    ];
    run("python3", &[&script, &stubs, &runtime].map(|path| path.to_str().unwrap())).unwrap();
}
