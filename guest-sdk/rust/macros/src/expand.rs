//! The code that an attribute adds.

use proc_macro::{Group, Ident, Literal, Span, TokenStream, TokenTree};

use crate::{
    Error,
    signature::{Parameter, Signature},
};

/// One interface of `wisp:function` that a guest may export.
pub(crate) struct Interface {
    pub(crate) attribute: &'static str,
    /// Its name as that of a module.
    interface: &'static str,
    /// What the first parameter takes, and how it is made of what the host passes; `None`: there is only the context.
    input: Option<Input>,
    /// The function of the interface's trait: name, parameters, what it returns.
    function: &'static str,
    /// What makes `input` of the parameters, if they are others.
    begin: &'static str,
    /// What makes `context` of them, for a function that takes it.
    context: &'static str,
    /// From `outcome`, what the function returned, to a `Result` of what the host takes and of `wisp_sdk::Error`.
    answer: &'static str,
}

struct Input {
    noun: &'static str,
    read: &'static str,
}

pub(crate) const EVENT_HANDLER: Interface = Interface {
    attribute: "event_handler",
    interface: "event_handler",
    input: Some(Input { noun: "event", read: "let INPUT: OWNED = (&Tag::<OWNED>::NEW).read(input)?;" }),
    function: "fn handle(input: ::std::vec::Vec<u8>, context: private::WitContext)
                   -> ::core::result::Result<::std::vec::Vec<u8>, private::Failure>",
    begin: "",
    context: CONTEXT,
    answer: "match (&Tag::of(&outcome)).split(outcome) {
                 Ok(value) => (&Tag::of(&value)).write(value),
                 Err(error) => Err((&Tag::of(&error)).fail(error)),
             }",
};

pub(crate) const HTTP_HANDLER: Interface = Interface {
    attribute: "http_handler",
    interface: "packed_http_handler",
    input: Some(Input {
        noun: "request",
        read: "let INPUT: OWNED = match private::read_request(input)? {
                   Ok(request) => request,
                   Err(refusal) => return private::write_response(refusal),
               };",
    }),
    function: "fn handle(head: ::std::vec::Vec<u8>, body: ::std::vec::Vec<u8>)
                   -> ::core::result::Result<private::WitResponse, private::Failure>",
    begin: "let input = private::open(head, body);",
    context: "let context = input.context();",
    answer: "match (&Tag::of(&outcome)).split(outcome) {
                 Ok(value) => private::write_response(value),
                 Err(error) => Err((&Tag::of(&error)).fail(error)),
             }",
};

pub(crate) const INITIALIZER: Interface = hook("initializer", "initialize");
pub(crate) const PRE_FREEZE: Interface = hook("pre_freeze", "pre_freeze");
pub(crate) const PRE_STOP: Interface = hook("pre_stop", "pre_stop");
pub(crate) const AFTER_RESTORE: Interface = hook("after_restore", "after_restore");

const fn hook(attribute: &'static str, function: &'static str) -> Interface {
    Interface { attribute, interface: attribute, input: None, function, begin: "", context: CONTEXT, answer: HOOK_ANSWER }
}

const CONTEXT: &str = "let context = ::wisp_sdk::Context::from(context);";

const HOOK_FUNCTION: &str = "fn HOOK(context: private::WitContext) -> ::core::result::Result<(), private::Failure>";

const HOOK_ANSWER: &str = "match (&Tag::of(&outcome)).split(outcome) {
                               Ok(()) => Ok(()),
                               Err(error) => Err((&Tag::of(&error)).fail(error)),
                           }";

/// Outside WebAssembly nothing is exported: the functions of a crate can be tested on the developer's machine.
const EXPORT: &str = "#[allow(clippy::all, clippy::pedantic, missing_docs, unsafe_code, unused)]
const _: () = {
    use ::wisp_sdk::__private as private;
    use private::tags::*;
    struct Export;
    impl private::INTERFACE::Guest for Export {
        FUNCTION {
            let place = private::Place { function: FUNCTION_NAME, file: ::core::file!(), line: ::core::line!() };
            BEGIN
            place.run(|| CALL)
        }
    }
    #[cfg(target_family = \"wasm\")]
    private::INTERFACE::EXPORT_MACRO!(Export with_types_in ::wisp_sdk::__private::INTERFACE);
};";

/// The tokens to add beside the function.
pub(crate) fn expand(interface: &Interface, signature: &Signature) -> Result<TokenStream, Error> {
    let arguments = arguments(interface, signature)?;
    let name = TokenTree::from(signature.name.clone());
    let mut body = TokenStream::new();
    // Before the input, which takes what the host passed apart.
    if arguments.takes_context {
        body.extend(parse(interface.context));
    }
    if let (Some(input), Some(parameter)) = (&interface.input, arguments.input) {
        let values = [("OWNED", parameter.owned.clone()), ("INPUT", ident("input").into())];
        body.extend(fill(input.read, &values));
    }
    let awaited = if signature.is_async { parse(".await") } else { TokenStream::new() };
    let values = [("NAME", name.clone().into()), ("ARGUMENTS", arguments.tokens), ("AWAITED", awaited)];
    body.extend(fill("let outcome = NAME(ARGUMENTS) AWAITED;", &values));
    body.extend(parse(interface.answer));

    let call = if signature.is_async { "private::block_on(async move { BODY })" } else { "{ BODY }" };
    let values = [
        ("INTERFACE", ident(interface.interface).into()),
        ("BEGIN", parse(interface.begin)),
        ("FUNCTION", function(interface)),
        ("FUNCTION_NAME", TokenTree::from(Literal::string(&signature.name.to_string())).into()),
        ("CALL", fill(call, &[("BODY", body)])),
        ("EXPORT_MACRO", ident(&format!("__export_{}", interface.interface)).into()),
    ];
    Ok(fill(EXPORT, &values))
}

fn function(interface: &Interface) -> TokenStream {
    match interface.input {
        Some(_) => parse(interface.function),
        None => fill(HOOK_FUNCTION, &[("HOOK", ident(interface.function).into())]),
    }
}

struct Arguments<'a> {
    input: Option<&'a Parameter>,
    takes_context: bool,
    tokens: TokenStream,
}

/// What the function is called with: the input and the context, as many as it takes.
fn arguments<'a>(interface: &Interface, signature: &'a Signature) -> Result<Arguments<'a>, Error> {
    let mut parameters = signature.parameters.iter();
    let input = interface.input.as_ref().and_then(|_| parameters.next());
    let context = parameters.next();
    if let Some(more) = parameters.next() {
        let takes = match &interface.input {
            Some(input) => format!("the {} and the context", input.noun),
            None => "the context".to_owned(),
        };
        return Err(Error::new(more.span, format!("a function with `{}` takes {takes} at most", interface.attribute)));
    }
    let mut tokens = TokenStream::new();
    for (name, parameter) in [("input", input), ("context", context)] {
        if let Some(parameter) = parameter {
            tokens.extend(parameter.borrow.clone());
            tokens.extend(parse(&format!("{name},")));
        }
    }
    Ok(Arguments { input, takes_context: context.is_some(), tokens })
}

/// `template` with its placeholders, words in capitals, replaced.
fn fill(template: &str, values: &[(&str, TokenStream)]) -> TokenStream {
    replace(parse(template), values)
}

fn replace(template: TokenStream, values: &[(&str, TokenStream)]) -> TokenStream {
    let mut output = TokenStream::new();
    for token in template {
        match token {
            TokenTree::Group(group) => {
                let mut filled = Group::new(group.delimiter(), replace(group.stream(), values));
                filled.set_span(group.span());
                output.extend([TokenTree::Group(filled)]);
            }
            TokenTree::Ident(word) => match values.iter().find(|(name, _)| word.to_string() == *name) {
                Some((_, tokens)) => output.extend(tokens.clone()),
                None => output.extend([TokenTree::Ident(word)]),
            },
            token => output.extend([token]),
        }
    }
    output
}

fn ident(text: &str) -> TokenTree {
    TokenTree::Ident(Ident::new(text, Span::call_site()))
}

fn parse(text: &str) -> TokenStream {
    text.parse().unwrap_or_default()
}
