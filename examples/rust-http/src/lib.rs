//! Short links: `GET /<name>` redirects, `PUT /<name>` with a url as its body adds one, `DELETE /<name>` removes it,
//! `GET /` lists them. The links live in the instance: another instance has its own, so a real service would keep them
//! in a database and use this only as its cache.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use exports::wisp::function::{http_handler, initializer};
use serde_json::json;
use wisp::function::types::{Context, Failure, HttpRequest, HttpResponse};

wit_bindgen::generate!({ path: "../../wit", world: "initialized-http-function" });
export!(Links);

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

struct Links;

impl initializer::Guest for Links {
    fn initialize(_context: Context) -> Result<(), Failure> {
        let mut state = state();
        let links = FIRST_LINKS.lines().filter_map(|line| line.split_once(' '));
        state.links = links.map(|(name, url)| (name.to_owned(), Link::new(url))).collect();
        state.initialized_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis() as u64);
        Ok(())
    }
}

impl http_handler::Guest for Links {
    fn handle(request: HttpRequest, _context: Context) -> Result<HttpResponse, Failure> {
        let name = request.path.trim_start_matches('/');
        Ok(match (request.method.as_str(), name) {
            ("GET" | "HEAD", "") => list(),
            ("GET" | "HEAD", name) => follow(name),
            ("PUT", name) if !name.is_empty() => add(name, &request.body),
            ("DELETE", name) if !name.is_empty() => remove(name),
            _ => refuse(405, "use GET, or PUT and DELETE on a name").with_header("allow", "GET, HEAD, PUT, DELETE"),
        })
    }
}

fn list() -> HttpResponse {
    let state = state();
    let links: Vec<_> =
        state.links.iter().map(|(name, link)| json!({ "name": name, "url": link.url, "hits": link.hits })).collect();
    answer(200, &json!({ "links": links, "initializedAt": state.initialized_at }))
}

fn follow(name: &str) -> HttpResponse {
    match state().links.get_mut(name) {
        Some(link) => {
            link.hits += 1;
            HttpResponse { status_code: 302, headers: Vec::new(), body: Vec::new() }.with_header("location", &link.url)
        }
        None => refuse(404, &format!("there is no link {name:?}")),
    }
}

fn add(name: &str, body: &[u8]) -> HttpResponse {
    match std::str::from_utf8(body).map(str::trim) {
        Ok(url) if url.starts_with("http://") || url.starts_with("https://") => {
            let replaced = state().links.insert(name.to_owned(), Link::new(url)).is_some();
            answer(if replaced { 200 } else { 201 }, &json!({ "name": name, "url": url }))
        }
        _ => refuse(400, "the body must be a url that starts with http:// or https://"),
    }
}

fn remove(name: &str) -> HttpResponse {
    match state().links.remove(name) {
        Some(_) => HttpResponse { status_code: 204, headers: Vec::new(), body: Vec::new() },
        None => refuse(404, &format!("there is no link {name:?}")),
    }
}

fn refuse(status_code: u16, message: &str) -> HttpResponse {
    answer(status_code, &json!({ "errorMessage": message }))
}

fn answer(status_code: u16, document: &serde_json::Value) -> HttpResponse {
    let body = document.to_string().into_bytes();
    HttpResponse { status_code, headers: Vec::new(), body }.with_header("content-type", "application/json")
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

impl HttpResponse {
    fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}
