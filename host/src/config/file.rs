//! The written form: a TOML table whose keys are taken one by one.
//!
//! The keys that a reader asks for are the keys that exist: what is left afterwards is unknown, and the nearest one
//! asked for is what was meant. Each value is deserialized alone, because a derived struct stops at its first error and
//! whoever edits a file wants to see all of them.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::{self, Display},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, ValueDeserializer},
};

use super::{Environment, check::Problem, nearest::hint};

/// Everything wrong that was found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn report(&self, place: &Place, message: String) {
        self.0.borrow_mut().push(Problem { file: place.file.clone(), line: place.line, message });
    }

    /// By file and line, whatever the order of the checks was.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        problems
    }
}

/// Where something is written; lines count from 1, `None` means the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: Option<usize>,
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// One file while it is read.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) lines: &'a Lines,
    pub(super) problems: &'a Problems,
    pub(super) environment: Environment<'a>,
}

impl<'a> File<'a> {
    /// Hands the top of the file to `read`; `None` if the text is not TOML, which is then reported.
    pub(super) fn read<T>(self, read: impl FnOnce(&mut Section<'a>) -> T) -> Option<T> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let line = error.span().map(|span| self.line_at(span.start));
            self.report(line, format!("not TOML: {}", error.message()));
        }
        // What the parser made of a broken file would only raise problems that are not there.
        errors.is_empty().then(|| Section::new(self, String::new(), 1, root.into_inner()).read(read))
    }

    /// The directory that the file's relative paths start from.
    pub(super) fn directory(&self) -> &'a Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn report(&self, line: Option<usize>, message: String) {
        self.problems.report(&self.place(line), message);
    }

    fn place(&self, line: Option<usize>) -> Place {
        Place { file: self.path.to_owned(), line }
    }

    fn line_at(&self, offset: usize) -> usize {
        self.lines.at(offset)
    }
}

/// Where the lines of a text begin: looked up for every key, so that counting them each time would take a file of many
/// functions longer than all else.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(end, _)| end + 1);
        Self(std::iter::once(0).chain(ends).collect())
    }

    /// The line that a byte is in; lines count from 1.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

/// A table while it is read.
pub(super) struct Section<'a> {
    pub(super) file: File<'a>,
    /// Its header, such as `[functions.hello]`; empty for the top of the file.
    title: String,
    line: usize,
    entries: BTreeMap<String, Entry<'a>>,
    known: Vec<&'static str>,
}

struct Entry<'a> {
    line: usize,
    /// `None` once taken.
    value: Option<Spanned<DeValue<'a>>>,
}

impl<'a> Section<'a> {
    fn new(file: File<'a>, title: String, line: usize, table: DeTable<'a>) -> Self {
        let entries = table.into_iter().map(|(key, value)| {
            let line = file.line_at(key.span().start);
            (key.into_inner().into_owned(), Entry { line, value: Some(value) })
        });
        Self { file, title, line, entries: entries.collect(), known: Vec::new() }
    }

    fn read<T>(mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let value = read(&mut self);
        self.report_unknown();
        value
    }

    fn report_unknown(&self) {
        for (key, entry) in self.entries.iter().filter(|(_, entry)| entry.value.is_some()) {
            let hint = hint(key, self.known.iter().copied());
            self.file.report(Some(entry.line), format!("unknown key {}{hint}", self.label(key)));
        }
    }

    /// The value of `key`; `None` if it is absent or, which is then reported, of the wrong type.
    pub(super) fn get<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take(key)?;
        self.deserialize(key, value)
    }

    /// The value of `key`, or what it is by default.
    pub(super) fn or<T: DeserializeOwned>(&mut self, key: &'static str, default: T) -> T {
        self.get(key).unwrap_or(default)
    }

    /// A quantity that has bounds.
    pub(super) fn within<T>(&mut self, key: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: DeserializeOwned + PartialOrd + Display,
    {
        match self.get(key) {
            Some(value) if !range.contains(&value) => {
                self.problem(key, format!("{value} is out of range; give {} to {}", range.start(), range.end()));
                default
            }
            given => given.unwrap_or(default),
        }
    }

    /// A number of things that has bounds.
    pub(super) fn count(&mut self, key: &'static str, default: usize, range: RangeInclusive<usize>) -> usize {
        // Signed like TOML's own numbers, so that -1 is told the range and not the name of a Rust type.
        let clamp = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let number = self.within(key, clamp(default), clamp(*range.start())..=clamp(*range.end()));
        usize::try_from(number).unwrap_or(default)
    }

    /// A text that stands for a `T`; `expected` completes the sentence "… is not".
    pub(super) fn parsed<T: FromStr>(&mut self, key: &'static str, expected: &str) -> Option<T> {
        let text: String = self.get(key)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(key, format!("{text:?} is not {expected}"));
        }
        parsed
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let word: String = self.get(key)?;
        let chosen = choices.iter().find(|(name, _)| *name == word).map(|&(_, value)| value);
        if chosen.is_none() {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.problem(key, format!("{word:?} is none of {}", names.join(", ")));
        }
        chosen
    }

    /// A path, relative to the file's directory unless absolute.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let path: PathBuf = self.get(key)?;
        if path.as_os_str().is_empty() {
            self.problem(key, "is empty; give a path, or leave the key out");
        }
        Some(self.file.directory().join(path))
    }

    /// Takes all that remains for known, where a problem has left its meaning open.
    pub(super) fn ignore_rest(&mut self) {
        self.entries.values_mut().for_each(|entry| drop(entry.value.take()));
    }

    /// All that remains, for tables whose keys are the user's own.
    pub(super) fn rest<T: DeserializeOwned>(&mut self) -> Vec<(String, T)> {
        let keys: Vec<String> = self.entries.keys().cloned().collect();
        keys.into_iter().filter_map(|key| self.pair(key)).collect()
    }

    fn pair<T: DeserializeOwned>(&mut self, key: String) -> Option<(String, T)> {
        let value = self.entries.get_mut(&key)?.value.take()?;
        let value = self.deserialize(&key, value)?;
        Some((key, value))
    }

    /// The table `key`, read by `read`; `None` if it is absent.
    pub(super) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'a>) -> T) -> Option<T> {
        let table = self.take_table(key)?;
        Some(self.child(key, key, table).read(read))
    }

    /// Like `table`, but an absent table reads as an empty one.
    pub(super) fn table_or_empty<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'a>) -> T) -> T {
        let table = self.take_table(key).unwrap_or_default();
        self.child(key, key, table).read(read)
    }

    /// The tables in the table `key`, which the user names.
    pub(super) fn tables(&mut self, key: &'static str, mut read: impl FnMut(&str, &mut Section<'a>)) {
        self.table(key, |parent| {
            let names: Vec<String> = parent.entries.keys().cloned().collect();
            for name in names {
                parent.named(&name, |section| read(&name, section));
            }
        });
    }

    fn named(&mut self, name: &str, read: impl FnOnce(&mut Section<'a>)) {
        let value = self.entries.get_mut(name).and_then(|entry| entry.value.take());
        if let Some(table) = value.and_then(|value| self.as_table(name, value)) {
            self.child(name, name, table).read(read);
        }
    }

    /// The tables in the list `key`, which is there and has at least one.
    pub(super) fn list<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'a>) -> T) -> Vec<T> {
        let items = self.take_list(key);
        let tables = items.into_iter().filter_map(|item| {
            let line = self.file.line_at(item.span().start);
            let table = self.as_table(key, item)?;
            Some(Section::new(self.file, self.header(key), line, table).read(&mut read))
        });
        tables.collect()
    }

    /// Like `list`, but the list may be absent.
    pub(super) fn list_if_any(&mut self, key: &'static str, read: impl FnMut(&mut Section<'a>)) {
        if self.has(key) {
            self.list(key, read);
        } else {
            self.known.push(key);
        }
    }

    /// Reports what is wrong with `key`: its value, the reason, the way out.
    pub(super) fn problem(&self, key: &str, reason: impl Display) {
        self.file.report(self.place(key).line, format!("{}: {reason}", self.label(key)));
    }

    /// Whether `key` is written at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether `key` is written as `true` or `false`.
    pub(super) fn is_bool(&self, key: &str) -> bool {
        let value = self.entries.get(key).and_then(|entry| entry.value.as_ref());
        value.is_some_and(|value| matches!(value.get_ref(), DeValue::Boolean(_)))
    }

    /// Reports what is wrong with the table as a whole.
    pub(super) fn problem_here(&self, reason: &str) {
        self.file.report(Some(self.line), format!("{}: {reason}", self.title));
    }

    /// Reports that `key`, whatever its value, may not be in this table.
    pub(super) fn refuse(&mut self, key: &'static str, reason: &str) {
        if self.take(key).is_some() {
            self.problem(key, reason);
        }
    }

    /// Reports that this table defines `what` once more.
    pub(super) fn clash(&self, what: &str, first: &Place) {
        self.file
            .report(Some(self.line), format!("{what} is defined at {first} already; rename or remove one of them"));
    }

    /// Where the table itself is written.
    pub(super) fn here(&self) -> Place {
        self.file.place(Some(self.line))
    }

    /// Where `key` is written; the table's own place if it is not.
    pub(super) fn place(&self, key: &str) -> Place {
        self.file.place(Some(self.entries.get(key).map_or(self.line, |entry| entry.line)))
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.entries.get_mut(key)?.value.take()
    }

    fn take_table(&mut self, key: &'static str) -> Option<DeTable<'a>> {
        let value = self.take(key)?;
        self.as_table(key, value)
    }

    fn take_list(&mut self, key: &'static str) -> DeArray<'a> {
        match self.take(key).map(Spanned::into_inner) {
            Some(DeValue::Array(items)) if !items.is_empty() => return items,
            Some(DeValue::Array(_)) => self.problem(key, "is empty; give at least one table"),
            Some(other) => self.problem(key, format!("expected a list of tables, found {}", other.type_str())),
            None => self.problem(key, "is missing; give a list of tables"),
        }
        DeArray::default()
    }

    fn as_table(&self, key: &str, value: Spanned<DeValue<'a>>) -> Option<DeTable<'a>> {
        match value.into_inner() {
            DeValue::Table(table) => Some(table),
            other => {
                self.problem(key, format!("expected a table, found {}", other.type_str()));
                None
            }
        }
    }

    fn deserialize<T: DeserializeOwned>(&self, key: &str, value: Spanned<DeValue<'a>>) -> Option<T> {
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| self.problem(key, error.message())).ok()
    }

    fn child(&self, key: &str, name: &str, table: DeTable<'a>) -> Section<'a> {
        let line = self.place(key).line.unwrap_or(self.line);
        Section::new(self.file, self.header(name), line, table)
    }

    fn header(&self, name: &str) -> String {
        match self.title.strip_suffix(']') {
            Some(parent) => format!("{parent}.{}]", quoted(name)),
            None => format!("[{}]", quoted(name)),
        }
    }

    fn label(&self, key: &str) -> String {
        match self.title.as_str() {
            "" => format!("`{key}`"),
            title => format!("`{key}` in {title}"),
        }
    }
}

/// A key as TOML wants it in a header.
fn quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}
