//! What the host preopened.

use wasip2::filesystem::{
    preopens,
    types::{Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, OpenFlags, PathFlags},
};

use super::errno::{Errno, NOENT};

/// The preopened directories of this instance, with their absolute paths.
pub(super) struct Preopens(Vec<(Descriptor, String)>);

/// An absolute path with no `.`, no `..`, no doubled and no last slash; `/` for the root.
pub(crate) fn normalize(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

impl Preopens {
    pub(super) fn get() -> Self {
        Self(preopens::get_directories().into_iter().map(|(directory, path)| (directory, normalize(&path))).collect())
    }

    /// The directory that holds `path`, and the path in it.
    pub(super) fn locate<'a>(&'a self, path: &'a str) -> Result<(&'a Descriptor, &'a str), Errno> {
        let inside = |root: &str| {
            let rest = path.strip_prefix(root.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
        };
        let found = self.0.iter().filter_map(|(directory, root)| Some((directory, root.len(), inside(root)?)));
        let (directory, _, rest) = found.max_by_key(|(_, length, _)| *length).ok_or(NOENT)?;
        Ok((directory, if rest.is_empty() { "." } else { rest }))
    }

    /// The names of the preopened directories directly under `path`.
    pub(super) fn children(&self, path: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        self.0
            .iter()
            .filter_map(move |(_, root)| root.strip_prefix(&prefix))
            .map(|rest| rest.split('/').next().unwrap_or(rest))
    }

    pub(super) fn stat(&self, path: &str, follow: bool) -> Result<DescriptorStat, Errno> {
        let (directory, rest) = self.locate(path)?;
        Ok(directory.stat_at(path_flags(follow), rest)?)
    }

    pub(super) fn open(
        &self,
        path: &str,
        follow: bool,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Descriptor, Errno> {
        let (directory, rest) = self.locate(path)?;
        Ok(directory.open_at(path_flags(follow), rest, open, flags)?)
    }
}

pub(super) fn path_flags(follow: bool) -> PathFlags {
    if follow { PathFlags::SYMLINK_FOLLOW } else { PathFlags::empty() }
}

/// The file type as preview 1 numbers it.
pub(super) fn file_type(kind: DescriptorType) -> u8 {
    match kind {
        DescriptorType::BlockDevice => 1,
        DescriptorType::CharacterDevice => 2,
        DescriptorType::Directory => 3,
        DescriptorType::RegularFile => 4,
        DescriptorType::Socket => 6,
        DescriptorType::SymbolicLink => 7,
        DescriptorType::Unknown | DescriptorType::Fifo => 0,
    }
}
