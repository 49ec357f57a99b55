//! Counts the words of a text. The initializer builds the table of words that carry no meaning; every event uses it.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use exports::wisp::function::{event_handler, initializer};
use serde_json::json;
use wisp::function::types::{Context, Failure, FailureKind};

wit_bindgen::generate!({ path: "../../wit", world: "initialized-event-function" });
export!(Words);

const STOP_WORDS: &str = "a an and are as at be but by for from has in is it not of on or that the this to was with";

/// What the initializer prepares; it lives as long as the instance.
static STATE: OnceLock<State> = OnceLock::new();

struct State {
    stop_words: HashSet<&'static str>,
    initialized_at: u128,
    calls: AtomicU32,
}

struct Words;

impl initializer::Guest for Words {
    fn initialize(_context: Context) -> Result<(), Failure> {
        STATE.get_or_init(|| State {
            stop_words: STOP_WORDS.split(' ').collect(),
            initialized_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis()),
            calls: AtomicU32::new(0),
        });
        println!("stop words are ready");
        Ok(())
    }
}

impl event_handler::Guest for Words {
    fn handle(event: Vec<u8>, _context: Context) -> Result<Vec<u8>, Failure> {
        let state = STATE.get().ok_or_else(|| failure("NotInitialized", "the initializer did not run"))?;
        let text = String::from_utf8(event).map_err(|error| failure("InvalidText", &error.to_string()))?;
        let words = words(&text);
        if words.is_empty() {
            return Err(failure("InvalidText", "the event has no words: send a text"));
        }
        let answer = json!({
            "words": words.len(),
            "characters": text.chars().count(),
            "top": top(&words, &state.stop_words),
            "initializedAt": state.initialized_at as u64,
            "calls": state.calls.fetch_add(1, Ordering::Relaxed) + 1,
        });
        Ok(answer.to_string().into_bytes())
    }
}

fn words(text: &str) -> Vec<String> {
    let is_mark = |c: char| !c.is_alphanumeric() && c != '\'';
    text.split(is_mark).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The five most frequent words, the earlier in the alphabet first among equals.
fn top(words: &[String], stop_words: &HashSet<&str>) -> Vec<(String, u32)> {
    let mut counts = HashMap::new();
    for word in words.iter().filter(|word| !stop_words.contains(word.as_str())) {
        *counts.entry(word.clone()).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    counts.truncate(5);
    counts
}

/// An error that the function reports on purpose. The caller receives the document.
fn failure(kind: &str, message: &str) -> Failure {
    let document = json!({ "errorType": kind, "errorMessage": message }).to_string();
    Failure { kind: FailureKind::Handled, document }
}
