//! The bindings of the Rust SDK: one file for what a guest imports, and one for each interface that it may export.
//!
//! A file for each interface is what lets a component export exactly what its sources use: the export macro in each of
//! them carries the component type of a world with that one export, and wit-component merges the worlds that it finds
//! in a module. The types that the interfaces share are bound once, in `imports.rs`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use wit_bindgen_core::{
    Files, WorldGenerator as _,
    wit_parser::{Resolve, WorldId},
};
use wit_bindgen_rust::{Opts, WithOption};

/// The package of the worlds. Its name is in the component types, so it must be no other package's.
const PACKAGE: &str = "wisp:sdk";

/// What a guest may import; a component imports what it calls of it.
const IMPORTS: &str = "
    import wisp:function/environment@1.0.0;
    import wisp:function/types@1.0.0;
    import wasi:io/poll@0.2.12;
    import wasi:io/streams@0.2.12;
    import wasi:clocks/monotonic-clock@0.2.12;
    import wasi:http/outgoing-handler@0.2.12;
    import wasi:sockets/instance-network@0.2.12;
    import wasi:sockets/ip-name-lookup@0.2.12;
    import wasi:sockets/tcp-create-socket@0.2.12;
";

/// The functions of WASI that the SDK calls. All others are left out: they would be nine tenths of the bindings, which
/// every cold build of a guest compiles.
const CALLED: &[&str] = &[
    // wasi:io
    "poll",
    "[method]pollable.ready",
    "[method]pollable.block",
    "[method]error.to-debug-string",
    "[method]input-stream.read",
    "[method]input-stream.subscribe",
    "[method]output-stream.check-write",
    "[method]output-stream.write",
    "[method]output-stream.flush",
    "[method]output-stream.subscribe",
    // wasi:clocks
    "now",
    "subscribe-duration",
    // wasi:http
    "[static]fields.from-list",
    "[method]fields.entries",
    "[constructor]outgoing-request",
    "[method]outgoing-request.body",
    "[method]outgoing-request.set-method",
    "[method]outgoing-request.set-path-with-query",
    "[method]outgoing-request.set-scheme",
    "[method]outgoing-request.set-authority",
    "[constructor]request-options",
    "[method]request-options.set-connect-timeout",
    "[method]request-options.set-first-byte-timeout",
    "[method]request-options.set-between-bytes-timeout",
    "[method]outgoing-body.write",
    "[static]outgoing-body.finish",
    "handle",
    "[method]future-incoming-response.get",
    "[method]future-incoming-response.subscribe",
    "[method]incoming-response.status",
    "[method]incoming-response.headers",
    "[method]incoming-response.consume",
    "[method]incoming-body.stream",
    // wasi:sockets
    "instance-network",
    "resolve-addresses",
    "[method]resolve-address-stream.resolve-next-address",
    "[method]resolve-address-stream.subscribe",
    "create-tcp-socket",
    "[method]tcp-socket.start-connect",
    "[method]tcp-socket.finish-connect",
    "[method]tcp-socket.local-address",
    "[method]tcp-socket.remote-address",
    "[method]tcp-socket.shutdown",
    "[method]tcp-socket.subscribe",
];

/// The interfaces that a guest may export, each by an attribute of its own.
const EXPORTS: &[&str] =
    &["event-handler", "packed-http-handler", "initializer", "pre-freeze", "pre-stop", "after-restore"];

/// What stands before every file: nobody edits or lints what a tool wrote.
const HEADER: &str =
    "// Made by guest-sdk/rust/bindgen from the WIT package of wisp: `cargo run` there makes it anew.\n";

/// A file to check in: its name, and its text.
pub type File = (String, String);

/// The directory of the checked-in files.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/bindings")
}

/// All files as they should be.
///
/// # Errors
/// The WIT package does not parse, or an interface that the SDK needs is not in it.
pub fn generate() -> Result<Vec<File>> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit");
    let mut resolve = Resolve::default();
    resolve.push_dir(&wit).with_context(|| format!("reading {}", wit.display()))?;
    let mut files = vec![imports(&mut resolve)?];
    for interface in EXPORTS {
        files.push(export(&mut resolve, interface)?);
    }
    Ok(files)
}

fn imports(resolve: &mut Resolve) -> Result<File> {
    let world = add_world(resolve, "imports", IMPORTS)?;
    let skip = uncalled(resolve);
    let options = Opts { generate_all: true, generate_unused_types: true, skip, ..options("imports") };
    bind(resolve, world, options, "imports")
}

/// The functions of WASI that no line of the SDK calls.
fn uncalled(resolve: &Resolve) -> Vec<String> {
    let wasi = resolve.packages.iter().filter(|(_, package)| package.name.namespace == "wasi");
    let interfaces = wasi.flat_map(|(_, package)| package.interfaces.values());
    let names = interfaces.flat_map(|id| resolve.interfaces[*id].functions.keys());
    names.filter(|name| !CALLED.contains(&name.as_str())).cloned().collect()
}

fn export(resolve: &mut Resolve, interface: &str) -> Result<File> {
    let world = add_world(resolve, interface, &format!("export wisp:function/{interface}@1.0.0;"))?;
    let name = interface.replace('-', "_");
    let shared = WithOption::Path("crate::bindings::imports::wisp::function::types".to_owned());
    let options = Opts {
        with: vec![("wisp:function/types@1.0.0".to_owned(), shared)],
        default_bindings_module: Some(format!("::wisp_sdk::__private::{name}")),
        export_macro_name: Some(format!("__export_{name}")),
        pub_export_macro: true,
        ..options(interface)
    };
    bind(resolve, world, options, &name)
}

fn options(section: &str) -> Opts {
    Opts { format: true, type_section_suffix: Some(format!(" of wisp-sdk, {section}")), ..Opts::default() }
}

fn add_world(resolve: &mut Resolve, name: &str, items: &str) -> Result<WorldId> {
    let text = format!("package {PACKAGE}-{name};\nworld {name} {{ {items} }}");
    let package = resolve.push_str(name, &text)?;
    resolve.select_world(&[package], None)
}

fn bind(resolve: &mut Resolve, world: WorldId, options: Opts, name: &str) -> Result<File> {
    let mut files = Files::default();
    options.build().generate(resolve, world, &mut files)?;
    let (_, bytes) = files.iter().next().ok_or_else(|| anyhow!("no bindings came out for {name}"))?;
    Ok((format!("{name}.rs"), format!("{HEADER}{}", without_docs(std::str::from_utf8(bytes)?))))
}

/// Docs are in the WIT package. Here they would be half of the text, and their examples would be doc-tests of the SDK.
fn without_docs(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("///")).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_bindings_are_current() {
        for (name, text) in generate().unwrap() {
            let found = std::fs::read_to_string(directory().join(&name)).unwrap_or_default();
            assert!(
                found == text,
                "src/bindings/{name} is not what the WIT package gives: run `cargo run` in bindgen/"
            );
        }
    }
}
