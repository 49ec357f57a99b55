//! The projects that `wisp new` starts: the examples, renamed and made to stand alone.

use clap::ValueEnum;
use wisp::component::source::WIT_FILES;

/// The profile of the Rust examples, which a package that stands alone has in its own manifest.
const RUST_WORKSPACE: &str = include_str!("../../../examples/Cargo.toml");

/// Where the examples find the WIT package, and where a project has its own.
const EXAMPLES_WIT: &str = "\"../../wit\"";
const OWN_WIT: &str = "\"wit\"";

/// What tools make of a project.
const GITIGNORE: &str = "*.wasm\n.wisp/\n.venv/\n__pycache__/\nnode_modules/\ntarget/\n";

/// The build tool of a Python project.
const REQUIREMENTS: (&str, &str) = ("requirements-build.txt", include_str!("../../../examples/requirements-build.txt"));

/// Files of an example, and after a semicolon one from elsewhere.
macro_rules! example {
    ($name:literal, $($file:literal),+ $(; $other:expr)?) => {
        &[$(($file, include_str!(concat!("../../../examples/", $name, "/", $file)))),+ $(, $other)?]
    };
}

/// A project to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// Short links over HTTP, in Rust
    RustHttp,
    /// An event function in Rust that counts words
    RustEvent,
    /// A list of things to do over HTTP, in JavaScript
    JsHttp,
    /// An event function in JavaScript that prices an order
    JsEvent,
    /// A report of temperatures over HTTP, in Python
    PythonHttp,
    /// An event function in Python that sums up a table
    PythonEvent,
}

/// How to try a new function.
pub(super) enum Trial {
    /// The path of a request.
    Get(&'static str),
    /// An event.
    Event(&'static str),
}

impl Template {
    /// As it is typed, and as the example is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RustHttp => "rust-http",
            Self::RustEvent => "rust-event",
            Self::JsHttp => "js-http",
            Self::JsEvent => "js-event",
            Self::PythonHttp => "python-http",
            Self::PythonEvent => "python-event",
        }
    }

    /// The files of a project called `name`: path within it, text.
    pub(super) fn render(self, name: &str) -> Vec<(String, String)> {
        let own = |text: &str| text.replace(self.name(), name).replace(EXAMPLES_WIT, OWN_WIT);
        let mut files: Vec<_> = self
            .files()
            .iter()
            .map(|(path, text)| ((*path).to_owned(), self.standing_alone(path, own(text))))
            .collect();
        files.push((".gitignore".to_owned(), GITIGNORE.to_owned()));
        // The tools of the other languages take the package that wisp carries.
        if files.iter().any(|(_, text)| text.contains(OWN_WIT)) {
            files.extend(WIT_FILES.iter().map(|(path, text)| (format!("wit/{path}"), (*text).to_owned())));
        }
        files
    }

    /// What has to be installed in a new project before it can be built.
    pub(super) fn set_up(self) -> Option<&'static str> {
        match self {
            Self::RustHttp | Self::RustEvent => None,
            Self::JsHttp | Self::JsEvent => Some("npm install"),
            Self::PythonHttp | Self::PythonEvent => {
                Some("python3 -m venv .venv && .venv/bin/pip install -r requirements-build.txt")
            }
        }
    }

    /// How to see it work.
    pub(super) fn trial(self) -> Trial {
        match self {
            Self::RustHttp | Self::PythonHttp => Trial::Get(""),
            Self::JsHttp => Trial::Get("todos"),
            Self::RustEvent => Trial::Event("the more we learn the more we see"),
            Self::JsEvent => {
                Trial::Event(r#"{"currency": "USD", "items": [{"sku": "pen", "price": 1.5, "quantity": 4}]}"#)
            }
            Self::PythonEvent => Trial::Event("\"$(printf 'city,celsius\\nRome,21.5\\nOslo,9')\""),
        }
    }

    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::RustHttp => example!("rust-http", "Cargo.toml", "src/lib.rs", "wisp.toml"),
            Self::RustEvent => example!("rust-event", "Cargo.toml", "src/lib.rs", "wisp.toml"),
            Self::JsHttp => example!("js-http", "package.json", "index.js", "wisp.toml"),
            Self::JsEvent => example!("js-event", "package.json", "index.js", "wisp.toml"),
            Self::PythonHttp => example!("python-http", "app.py", "wisp.toml"; REQUIREMENTS),
            Self::PythonEvent => example!("python-event", "app.py", "wisp.toml"; REQUIREMENTS),
        }
    }

    fn standing_alone(self, path: &str, text: String) -> String {
        if path == "Cargo.toml" { format!("{text}\n{}", profile()) } else { text }
    }
}

/// An empty workspace keeps the package apart from one that it may lie in, and cargo reads profiles from it.
fn profile() -> String {
    let profile = RUST_WORKSPACE.find("[profile.release]").and_then(|start| RUST_WORKSPACE.get(start..));
    format!("# Keeps the package apart from a workspace around it.\n[workspace]\n\n{}", profile.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wisp::config;

    use super::*;

    fn file(files: &[(String, String)], path: &str) -> String {
        files.iter().find(|(name, _)| name == path).map(|(_, text)| text.clone()).unwrap_or_default()
    }

    #[test]
    fn every_template_becomes_a_project_of_the_new_name() {
        for template in Template::value_variants() {
            let files = template.render("orders");
            for (path, text) in &files {
                assert!(!text.contains(template.name()) && !text.contains("../"), "{path} of {}", template.name());
            }
            let config = config::parse(&file(&files, "wisp.toml"), Path::new("wisp.toml")).unwrap();
            assert_eq!(config.functions.len(), 1);
            assert_eq!(&*config.functions[0].name, "orders");
            assert_eq!(config.functions[0].http.is_some(), matches!(template.trial(), Trial::Get(_)));
        }
    }

    #[test]
    fn a_rust_project_has_its_own_profile_workspace_and_wit_package() {
        let files = Template::RustEvent.render("orders");
        let manifest: toml::Table = file(&files, "Cargo.toml").parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("orders"));
        assert!(manifest["workspace"].as_table().unwrap().is_empty());
        assert!(manifest["profile"]["release"].get("panic").is_some());
        assert!(file(&files, "src/lib.rs").contains("path: \"wit\""));
        assert!(files.iter().any(|(path, _)| path == "wit/worlds.wit"));
    }

    #[test]
    fn the_names_of_templates_are_those_that_are_typed() {
        for template in Template::value_variants() {
            assert_eq!(template.to_possible_value().unwrap().get_name(), template.name());
        }
    }
}
