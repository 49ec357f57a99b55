//! The sources of the function, kept in memory: a served component needs no directory for what it may still require.

use std::{cell::RefCell, collections::BTreeMap, fs, path::Path, rc::Rc};

use crate::bindings::exports::wisp::function::loader::TranslatedFile;

/// What modules are made of. Everything else is data, and read from the directory when it is asked for.
const EXTENSIONS: [&str; 4] = ["js", "mjs", "cjs", "json"];

/// Directories that hold no modules of the function.
const SKIPPED: [&str; 4] = [".git", ".wisp", ".bin", ".cache"];

/// How many bytes of sources are kept at most. Beyond that a function is better bundled.
const MAX_TOTAL: usize = 64 << 20;

/// A larger file is data, whatever its name says.
const MAX_FILE: u64 = 8 << 20;

#[derive(Default)]
struct Sources {
    files: BTreeMap<String, Rc<[u8]>>,
    links: BTreeMap<String, String>,
    total: usize,
    left_out: usize,
}

thread_local! {
    static SOURCES: RefCell<Sources> = RefCell::default();
}

/// What a path is in the sources.
pub(crate) enum Node {
    File(Rc<[u8]>),
    Directory,
}

/// Reads the sources under `directory`, with the translated files in place of their originals. Returns warnings.
pub(crate) fn take(directory: &str, translated: &[TranslatedFile]) -> Vec<String> {
    SOURCES.set(Sources::default());
    let mut sources = Sources::default();
    sources.walk(Path::new(directory));
    for file in translated {
        let text: Rc<[u8]> = Rc::from(file.text.as_bytes());
        if let Some(name) = javascript_name(&file.path) {
            sources.files.entry(name).or_insert_with(|| text.clone());
        }
        sources.files.insert(file.path.clone(), text);
    }
    let warning = (sources.left_out > 0).then(|| {
        format!(
            "{} source files are not in the component, because it already holds {} MB of sources: modules that are first \
             required while it serves are read from {directory}. Bundle the function, or remove packages that it does not need",
            sources.left_out,
            MAX_TOTAL >> 20
        )
    });
    SOURCES.set(sources);
    warning.into_iter().collect()
}

/// The name under which other modules know a translated file: `import "./a.js"` means `a.ts`.
fn javascript_name(path: &str) -> Option<String> {
    let (stem, extension) = path.rsplit_once('.')?;
    let extension = match extension {
        "ts" | "tsx" | "jsx" => "js",
        "mts" => "mjs",
        "cts" => "cjs",
        _ => return None,
    };
    Some(format!("{stem}.{extension}"))
}

impl Sources {
    fn walk(&mut self, directory: &Path) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if kind.is_symlink() {
                self.link(&path);
            } else if kind.is_dir() {
                if !SKIPPED.contains(&name) {
                    self.walk(&path);
                }
            } else if path.extension().and_then(|extension| extension.to_str()).is_some_and(|e| EXTENSIONS.contains(&e))
            {
                self.file(&path);
            }
        }
    }

    fn link(&mut self, path: &Path) {
        if let (Some(name), Ok(target)) = (path.to_str(), fs::read_link(path))
            && let Some(target) = target.to_str()
        {
            self.links.insert(name.to_owned(), target.to_owned());
        }
    }

    fn file(&mut self, path: &Path) {
        let Ok(size) = fs::metadata(path).map(|metadata| metadata.len()) else { return };
        if size > MAX_FILE {
            return;
        }
        if self.total.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)) > MAX_TOTAL {
            self.left_out += 1;
            return;
        }
        if let (Some(name), Ok(content)) = (path.to_str(), fs::read(path)) {
            self.total += content.len();
            self.files.insert(name.to_owned(), content.into());
        }
    }

    fn resolve(&self, path: &str) -> String {
        let mut path = path.to_owned();
        // As often as Linux follows links.
        for _ in 0..40 {
            let Some((link, target)) = self.first_link(&path) else { break };
            let rest = &path[link.len()..];
            let parent = link.rsplit_once('/').map_or("", |(parent, _)| parent);
            let joined =
                if target.starts_with('/') { format!("{target}{rest}") } else { format!("{parent}/{target}{rest}") };
            path = crate::preview1::normalize(&joined);
        }
        path
    }

    fn first_link<'a>(&self, path: &'a str) -> Option<(&'a str, &String)> {
        if self.links.is_empty() {
            return None;
        }
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        ends.map(|end| &path[..end]).find_map(|prefix| self.links.get(prefix).map(|target| (prefix, target)))
    }

    fn find(&self, path: &str) -> Option<Node> {
        let path = self.resolve(path);
        if let Some(content) = self.files.get(&path) {
            return Some(Node::File(content.clone()));
        }
        let prefix = format!("{path}/");
        let next = self.files.range(prefix.clone()..).next();
        next.is_some_and(|(name, _)| name.starts_with(&prefix)).then_some(Node::Directory)
    }
}

/// What is at an absolute path; links are followed.
pub(crate) fn find(path: &str) -> Option<Node> {
    SOURCES.with_borrow(|sources| sources.find(path))
}

/// The target of a link.
pub(crate) fn link(path: &str) -> Option<String> {
    SOURCES.with_borrow(|sources| sources.links.get(path).cloned())
}

/// The path with all links followed.
pub(crate) fn resolve(path: &str) -> String {
    SOURCES.with_borrow(|sources| sources.resolve(path))
}

pub(crate) fn has(path: &str) -> bool {
    matches!(find(path), Some(Node::File(_)))
}

/// The names in a directory, and whether each is a directory.
pub(crate) fn list(directory: &str) -> BTreeMap<String, bool> {
    SOURCES.with_borrow(|sources| {
        let prefix = format!("{}/", sources.resolve(directory).trim_end_matches('/'));
        let mut names = BTreeMap::new();
        for name in
            sources.files.range(prefix.clone()..).map(|(name, _)| name).take_while(|name| name.starts_with(&prefix))
        {
            match name[prefix.len()..].split_once('/') {
                Some((child, _)) => names.insert(child.to_owned(), true),
                None => names.insert(name[prefix.len()..].to_owned(), false),
            };
        }
        names
    })
}

/// The names of the files in a directory.
pub(crate) fn names(directory: &str) -> Vec<String> {
    list(directory).into_iter().filter(|(_, is_directory)| !is_directory).map(|(name, _)| name).collect()
}
