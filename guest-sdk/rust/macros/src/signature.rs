//! As much of a function as its export needs: its name, whether it is async, and what its parameters take.

use std::iter::Peekable;

use proc_macro::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree, token_stream};

use crate::{Error, is_ident, is_punct};

/// The start of a function's definition.
pub(crate) struct Signature {
    pub(crate) name: Ident,
    pub(crate) is_async: bool,
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter of a function, without its pattern.
pub(crate) struct Parameter {
    /// `&` or `&mut` and nothing, as it stands before the argument.
    pub(crate) borrow: TokenStream,
    /// What has to be there to be passed or borrowed: for `&str` a `String`, for `&[T]` a `Vec<T>`.
    pub(crate) owned: TokenStream,
    pub(crate) span: Span,
}

impl Signature {
    pub(crate) fn parse(item: TokenStream) -> Result<Self, Error> {
        let mut tokens = item.into_iter().peekable();
        let is_async = skip_to_fn(&mut tokens)?;
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return Err(Error::new(Span::call_site(), "expected the name of a function"));
        };
        match tokens.next() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
                let parameters = parameters(&group)?;
                Ok(Self { name, is_async, parameters })
            }
            _ => Err(Error::new(
                name.span(),
                format!("`{name}` is generic, but the host calls one function of known types: write the types out"),
            )),
        }
    }
}

/// Consumes attributes, visibility and qualifiers, up to and with `fn`.
fn skip_to_fn(tokens: &mut Peekable<token_stream::IntoIter>) -> Result<bool, Error> {
    let mut is_async = false;
    for token in tokens {
        match &token {
            word if is_ident(word, "fn") => return Ok(is_async),
            word if is_ident(word, "async") => is_async = true,
            word if is_ident(word, "unsafe") || is_ident(word, "extern") => {
                return Err(Error::new(
                    word.span(),
                    format!("an `{word}` function cannot be exported by this attribute"),
                ));
            }
            word if is_ident(word, "pub") || is_ident(word, "const") => {}
            // `#[…]` of other attributes and of doc comments, `(crate)` of a visibility.
            TokenTree::Group(_) => {}
            token if is_punct(token, '#') => {}
            token => return Err(Error::new(token.span(), "this attribute belongs before a function")),
        }
    }
    Err(Error::new(Span::call_site(), "this attribute belongs before a function"))
}

fn parameters(group: &Group) -> Result<Vec<Parameter>, Error> {
    split(group.stream()).into_iter().map(|tokens| parameter(tokens, group.span())).collect()
}

/// The parts between commas, of which those within `<…>` do not count.
fn split(stream: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    let mut depth = 0usize;
    let mut after_dash = false;
    for token in stream {
        match &token {
            token if is_punct(token, '<') => depth += 1,
            // Not the end of `->`.
            token if is_punct(token, '>') && !after_dash => depth = depth.saturating_sub(1),
            _ => {}
        }
        after_dash = is_punct(&token, '-');
        if depth == 0 && is_punct(&token, ',') {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(token);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn parameter(tokens: Vec<TokenTree>, function: Span) -> Result<Parameter, Error> {
    let span = tokens.first().map_or(function, TokenTree::span);
    let Some(colon) = tokens.iter().position(is_colon(&tokens)) else {
        return Err(Error::new(span, "a method cannot be exported: use a plain function"));
    };
    let mut ty = tokens.into_iter().skip(colon + 1).peekable();
    let mut borrow = TokenStream::new();
    if let Some(ampersand) = ty.next_if(|token| is_punct(token, '&')) {
        borrow.extend([ampersand]);
        if ty.next_if(|token| is_punct(token, '\'')).is_some() {
            ty.next();
        }
        borrow.extend(ty.next_if(|token| is_ident(token, "mut")));
    }
    let ty: Vec<TokenTree> = ty.collect();
    let span = ty.first().map_or(span, TokenTree::span);
    let owned = if borrow.is_empty() { ty.into_iter().collect() } else { owned(ty) };
    Ok(Parameter { borrow, owned, span })
}

/// Whether a token is a colon, and no part of `::`.
fn is_colon(tokens: &[TokenTree]) -> impl FnMut(&TokenTree) -> bool {
    let joint: Vec<bool> = tokens
        .iter()
        .map(|token| matches!(token, TokenTree::Punct(it) if it.as_char() == ':' && it.spacing() == Spacing::Joint))
        .collect();
    let mut index = 0;
    move |token| {
        let (is_joint, after_joint) = (joint[index], index > 0 && joint[index - 1]);
        index += 1;
        is_punct(token, ':') && !is_joint && !after_joint
    }
}

/// The type whose borrow coerces to a reference to `borrowed`.
fn owned(borrowed: Vec<TokenTree>) -> TokenStream {
    match borrowed.as_slice() {
        [token] if is_ident(token, "str") => parse("::std::string::String"),
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::Bracket => {
            let mut vec = parse("::std::vec::Vec<");
            vec.extend(group.stream());
            vec.extend(parse(">"));
            vec
        }
        _ => borrowed.into_iter().collect(),
    }
}

fn parse(text: &str) -> TokenStream {
    text.parse().unwrap_or_default()
}
