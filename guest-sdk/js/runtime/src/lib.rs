//! The JavaScript runtime: world `booting-runtime` of `wisp:function`, on QuickJS with the built-in modules of `wasm-rquickjs`.
//!
//! `exports` is what the host calls, `calls` runs JavaScript until an answer is there, `request` is the request that runs,
//! `native` is what our JavaScript in `js/` calls, `engine` what is asked of the engine past its bindings, `files` holds the sources of the function, `preview1` is the C library's system, made of WASI 0.2, `zone` local time.
//! `builtin`, `internal`, `modules` and `wrappers` are generated.

#[allow(unsafe_op_in_unsafe_fn, clippy::all)]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "wisp:function/booting-runtime", generate_all });
}
mod builtin;
mod calls;
mod engine;
mod exports;
mod files;
#[allow(unused)]
mod internal;
#[allow(unused)]
mod modules;
mod native;
mod preview1;
mod request;
#[allow(unused)]
mod wrappers;
mod zone;

/// The module that the generated code evaluates when its own are ready.
static JS_EXPORT_MODULE_NAME: &str = "__wasm_rquickjs_builtin/wisp/main";

/// Read by nobody: a name that starts like this is a built-in module.
fn js_export_module() -> &'static str {
    ""
}

type Source = Box<dyn (Fn() -> String) + Send + Sync>;

static JS_ADDITIONAL_MODULES: std::sync::LazyLock<Vec<(&str, Source)>> = std::sync::LazyLock::new(Vec::new);

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        [$((concat!("__wasm_rquickjs_builtin/wisp/", $name), include_str!(concat!("js/", $name, ".js")))),*]
    };
}

/// Our modules. Functions cannot import them: the prefix is kept from them.
const MODULES: [(&str, &str); 22] = modules![
    "bodies",
    "clone",
    "cloudbase",
    "collate",
    "console",
    "context",
    "copies",
    "dispatch",
    "errors",
    "event",
    "hooks",
    "http",
    "intl",
    "invocation",
    "load",
    "local",
    "main",
    "platform",
    "resume",
    "server",
    "signatures",
    "web"
];

const NATIVE: &str = "__wasm_rquickjs_builtin/wisp_native";
const TIMERS: (&str, &str) = ("__wasm_rquickjs_builtin/wisp_timers", include_str!("js/timers.js"));
const SOURCE_MAPS: (&str, &str) = ("__wasm_rquickjs_builtin/wisp/sourcemap", include_str!("js/sourcemap.js"));

fn add_names(resolver: rquickjs::loader::BuiltinResolver) -> rquickjs::loader::BuiltinResolver {
    let names = MODULES.iter().chain([&TIMERS, &SOURCE_MAPS]).map(|(name, _)| *name);
    names.fold(resolver.with_module(NATIVE), rquickjs::loader::BuiltinResolver::with_module)
}

fn add_natives(loader: rquickjs::loader::ModuleLoader) -> rquickjs::loader::ModuleLoader {
    loader.with_module(NATIVE, native::js_native_module)
}

fn add_sources(loader: rquickjs::loader::BuiltinLoader) -> rquickjs::loader::BuiltinLoader {
    MODULES
        .iter()
        .chain([&TIMERS, &SOURCE_MAPS])
        .fold(loader, |loader, (name, source)| loader.with_module(*name, *source))
}
