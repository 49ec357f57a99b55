//! `.fcignore`: what a package leaves out, in the form of `.gitignore`.

use std::{io, path::Path};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What is never part of a function: version control, wisp's own data, and what other platforms' tools leave behind.
const ALWAYS: [&str; 6] = [".git/", ".svn/", ".hg/", ".wisp/", ".fun/", ".s/"];

/// The rules of one file; the last that matches decides.
#[derive(Debug)]
pub(super) struct Ignored(Gitignore);

impl Ignored {
    /// The rules of the file `name` in `directory`, if there is one, after those that always hold.
    pub(super) fn read(directory: &Path, name: &str) -> io::Result<Self> {
        let mut rules = GitignoreBuilder::new(directory);
        // The rules are no part of what they rule.
        for line in ALWAYS.into_iter().chain([format!("/{name}").as_str()]) {
            rules.add_line(None, line).map_err(io::Error::other)?;
        }
        let file = directory.join(name);
        if file.exists()
            && let Some(error) = rules.add(&file)
        {
            return Err(io::Error::other(format!("{}: {error}", file.display())));
        }
        rules.build().map(Self).map_err(io::Error::other)
    }

    /// Whether `path`, relative and with `/`, is left out.
    pub(super) fn leaves_out(&self, path: &str, is_directory: bool) -> bool {
        self.0.matched(path, is_directory).is_ignore()
    }
}
