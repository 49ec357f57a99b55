//! Functions of every shape that the attributes take. Outside WebAssembly they export nothing, but what they add to the
//! crate has to compile; what it does in a component is shown by the guests in `fixtures/`.

use std::{collections::HashMap, marker::PhantomData};

use wisp_sdk::{
    Context, block_on,
    http::{Body, Json, Request, Response, StatusCode},
};

#[allow(clippy::type_complexity, reason = "types with arrows and commas are what is tried")]
mod events {
    use super::*;

    #[derive(serde::Deserialize)]
    pub(crate) struct Pair<A, B> {
        first: A,
        #[serde(skip, default)]
        _second: B,
    }

    #[wisp_sdk::event_handler]
    pub(crate) fn count(mut words: HashMap<String, Vec<u8>>) -> usize {
        words.remove("");
        words.len()
    }

    #[wisp_sdk::event_handler]
    pub(crate) fn concat(parts: &[String], _context: &Context) -> String {
        parts.concat()
    }

    #[wisp_sdk::event_handler]
    pub(crate) async fn tick() {}

    /// A doc comment, another attribute, a pattern, and a type with an arrow and a comma in it.
    #[inline]
    #[wisp_sdk::event_handler]
    pub(crate) async fn pair(
        Pair { first, .. }: Pair<u8, PhantomData<fn(u8, u8) -> u8>>,
    ) -> Result<(u8, u8), std::fmt::Error>
    where
        u8: Copy,
    {
        Ok((first, first))
    }
}

#[wisp_sdk::http_handler]
fn by_reference(request: &Request) -> Result<Response<&'static str>, std::num::TryFromIntError> {
    let mut response = Response::new("done");
    *response.status_mut() = StatusCode::from_u16(request.body().len().try_into()?).unwrap_or_default();
    Ok(response)
}

#[wisp_sdk::http_handler]
async fn parsed(request: Request<Json<Vec<u8>>>, context: Context) -> (StatusCode, Json<String>) {
    let Json(bytes) = request.into_body();
    (StatusCode::CREATED, Json(format!("{} {}", context.request_id(), bytes.len())))
}

#[wisp_sdk::http_handler]
fn nothing() {}

#[wisp_sdk::initializer]
#[must_use = "the attributes of others stay"]
const fn constant() -> Result<(), String> {
    Ok(())
}

#[test]
fn attributed_functions_are_called_like_any_others() {
    assert_eq!(events::count(HashMap::from([("a".to_owned(), vec![1])])), 1);
    assert_eq!(events::concat(&["a".to_owned(), "b".to_owned()], &Context::new("1")), "ab");
    block_on(events::tick());
    let request = Request::new(Body::from(vec![0; 204]));
    assert_eq!(by_reference(&request).unwrap().status(), StatusCode::NO_CONTENT);
    let (status, Json(text)) = block_on(parsed(Request::new(Json(vec![1, 2])), Context::new("7")));
    assert_eq!((status, text.as_str()), (StatusCode::CREATED, "7 2"));
    nothing();
    constant().unwrap();
}
