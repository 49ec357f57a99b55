//! Functions for wisp, in Rust.
//!
//! An attribute makes a plain function, sync or async, an export of the component:
//!
//! ```
//! use wisp_sdk::{Context, Error};
//!
//! #[wisp_sdk::initializer]
//! fn prepare() {
//!     println!("ready");
//! }
//!
//! #[wisp_sdk::event_handler]
//! fn greet(name: String, context: &Context) -> Result<String, Error> {
//!     if name.is_empty() {
//!         return Err(Error::handled("NoName", "send a name"));
//!     }
//!     Ok(format!("hello {name}, this is request {}", context.request_id()))
//! }
//! # assert_eq!(greet("Ada".into(), &Context::new("1")).unwrap(), "hello Ada, this is request 1");
//! ```
//!
//! One attribute for each thing that the host calls; each may stand once in a crate, in any combination and in any
//! module. A component exports what has an attribute, and nothing else.
//!
//! | attribute | the function takes | and returns |
//! |---|---|---|
//! | [`event_handler`] | an [event](#events), the [`Context`] | a [result](#events) |
//! | [`http_handler`] | a [`Request`](http::Request), the [`Context`] | what is [`IntoResponse`](http::IntoResponse) |
//! | [`initializer`], [`pre_freeze`], [`pre_stop`], [`after_restore`] | the [`Context`] | nothing |
//!
//! Parameters may be left out from the end, and each may be taken by value or by reference.
//! What is returned may stand in a `Result`, whose error may be an [`Error`], any `std::error::Error`, an
//! `anyhow::Error`, a boxed error or a text: see [`Error`] for what the caller reads then.
//!
//! # Events
//!
//! | type | as the event | as the result |
//! |---|---|---|
//! | `Vec<u8>`, `&[u8]` | the bytes | the bytes |
//! | `String`, `&str` | the bytes, which must be UTF-8 | the text |
//! | `()` | not read | nothing |
//! | any other | JSON, by serde's `Deserialize` | JSON, by serde's `Serialize` |
//!
//! # Async
//!
//! An async function runs on a small executor over `wasi:io/poll`, to its end, before the host goes on.
//! [`block_on`] does the same in a sync function. [`client`] and [`net`] are async; [`net::BlockingTcpStream`] is for
//! drivers that know nothing of async.
//!
//! # Outside WebAssembly
//!
//! The crate builds for the developer's machine as well, where the attributes export nothing: functions can be tested
//! by `cargo test`, with [`Context::new`] and requests of the `http` crate. What needs the host panics there, saying so.

#[doc(hidden)]
pub mod __private;
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    rust_2018_idioms,
    clippy::all,
    clippy::panic,
    clippy::unwrap_used,
    reason = "written by a tool"
)]
mod bindings;
pub mod client;
mod context;
mod error;
pub mod http;
pub mod net;
mod panics;
mod payload;
mod reactor;
mod streams;
mod text;
pub mod time;

pub use context::{Context, Credentials, FunctionInfo, ServiceInfo};
pub use error::Error;
pub use reactor::block_on;
/// Makes a function the one that is told, before all else, that its instance was started from a snapshot: what was
/// opened or drawn at random before the snapshot is to be opened or drawn again. If it fails, the instance does not
/// start.
///
/// ```
/// #[wisp_sdk::after_restore]
/// fn restore() -> Result<(), wisp_sdk::Error> {
///     Ok(())
/// }
/// ```
pub use wisp_sdk_macros::after_restore;
/// Makes a function the component's event handler: event invokes, asynchronous invocations, and HTTP triggers of a
/// component without an HTTP handler end here.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Order {
///     prices: Vec<u32>,
/// }
///
/// #[derive(Serialize)]
/// struct Receipt {
///     total: u32,
/// }
///
/// #[wisp_sdk::event_handler]
/// async fn sell(order: Order) -> Receipt {
///     Receipt { total: order.prices.iter().sum() }
/// }
/// # let receipt = wisp_sdk::block_on(sell(Order { prices: vec![1, 2] }));
/// # assert_eq!(receipt.total, 3);
/// ```
///
/// A function that takes what is no event does not compile:
///
/// ```compile_fail
/// struct NoEvent;
///
/// #[wisp_sdk::event_handler]
/// fn handle(event: NoEvent) {}
/// ```
pub use wisp_sdk_macros::event_handler;
/// Makes a function the component's HTTP handler.
///
/// ```
/// use wisp_sdk::http::{Request, RequestExt as _, Response, StatusCode};
///
/// #[wisp_sdk::http_handler]
/// fn serve(request: Request) -> (StatusCode, String) {
///     match request.query("name") {
///         Some(name) => (StatusCode::OK, format!("hello {name}")),
///         None => (StatusCode::BAD_REQUEST, "who is there?".to_owned()),
///     }
/// }
/// # let request = Request::builder().uri("/?name=Ada%20L").body("".into()).unwrap();
/// # assert_eq!(serve(request), (StatusCode::OK, "hello Ada L".to_owned()));
/// ```
pub use wisp_sdk_macros::http_handler;
/// Makes a function the component's initializer: it runs before the first call of a handler in each instance, against
/// a clock of its own, and succeeds at most once. If it fails, the invocation gets its error, and the same instance
/// tries again at the next one, unless the function is configured otherwise.
///
/// ```
/// use std::sync::OnceLock;
///
/// static WORDS: OnceLock<Vec<String>> = OnceLock::new();
///
/// #[wisp_sdk::initializer]
/// fn load() -> Result<(), std::io::Error> {
///     let text = std::fs::read_to_string("/code/words.txt")?;
///     WORDS.get_or_init(|| text.lines().map(str::to_owned).collect());
///     Ok(())
/// }
/// ```
///
/// It takes the context and nothing else:
///
/// ```compile_fail
/// #[wisp_sdk::initializer]
/// fn load(context: wisp_sdk::Context, more: String) {}
/// ```
pub use wisp_sdk_macros::initializer;
/// Makes a function the one that is told when an instance has answered and no invocation waits for it: the last moment
/// to send what must not wait, such as metrics. If it fails, that is logged and changes nothing.
///
/// ```
/// #[wisp_sdk::pre_freeze]
/// fn flush(context: &wisp_sdk::Context) {
///     println!("{} was the last request", context.request_id());
/// }
/// ```
pub use wisp_sdk_macros::pre_freeze;
/// Makes a function the one that is told before an instance goes for good, unless it goes by a trap. If it fails, that
/// is logged and changes nothing.
///
/// ```
/// #[wisp_sdk::pre_stop]
/// async fn close() {
///     println!("good-bye");
/// }
/// ```
pub use wisp_sdk_macros::pre_stop;
