//! Components of linked modules, written as text, and what becomes of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use flatten::{CoreExport, Epilogue, FlattenError, Mark, Options, Replacement, flatten};
use wasmparser::{ComponentExternalKind, ElementKind, Operator, Parser, Payload};

/// A library with the memory, and an application that is linked to it, as `wasm-tools component link` makes them.
const LINKED: &str = r#"
(component
  (import "log" (func $log (param "n" u32)))
  (core func $log (canon lower (func $log)))
  (core module $main
    (memory (export "memory") 1)
    (table (export "table") 8 funcref)
    (global (export "base") i32 (i32.const 3))
    (global (export "data") i32 (i32.const 64))
    (global (export "other") (mut i32) (i32.const 70))
    (global (export "stack") (mut i32) (i32.const 32)))
  (core module $library
    (import "env" "memory" (memory 1))
    (import "env" "data" (global $data i32))
    (import "host" "log" (func $log (param i32)))
    (func (export "double") (param i32) (result i32) (call $log (local.get 0)) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "reset") (i32.store (i32.const 0) (i32.const 0)))
    (func (export "visit") (param i32 i32))
    (func (export "network") (result i32)
      (block
        (br_if 0 (i32.eqz (i32.load8_u (i32.add (global.get $data) (i32.const 5)))))
        (return (i32.const 7)))
      (i32.store8 (i32.add (global.get $data) (i32.const 5)) (i32.const 1))
      (i32.const 7))
    (data (i32.add (global.get $data) (i32.const 16)) "library"))
  (core module $application
    (import "env" "memory" (memory 1))
    (import "env" "table" (table 8 funcref))
    (import "env" "base" (global $base i32))
    (import "env" "stack" (global $stack (mut i32)))
    (import "env" "other" (global $other (mut i32)))
    (import "library" "double" (func $double (param i32) (result i32)))
    (import "host" "log" (func $log (param i32)))
    (type $unary (func (param i32) (result i32)))
    (func $place (global.set $other (i32.const 70)))
    (func $triple (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
    (func (export "run") (param i32) (result i32)
      (call $log (i32.const 1))
      (i32.add (call $double (local.get 0)) (call_indirect (type $unary) (local.get 0) (global.get $base))))
    (func (export "park") (global.set $stack (i32.sub (global.get $stack) (global.get $other))))
    (elem (global.get $base) func $triple))
  (core instance $main (instantiate $main))
  (core instance $host (export "log" (func $log)))
  (core instance $library (instantiate $library (with "env" (instance $main)) (with "host" (instance $host))))
  (core instance $application (instantiate $application
    (with "env" (instance $main)) (with "library" (instance $library)) (with "host" (instance $host))))
  (func (export "run") (param "n" u32) (result u32) (canon lift (core func $application "run")))
  (func (export "park") (canon lift (core func $application "park"))))
"#;

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn flattened(text: &str, options: &Options) -> Vec<u8> {
    flatten(&component(text), options).unwrap()
}

fn refused(text: &str) -> String {
    flatten(&component(text), &Options::default()).unwrap_err().to_string()
}

/// Every payload, those of nested modules too.
fn payloads(wasm: &[u8]) -> Vec<Payload<'_>> {
    Parser::new(0).parse_all(wasm).collect::<Result<_, _>>().unwrap()
}

fn core_modules(wasm: &[u8]) -> usize {
    payloads(wasm).iter().filter(|it| matches!(it, Payload::ModuleSection { .. })).count()
}

fn exports(wasm: &[u8]) -> Vec<(String, ComponentExternalKind)> {
    let sections = payloads(wasm).into_iter().filter_map(|it| match it {
        Payload::ComponentExportSection(section) => Some(section),
        _ => None,
    });
    sections.flatten().map(|it| it.unwrap()).map(|it| (it.name.name.to_owned(), it.kind)).collect()
}

fn core_imports(wasm: &[u8]) -> Vec<String> {
    let sections = payloads(wasm).into_iter().filter_map(|it| match it {
        Payload::ImportSection(section) => Some(section),
        _ => None,
    });
    sections
        .flat_map(|it| it.into_imports())
        .map(|it| it.unwrap())
        .map(|it| format!("{} {}", it.module, it.name))
        .collect()
}

/// The operators of the last function of the last module.
fn last_body(wasm: &[u8]) -> Vec<String> {
    let mut bodies = payloads(wasm).into_iter().filter_map(|it| match it {
        Payload::CodeSectionEntry(body) => Some(body),
        _ => None,
    });
    let operators = bodies.next_back().unwrap().get_operators_reader().unwrap();
    operators.into_iter().map(|it| format!("{:?}", it.unwrap())).collect()
}

#[test]
fn linked_modules_become_one_with_the_same_exports() {
    let before = component(LINKED);
    let after = flatten(&before, &Options::default()).unwrap();
    assert_eq!((core_modules(&before), core_modules(&after)), (3, 1));
    assert_eq!(exports(&after), exports(&before));
}

#[test]
fn what_both_import_from_the_host_is_imported_once() {
    assert_eq!(core_imports(&flattened(LINKED, &Options::default())), ["host 0"]);
}

#[test]
fn offsets_become_plain_numbers() {
    let wasm = flattened(LINKED, &Options::default());
    let mut offsets = Vec::new();
    for payload in payloads(&wasm) {
        let expressions: Vec<_> = match payload {
            Payload::ElementSection(section) => section
                .into_iter()
                .map(|it| match it.unwrap().kind {
                    ElementKind::Active { offset_expr, .. } => offset_expr,
                    _ => panic!("an element segment is not active"),
                })
                .collect(),
            Payload::DataSection(section) => section
                .into_iter()
                .map(|it| match it.unwrap().kind {
                    wasmparser::DataKind::Active { offset_expr, .. } => offset_expr,
                    wasmparser::DataKind::Passive => panic!("a data segment is passive"),
                })
                .collect(),
            _ => continue,
        };
        offsets.extend(expressions.into_iter().map(|it| match it.get_operators_reader().read().unwrap() {
            Operator::I32Const { value } => value,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(offsets, [3, 80]);
}

#[test]
fn flattening_twice_changes_nothing_more() {
    let once = flattened(LINKED, &Options::default());
    assert_eq!(core_modules(&flatten(&once, &Options::default()).unwrap()), 1);
}

#[test]
fn a_core_function_can_be_exported() {
    let export = CoreExport { function: "reset".into(), name: "reset-descriptors".into() };
    let wasm = flattened(LINKED, &Options { exports: vec![export], ..Options::default() });
    assert_eq!(exports(&wasm).last().unwrap(), &("reset-descriptors".into(), ComponentExternalKind::Func));
}

#[test]
fn an_epilogue_calls_and_forgets_after_the_function() {
    let epilogue = Epilogue {
        function: "park".into(),
        calls: vec!["reset".into(), "network".into()],
        forgets: vec!["network".into()],
        ..Epilogue::default()
    };
    let wasm = flattened(LINKED, &Options { epilogues: vec![epilogue], ..Options::default() });
    let body = last_body(&wasm);
    // Functions: the imported one, `double`, `reset`, `visit`, `network`, `place`, `triple`, `run`, `park`.
    assert_eq!(body[0], "Call { function_index: 8 }");
    assert_eq!(body[1], "Call { function_index: 2 }");
    assert_eq!(body[2..4], ["Call { function_index: 4 }", "Drop"]);
    assert_eq!(body[4..6], ["I32Const { value: 69 }", "I32Const { value: 0 }"]);
    assert!(body[6].starts_with("I32Store8"), "{body:?}");
}

#[test]
fn a_visitor_is_called_with_a_function_that_marks() {
    let marks = vec![Mark { visitor: "visit".into(), value: 77 }];
    let epilogue = Epilogue { function: "park".into(), marks, ..Epilogue::default() };
    let wasm = flattened(LINKED, &Options { epilogues: vec![epilogue], ..Options::default() });
    let expected = ["LocalGet { local_index: 0 }", "I32Const { value: 77 }"];
    assert_eq!(last_body(&wasm)[..2], expected);
    let elements = payloads(&wasm).into_iter().find_map(|it| match it {
        Payload::ElementSection(section) => section.into_iter().last(),
        _ => None,
    });
    let ElementKind::Active { offset_expr, .. } = elements.unwrap().unwrap().kind else { panic!() };
    let place = offset_expr.get_operators_reader().read().unwrap();
    assert!(matches!(place, Operator::I32Const { value: 8 }), "{place:?}: behind the eight of the table");
}

#[test]
fn a_function_stands_in_the_place_of_one_that_is_not_exported() {
    let replacement = Replacement { function: "triple".into(), by: "double".into() };
    let wasm = flattened(LINKED, &Options { replacements: vec![replacement], ..Options::default() });
    let elements = payloads(&wasm).into_iter().find_map(|it| match it {
        Payload::ElementSection(section) => section.into_iter().last(),
        _ => None,
    });
    let wasmparser::ElementItems::Functions(functions) = elements.unwrap().unwrap().items else { panic!() };
    // `double` is behind the imported function; `triple` would be 6.
    assert_eq!(functions.into_iter().collect::<Result<Vec<_>, _>>().unwrap(), [1]);
}

#[test]
fn globals_that_nobody_sets_become_numbers_where_they_are_read() {
    let wasm = flattened(LINKED, &Options::default());
    let count = payloads(&wasm).into_iter().find_map(|it| match it {
        Payload::GlobalSection(section) => Some(section.count()),
        _ => None,
    });
    assert_eq!(count, Some(1));
    // The last function is `park`, which sets the one that is left.
    let park = last_body(&wasm);
    let expected =
        ["GlobalGet { global_index: 0 }", "I32Const { value: 70 }", "I32Sub", "GlobalSet { global_index: 0 }", "End"];
    assert_eq!(park, expected);
}

#[test]
fn options_that_name_nothing_are_errors() {
    let absent = |options: Options| match flatten(&component(LINKED), &options).unwrap_err() {
        FlattenError::NoSuchItem(message) => message,
        other => panic!("{other}"),
    };
    let export = |function: &str| Options {
        exports: vec![CoreExport { function: function.into(), name: "x".into() }],
        ..Options::default()
    };
    let epilogue = |it: Epilogue| Options { epilogues: vec![it], ..Options::default() };
    assert_eq!(absent(export("nothing")), "no core module exports a function nothing");
    let call = Epilogue { function: "park".into(), calls: vec!["double".into()], ..Epilogue::default() };
    assert_eq!(absent(epilogue(call)), "the core function double has parameters");
    assert_eq!(absent(export("double")), "the core function double has parameters or results");
    assert_eq!(
        absent(epilogue(Epilogue { function: "nothing".into(), ..Epilogue::default() })),
        "no core module exports a function nothing"
    );
    let forgets = Epilogue { function: "park".into(), forgets: vec!["double".into()], ..Epilogue::default() };
    let replace = |function: &str, by: &str| Options {
        replacements: vec![Replacement { function: function.into(), by: by.into() }],
        ..Options::default()
    };
    assert_eq!(absent(replace("nothing", "double")), "no core module names a function nothing");
    assert_eq!(absent(replace("triple", "nothing")), "no core module exports a function nothing");
    assert_eq!(absent(replace("triple", "reset")), "reset cannot stand for triple: their types differ");
    assert_eq!(absent(epilogue(forgets)), "the core function double does not begin by looking at a flag");
}

/// wit-component's way to lower functions that need the memory of a module that imports them.
#[test]
fn shim_and_fix_up_modules_stay() {
    let wasm = flattened(
        r#"
(component
  (import "print" (func $print (param "text" string)))
  (core module $library (func (export "one") (result i32) (i32.const 1)))
  (core module $application
    (import "host" "print" (func $print (param i32 i32)))
    (import "library" "one" (func $one (result i32)))
    (memory (export "memory") 1)
    (func (export "run") (call $print (call $one) (i32.const 0))))
  (core module $shim
    (type $t (func (param i32 i32)))
    (table (export "$imports") 1 1 funcref)
    (func (export "0") (param i32 i32) (call_indirect (type $t) (local.get 0) (local.get 1) (i32.const 0))))
  (core module $fixup
    (import "" "0" (func $f (param i32 i32)))
    (import "" "$imports" (table 1 1 funcref))
    (elem (i32.const 0) func $f))
  (core instance $shim (instantiate $shim))
  (core instance $host (export "print" (func $shim "0")))
  (core instance $library (instantiate $library))
  (core instance $application (instantiate $application
    (with "host" (instance $host)) (with "library" (instance $library))))
  (core func $print (canon lower (func $print) (memory (core memory $application "memory"))))
  (core instance $fixes (export "0" (func $print)) (export "$imports" (table $shim "$imports")))
  (core instance (instantiate $fixup (with "" (instance $fixes))))
  (func (export "run") (canon lift (core func $application "run"))))"#,
        &Options::default(),
    );
    assert_eq!(core_modules(&wasm), 3);
}

#[test]
fn shapes_that_cannot_be_merged_are_refused_with_the_reason() {
    for (text, reason) in [
        ("(component)", "it has no core module to merge"),
        (
            r#"(component (core module $m (func $f) (start $f)) (core instance (instantiate $m)))"#,
            "a core module has a start function",
        ),
        (
            r#"(component
                (core module $a (memory 1)) (core module $b (memory 1))
                (core instance (instantiate $a)) (core instance (instantiate $b)))"#,
            "its core modules have 2 memories",
        ),
        (
            r#"(component (core module $m (tag)) (core instance (instantiate $m)))"#,
            "a core module defines exception tags",
        ),
        (
            r#"(component (import "m" (core module $m)) (core instance (instantiate $m)))"#,
            "it instantiates a core module that it does not contain",
        ),
    ] {
        assert_eq!(refused(text), format!("the component cannot be flattened: {reason}"));
    }
}

#[test]
fn what_is_no_component_is_refused() {
    for bytes in [&b""[..], b"\0asm", b"not wasm at all"] {
        assert!(matches!(flatten(bytes, &Options::default()), Err(FlattenError::Invalid(_))));
    }
    let module = wat::parse_str("(module (func))").unwrap();
    let error = flatten(&module, &Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "the component cannot be flattened: it is a core module, not a component");
}

/// Each byte in turn is damaged: an error, or a component that validates, but no panic.
#[test]
fn damaged_components_never_panic() {
    let whole = component(LINKED);
    for position in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[position] ^= flip;
            let _ = flatten(&damaged, &Options::default());
        }
        let _ = flatten(&whole[..position], &Options::default());
    }
}
