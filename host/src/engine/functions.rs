//! Functions that were compiled before: what the components of one language runtime have in common is compiled once.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::RwLock;
use wasmtime::CacheStore;

/// Bytes of compiled functions that are remembered: CPython, QuickJS, and room for another version of each.
const CAPACITY: usize = 256 << 20;

/// Above this, what is written down is only what this process had use of: runtimes come and go.
const WRITTEN_WHOLE: usize = CAPACITY / 2;

/// Bytes of a length as it is written down.
const LENGTH: usize = size_of::<u32>();

/// Reads what another process wrote down, if there is anything.
type Source = Box<dyn Fn() -> Option<Vec<u8>> + Send + Sync>;

/// Compiled functions by what they were compiled from. When it is full, nothing more is remembered: what comes first are
/// the runtimes, and they are what comes again.
#[derive(Default)]
pub(crate) struct CompiledFunctions {
    remembered: RwLock<Remembered>,
    source: OnceLock<Source>,
    read: OnceLock<()>,
    compiled: AtomicU64,
    found: AtomicU64,
}

/// What the compiler that remembers has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionCounts {
    /// Functions that it compiled.
    pub compiled: u64,
    /// Functions that it had compiled before.
    pub found: u64,
}

#[derive(Default)]
struct Remembered {
    functions: HashMap<Box<[u8]>, Function>,
    bytes: usize,
}

struct Function {
    code: Box<[u8]>,
    /// Whether this process compiled it, or compiled something that has it.
    is_used: AtomicBool,
}

impl CompiledFunctions {
    pub(crate) fn counts(&self) -> FunctionCounts {
        FunctionCounts { compiled: self.compiled.load(Relaxed), found: self.found.load(Relaxed) }
    }

    /// Takes in what [`Self::to_bytes`] gave, once the first function is to be compiled: most processes compile none, and it
    /// takes a while. The code is run: who calls this knows who wrote it. A second source changes nothing.
    pub(crate) fn read_from(&self, source: Source) {
        let _ = self.source.set(source);
    }

    fn take_in(&self, mut bytes: &[u8]) {
        let mut remembered = self.remembered.write();
        while let Some((key, code)) = next(&mut bytes) {
            remembered.add(key, code.into(), false);
        }
    }

    /// All functions, to be taken in by another process with the same compiler.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let remembered = self.remembered.read();
        let all = remembered.bytes <= WRITTEN_WHOLE;
        let functions = remembered.functions.iter().filter(|(_, function)| all || function.is_used.load(Relaxed));
        let mut bytes = Vec::with_capacity(remembered.bytes + remembered.functions.len() * 2 * LENGTH);
        for text in functions.flat_map(|(key, function)| [key, &function.code]) {
            // One function is far shorter than 4 GB: wasmtime's own limit is 7.6 MB of WebAssembly.
            bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(text);
        }
        bytes
    }
}

/// The next key and code, if both are whole.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    Some((text(bytes)?, text(bytes)?))
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(text)
}

impl Remembered {
    /// Whether there was room.
    fn add(&mut self, key: &[u8], code: Box<[u8]>, is_used: bool) -> bool {
        let bytes = self.bytes + key.len() + code.len();
        if bytes > CAPACITY {
            return false;
        }
        self.bytes = bytes;
        let old = self.functions.insert(key.into(), Function { code, is_used: is_used.into() });
        self.bytes -= old.map_or(0, |old| key.len() + old.code.len());
        true
    }
}

impl CacheStore for CompiledFunctions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.read.get_or_init(|| {
            if let Some(bytes) = self.source.get().and_then(|source| source()) {
                self.take_in(&bytes);
            }
        });
        let remembered = self.remembered.read();
        let function = remembered.functions.get(key)?;
        function.is_used.store(true, Relaxed);
        self.found.fetch_add(1, Relaxed);
        Some(Cow::Owned(function.code.to_vec()))
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        self.compiled.fetch_add(1, Relaxed);
        self.remembered.write().add(key, value.into(), true)
    }
}

impl fmt::Debug for CompiledFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remembered = self.remembered.read();
        write!(f, "{} compiled functions, {} bytes", remembered.functions.len(), remembered.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_compiled_another_finds() {
        let first = CompiledFunctions::default();
        assert!(first.insert(b"a", vec![1; 300]) && first.insert(b"bb", Vec::new()));
        let second = CompiledFunctions::default();
        second.take_in(&first.to_bytes());
        assert_eq!(second.get(b"a").as_deref(), Some(&[1; 300][..]));
        assert_eq!(second.get(b"bb").as_deref(), Some(&[][..]));
        assert_eq!((second.get(b"c"), second.counts()), (None, FunctionCounts { compiled: 0, found: 2 }));
    }

    #[test]
    fn what_was_written_down_is_read_once_and_only_when_something_is_compiled() {
        let written = CompiledFunctions::default();
        written.insert(b"a", vec![1; 3]);
        let (bytes, reads) = (written.to_bytes(), std::sync::Arc::new(AtomicU64::new(0)));
        let functions = CompiledFunctions::default();
        let counted = reads.clone();
        functions.read_from(Box::new(move || {
            counted.fetch_add(1, Relaxed);
            Some(bytes.clone())
        }));
        assert_eq!(reads.load(Relaxed), 0);
        assert_eq!(functions.get(b"a").as_deref(), Some(&[1; 3][..]));
        assert_eq!((functions.get(b"b"), reads.load(Relaxed)), (None, 1));
    }

    #[test]
    fn what_broke_off_is_taken_in_as_far_as_it_is_whole() {
        let first = CompiledFunctions::default();
        first.insert(b"a", vec![1; 10]);
        let whole = first.to_bytes();
        for length in 0..whole.len() {
            let second = CompiledFunctions::default();
            second.take_in(&whole[..length]);
            assert_eq!(second.get(b"a"), None, "{length}");
        }
    }

    #[test]
    fn what_is_known_already_takes_no_more_room() {
        let functions = CompiledFunctions::default();
        functions.insert(b"a", vec![1; 10]);
        functions.take_in(&functions.to_bytes());
        assert_eq!(functions.remembered.read().bytes, 11);
    }
}
