//! Counts the words of a text. The initializer builds the table of words that carry no meaning; every event uses it.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use wisp_sdk::Error;

const STOP_WORDS: &str = "a an and are as at be but by for from has in is it not of on or that the this to was with";

/// What the initializer prepares; it lives as long as the instance.
static STATE: OnceLock<State> = OnceLock::new();

struct State {
    stop_words: HashSet<&'static str>,
    initialized_at: u128,
    calls: AtomicU32,
}

#[wisp_sdk::initializer]
fn initialize() {
    STATE.get_or_init(|| State {
        stop_words: STOP_WORDS.split(' ').collect(),
        initialized_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis()),
        calls: AtomicU32::new(0),
    });
    println!("stop words are ready");
}

/// A text in, JSON out. An error that the function reports on purpose is a handled one: the caller receives its type,
/// its message and where it comes from.
#[wisp_sdk::event_handler]
fn count(text: &str) -> Result<Value, Error> {
    let state = STATE.get().ok_or_else(|| Error::unhandled("NotInitialized", "the initializer did not run"))?;
    let words = words(text);
    if words.is_empty() {
        return Err(Error::handled("InvalidText", "the event has no words: send a text"));
    }
    Ok(json!({
        "words": words.len(),
        "characters": text.chars().count(),
        "top": top(&words, &state.stop_words),
        "initializedAt": state.initialized_at as u64,
        "calls": state.calls.fetch_add(1, Ordering::Relaxed) + 1,
    }))
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
