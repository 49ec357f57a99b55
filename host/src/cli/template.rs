//! The projects that `wisp new` starts: plain sources (`host/templates`), and those examples that take a toolchain, renamed
//! and made to stand alone.

use clap::ValueEnum;
use wisp::component::source::WIT_FILES;

/// The profile of the Rust examples, which a package that stands alone has in its own manifest.
const RUST_WORKSPACE: &str = include_str!("../../../examples/Cargo.toml");

/// Where the examples find the WIT package, and where a project has its own.
const EXAMPLES_WIT: &str = "\"../../wit\"";
const OWN_WIT: &str = "\"wit\"";

/// Where the Rust examples find the SDK, and where a project has its own: it is not published yet.
const EXAMPLES_SDK: &str = "\"../../guest-sdk/rust\"";
const OWN_SDK: &str = "\"wisp-sdk\"";

/// Files of the Rust SDK that a build needs.
macro_rules! sdk {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../guest-sdk/rust/", $file)))),+]
    };
}

const SDK_FILES: &[(&str, &str)] = sdk!(
    "Cargo.toml",
    "macros/Cargo.toml",
    "macros/src/expand.rs",
    "macros/src/lib.rs",
    "macros/src/signature.rs",
    "src/__private.rs",
    "src/bindings/after_restore.rs",
    "src/bindings/event_handler.rs",
    "src/bindings/imports.rs",
    "src/bindings/initializer.rs",
    "src/bindings/mod.rs",
    "src/bindings/packed_http_handler.rs",
    "src/bindings/pre_freeze.rs",
    "src/bindings/pre_stop.rs",
    "src/client.rs",
    "src/context.rs",
    "src/error.rs",
    "src/http/body.rs",
    "src/http/mod.rs",
    "src/http/packed.rs",
    "src/http/response.rs",
    "src/lib.rs",
    "src/net/address.rs",
    "src/net/error.rs",
    "src/net/mod.rs",
    "src/panics.rs",
    "src/payload.rs",
    "src/reactor.rs",
    "src/streams.rs",
    "src/text.rs",
    "src/time.rs",
);

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

/// Files of a template.
macro_rules! template {
    ($name:literal, $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../templates/", $name, "/", $file)))),+]
    };
}

/// A project to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// An event function in JavaScript that prices an order
    JsEvent,
    /// A page in JavaScript that says what it was asked
    JsHttp,
    /// An event function in TypeScript that sums up readings
    TsEvent,
    /// An Express application
    Express,
    /// A server in JavaScript that takes requests, events and an initializer
    JsServer,
    /// A CloudBase function in JavaScript
    JsCloudbase,
    /// An event function in Python that sums up a table
    PythonEvent,
    /// A WSGI function in Python that says what it was asked
    PythonHttp,
    /// A Flask application
    Flask,
    /// A Starlette application
    Asgi,
    /// A search in JavaScript whose index is made once, at deploy
    JsSnapshot,
    /// A function in JavaScript that a timer calls
    JsTimer,
    /// A function in JavaScript that is called when files come to a directory
    JsBucket,
    /// A function in JavaScript that takes the messages of a queue
    JsQueue,
    /// Short links over HTTP, in Rust
    RustHttp,
    /// An event function in Rust that counts words
    RustEvent,
    /// A list of things to do over HTTP, in JavaScript built by componentize-js
    JsHttpComponentize,
    /// An event function in JavaScript built by componentize-js
    JsEventComponentize,
    /// A report of temperatures over HTTP, in Python built by componentize-py
    PythonHttpComponentize,
    /// An event function in Python built by componentize-py
    PythonEventComponentize,
}

/// How to try a new function.
pub(super) enum Trial {
    /// The path of a request.
    Get(&'static str),
    /// An event.
    Event(&'static str),
    /// A command.
    Command(&'static str),
}

impl Template {
    /// As it is typed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::JsEvent => "js-event",
            Self::JsHttp => "js-http",
            Self::TsEvent => "ts-event",
            Self::Express => "express",
            Self::JsServer => "js-server",
            Self::JsCloudbase => "js-cloudbase",
            Self::PythonEvent => "python-event",
            Self::PythonHttp => "python-http",
            Self::Flask => "flask",
            Self::Asgi => "asgi",
            Self::JsSnapshot => "js-snapshot",
            Self::JsTimer => "js-timer",
            Self::JsBucket => "js-bucket",
            Self::JsQueue => "js-queue",
            Self::RustHttp => "rust-http",
            Self::RustEvent => "rust-event",
            Self::JsHttpComponentize => "js-http-componentize",
            Self::JsEventComponentize => "js-event-componentize",
            Self::PythonHttpComponentize => "python-http-componentize",
            Self::PythonEventComponentize => "python-event-componentize",
        }
    }

    /// What the function is called in the template's files.
    fn function(self) -> &'static str {
        self.name().trim_end_matches("-componentize")
    }

    /// The files of a project called `name`: path within it, text.
    pub(super) fn render(self, name: &str) -> Vec<(String, String)> {
        let own = |path: &str, text: &str| match path {
            // Sources may well speak of Express or Flask, and mean them.
            "wisp.toml" => text.replace(self.function(), name),
            _ if self.is_example() => {
                text.replace(self.function(), name).replace(EXAMPLES_WIT, OWN_WIT).replace(EXAMPLES_SDK, OWN_SDK)
            }
            _ => text.to_owned(),
        };
        let mut files: Vec<_> = self
            .files()
            .iter()
            .map(|(path, text)| ((*path).to_owned(), self.standing_alone(path, own(path, text))))
            .collect();
        files.push((".gitignore".to_owned(), GITIGNORE.to_owned()));
        // The tools of the other languages take the package that wisp carries.
        if files.iter().any(|(_, text)| text.contains(OWN_WIT)) {
            files.extend(WIT_FILES.iter().map(|(path, text)| (format!("wit/{path}"), (*text).to_owned())));
        }
        if files.iter().any(|(_, text)| text.contains(OWN_SDK)) {
            files.extend(SDK_FILES.iter().map(|(path, text)| (format!("wisp-sdk/{path}"), (*text).to_owned())));
        }
        files
    }

    /// What has to be installed in a new project before it can be built.
    pub(super) fn set_up(self) -> Option<&'static str> {
        match self {
            Self::Express | Self::JsHttpComponentize | Self::JsEventComponentize => Some("npm install"),
            Self::PythonHttpComponentize | Self::PythonEventComponentize => {
                Some("python3 -m venv .venv && .venv/bin/pip install -r requirements-build.txt")
            }
            _ => None,
        }
    }

    /// How to see it work.
    pub(super) fn trial(self) -> Trial {
        match self {
            Self::RustHttp
            | Self::PythonHttpComponentize
            | Self::JsHttp
            | Self::Express
            | Self::PythonHttp
            | Self::Flask => Trial::Get(""),
            Self::JsServer | Self::Asgi => Trial::Get("?name=Ada"),
            Self::JsCloudbase => Trial::Get("page?name=Ada"),
            Self::JsHttpComponentize => Trial::Get("todos"),
            Self::JsSnapshot => Trial::Get("?q=wool"),
            Self::JsTimer => Trial::Command("wisp trigger fire tick"),
            Self::JsBucket => Trial::Command("echo the more we learn > uploads/hello.txt"),
            Self::JsQueue => Trial::Command(
                r#"curl -d '{"to": "Ada", "text": "hello"}' http://127.0.0.1:9001/queues/letters/messages"#,
            ),
            Self::RustEvent => Trial::Event("the more we learn the more we see"),
            Self::JsEvent | Self::JsEventComponentize => {
                Trial::Event(r#"{"currency": "USD", "items": [{"sku": "pen", "price": 1.5, "quantity": 4}]}"#)
            }
            Self::TsEvent => Trial::Event(r#"[{"sensor": "a", "celsius": 21.5}, {"sensor": "b", "celsius": 9}]"#),
            Self::PythonEvent | Self::PythonEventComponentize => {
                Trial::Event("\"$(printf 'city,celsius\\nRome,21.5\\nOslo,9')\"")
            }
        }
    }

    /// Whether it is an example of the repository.
    fn is_example(self) -> bool {
        matches!(self, Self::RustHttp | Self::RustEvent) || self.name().ends_with("-componentize")
    }

    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::JsEvent => template!("js-event", "index.js", "wisp.toml"),
            Self::JsHttp => template!("js-http", "index.js", "wisp.toml"),
            Self::TsEvent => template!("ts-event", "index.ts", "wisp.toml"),
            Self::Express => template!("express", "index.js", "package.json", "wisp.toml"),
            Self::JsServer => template!("js-server", "index.js", "wisp.toml"),
            Self::JsCloudbase => template!("js-cloudbase", "index.js", "wisp.toml"),
            Self::PythonEvent => template!("python-event", "main.py", "wisp.toml"),
            Self::PythonHttp => template!("python-http", "main.py", "wisp.toml"),
            Self::Flask => template!("flask", "app.py", "requirements.txt", "wisp.toml"),
            Self::Asgi => template!("asgi", "main.py", "requirements.txt", "wisp.toml"),
            Self::JsSnapshot => template!("js-snapshot", "index.js", "articles.csv", "wisp.toml"),
            Self::JsTimer => template!("js-timer", "index.js", "wisp.toml"),
            Self::JsBucket => template!("js-bucket", "index.js", "uploads/.gitkeep", "wisp.toml"),
            Self::JsQueue => template!("js-queue", "index.js", "wisp.toml"),
            Self::RustHttp => example!("rust-http", "Cargo.toml", "src/lib.rs", "wisp.toml"),
            Self::RustEvent => example!("rust-event", "Cargo.toml", "src/lib.rs", "wisp.toml"),
            Self::JsHttpComponentize => example!("js-http", "package.json", "index.js", "wisp.toml"),
            Self::JsEventComponentize => example!("js-event", "package.json", "index.js", "wisp.toml"),
            Self::PythonHttpComponentize => example!("python-http", "app.py", "wisp.toml"; REQUIREMENTS),
            Self::PythonEventComponentize => example!("python-event", "app.py", "wisp.toml"; REQUIREMENTS),
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
                let is_named = path == "wisp.toml" && text.contains(template.function());
                assert!(!is_named && !text.contains("../"), "{path} of {}", template.name());
            }
            let config = config::parse(&file(&files, "wisp.toml"), Path::new("wisp.toml")).unwrap();
            assert_eq!(config.functions.len(), 1);
            assert_eq!(&*config.functions[0].name, "orders");
            assert_eq!(config.functions[0].http.is_some(), matches!(template.trial(), Trial::Get(_)));
        }
    }

    #[test]
    fn a_rust_project_has_its_own_profile_workspace_and_sdk() {
        let files = Template::RustEvent.render("orders");
        let manifest: toml::Table = file(&files, "Cargo.toml").parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("orders"));
        assert!(manifest["workspace"].as_table().unwrap().is_empty());
        assert!(manifest["profile"]["release"].get("panic").is_some());
        assert_eq!(manifest["dependencies"]["wisp-sdk"]["path"].as_str(), Some("wisp-sdk"));
        assert!(file(&files, "wisp-sdk/Cargo.toml").contains("name = \"wisp-sdk\""));
    }

    /// A file that is not in the list would be missed only when a user builds his first project.
    #[test]
    fn a_project_has_every_source_of_the_sdk() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/rust");
        for directory in ["src", "src/bindings", "src/http", "src/net", "macros/src"] {
            for file in std::fs::read_dir(sdk.join(directory)).unwrap().flatten() {
                let path = format!("{directory}/{}", file.file_name().display());
                let listed = SDK_FILES.iter().any(|(listed, _)| *listed == path);
                assert!(listed || file.path().is_dir(), "{path} is not in SDK_FILES");
            }
        }
    }

    #[test]
    fn the_names_of_templates_are_those_that_are_typed() {
        for template in Template::value_variants() {
            assert_eq!(template.to_possible_value().unwrap().get_name(), template.name());
        }
    }
}
