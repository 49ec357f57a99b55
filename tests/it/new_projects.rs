//! What somebody does who has just installed wisp: a project, a build, a call, with nothing set that has a default. So the
//! data directory lies among the sources.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use support::{binary, cache};

fn wisp(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    // A home of its own: what the tests leave there goes with the build directory.
    command.args(arguments).current_dir(directory).env("XDG_CACHE_HOME", cache().join("user"));
    for variable in ["WISP_SERVER", "WISP_CONFIG", "WISP_LISTEN", "WISP_API_LISTEN"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

/// What a command that succeeds prints.
fn ok(directory: &Path, arguments: &[&str]) -> String {
    let output = wisp(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A new project of a template, and its directory.
fn new_project(template: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    ok(directory.path(), &["new", "mine", "--template", template]);
    let project = directory.path().join("mine");
    (directory, project)
}

#[test]
fn a_python_project_is_built_again_and_again_and_called() {
    let (_directory, project) = new_project("python-event");
    for arguments in [&["build"][..], &["build", "--force"]] {
        assert!(ok(&project, arguments).contains("mine.wasm"));
    }
    let event = "city,celsius\nRome,21.5\nOslo,9";
    let answer = ok(&project, &["invoke", "mine", "--local", "--event", event]);
    assert_eq!(answer, r#"{"count": 2, "warmest": "Rome", "mean": 15.25}"#);
}

#[test]
fn a_changed_file_is_in_the_answer_of_the_next_call_in_this_process() {
    let (_directory, project) = new_project("js-event");
    for answer in ["first", "second"] {
        fs::write(
            project.join("index.js"),
            format!("exports.initializer = (context, done) => done();\nexports.handler = async () => '{answer}';\n"),
        )
        .unwrap();
        assert_eq!(ok(&project, &["invoke", "mine", "--local"]), answer);
    }
    fs::write(project.join("index.js"), "exports.handler = (").unwrap();
    let refused = wisp(&project, &["invoke", "mine", "--local"]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(error.contains("index.js:1:") && error.contains("mine could not be built"), "{error}");
}

#[test]
fn a_file_alone_is_a_function_that_can_be_called_and_has_a_scratch_directory() {
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join("alone");
    fs::create_dir(&project).unwrap();
    let code = "def handler(event, context):\n    with open('/tmp/it', 'wb') as file:\n        file.write(event)\n\
                \x20   return open('/tmp/it', 'rb').read()\n";
    fs::write(project.join("main.py"), code).unwrap();
    assert_eq!(ok(&project, &["invoke", "alone", "--local", "--event", "kept"]), "kept");
    fs::write(project.join("wisp.toml"), "[functions.alone]\n[functions.alone.build]\n").unwrap();
    assert_eq!(ok(&project, &["invoke", "alone", "--local", "--event", "here"]), "here");
}

#[test]
fn an_edit_in_a_package_that_a_rust_function_depends_on_is_built() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let package = |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\nedition = \"2021\"\n{rest}");
    write("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"greeter\", \"texts\"]\n");
    write("greeter/Cargo.toml", &package("greeter", "[dependencies]\ntexts = { path = \"../texts\" }\n"));
    write("greeter/src/main.rs", "fn main() {\n    print!(\"{}\", texts::GREETING);\n}\n");
    write("greeter/wisp.toml", "[functions.greeter]\n[functions.greeter.build]\n");
    write("texts/Cargo.toml", &package("texts", ""));
    let project = directory.path().join("greeter");
    for greeting in ["good morning", "good night"] {
        write("texts/src/lib.rs", &format!("pub const GREETING: &str = \"{greeting}\";\n"));
        assert_eq!(ok(&project, &["invoke", "greeter", "--local"]), greeting);
    }
    assert!(ok(&project, &["build"]).contains("is up to date"));
}
