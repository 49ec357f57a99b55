//! What is changed in generated and downloaded code, and why. Each edit names the text it replaces and how often that text
//! occurs: another version of a crate makes the build fail here, not at run time.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::vendor;

mod engine;
mod library;

/// What is compiled of the generated crate: all of Node's and the web's API that it has, except its database.
const FEATURES: [&str; 9] =
    ["p2", "fetch", "node-http", "crypto", "crypto-full", "zlib", "brotli", "encoding", "timezone"];

/// Crates that calls spend their time in.
const FAST: [&str; 15] = [
    "js-runtime",
    "rquickjs-sys",
    "rquickjs-core",
    "sha1",
    "sha2",
    "md-5",
    "aes",
    "aes-gcm",
    "ghash",
    "polyval",
    "miniz_oxide",
    "brotli",
    "rsa",
    "num-bigint-dig",
    "scrypt",
];

/// Writes the crate to `output`.
///
/// # Errors
/// If a text to replace is not there as often as expected, or a file cannot be read or written.
pub fn generate(sdk: &Path, wit: &Path, output: &Path) -> anyhow::Result<()> {
    let runtime = sdk.join("runtime");
    let scratch = output.join("generated");
    let main = utf8(runtime.join("js/main.js"))?;
    wasm_rquickjs::generate_wrapper_crate(
        &utf8(sdk.join("builder/skeleton-wit"))?,
        &[wasm_rquickjs::JsModuleSpec { name: "wisp".into(), mode: wasm_rquickjs::EmbeddingMode::EmbedFile(main) }],
        &utf8(scratch.clone())?,
        Some("skeleton"),
    )?;
    manifest(&scratch)?;
    engine::edit(output, &runtime.join("engine"))?;
    reactor(output, &runtime)?;
    builtins(&scratch, &runtime)?;
    place(&scratch, output, &runtime, wit)
}

fn utf8(path: PathBuf) -> anyhow::Result<Utf8PathBuf> {
    Utf8PathBuf::try_from(path).context("the path is not UTF-8")
}

/// The generated manifest patches crates from git repositories, selects bindings that are made at build time although
/// the crate brings them along, and depends on parts that are not compiled.
fn manifest(crate_: &Path) -> anyhow::Result<()> {
    let path = crate_.join("Cargo.toml");
    let mut manifest: DocumentMut = fs::read_to_string(&path)?.parse()?;
    let mut patched = Table::new();
    for (name, directory) in [("rquickjs-sys", "../rquickjs-sys"), ("wstd", "../wstd")] {
        patched[name]["path"] = value(directory);
    }
    manifest["patch"]["crates-io"] = Item::Table(patched);
    for unused in ["golem-websocket", "golem-context", "wasi-logging", "rusqlite", "wasip3", "wit-bindgen-p3"] {
        manifest["dependencies"].as_table_mut().context("no dependencies")?.remove(unused);
    }
    let features = manifest["features"].as_table_mut().context("no features")?;
    for (name, list) in
        [("p2", &["dep:wit-bindgen", "dep:wit-bindgen-rt", "dep:wasip2", "dep:wstd"][..]), ("default", &FEATURES)]
    {
        features[name] = value(Array::from_iter(list.iter().copied()));
    }
    for unused in ["logging", "sqlite", "websocket", "golem"] {
        features[unused] = value(Array::new());
    }
    for unused in ["p3", "normal-p3", "full-p3", "full-no-logging-p3"] {
        features.remove(unused);
    }
    features["p3"] = value(Array::new());
    manifest["dependencies"]["rquickjs"]["features"] = value(Array::from_iter([
        "std",
        "futures",
        "loader",
        "macro",
        // And with them what the interpreter would do at each instruction to be able to print it.
        "disable-assertions",
    ]));
    manifest["package"]["name"] = value("js-runtime");
    let mut profile: Table =
        "opt-level = \"s\"\npanic = \"abort\"\nstrip = \"debuginfo\"".parse::<DocumentMut>()?.as_table().clone();
    let mut packages = Table::new();
    for name in FAST {
        packages[name]["opt-level"] = value(3);
    }
    profile["package"] = Item::Table(packages);
    manifest["profile"]["release"] = Item::Table(profile);
    vendor::write_if_changed(&path, manifest.to_string().as_bytes())
}

/// See `runtime/wstd/block_on.rs`. wstd also keeps a pollable of its own forever, which a snapshot would catch.
fn reactor(output: &Path, runtime: &Path) -> anyhow::Result<()> {
    let copy = output.join("edited/wstd");
    vendor::copy("wstd", "0.6.5", &copy)?;
    vendor::write_if_changed(&copy.join("src/runtime/block_on.rs"), &fs::read(runtime.join("wstd/block_on.rs"))?)?;
    replace(
        &copy,
        "src/runtime/mod.rs",
        "pub use block_on::block_on;",
        "pub use block_on::{block_on, open_pollables};",
        1,
    )?;
    let reactor = "src/runtime/reactor.rs";
    replace(
        &copy,
        reactor,
        "static READY_POLLABLE: LazyLock<Pollable> =\n            LazyLock::new(|| wasip2::clocks::monotonic_clock::subscribe_duration(0));",
        "let ready = wasip2::clocks::monotonic_clock::subscribe_duration(0);",
        1,
    )?;
    replace(&copy, reactor, "        use std::sync::LazyLock;\n", "", 1)?;
    replace(&copy, reactor, "new_targets.push(&*READY_POLLABLE);", "new_targets.push(&ready);", 1)?;
    replace(
        &copy,
        reactor,
        "    pub(super) fn ready_list_is_empty(&self) -> bool {\n        self.inner.ready_list.lock().unwrap().is_empty()\n    }",
        "    pub(super) fn pollables(&self) -> usize {\n        self.inner.pollables.lock().unwrap().len()\n    }",
        1,
    )?;
    vendor::copy_directory(&copy, &output.join("wstd"))
}

/// Our modules among the built-in ones, and what they replace.
fn builtins(crate_: &Path, runtime: &Path) -> anyhow::Result<()> {
    let builtins = "src/builtin/mod.rs";
    replace(
        crate_,
        builtins,
        "    let resolver = resolver\n        .with_module(\"__wasm_rquickjs_builtin/abort_controller\")",
        "    let resolver = crate::add_names(resolver)\n        .with_module(\"__wasm_rquickjs_builtin/abort_controller\")",
        1,
    )?;
    replace(
        crate_,
        builtins,
        "let native_loader = rquickjs::loader::ModuleLoader::default()",
        "let native_loader = crate::add_natives(rquickjs::loader::ModuleLoader::default())",
        1,
    )?;
    replace(
        crate_,
        builtins,
        "    let builtin_loader =\n        builtin_loader.with_module(\"wasm-rquickjs:execution\"",
        "    let builtin_loader =\n        crate::add_sources(builtin_loader).with_module(\"wasm-rquickjs:execution\"",
        1,
    )?;
    // Timers hold a clock of the host there. See `runtime/js/timers.js`.
    replace(
        crate_,
        "src/builtin/timeout.js",
        "'__wasm_rquickjs_builtin/timeout_native'",
        "'__wasm_rquickjs_builtin/wisp_timers'",
        1,
    )?;
    stores(crate_, runtime)?;
    time_zone(crate_)?;
    bodies(crate_)?;
    library::edit(crate_, runtime)?;
    // Servers of this instance are reached without a socket. See `runtime/js/server.js`.
    replace(
        crate_,
        "src/builtin/node_http.js",
        "    return new ClientRequest(opts, callback);",
        "    return globalThis[Symbol.for('wisp.localRequest')]?.(opts, callback) ?? new ClientRequest(opts, callback);",
        1,
    )?;
    // Whether a turn has anything left to do is asked by a look at two arrays: two calls from Rust would find out that most
    // have nothing.
    replace(
        crate_,
        "src/builtin/process.js",
        "globalThis.__wasm_rquickjs_ignore_unhandled_rejection = function(promise) {",
        "const _rejections = [];\nglobalThis.__wasm_rquickjs_turn = { ticks: __nextTickQueue, rejections: _rejections };\n\nglobalThis.__wasm_rquickjs_ignore_unhandled_rejection = function(promise) {",
        1,
    )?;
    for (from, to) in [
        (
            "        _pendingRejections.set(promise, { reason });\n",
            "        _rejections[0] = true;\n        _pendingRejections.set(promise, { reason });\n",
        ),
        (
            "            _pendingRejectionHandled.add(promise);\n",
            "            _rejections[0] = true;\n            _pendingRejectionHandled.add(promise);\n",
        ),
        (
            "    if (_pendingRejectionHandled.size === 0 && _pendingRejections.size === 0) {\n        return 0;\n",
            "    if (_pendingRejectionHandled.size === 0 && _pendingRejections.size === 0) {\n        _rejections.length = 0;\n        return 0;\n",
        ),
    ] {
        replace(crate_, "src/builtin/process.js", from, to, 1)?;
    }
    // Without headers: `runtime/js/server.js` makes them when somebody looks.
    replace(
        crate_,
        "src/builtin/node_http_server.js",
        "    const parsed = parseHeaders(rawHeaderPairs, !!joinDuplicateHeaders);\n    this.headers = parsed.headers;",
        "    if (rawHeaderPairs === null) return;\n    const parsed = parseHeaders(rawHeaderPairs, !!joinDuplicateHeaders);\n    this.headers = parsed.headers;",
        1,
    )?;
    // Ticks need no timer to be run: every turn of ours ends with them.
    replace(
        crate_,
        "src/builtin/process.js",
        "if (__nextTickWakeupScheduled || __nextTickQueue.length === 0) {",
        "if (true) {",
        1,
    )?;
    replace(crate_, "src/internal/mod.rs", "fn restore_runtime_state() {", "pub fn reseed() {", 1)?;
    replace(crate_, "src/internal/p2.rs", "super::restore_runtime_state();", "super::reseed();", 1)
}

/// `AsyncLocalStorage` of our own, which the engine helps: see `contexts`. Ticks run with the context in which they were
/// queued; the generated timers do already.
fn stores(crate_: &Path, runtime: &Path) -> anyhow::Result<()> {
    let hooks = fs::read(runtime.join("js/async_hooks.js"))?;
    vendor::write_if_changed(&crate_.join("src/builtin/async_hooks.js"), &hooks)?;
    let process = "src/builtin/process.js";
    replace(
        crate_,
        process,
        "__nextTickQueue.push({ callback, args, domain });",
        "__nextTickQueue.push({ callback: bindContext(callback), args, domain });",
        1,
    )?;
    let path = crate_.join(process);
    let text = fs::read_to_string(&path)?;
    vendor::write_if_changed(&path, format!("import {{ bindContext }} from 'node:async_hooks';\n{text}").as_bytes())
}

/// Local time follows the variable `TZ`, also when a program sets it: see `runtime/src/zone.rs`.
fn time_zone(crate_: &Path) -> anyhow::Result<()> {
    let process = "src/builtin/process.js";
    for (change, value) in [
        ("target[key] = String(value);\n", "target[key]"),
        ("delete target[key];\n", "undefined"),
        ("target[key] = String(descriptor.value);\n", "target[key]"),
    ] {
        let told = format!("{change}            if (key === 'TZ') set_time_zone({value});\n");
        replace(crate_, process, change, &told, 1)?;
    }
    let path = crate_.join(process);
    let text = fs::read_to_string(&path)?;
    let import = "import { set_time_zone } from '__wasm_rquickjs_builtin/wisp_native';\n";
    vendor::write_if_changed(&path, format!("{import}{text}").as_bytes())
}

/// Bodies of requests and responses have their types: see `runtime/js/bodies.js`. A request that is made of another takes what
/// it is told to change.
fn bodies(crate_: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str, times| replace(crate_, "src/builtin/http.js", from, to, times);
    edit(
        "import * as httpNative from",
        "import { readForm, takeBody } from '__wasm_rquickjs_builtin/wisp/bodies';\nimport * as httpNative from",
        1,
    )?;
    edit(
        "                : body !== undefined && body !== null ? body : null;\n",
        "                : takeBody(body, this._headers) ?? null;\n",
        1,
    )?;
    edit("                : options.body;\n", "                : takeBody(options.body, this._headers);\n", 1)?;
    edit(
        "            this._options = { ...input._options };\n",
        "            this._options = { ...input._options, ...options };\n            \
         if (options.headers !== undefined) this._headers = new Headers(options.headers);\n",
        1,
    )?;
    edit(
        "            if (input._body instanceof ReadableStream) {\n                const [originalBranch",
        "            if (options.body !== undefined && options.body !== null) {\n                \
         this._body = takeBody(options.body, this._headers);\n            \
         } else if (input._body instanceof ReadableStream) {\n                const [originalBranch",
        1,
    )?;
    // Most requests have no body.
    edit(
        "            console.warn('Unsupported body type');\n            return new Blob([]).stream();\n",
        "            return null;\n",
        1,
    )?;
    edit("            console.warn('Unsupported body type');\n            return ", "            return ", 3)?;
    edit("    get body() {\n        this._bodyUsed = true;\n", "    get body() {\n", 1)
}

/// Puts the parts together: the generated crate, our sources in place of its `lib.rs`, and the contract.
fn place(scratch: &Path, output: &Path, runtime: &Path, wit: &Path) -> anyhow::Result<()> {
    let target = output.join("crate");
    for unused in ["src/lib.rs", "src/conversions.rs", "src/wisp.js"] {
        let _ = fs::remove_file(scratch.join(unused));
    }
    let _ = fs::remove_dir_all(scratch.join("wit"));
    let _ = fs::remove_dir_all(target.join("wit"));
    vendor::copy_directory(scratch, &target)?;
    vendor::copy_directory(&runtime.join("src"), &target.join("src"))?;
    vendor::copy_directory(&runtime.join("js"), &target.join("src/js"))?;
    contract(wit, &target.join("wit"))
}

/// The contract without the world that lists WASI: this version of wit-bindgen cannot read all of it, and nothing uses it.
fn contract(wit: &Path, target: &Path) -> anyhow::Result<()> {
    for name in ["types.wit", "handlers.wit", "loader.wit"] {
        vendor::write_if_changed(&target.join(name), &fs::read(wit.join(name))?)?;
    }
    let worlds = fs::read_to_string(wit.join("worlds.wit"))?;
    let start = worlds.find("world wasi-imports {").context("worlds.wit has no world wasi-imports")?;
    let end = start + worlds[start..].find("}\n").context("the world wasi-imports does not end")? + 2;
    vendor::write_if_changed(&target.join("worlds.wit"), format!("{}{}", &worlds[..start], &worlds[end..]).as_bytes())
}

fn replace(root: &Path, file: &str, from: &str, to: &str, times: usize) -> anyhow::Result<()> {
    let path = root.join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let found = text.matches(from).count();
    if found != times {
        bail!("{file} has the text to replace {found} times instead of {times}: {from}");
    }
    vendor::write_if_changed(&path, text.replace(from, to).as_bytes())
}
