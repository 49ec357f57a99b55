//! What a guest may reach, one capability a file. Default deny: an interface is linked for everybody, but does nothing
//! that the function's own policy does not allow.

use wasmtime::component::Linker;

use crate::{engine::EngineKind, instance::Guest};

pub(crate) mod clock;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod http;
pub mod outbound;
pub(crate) mod sockets;
pub(crate) mod stdio;
pub(crate) mod tls;

/// A linker with all that wisp offers to components of one engine.
///
/// Commands and functions of WASI 0.2 run on either engine; only the concurrent one has 0.3 as well.
pub(crate) fn linker(engine: &wasmtime::Engine, kind: EngineKind) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    linker.allow_shadowing(true);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if kind == EngineKind::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    // These replace single functions of the above with ones that know the policy: shadowing allows it.
    environment::add_to_linker(&mut linker)?;
    files::add_to_linker(&mut linker, kind)?;
    sockets::add_to_linker(&mut linker, kind)?;
    Ok(linker)
}
