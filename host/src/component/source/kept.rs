//! The plain sources of a function as they are when its component is built.
//!
//! Where the code of a component is not compiled yet, each new instance loads the sources: without these it would find the
//! next edit in the directory, or half of it.

use std::{fs, path::Path};

use super::{sources, typescript::has_ending};
use crate::{capability::files::CODE, component::runtime::abi::TranslatedFile, config::Language};

/// Bytes of sources that are kept at most, each and together. What is larger is data.
const FILE: u64 = 1 << 20;
const ALL: usize = 16 << 20;

/// Those below `directory`, outside packages, that need not be translated.
pub(super) fn plain(directory: &Path, language: Language) -> Vec<TranslatedFile> {
    let mut left = ALL;
    let files = sources::own_files(directory).into_iter().filter(|path| is_plain(path, language));
    files
        .filter_map(|path| {
            // A file that is no text, or gone again, is the runtime's to find.
            let file = directory.join(&path);
            let text =
                fs::metadata(&file).is_ok_and(|it| it.len() <= FILE).then(|| fs::read_to_string(file).ok())??;
            left = left.checked_sub(text.len())?;
            let path = Path::new(CODE).join(path).to_string_lossy().into_owned();
            Some(TranslatedFile { path, text, source_map: String::new() })
        })
        .collect()
}

fn is_plain(path: &Path, language: Language) -> bool {
    let endings: &[&str] = match language {
        Language::JavaScript => &["js", "mjs", "cjs", "json"],
        Language::Python => &["py"],
        Language::Rust => &[],
    };
    has_ending(path, endings)
}
