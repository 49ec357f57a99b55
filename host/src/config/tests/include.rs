//! Files that include others.

use super::*;

/// A directory with these files, and what comes of loading its `wisp.toml`.
fn load_from(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Config, ConfigError>) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let config = load(&directory.path().join("wisp.toml"));
    (directory, config)
}

/// What is reported for these files, without their directory.
fn wrong_files(files: &[(&str, &str)]) -> String {
    let (directory, config) = load_from(files);
    config.unwrap_err().to_string().replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn included_files_bring_functions_with_paths_of_their_own() {
    let (directory, config) = load_from(&[
        (
            "wisp.toml",
            "include = [\"a/wisp.toml\"]\n[domains.\"a.net\"]\nroutes = [{ path = \"/\", function = \"inner\" }]",
        ),
        ("a/wisp.toml", "include = [\"../b.toml\"]\n[functions.inner]\ncomponent = \"inner.wasm\"\nhttp = {}"),
        ("b.toml", "[functions.outer.build]\nsource = \"src\"\n"),
    ]);
    let functions = config.unwrap().functions;
    assert_eq!(functions[0].component, directory.path().join("a/inner.wasm"));
    assert_eq!(functions[1].component, directory.path().join("a/../src/outer.wasm"));
}

#[test]
fn problems_of_all_files_are_reported_together() {
    let report = wrong_files(&[
        ("wisp.toml", "include = [\"a.toml\", \"none.toml\", \"broken.toml\"]\nx = 1"),
        ("a.toml", "[server]\nlisten = \"127.0.0.1:80\"\n[functions.f]\ntimeout = 1"),
        ("broken.toml", "\n[functions"),
    ]);
    let expected = "\
a.toml:1: `server`: belongs in the file that wisp is started with
a.toml:3: `component` in [functions.f]: is missing; give a .wasm file, or how to make it in f.build
a.toml:4: `timeout` in [functions.f]: 1 has no unit; write ms, s, min, h or d after it, such as \"1 s\"
broken.toml:2: not TOML: unclosed table, expected `]`
wisp.toml:1: `include`: \"none.toml\" cannot be read: No such file or directory (os error 2)
wisp.toml:2: unknown key `x`";
    assert_eq!(report, expected);
}

#[test]
fn what_two_files_define_is_refused() {
    let function = "[functions.f]\ncomponent = \"f\"\nhttp = {}\n";
    let domain = |name: &str| format!("[domains.{name:?}]\nroutes = [{{ path = \"/\", function = \"f\" }}]\n");
    let report = wrong_files(&[
        ("wisp.toml", &format!("include = [\"a.toml\"]\n{function}{}", domain("a.net"))),
        ("a.toml", &format!("{function}{}", domain("A.NET"))),
    ]);
    assert!(report.contains("a.toml:1: function f of service default is defined at "), "{report}");
    assert!(report.contains("a.toml:4: domain a.net is defined at "), "{report}");
    assert!(report.ends_with("wisp.toml:5 already; rename or remove one of them"), "{report}");
}

#[test]
fn one_name_may_stand_in_two_services() {
    let function = |service: &str| format!("[functions.f]\ncomponent = \"f\"\nservice = \"{service}\"\n");
    let (_directory, config) =
        load_from(&[("wisp.toml", &format!("include = [\"a.toml\"]\n{}", function("x"))), ("a.toml", &function("y"))]);
    assert_eq!(config.unwrap().functions.len(), 2);
}

#[test]
fn files_that_include_each_other_are_refused() {
    let report = wrong_files(&[("wisp.toml", "include = [\"a.toml\"]"), ("a.toml", "include = [\"./wisp.toml\"]")]);
    assert_eq!(
        report,
        "a.toml:1: `include`: \"./wisp.toml\" is read already; every file is included once, and none includes itself"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_eq!(wrong_files(&[]), "wisp.toml: cannot be read: No such file or directory (os error 2)");
}
