//! Short links: `GET /<name>` redirects, `PUT /<name>` with a url as its body adds one, `DELETE /<name>` removes it,
//! `GET /` lists them. The links live in the instance: another instance has its own, so a real service would keep them
//! in a database and use this only as its cache.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use wisp_sdk::{
    Error,
    http::{IntoResponse as _, Json, Request, RequestExt as _, Response, StatusCode, header},
};

/// The links that every instance starts with, one a line.
const FIRST_LINKS: &str = "rust https://www.rust-lang.org/\nwasi https://wasi.dev/\n";

static STATE: Mutex<State> = Mutex::new(State { links: BTreeMap::new(), initialized_at: 0 });

struct State {
    links: BTreeMap<String, Link>,
    initialized_at: u64,
}

struct Link {
    url: String,
    hits: u32,
}

#[wisp_sdk::initializer]
fn initialize() {
    let mut state = state();
    let links = FIRST_LINKS.lines().filter_map(|line| line.split_once(' '));
    state.links = links.map(|(name, url)| (name.to_owned(), Link::new(url))).collect();
    state.initialized_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis() as u64);
}

#[wisp_sdk::http_handler]
fn serve(request: Request) -> Result<Response, Error> {
    let path = request.path();
    let name = path.trim_start_matches('/');
    match (request.method().as_str(), name) {
        ("GET" | "HEAD", "") => answer(StatusCode::OK, list()),
        ("GET" | "HEAD", name) => follow(name),
        ("PUT", name) if !name.is_empty() => add(name, request.body()),
        ("DELETE", name) if !name.is_empty() => remove(name),
        _ => Ok(Response::builder()
            .status(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, "GET, HEAD, PUT, DELETE")
            .body("use GET, or PUT and DELETE on a name".into())?),
    }
}

fn list() -> Value {
    let state = state();
    let links: Vec<_> =
        state.links.iter().map(|(name, link)| json!({ "name": name, "url": link.url, "hits": link.hits })).collect();
    json!({ "links": links, "initializedAt": state.initialized_at })
}

fn follow(name: &str) -> Result<Response, Error> {
    match state().links.get_mut(name) {
        Some(link) => {
            link.hits += 1;
            let found = Response::builder().status(StatusCode::FOUND).header(header::LOCATION, &link.url);
            Ok(found.body(().into())?)
        }
        None => not_found(name),
    }
}

fn add(name: &str, body: &[u8]) -> Result<Response, Error> {
    match std::str::from_utf8(body).map(str::trim) {
        Ok(url) if url.starts_with("http://") || url.starts_with("https://") => {
            let replaced = state().links.insert(name.to_owned(), Link::new(url)).is_some();
            let status = if replaced { StatusCode::OK } else { StatusCode::CREATED };
            answer(status, json!({ "name": name, "url": url }))
        }
        _ => refuse(StatusCode::BAD_REQUEST, "the body must be a url that starts with http:// or https://"),
    }
}

fn remove(name: &str) -> Result<Response, Error> {
    match state().links.remove(name) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => not_found(name),
    }
}

fn not_found(name: &str) -> Result<Response, Error> {
    refuse(StatusCode::NOT_FOUND, &format!("there is no link {name:?}"))
}

fn refuse(status: StatusCode, message: &str) -> Result<Response, Error> {
    answer(status, json!({ "errorMessage": message }))
}

fn answer(status: StatusCode, document: Value) -> Result<Response, Error> {
    (status, Json(document)).into_response()
}

/// Never poisoned: a panic ends the whole instance.
fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    fn new(url: &str) -> Self {
        Self { url: url.to_owned(), hits: 0 }
    }
}
