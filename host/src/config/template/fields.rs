//! A map of a template while it is read: what nobody asks for is told as unknown.

use serde_json::{Map, Value as Json};

use super::{
    Report,
    yaml::{Entry, Node, Value},
};
use crate::config::nearest::hint;

pub(super) struct Fields<'a> {
    pub(super) report: &'a Report<'a>,
    /// Whose fields they are, such as "function hello".
    what: String,
    pub(super) line: usize,
    left: Vec<&'a Entry>,
    known: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(node: &'a Node, what: impl Into<String>, report: &'a Report<'a>) -> Self {
        let what = what.into();
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            report.problem(node.line, format!("{what}: expected a map, found {}", node.kind()));
        }
        Self { report, what, line: node.line, left: node.entries().iter().collect(), known: Vec::new() }
    }

    /// The fields of an entry, whose line is that of its key.
    pub(super) fn of(entry: &'a Entry, what: impl Into<String>, report: &'a Report<'a>) -> Self {
        Self { line: entry.line, ..Self::new(&entry.node, what, report) }
    }

    /// The value of `key`; `None` if it is absent or null.
    pub(super) fn get(&mut self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    pub(super) fn entry(&mut self, key: &str) -> Option<&'a Entry> {
        self.known.push(key.to_owned());
        let index = self.left.iter().position(|entry| entry.key == key)?;
        Some(self.left.remove(index)).filter(|entry| !entry.node.is_null())
    }

    /// All that remains.
    pub(super) fn rest(&mut self) -> Vec<&'a Entry> {
        std::mem::take(&mut self.left)
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let node = self.get(key)?;
        let text = node.text();
        if text.is_none() {
            self.wrong(key, node, "a text");
        }
        text
    }

    /// The text of a key that must be there; empty, and reported, if it is not.
    pub(super) fn required(&mut self, key: &str) -> String {
        match self.get(key) {
            None => self.report.problem(self.line, format!("`{key}` of {} is missing", self.what)),
            Some(node) => match node.text() {
                Some(text) => return text,
                None => self.wrong(key, node, "a text"),
            },
        }
        String::new()
    }

    pub(super) fn list(&mut self, key: &str) -> &'a [Node] {
        match self.get(key) {
            None => &[],
            Some(Node { value: Value::List(items), .. }) => items,
            Some(node) => {
                self.wrong(key, node, "a list");
                &[]
            }
        }
    }

    /// The map `key`, to be read in turn.
    pub(super) fn map(&mut self, key: &str) -> Option<Self> {
        let entry = self.entry(key)?;
        Some(Self::of(entry, format!("`{key}` of {}", self.what), self.report))
    }

    /// Says that these keys are left out, and why.
    pub(super) fn without_effect(&mut self, keys: &[&str], reason: &str) {
        for key in keys {
            if let Some(entry) = self.entry(key) {
                self.report.warn(entry.line, format!("`{key}` of {} {reason}", self.what));
            }
        }
    }

    /// Reads nothing of these keys, which mean nothing here and of which nobody expects anything.
    pub(super) fn pass(&mut self, keys: &[&str]) {
        for key in keys {
            let _ = self.entry(key);
        }
    }

    /// Tells what is left as unknown.
    pub(super) fn finish(self) {
        for entry in &self.left {
            let hint = hint(&entry.key, self.known.iter().map(String::as_str));
            let message = format!("`{}` of {} is unknown to wisp and has no effect{hint}", entry.key, self.what);
            self.report.warn(entry.line, message);
        }
    }

    pub(super) fn wrong(&self, key: &str, node: &Node, expected: &str) {
        let message = format!("`{key}` of {}: expected {expected}, found {}", self.what, node.kind());
        self.report.problem(node.line, message);
    }

    pub(super) fn what(&self) -> &str {
        &self.what
    }
}

/// Puts a value that there is.
pub(super) fn put(map: &mut Map<String, Json>, key: &str, value: Option<impl Into<Json>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}
