//! Sources become components by a language runtime, and are served: with the test runtime, which does what its source
//! says (`tests/guests/runtime`).

use std::num::NonZeroUsize;

use support::{Project, TestHost, eventually, project};
use wisp::{
    component::{ArtifactCache, Loader, inspect, runtime::Runtimes},
    config::Language,
    engine::Engines,
    host::FunctionHost,
};

const FUNCTION: &str = "[functions.f.build]\n[functions.f.http]\n";

fn index(lines: &str) -> Project {
    Project::new(&[("index.js", lines)])
}

fn built(lines: &str) -> Project {
    let project = index(lines);
    project.build(FUNCTION).unwrap();
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_at_build_is_part_of_every_instance_and_does_not_run_again() {
    let project = built("answer {state}\nhooks initializer");
    let host = TestHost::start_project(&project, FUNCTION).await;
    assert_eq!(host.invoke("f", "").await.text(), "load evaluate park initialize call");
    assert_eq!(host.get("f", "/").await.text(), "load evaluate park initialize call call");
}

#[test]
fn what_components_of_a_runtime_have_in_common_is_compiled_once_for_all_processes() {
    let cache = tempfile::tempdir().unwrap();
    let open = |place: &str| ArtifactCache::open(&cache.path().join(place), 1 << 30).unwrap();
    // Engines and the cache of a project are a process' own, the cache of runtimes is the user's.
    let compiled = |answer: &str| {
        let engines = Engines::new(NonZeroUsize::new(8).unwrap()).unwrap();
        let loader = Loader::new(engines, open(answer)).unwrap();
        let runtimes = Runtimes::new(loader.clone(), open("runtimes"), vec![project::TEST_RUNTIME.clone()]).unwrap();
        let project = Project::with(runtimes, &[("index.js", &format!("answer {answer}"))]);
        project.build(FUNCTION).unwrap();
        let component = std::fs::read(&project.config(FUNCTION).functions[0].component).unwrap();
        loader.load(&component, || {}).unwrap();
        loader.engines().compiled_functions().compiled
    };
    let (first, second) = (compiled("one"), compiled("two"));
    assert!(first > 100 && second < first / 10, "{first}, then {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_starts_once_for_all_functions_and_processes_and_knows_none_of_them() {
    let toml = "[functions.f]\nenvironment = { GREETING = \"hi\" }\n[functions.f.build]\n";
    let mut starts = Vec::new();
    // Each project has runtimes of its own, as each process has; only what is kept on disk is common to them.
    for _ in 0..2 {
        let runtimes = project::runtimes(Project::loader(), &project::TEST_RUNTIME);
        // As `wisp up` does behind the first answer.
        tokio::task::block_in_place(|| runtimes.warm_up(Language::JavaScript)).unwrap();
        let project = Project::with(runtimes, &[("index.js", "answer {start} {env:GREETING}")]);
        project.build(toml).unwrap();
        let host = TestHost::start_project(&project, toml).await;
        starts.push(host.invoke("f", "").await.text());
    }
    assert!(starts[0].ends_with(" GREETING=false hi"), "{starts:?}");
    assert_eq!(starts[0], starts[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_sources_declare_is_called() {
    let project = built("answer {state}\nkinds event");
    let host = TestHost::start_project(&project, FUNCTION).await;
    // The runtime exports an initializer and an HTTP handler: the one is not called, and the other gets no requests,
    // or the content type would be its own.
    assert_eq!(host.invoke("f", "").await.text(), "load evaluate park call");
    assert_ne!(host.get("f", "/").await.header("content-type"), "text/plain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_takes_requests_alone_takes_no_events() {
    let project = built("answer hi\nkinds http");
    let host = TestHost::start_project(&project, FUNCTION).await;
    assert_eq!(host.get("f", "/").await.text(), "hi");
    assert!(host.invoke("f", "").await.text().contains("exports no event handler"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_a_snapshot_is_told_before_anything_else() {
    let project = built("answer {state}\nhooks after-restore initializer");
    let host = TestHost::start_project(&project, FUNCTION).await;
    assert_eq!(host.invoke("f", "").await.text(), "load evaluate park restore initialize call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_after_a_restore_fails_the_start() {
    let project = built("answer hi\nhooks after-restore\nrestore fails");
    let config = project.config(FUNCTION);
    let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
    let errors = host.deploy(&config, |_| {}).await.unwrap_err();
    assert!(errors[0].to_string().contains("nothing is as it was"), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_named_in_the_configuration() {
    let toml = "[functions.f]\nhandler = \"main.handler\"\ninitializer = \"main.init\"\npre_freeze = \"main.freeze\"\n\
                after_restore = \"main.restore\"\n[functions.f.build]\n[functions.f.http]\n";
    let project = Project::new(&[("main.js", "answer {state}")]);
    project.build(toml).unwrap();
    let host = TestHost::start_project(&project, toml).await;
    assert_eq!(host.invoke("f", "").await.text(), "load evaluate park restore initialize call");
    eventually("the instance is idle again", || async { host.describe("f").await["instances"]["idle"] == 1 }).await;
    assert_eq!(host.invoke("f", "").await.text(), "load evaluate park restore initialize call freeze call");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_that_of_the_instance_and_files_can_be_read_late() {
    let project = Project::new(&[
        ("index.js", "answer {env:GREETING} {env:FC_FUNCTION_NAME} {file:data.txt}"),
        ("data.txt", "data"),
    ]);
    let toml =
        |greeting| format!("[functions.f]\nenvironment = {{ GREETING = \"{greeting}\" }}\n[functions.f.build]\n");
    project.build(&toml("built")).unwrap();
    let host = TestHost::start_project(&project, &toml("served")).await;
    assert_eq!(host.invoke("f", "").await.text(), "served f data");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_want_the_network_at_the_top_level_run_in_the_instance_instead() {
    let project = index("answer {state}\ntop log dialing\ntop fetch");
    let warnings = project.build(FUNCTION).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("it wants the network (getaddrinfo: "), "{warnings:?}");
    let toml = format!("[functions.f]\nallowed_outbound = [\"example.com:443\"]\n{FUNCTION}");
    let host = TestHost::start_project(&project, &toml).await;
    // Whether the name resolves is the machine's affair; that it was asked for is told by the log.
    let _ = host.invoke("f", "").await;
    host.logs("f", "dialing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_runtime_cannot_park_runs_in_the_instance_instead() {
    let project = index("answer {state}\ntop open");
    let warnings = project.build(FUNCTION).unwrap().warnings;
    assert!(warnings[0].contains("a file is still open"), "{warnings:?}");
    let host = TestHost::start_project(&project, FUNCTION).await;
    assert_eq!(host.invoke("f", "").await.text(), "load park evaluate call");
}

#[tokio::test(flavor = "multi_thread")]
async fn evaluate_start_leaves_the_top_level_to_the_instance_without_a_warning() {
    let toml = "[functions.f.build]\nevaluate = \"start\"\n";
    let project = index("answer {state}");
    assert!(project.build(toml).unwrap().warnings.is_empty());
    let host = TestHost::start_project(&project, toml).await;
    assert_eq!(host.invoke("f", "").await.text(), "load park evaluate call");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_at_the_top_level_names_file_line_and_column() {
    let project = index("answer hi\ntop throw 2 5 oops");
    let error = project.build(FUNCTION).unwrap_err();
    let expected = "with the JavaScript runtime: index.js:2:5: Error: oops. Correct it";
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.output.starts_with("  2 | top throw 2 5 oops\n    |     ^\n"), "{}", error.output);
    assert!(error.output.contains("at top (index.js:2:5)"), "{}", error.output);
    assert!(!project.path().join("f.wasm").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_end_or_outgrow_their_instance_are_told_how() {
    let exited = index("top exit").build(FUNCTION).unwrap_err().to_string();
    assert!(exited.contains("ended the process with code 1"), "{exited}");
    let grown = index("top grow").build(FUNCTION).unwrap_err().to_string();
    assert!(grown.contains("over the function's `memory`"), "{grown}");
    let missing =
        index("").build("[functions.f]\nhandler = \"other.handler\"\n[functions.f.build]\n").unwrap_err().to_string();
    assert!(missing.contains("Cannot find module 'other.js'"), "{missing}");
}

#[test]
fn sources_without_a_handler_are_told_so() {
    let error = index("kinds none").build(FUNCTION).unwrap_err().to_string();
    assert!(error.contains("it found no handler in the sources. Name one in `handler`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtimes_warnings_and_the_log_of_the_sources_are_told() {
    let project = index("answer hi\nwarn old style\ntop log at the top");
    let mut told = Vec::new();
    let built = project.build_telling(FUNCTION, &mut |line| told.push(line.to_owned())).unwrap();
    assert_eq!(built.warnings, ["old style"]);
    assert!(told.contains(&"at the top".to_owned()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_is_translated_before_it_is_loaded() {
    let project = Project::new(&[("index.ts", "// answer typed {state}\nexport const a: number = 1;\n")]);
    project.build(FUNCTION).unwrap();
    let host = TestHost::start_project(&project, FUNCTION).await;
    assert_eq!(host.invoke("f", "").await.text(), "typed load evaluate park call");
    project.write("index.ts", "export const a: = 1;\n");
    let error = project.build(FUNCTION).unwrap_err();
    assert!(error.to_string().contains("index.ts:1:17: SyntaxError: "), "{error}");
}

#[test]
fn a_build_is_repeated_for_another_content_another_setting_or_another_runtime_only() {
    let project = built("answer hi");
    assert!(!project.is_stale(FUNCTION));
    project.write("index.js", "answer hi");
    assert!(!project.is_stale(FUNCTION), "a file that was written again with what it had");
    for other in
        ["environment = { A = \"1\" }", "handler = \"index.main\"", "handler_type = \"http\"", "memory = \"64 MB\""]
    {
        assert!(project.is_stale(&format!("[functions.f]\n{other}\n{FUNCTION}")), "{other}");
    }
    assert!(!project.is_stale(&format!("[functions.f]\ntimeout = \"9 s\"\n{FUNCTION}")));
    project.write("index.js", "answer ho");
    assert!(project.is_stale(FUNCTION));
}

#[test]
fn a_component_says_what_it_was_made_from() {
    let project = built("answer hi\nkinds http\nhooks initializer");
    let bytes = std::fs::read(project.path().join("f.wasm")).unwrap();
    let declaration = inspect::inspect(&bytes).unwrap().declaration.unwrap();
    assert_eq!((declaration.language.name(), &*declaration.style), ("JavaScript", "event"));
    assert_eq!((declaration.event, declaration.http, declaration.initializer), (false, true, true));
    assert!(declaration.snapshot && declaration.evaluated && declaration.runtime.len() == 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_alone_is_no_function() {
    let project = index("");
    std::fs::copy(project::TEST_RUNTIME.join("js-runtime.wasm"), project.path().join("f.wasm")).unwrap();
    let toml = format!("[functions.f]\ncomponent = \"{}\"", project.path().join("f.wasm").display());
    let error = TestHost::try_start(&toml).await.err().unwrap()[0].to_string();
    assert!(error.contains("this is a language runtime without a function in it"), "{error}");
}

#[test]
fn a_missing_runtime_is_told_with_the_places_that_were_searched() {
    let nowhere = tempfile::tempdir().unwrap();
    let project = Project::with(project::runtimes(Project::loader(), nowhere.path()), &[("index.js", "answer hi")]);
    let error = project.build(FUNCTION).unwrap_err().to_string();
    assert!(error.contains("there is no js-runtime.wasm; looked in "), "{error}");
    assert!(error.contains("WISP_RUNTIMES"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_compiled_yet_is_served_by_its_runtime_and_swapped_later() {
    // Another text each time, so that no earlier run has left its code.
    let unique = format!("answer {:?} {{state}}", std::time::SystemTime::now());
    let config = index("").config(FUNCTION);
    let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
    let runtimes = project::runtimes(host.loader().clone(), &project::TEST_RUNTIME);
    host.serve_before_compiled(runtimes.clone());
    let project = Project::with(runtimes, &[("index.js", &unique)]);
    project.build(FUNCTION).unwrap();
    let config = project.config(FUNCTION);
    let host = TestHost::serve(host, tempfile::tempdir().unwrap(), &config).await.ok().unwrap();
    let state = |answer: String| answer.split_once("} ").unwrap().1.to_owned();
    assert_eq!(state(host.invoke("f", "").await.text()), "load evaluate call");
    let compiling = host.host.clone();
    assert!(tokio::task::spawn_blocking(move || compiling.compile_interim()).await.unwrap());
    host.host.deploy(&config, |_| {}).await.unwrap();
    assert_eq!(state(host.invoke("f", "").await.text()), "load evaluate park call");
    assert!(!host.host.compile_interim(), "nothing is left to compile");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_in_force_after_a_build_and_a_deploy() {
    let config = index("").config(FUNCTION);
    let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
    let runtimes = project::runtimes(host.loader().clone(), &project::TEST_RUNTIME);
    host.serve_before_compiled(runtimes.clone());
    let project = Project::with(runtimes, &[("index.js", "answer first")]);
    project.build(FUNCTION).unwrap();
    let host = TestHost::serve(host, tempfile::tempdir().unwrap(), &project.config(FUNCTION)).await.ok().unwrap();
    assert_eq!(host.invoke("f", "").await.text(), "first");
    project.write("index.js", "answer second");
    project.build(FUNCTION).unwrap();
    host.host.deploy(&project.config(FUNCTION), |_| {}).await.unwrap();
    assert_eq!(host.invoke("f", "").await.text(), "second");
}
