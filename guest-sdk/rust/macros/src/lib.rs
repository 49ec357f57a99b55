//! The attributes of wisp-sdk, which re-exports and documents them.
//!
//! Each attribute leaves its function as it is and adds an export beside it: a type that implements the interface by
//! calling the function, and the export macro of that interface's bindings.

use proc_macro::{Span, TokenStream, TokenTree};

mod expand;
mod signature;

use expand::Interface;
use signature::Signature;

/// Takes events. See the documentation of `wisp_sdk`.
#[proc_macro_attribute]
pub fn event_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    export(&expand::EVENT_HANDLER, arguments, item)
}

/// Takes HTTP requests. See the documentation of `wisp_sdk`.
#[proc_macro_attribute]
pub fn http_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    export(&expand::HTTP_HANDLER, arguments, item)
}

/// Prepares an instance. See the documentation of `wisp_sdk`.
#[proc_macro_attribute]
pub fn initializer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    export(&expand::INITIALIZER, arguments, item)
}

/// Told before an instance is frozen. See the documentation of `wisp_sdk`.
#[proc_macro_attribute]
pub fn pre_freeze(arguments: TokenStream, item: TokenStream) -> TokenStream {
    export(&expand::PRE_FREEZE, arguments, item)
}

/// Told before an instance goes for good. See the documentation of `wisp_sdk`.
#[proc_macro_attribute]
pub fn pre_stop(arguments: TokenStream, item: TokenStream) -> TokenStream {
    export(&expand::PRE_STOP, arguments, item)
}

/// Told that an instance was started from a snapshot. See the documentation of `wisp_sdk`.
#[proc_macro_attribute]
pub fn after_restore(arguments: TokenStream, item: TokenStream) -> TokenStream {
    export(&expand::AFTER_RESTORE, arguments, item)
}

/// What is wrong with an attributed item, and where.
struct Error {
    span: Span,
    message: String,
}

impl Error {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

/// The item stays in the output even if there is an error: else each use of the function would be an error more.
fn export(interface: &Interface, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let added = refuse_arguments(interface, arguments)
        .and_then(|()| Signature::parse(item.clone()))
        .and_then(|signature| expand::expand(interface, &signature));
    let mut output = item;
    output.extend(added.unwrap_or_else(|error| compile_error(&error)));
    output
}

fn refuse_arguments(interface: &Interface, arguments: TokenStream) -> Result<(), Error> {
    match arguments.into_iter().next() {
        None => Ok(()),
        Some(token) => Err(Error::new(token.span(), format!("`{}` takes no arguments", interface.attribute))),
    }
}

fn compile_error(error: &Error) -> TokenStream {
    let text = format!("::core::compile_error!{{ {:?} }}", error.message);
    let tokens: TokenStream = text.parse().unwrap_or_default();
    tokens.into_iter().map(|token| with_span(token, error.span)).collect()
}

fn with_span(mut token: TokenTree, span: Span) -> TokenTree {
    token.set_span(span);
    token
}

fn is_ident(token: &TokenTree, text: &str) -> bool {
    matches!(token, TokenTree::Ident(word) if word.to_string() == text)
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}
