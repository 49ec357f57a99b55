//! What is wrong with the user's own sources, and where.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Where the guest sees the sources.
const CODE: &str = "/code/";

/// Lines of a stack that are shown.
const FRAMES: usize = 12;

/// An error in a file of the sources; displayed as `index.js:3:12: SyntaxError: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserError {
    message: String,
    place: Option<Place>,
    /// The line of the place, if it could be read.
    line: Option<String>,
    /// Stack lines, with paths as the user has them.
    frames: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Relative to the source directory.
    file: PathBuf,
    line: Option<usize>,
    column: Option<usize>,
}

impl UserError {
    /// An error at line and column, both from 1, of a text.
    pub(super) fn at(file: &Path, text: &str, position: Option<(usize, usize)>, message: String) -> Self {
        let (line, column) = position.unzip();
        let quoted = line.and_then(|line| text.lines().nth(line - 1)).map(str::to_owned);
        Self { message, place: Some(Place { file: file.to_owned(), line, column }), line: quoted, frames: Vec::new() }
    }

    /// What an error document of a language runtime says.
    pub(super) fn of_document(document: &str, source: &Path) -> Self {
        let json: Value = serde_json::from_str(document).unwrap_or_default();
        let message = json["errorMessage"].as_str().unwrap_or(document);
        let kind = json["errorType"].as_str().unwrap_or_default();
        let stack: Vec<String> = json["stackTrace"].as_array().map(|stack| frames(stack)).unwrap_or_default();
        let place = stack.iter().map(String::as_str).chain([message]).find_map(|text| place_in(text, source));
        let line = place.as_ref().and_then(|place| {
            let text = fs::read_to_string(source.join(&place.file)).ok()?;
            text.lines().nth(place.line?.checked_sub(1)?).map(str::to_owned)
        });
        let message = message.replace(CODE, "");
        let message = if kind.is_empty() || message.starts_with(kind) { message } else { format!("{kind}: {message}") };
        let frames = stack.into_iter().take(FRAMES).map(|frame| frame.replace(CODE, "")).collect();
        Self { message, place, line, frames }
    }

    /// The line with a mark below the column; empty if there is none.
    pub(super) fn quote(&self) -> String {
        let (Some(text), Some(Place { line: Some(line), column, .. })) = (&self.line, &self.place) else {
            return String::new();
        };
        let number = line.to_string();
        let quoted = format!("  {number} | {text}");
        let Some(column) = column else { return quoted };
        // Tabs stay tabs, so that the mark stands where the terminal puts the character.
        let indent: String =
            text.chars().take(column.saturating_sub(1)).map(|c| if c == '\t' { c } else { ' ' }).collect();
        format!("{quoted}\n  {} | {indent}^", " ".repeat(number.len()))
    }

    /// The quoted line and the stack, for people.
    pub(super) fn details(&self) -> String {
        let mut lines = Vec::new();
        if !self.quote().is_empty() {
            lines.push(self.quote());
        }
        lines.extend(self.frames.iter().cloned());
        lines.join("\n")
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:", place.file.display())?;
            for number in [place.line, place.column].into_iter().flatten() {
                write!(f, "{number}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

/// Stack lines of JavaScript as they are; those of Python are lists of file, line, function and text.
fn frames(stack: &[Value]) -> Vec<String> {
    let part = |value: &Value| value.as_str().map(|text| text.trim_end().to_owned());
    let frame = |value: &Value| match value {
        Value::Array(parts) => Some(parts.iter().filter_map(part).collect::<Vec<_>>().join(", ")),
        other => part(other),
    };
    stack.iter().filter_map(frame).flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The first place in a text such as `at f (/code/index.js:3:12)` or `File "/code/main.py", line 3`, in the user's own
/// files rather than in those of a package.
fn place_in(text: &str, source: &Path) -> Option<Place> {
    let start = text.find(CODE)? + CODE.len();
    let rest = text.get(start..)?;
    let end = rest.find([':', '"', '\'', ')', ',', '\n']).unwrap_or(rest.len());
    let (file, after) = rest.split_at(end);
    if file.contains("node_modules/") || file.contains("site-packages/") || !source.join(file).is_file() {
        return place_in(after, source);
    }
    let numbers = |text: &str| -> Vec<usize> {
        text.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok()).collect()
    };
    let found = match after.strip_prefix(':') {
        Some(after) => numbers(after),
        None => after.split_once("line ").map(|(_, after)| numbers(after)).unwrap_or_default(),
    };
    let is_script = after.starts_with(':');
    Some(Place { file: file.into(), line: found.first().copied(), column: found.get(1).copied().filter(|_| is_script) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let project = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = project.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        project
    }

    #[test]
    fn a_javascript_stack_leads_to_the_users_line() {
        let project = project(&[("index.js", "a\nb\nthrow oops\n"), ("node_modules/x/i.js", "")]);
        let document = r#"{"errorMessage":"oops","errorType":"TypeError","stackTrace":["TypeError: oops",
            "    at x (/code/node_modules/x/i.js:1:1)","    at f (/code/index.js:3:7)"]}"#;
        let error = UserError::of_document(document, project.path());
        assert_eq!(error.to_string(), "index.js:3:7: TypeError: oops");
        assert_eq!(error.quote(), "  3 | throw oops\n    |       ^");
        assert!(error.details().ends_with("    at f (index.js:3:7)"), "{}", error.details());
    }

    #[test]
    fn a_python_stack_leads_to_the_users_line() {
        let project = project(&[("main.py", "import x\nraise E\n")]);
        let document = r#"{"errorMessage":"no","errorType":"E","stackTrace":[["File \"/code/main.py\"","line 2","in <module>","raise E"]]}"#;
        let error = UserError::of_document(document, project.path());
        assert_eq!(error.to_string(), "main.py:2: E: no");
        assert_eq!(error.quote(), "  2 | raise E");
    }

    #[test]
    fn an_error_without_a_place_is_told_as_it_is() {
        let error = UserError::of_document(r#"{"errorMessage":"Handler 'x' is missing"}"#, Path::new("/none"));
        assert_eq!(error.to_string(), "Handler 'x' is missing");
        assert_eq!(UserError::of_document("no JSON", Path::new("/none")).to_string(), "no JSON");
    }
}
