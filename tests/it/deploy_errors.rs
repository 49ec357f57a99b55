//! What is wrong with a component or a configuration is told when it is deployed, all of it at once.

use std::path::Path;

use support::TestHost;

/// A function whose component is this file.
fn function(name: &str, directory: &Path, file: &[u8]) -> String {
    let path = directory.join(format!("{name}.wasm"));
    std::fs::write(&path, file).unwrap();
    format!("[functions.{name}]\ncomponent = \"{}\"\n", path.display())
}

/// Why a file is not served.
async fn refused(file: &[u8], settings: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let toml = format!("{}{settings}", function("f", directory.path(), file));
    let errors = TestHost::try_start(&toml).await.err().expect("it is served");
    assert_eq!(errors.len(), 1);
    let error = errors[0].to_string();
    assert!(error.starts_with("function 'f' (") && error.contains("f.wasm"), "{error}");
    error
}

fn compiled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component that exports `event-handler` with a function of this type.
fn event_handler(core: &str, lifted: &str) -> Vec<u8> {
    compiled(&format!(
        r#"(component
            (core module $m {core})
            (core instance $i (instantiate $m))
            {lifted}
            (instance $handler (export "handle" (func $handle)))
            (export "wisp:function/event-handler@1.0.0" (instance $handler)))"#
    ))
}

const NUMBER: &str = r#"(func $handle (result u32) (canon lift (core func $i "handle")))"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_no_function_is_given_is_named() {
    let vault = r#"(component (import "acme:secrets/vault@1.0.0" (instance)))"#;
    let error = refused(&compiled(vault), "").await;
    assert!(error.contains("`acme:secrets/vault@1.0.0`") && error.contains("not one of wisp's"), "{error}");
    let keys =
        r#"(component (import "wasi:keyvalue/store@0.2.0" (instance)) (import "wasi:io/poll@0.1.0" (instance)))"#;
    let error = refused(&compiled(keys), "").await;
    assert!(error.contains("`wasi:keyvalue/store@0.2.0`") && error.contains("`wasi:io/poll@0.1.0`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_another_type_than_wisp_offers_is_named() {
    let wrong = r#"(component
        (import "wasi:random/random@0.2.0" (instance (export "get-random-magic" (func (result u64)))))
        (core module $m (func (export "handle") (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func $handle (result u32) (canon lift (core func $i "handle")))
        (instance $handler (export "handle" (func $handle)))
        (export "wisp:function/event-handler@1.0.0" (instance $handler)))"#;
    let error = refused(&compiled(wrong), "").await;
    assert!(error.contains("wasi:random/random@0.2.0") && error.contains("get-random-magic"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_module_that_cannot_be_adapted_is_told_why() {
    let error = refused(&compiled(r#"(module (import "env" "secret" (func)))"#), "").await;
    assert!(error.contains("cannot be adapted") && error.contains("env"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_told_from_a_foreign_one() {
    let whole = std::fs::read(&*support::MISBEHAVE).unwrap();
    let truncated = refused(&whole[..whole.len() / 2], "").await;
    assert!(truncated.contains("damaged or truncated"), "{truncated}");
    assert!(refused(b"#!/bin/sh\n", "").await.contains("not WebAssembly"));
    assert!(refused(b"", "").await.contains("the file is empty"));
    assert!(refused(b"PK\x03\x04", "").await.contains("zip archive"));
    assert!(refused(b"(module)", "").await.contains("text format"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_told_with_the_way_out() {
    let error = TestHost::try_start("[functions.f]\ncomponent = \"none.wasm\"\n").await.err().unwrap();
    let error = error[0].to_string();
    assert!(error.contains("none.wasm") && error.contains("wisp build"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_a_handler_is_told_what_handlers_there_are() {
    let error =
        refused(&compiled(r#"(component (instance $i) (export "acme:thing/api@1.0.0" (instance $i)))"#), "").await;
    assert!(error.contains("wisp:function/event-handler@1.0.0"), "{error}");
    assert!(error.contains("exports acme:thing/api@1.0.0"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_of_another_type_is_refused() {
    let core = r#"(func (export "handle") (result i32) i32.const 0)"#;
    let error = refused(&event_handler(core, NUMBER), "").await;
    assert!(error.contains("wisp:function/event-handler@1.0.0 is not the contract's"), "{error}");
    assert!(error.contains("type mismatch"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_traps_when_it_starts_is_refused() {
    let core = r#"(func (export "handle") (result i32) i32.const 0) (func $start unreachable) (start $start)"#;
    let error = refused(&event_handler(core, NUMBER), "").await;
    assert!(error.contains("cannot start") && error.contains("unreachable"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_begins_with_more_memory_than_it_may_have_is_refused() {
    let core = r#"(memory 32) (func (export "handle") (result i32) i32.const 0)"#;
    let error = refused(&event_handler(core, NUMBER), "memory = \"1 MB\"\n").await;
    assert!(error.contains("2.0 MB of memory") && error.contains("over the function's `memory`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initializer_of_a_command_is_refused() {
    let toml = "[functions.f]\ncomponent = \"{command}\"\ninitializer = \"i\"\n";
    let errors = TestHost::try_start(toml).await.err().unwrap();
    assert!(errors[0].to_string().contains("`initializer` is set, but a command runs anew"), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_functions_that_cannot_be_served_are_told_at_once_and_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let good = "[functions.good]\ncomponent = \"{misbehave}\"\nmax_instances = 1\n";
    let host = TestHost::start(good).await;
    let instance = host.invoke("good", "instance-id").await.text();
    let bad = function("foreign", directory.path(), b"text") + &function("empty", directory.path(), b"");
    let errors =
        host.deploy(&format!("[functions.good]\ncomponent = \"{{misbehave}}\"\ntimeout = \"9 s\"\n{bad}")).await;
    let named: Vec<_> = errors.unwrap_err().iter().map(|error| error.function.clone()).collect();
    assert_eq!(named, ["empty", "foreign"]);
    assert_eq!(host.invoke("good", "instance-id").await.text(), instance);
    assert_eq!(host.invoke("empty", "").await.error_code(), "FunctionNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_with_a_configuration_is_told_at_once() {
    let toml = "[server]\nlistn = \"127.0.0.1:0\"\n[functions.f]\ncomponent = \"f.wasm\"\ntimeout = 3\nmemory = \"1 TB\"\n\
                [functions.g]\ncomponent = \"g.wasm\"\nmin_instances = 5\nmax_instances = 1\n";
    let error = wisp::config::parse(toml, Path::new("wisp.toml")).unwrap_err();
    let lines: Vec<_> = error.problems.iter().filter_map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 5, 6, 9], "{error}");
    let text = error.to_string();
    assert!(text.starts_with("wisp.toml:2:") && text.contains("`listen`"), "{text}");
}
