//! A language runtime for a language of one-line commands, so that the host's side of the contract can be tested without
//! a real language. The source is `index.js`, or what `handler` names before its dot; its lines are commands:
//!
//! | line | effect |
//! |---|---|
//! | `answer TEXT` | what both handlers answer; `{env:NAME}`, `{state}`, `{file:NAME}`, `{start}` are replaced |
//! | `kinds event`, `kinds http`, `kinds none` | what the handler takes; default: both |
//! | `hooks NAME…` | the hooks that there are, of `initializer`, `pre-freeze`, `pre-stop`, `after-restore` |
//! | `warn TEXT` | a warning of the loader |
//! | `top log TEXT` | writes a line when the top level runs |
//! | `top throw LINE COLUMN TEXT` | the top level fails there |
//! | `top fetch` | the top level wants the network, and fails if it is refused |
//! | `top open` | the top level leaves something open: `park` refuses |
//! | `top spin`, `top grow`, `top exit` | the top level does not come back |
//! | `restore fails` | the after-restore hook fails |
//!
//! Files and streams go through WASI's own interfaces: the standard library would remember their handles, which a
//! snapshot cannot hold.

use std::cell::RefCell;

use exports::wisp::function::{
    after_restore, boot, event_handler, initializer,
    loader::{self, Description, HandlerKinds, Source},
    packed_http_handler, pre_freeze, pre_stop,
};
use wasi::{
    cli::{environment, stdout},
    filesystem::{
        preopens::get_directories,
        types::{DescriptorFlags, OpenFlags, PathFlags},
    },
    random::random::get_random_u64,
    sockets::{instance_network::instance_network, ip_name_lookup::resolve_addresses},
};
use wisp::function::types::{Context, Failure, FailureKind, PackedHttpResponse};

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package wisp:guests;
        world test-runtime {
            include wisp:function/booting-runtime@1.0.0;
            include wisp:function/wasi-imports@1.0.0;
        }
    ",
    world: "wisp:guests/test-runtime",
    generate_all,
});
export!(Runtime);

struct Runtime;

/// What is part of a snapshot.
#[derive(Default)]
struct State {
    program: String,
    /// Where the sources are.
    directory: String,
    evaluated: bool,
    open: bool,
    /// The runtime's own start: which one it was, and the variables of that moment.
    start: String,
    /// What was done so far, one word each.
    history: Vec<&'static str>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn note(word: &'static str) {
    STATE.with_borrow_mut(|state| state.history.push(word));
}

impl boot::Guest for Runtime {
    fn boot() -> Result<(), Failure> {
        let variable = |name: &str| environment::get_environment().into_iter().any(|(key, _)| key == name);
        let start = format!("{} GREETING={}", get_random_u64(), variable("GREETING"));
        STATE.with_borrow_mut(|state| state.start = start);
        Ok(())
    }
}

impl loader::Guest for Runtime {
    fn load(source: Source) -> Result<Description, Failure> {
        let file = source.handler.split_once('.').map_or("index", |(file, _)| file);
        let program = program(&source, file)?;
        let hooks: Vec<_> = commands(&program, "hooks ").flat_map(str::split_whitespace).map(str::to_owned).collect();
        let has = |hook: &str| hooks.iter().any(|name| name == hook);
        let description = Description {
            kinds: kinds(&program),
            style: "event".into(),
            initializer: has("initializer") || source.initializer.is_some(),
            pre_freeze: has("pre-freeze") || source.pre_freeze.is_some(),
            pre_stop: has("pre-stop") || source.pre_stop.is_some(),
            after_restore: has("after-restore") || source.after_restore.is_some(),
            warnings: commands(&program, "warn ").map(str::to_owned).collect(),
        };
        STATE.with_borrow_mut(|state| {
            state.program = program;
            state.directory = source.directory.clone();
        });
        note("load");
        if source.evaluate {
            evaluate()?;
        }
        Ok(description)
    }

    fn park() -> Result<(), Failure> {
        note("park");
        if STATE.with_borrow(|state| state.open) {
            return Err(failure(FailureKind::Handled, "a file is still open"));
        }
        Ok(())
    }
}

/// The translated text of a file goes before the file.
fn program(source: &Source, file: &str) -> Result<String, Failure> {
    let is_it = |path: &str| {
        path.strip_prefix("/code/").is_some_and(|name| name.split_once('.').is_some_and(|it| it.0 == file))
    };
    if let Some(translated) = source.translated.iter().find(|translated| is_it(&translated.path)) {
        return Ok(translated.text.clone());
    }
    read(&source.directory, &format!("{file}.js"))
        .or_else(|| read(&source.directory, &format!("{file}.py")))
        .ok_or_else(|| failure(FailureKind::Unhandled, &format!("Cannot find module '/code/{file}.js'")))
}

fn commands<'a>(program: &'a str, start: &'static str) -> impl Iterator<Item = &'a str> {
    program.lines().filter_map(move |line| line.trim_start_matches("// ").strip_prefix(start))
}

fn kinds(program: &str) -> HandlerKinds {
    let Some(words) = commands(program, "kinds ").next() else { return HandlerKinds::all() };
    words.split_whitespace().fold(HandlerKinds::empty(), |kinds, word| match word {
        "event" => kinds | HandlerKinds::EVENT,
        "http" => kinds | HandlerKinds::HTTP,
        _ => kinds,
    })
}

fn evaluate() -> Result<(), Failure> {
    let program = STATE.with_borrow(|state| state.program.clone());
    for command in commands(&program, "top ") {
        let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
        match name {
            "log" => log(argument),
            "throw" => return Err(thrown(argument)),
            "fetch" => fetch()?,
            "open" => STATE.with_borrow_mut(|state| state.open = true),
            "spin" => loop {
                std::hint::black_box(());
            },
            "grow" => {
                let mut held = Vec::new();
                loop {
                    held.push(vec![1_u8; 1 << 20]);
                }
            }
            "exit" => wasi::cli::exit::exit(Err(())),
            _ => return Err(failure(FailureKind::Unhandled, &format!("no such command: {command}"))),
        }
    }
    STATE.with_borrow_mut(|state| state.evaluated = true);
    note("evaluate");
    Ok(())
}

/// As a runtime does that does not know why: an error of the user's code like any other.
fn fetch() -> Result<(), Failure> {
    match resolve_addresses(&instance_network(), "example.com") {
        Ok(_) => Ok(()),
        Err(code) => Err(failure(FailureKind::Unhandled, &format!("getaddrinfo: {}", code.name()))),
    }
}

fn thrown(argument: &str) -> Failure {
    let mut parts = argument.splitn(3, ' ');
    let mut part = || parts.next().unwrap_or_default();
    let (line, column, text) = (part(), part(), part());
    let document = format!(
        r#"{{"errorMessage":"{text}","errorType":"Error","stackTrace":["Error: {text}","    at top (/code/index.js:{line}:{column})"]}}"#
    );
    Failure { kind: FailureKind::Unhandled, document }
}

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure { kind, document: format!(r#"{{"errorMessage":"{message}"}}"#) }
}

fn log(text: &str) {
    let _ = stdout::get_stdout().blocking_write_and_flush(format!("{text}\n").as_bytes());
}

fn read(directory: &str, name: &str) -> Option<String> {
    let directories = get_directories();
    let (root, _) = directories.iter().find(|(_, path)| path == directory)?;
    let file = root.open_at(PathFlags::empty(), name, OpenFlags::empty(), DescriptorFlags::READ).ok()?;
    let (bytes, _) = file.read(1 << 20, 0).ok()?;
    String::from_utf8(bytes).ok()
}

fn answer() -> Result<String, Failure> {
    if !STATE.with_borrow(|state| state.evaluated) {
        evaluate()?;
    }
    note("call");
    let (program, directory, history) =
        STATE.with_borrow(|state| (state.program.clone(), state.directory.clone(), state.history.join(" ")));
    let start = STATE.with_borrow(|state| state.start.clone());
    let answer = commands(&program, "answer ").next().unwrap_or_default();
    let mut answer = answer.replace("{state}", &history).replace("{start}", &start);
    while let Some((start, rest)) = answer.split_once("{env:").map(|(a, b)| (a.to_owned(), b.to_owned())) {
        let (name, end) = rest.split_once('}').unwrap_or((&rest, ""));
        let value = environment::get_environment().into_iter().find(|(key, _)| key == name).map(|(_, value)| value);
        answer = format!("{start}{}{end}", value.unwrap_or_default());
    }
    while let Some((start, rest)) = answer.split_once("{file:").map(|(a, b)| (a.to_owned(), b.to_owned())) {
        let (name, end) = rest.split_once('}').unwrap_or((&rest, ""));
        answer = format!("{start}{}{end}", read(&directory, name).unwrap_or_default());
    }
    Ok(answer)
}

impl event_handler::Guest for Runtime {
    fn handle(_event: Vec<u8>, _context: Context) -> Result<Vec<u8>, Failure> {
        answer().map(String::into_bytes)
    }
}

impl packed_http_handler::Guest for Runtime {
    fn handle(_head: Vec<u8>, _body: Vec<u8>) -> Result<PackedHttpResponse, Failure> {
        let headers = b"content-type\xfftext/plain".to_vec();
        Ok(PackedHttpResponse { status_code: 200, headers, body: answer()?.into_bytes() })
    }
}

impl initializer::Guest for Runtime {
    fn initialize(_context: Context) -> Result<(), Failure> {
        note("initialize");
        Ok(())
    }
}

impl pre_freeze::Guest for Runtime {
    fn pre_freeze(_context: Context) -> Result<(), Failure> {
        note("freeze");
        Ok(())
    }
}

impl pre_stop::Guest for Runtime {
    fn pre_stop(_context: Context) -> Result<(), Failure> {
        log("stopped");
        Ok(())
    }
}

impl after_restore::Guest for Runtime {
    fn after_restore(_context: Context) -> Result<(), Failure> {
        note("restore");
        let program = STATE.with_borrow(|state| state.program.clone());
        match commands(&program, "restore ").next() {
            Some(_) => Err(failure(FailureKind::Unhandled, "nothing is as it was")),
            None => Ok(()),
        }
    }
}
