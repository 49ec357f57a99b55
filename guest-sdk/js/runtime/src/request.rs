//! The HTTP request that runs: its texts as the host gave them, and strings of those that are asked for.

use std::{cell::RefCell, ffi::c_int};

use rquickjs::{Array, Ctx};

use crate::engine;

/// Between two texts of a request, and of the headers of a response: no UTF-8 has it.
pub(crate) const SEPARATOR: u8 = 0xff;

/// The texts before the queries: request id, deadline, trace parent, method, path, url, client address, number of queries.
const FIXED: usize = 8;

/// A request as `packed-http-handler` gives it.
pub(crate) struct Request {
    head: Vec<u8>,
    /// Where each of the first texts ends.
    ends: [usize; FIXED],
}

thread_local! {
    static CURRENT: RefCell<Option<Request>> = const { RefCell::new(None) };
}

impl Request {
    pub(crate) fn new(head: Vec<u8>) -> Self {
        let mut ends = [head.len(); FIXED];
        for (end, at) in ends.iter_mut().zip(separators(&head)) {
            *end = at;
        }
        Self { head, ends }
    }

    /// One of the first texts; empty if the host gave fewer.
    fn text(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] + 1 };
        self.head.get(start..self.ends[index]).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &[u8] {
        self.text(0)
    }

    pub(crate) fn trace_parent(&self) -> &[u8] {
        self.text(2)
    }

    pub(crate) fn method(&self) -> &[u8] {
        self.text(3)
    }

    pub(crate) fn path(&self) -> &[u8] {
        self.text(4)
    }

    pub(crate) fn url(&self) -> &[u8] {
        self.text(5)
    }

    /// Queries and headers, each with what separates it from the next.
    fn queries_and_headers(&self) -> (&[u8], &[u8]) {
        let texts = self.head.get(self.ends[FIXED - 1] + 1..).unwrap_or_default();
        let queries =
            std::str::from_utf8(self.text(FIXED - 1)).ok().and_then(|count| count.parse().ok()).unwrap_or(0_usize);
        if queries == 0 {
            return (&[], texts);
        }
        match separators(texts).nth(2 * queries - 1) {
            Some(at) => (&texts[..at], &texts[at + 1..]),
            None => (texts, &[]),
        }
    }
}

unsafe extern "C" {
    /// The C library's looks at several bytes at a time.
    fn memchr(bytes: *const u8, byte: c_int, length: usize) -> *const u8;
}

fn separators(texts: &[u8]) -> impl Iterator<Item = usize> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = texts.get(from..)?;
        // SAFETY: only as many bytes are read as there are.
        let found = unsafe { memchr(rest.as_ptr(), c_int::from(SEPARATOR), rest.len()) };
        if found.is_null() {
            return None;
        }
        let at = found.addr() - texts.as_ptr().addr();
        from = at + 1;
        Some(at)
    })
}

/// Makes a request the one that JavaScript asks about; none: it has ended.
pub(crate) fn set_current(request: Option<Request>) {
    CURRENT.set(request);
}

/// Lends the request that runs.
///
/// # Errors
/// If none runs, and those of `of`.
pub(crate) fn with_current<T>(of: impl FnOnce(&Request) -> rquickjs::Result<T>) -> rquickjs::Result<T> {
    CURRENT.with_borrow(|request| request.as_ref().map_or(Err(rquickjs::Error::Unknown), of))
}

fn of_current<T: Default>(get: impl FnOnce(&Request) -> T) -> T {
    CURRENT.with_borrow(|request| request.as_ref().map(get).unwrap_or_default())
}

/// Names and values of the headers in turn, each but the last ended by NUL, which no header has.
pub(crate) fn headers() -> Vec<u8> {
    of_current(|request| {
        let mut texts = request.queries_and_headers().1.to_vec();
        for byte in &mut texts {
            if *byte == SEPARATOR {
                *byte = 0;
            }
        }
        texts
    })
}

/// Names and values of the queries in turn.
pub(crate) fn queries<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Array<'js>> {
    let array = Array::new(ctx.clone())?;
    let texts = of_current(|request| request.queries_and_headers().0.to_vec());
    if !texts.is_empty() {
        for (index, text) in texts.split(|byte| *byte == SEPARATOR).enumerate() {
            array.set(index, engine::text(ctx, text))?;
        }
    }
    Ok(array)
}

pub(crate) fn client_ip() -> Vec<u8> {
    of_current(|request| request.text(6).to_vec())
}
