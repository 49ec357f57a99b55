//! Panics: what the log says of them.

use std::{
    io::Write as _,
    panic::{self, PanicHookInfo},
    sync::Once,
};

/// Replaces the standard library's hook, which advises people to set a variable that does nothing in WebAssembly.
///
/// A panic ends the instance, because the standard library for WebAssembly aborts: no code of the guest runs after this
/// one, so it writes what the author needs, in the standard library's own form. The host finds it in the log.
pub(crate) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| panic::set_hook(Box::new(report)));
}

fn report(panic: &PanicHookInfo<'_>) {
    flush();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // On a line of its own, whatever was printed before. Not `eprintln!`, which panics if it cannot write.
    let _ = writeln!(std::io::stderr(), "\npanicked at {place}:\n{}", message(panic));
}

fn message<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    panic.payload_as_str().unwrap_or("a value that is no text")
}

/// Sends on what was printed without a line's end: it belongs to the invocation that is about to end.
pub(crate) fn flush() {
    let _ = std::io::stdout().flush();
}
