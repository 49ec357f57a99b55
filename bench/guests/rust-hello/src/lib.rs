//! The smallest HTTP function in Rust.

#[wisp_sdk::http_handler]
fn hello() -> &'static str {
    "hello, world\n"
}
