//! The language of sources: by the files that its tools look for, or by the file that the handler is in.

use std::path::Path;

use crate::config::Language;

/// Files that tell that a directory holds JavaScript or TypeScript.
pub(super) const JAVASCRIPT_ENTRIES: &[&str] = &[
    "index.js",
    "index.mjs",
    "index.cjs",
    "index.ts",
    "index.mts",
    "index.cts",
    "index.tsx",
    "index.jsx",
    "server.js",
    "server.mjs",
    "server.ts",
    "app.js",
    "app.mjs",
    "app.ts",
    "main.js",
    "main.mjs",
    "main.ts",
];

/// Files that tell that a directory holds Python.
pub(super) const PYTHON_ENTRIES: &[&str] = &["app.py", "main.py", "index.py", "wsgi.py", "asgi.py", "manage.py"];

/// The language of the sources in a directory, by the files that its tools look for.
pub fn detect(source: &Path) -> Option<Language> {
    let has = |name: &str| source.join(name).is_file();
    if has("Cargo.toml") {
        Some(Language::Rust)
    } else if has("package.json") || JAVASCRIPT_ENTRIES.iter().any(|name| has(name)) {
        Some(Language::JavaScript)
    } else if PYTHON_ENTRIES.iter().any(|name| has(name)) {
        Some(Language::Python)
    } else {
        None
    }
}

/// Endings of files that a language runtime takes.
const ENDINGS: &[(Language, &[&str])] =
    &[(Language::JavaScript, &["js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx"]), (Language::Python, &["py"])];

/// The language of the file that a handler such as `app/index.handler` names, or is; `None` if there is none, or one of
/// each language. A Rust package's handler names nothing.
pub fn language_of_handler(source: &Path, handler: &str) -> Option<Language> {
    if handler.is_empty() || source.join("Cargo.toml").is_file() {
        return None;
    }
    let module = handler.rsplit_once('.').map_or(handler, |(module, _)| module);
    let has = |ending: &&str| {
        let is_file = |name: &str| name.ends_with(&format!(".{ending}")) && source.join(name).is_file();
        is_file(handler) || is_file(&format!("{module}.{ending}"))
    };
    let mut found = ENDINGS.iter().filter(|(_, endings)| endings.iter().any(&has));
    match (found.next(), found.next()) {
        (Some((language, _)), None) => Some(*language),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_handlers_file_tells_the_language_where_no_usual_name_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("app")).unwrap();
        for file in ["app/main.py", "app/page.ts", "start.mjs", "both.js", "both.py"] {
            fs::write(path.join(file), "").unwrap();
        }
        for (handler, language) in [
            ("app/main.handler", Some(Language::Python)),
            ("app/page.handler", Some(Language::JavaScript)),
            ("start.mjs", Some(Language::JavaScript)),
            ("both.handler", None),
            ("none.handler", None),
            ("", None),
        ] {
            assert_eq!(language_of_handler(path, handler), language, "{handler}");
        }
        fs::write(path.join("Cargo.toml"), "").unwrap();
        assert_eq!(language_of_handler(path, "app/main.handler"), None);
    }
}
