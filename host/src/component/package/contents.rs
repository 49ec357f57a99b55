//! What a tree can be served as.

use super::{PackageError, Tree, WASM};

/// What a package holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// A component, or a core module that can be made one.
    Component {
        /// Its path in the package.
        path: String,
    },
    /// JavaScript or TypeScript sources, to be built.
    JavaScript {
        /// The module that the handler names, by its path in the package.
        module: String,
    },
    /// Python sources, to be built.
    Python {
        /// The module that the handler names, by its path in the package.
        module: String,
    },
}

/// What FC calls the program of a custom runtime.
const BOOTSTRAP: &str = "bootstrap";

/// In the order in which a handler's name finds them.
const JAVASCRIPT: [&str; 5] = ["js", "mjs", "cjs", "ts", "mts"];
const PYTHON: [&str; 1] = ["py"];

/// Sources without a handler's name begin here.
const MODULES: [&str; 3] = ["index", "main", "app"];

/// How many files an error lists.
const LISTED: usize = 10;

/// The languages that sources of a runtime can be in.
enum Runtime {
    JavaScript,
    Python,
    /// A program for Linux, or a component.
    Custom,
    /// Nothing is said: whatever is there.
    Any,
    /// A language that wisp cannot build.
    Foreign,
}

impl Runtime {
    fn of(name: &str) -> Self {
        match name {
            "" | "wasm" => Self::Any,
            _ if name.starts_with("nodejs") => Self::JavaScript,
            _ if name.starts_with("python") => Self::Python,
            _ if name.starts_with("custom") => Self::Custom,
            _ => Self::Foreign,
        }
    }
}

impl Tree {
    /// What the package is served as: a component if there is one, else sources of the runtime's language.
    ///
    /// `handler` is FC's, such as `index.handler` or `src/app.handler`; `runtime` is FC's, such as `nodejs20`,
    /// `python3.10` or `custom`, or empty.
    ///
    /// # Errors
    /// [`PackageError::Unusable`], which says what was found.
    pub fn contents(&self, handler: &str, runtime: &str) -> Result<Contents, PackageError> {
        if let Some(path) = self.component(handler)? {
            return Ok(Contents::Component { path });
        }
        let javascript = || self.module(handler, &JAVASCRIPT).map(|module| Contents::JavaScript { module });
        let python = || self.module(handler, &PYTHON).map(|module| Contents::Python { module });
        let found = match Runtime::of(runtime) {
            Runtime::JavaScript => javascript(),
            Runtime::Python => python(),
            Runtime::Any => javascript().or_else(python),
            Runtime::Custom | Runtime::Foreign => None,
        };
        found.ok_or_else(|| PackageError::Unusable(self.unusable(handler, runtime)))
    }

    /// Components beside sources are the sources' business, such as those in `node_modules`; one at the top is meant.
    fn component(&self, handler: &str) -> Result<Option<String>, PackageError> {
        let top: Vec<&str> = self.files.keys().map(String::as_str).filter(|path| is_wasm(path, 0)).collect();
        let named = format!("{}.wasm", module_name(handler));
        match top.as_slice() {
            [] => {}
            [one] => return self.checked(one).map(Some),
            several => match several.iter().find(|path| **path == named) {
                Some(path) => return self.checked(path).map(Some),
                None => {
                    return Err(PackageError::Unusable(format!(
                        "the code package has several components, {}; leave one, or name one by the handler, as \
                         '{}.handler'",
                        several.join(", "),
                        several[0].trim_end_matches(".wasm")
                    )));
                }
            },
        }
        let has_sources = self.files.keys().any(|path| extension(path).is_some_and(is_source));
        let mut deep = self.files.keys().filter(|path| is_wasm(path, usize::MAX));
        match (has_sources, deep.next(), deep.next()) {
            (false, Some(only), None) => self.checked(only).map(Some),
            _ => Ok(None),
        }
    }

    fn checked(&self, path: &str) -> Result<String, PackageError> {
        let mut magic = [0; WASM.len()];
        let mut file = std::fs::File::open(self.path(path))?;
        match std::io::Read::read_exact(&mut file, &mut magic) {
            Ok(()) if magic == *WASM => Ok(path.to_owned()),
            _ => Err(PackageError::Unusable(format!("'{path}' of the code package is no WebAssembly component"))),
        }
    }

    /// The module that a handler names, or the one that goes without saying.
    fn module(&self, handler: &str, extensions: &[&str]) -> Option<String> {
        let named = module_name(handler);
        let names: &[&str] = if named.is_empty() { &MODULES } else { &[named] };
        let candidates = names.iter().flat_map(|name| extensions.iter().map(move |end| format!("{name}.{end}")));
        candidates.into_iter().find(|path| self.files.contains_key(path))
    }

    /// Why nothing of the package can be served.
    fn unusable(&self, handler: &str, runtime: &str) -> String {
        let found = self.found();
        match Runtime::of(runtime) {
            Runtime::Custom if self.files.contains_key(BOOTSTRAP) => format!(
                "the code package has a '{BOOTSTRAP}', which is a program for Linux; wisp runs WebAssembly: put a \
                 component in its place, or sources for the runtimes nodejs and python ({found})"
            ),
            Runtime::Custom => {
                format!(
                    "the runtime '{runtime}' needs a WebAssembly component in the code package, but there is {found}"
                )
            }
            Runtime::Foreign => format!(
                "the runtime '{runtime}' is none that wisp has; give a WebAssembly component, or sources for the runtimes \
                 nodejs and python ({found})"
            ),
            Runtime::JavaScript => self.no_module(handler, &JAVASCRIPT, &found),
            Runtime::Python => self.no_module(handler, &PYTHON, &found),
            Runtime::Any => format!(
                "the code package has neither a component, as 'function.wasm', nor sources that the handler '{handler}' \
                 names; there is {found}"
            ),
        }
    }

    fn no_module(&self, handler: &str, extensions: &[&str], found: &str) -> String {
        let named = module_name(handler);
        let expected = format!("{}.{}", if named.is_empty() { MODULES[0] } else { named }, extensions[0]);
        let nested = self.files.keys().find(|path| path.ends_with(&format!("/{expected}")));
        match nested.and_then(|path| path.strip_suffix(&format!("/{expected}"))) {
            Some(directory) => format!(
                "the handler '{handler}' needs '{expected}' at the top of the code package, but it is in '{directory}'; pack \
                 the contents of the directory, not the directory itself"
            ),
            None => format!("the handler '{handler}' needs '{expected}' in the code package, but there is {found}"),
        }
    }

    /// The first files, as a list for people.
    fn found(&self) -> String {
        let names: Vec<&str> = self.files.keys().take(LISTED).map(String::as_str).collect();
        match self.files.len() {
            0 => "nothing".to_owned(),
            count if count > LISTED => format!("{} and {} more files", names.join(", "), count - LISTED),
            _ => names.join(", "),
        }
    }
}

/// `src/index` of `src/index.handler`.
fn module_name(handler: &str) -> &str {
    handler.rsplit_once('.').map_or("", |(module, _)| module)
}

fn extension(path: &str) -> Option<&str> {
    path.rsplit('/').next()?.rsplit_once('.').map(|(_, extension)| extension)
}

fn is_source(extension: &str) -> bool {
    JAVASCRIPT.contains(&extension) || PYTHON.contains(&extension)
}

fn is_wasm(path: &str, depth: usize) -> bool {
    extension(path) == Some("wasm") && path.matches('/').count() <= depth
}
