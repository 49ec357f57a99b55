//! The head of a request as `wisp:function/packed-http-handler` takes it, and the texts of its answer.

use std::io::Write as _;

use super::Call;

/// Stands between each two texts; no UTF-8 text has it.
const SEPARATOR: u8 = 0xff;

/// Bytes of the context: an id, an instant, a `traceparent`.
const CONTEXT: usize = 128;

/// A head under way. Every text is UTF-8, which `str` sees to, so that none of them can become two.
#[derive(Debug)]
pub(crate) struct PackedHead(Vec<u8>);

impl PackedHead {
    /// With the context of a call in it, and room for `room` bytes more.
    pub(crate) fn new(call: &Call<'_>, room: usize) -> Self {
        let mut head = Self(Vec::with_capacity(CONTEXT + room));
        head.0.extend_from_slice(call.request_id.as_bytes());
        head.push_number(call.deadline_ms);
        head.push(call.trace_parent.unwrap_or_default());
        head
    }

    /// The next text.
    pub(crate) fn push(&mut self, text: &str) {
        self.0.push(SEPARATOR);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// The next text: a number in decimal.
    pub(crate) fn push_number(&mut self, number: u64) {
        self.0.push(SEPARATOR);
        // Writing to memory does not fail.
        let _ = write!(self.0, "{number}");
    }

    /// The next text, of bytes that need not be UTF-8: such are read as Latin-1, which every byte has a character in.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push(text),
            Err(_) => {
                self.0.push(SEPARATOR);
                let mut encoded = [0; 2];
                for byte in bytes {
                    self.0.extend_from_slice(char::from(*byte).encode_utf8(&mut encoded).as_bytes());
                }
            }
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The texts of the packed headers of a response, whatever bytes the guest made them of.
pub(crate) fn packed_texts(headers: &[u8]) -> impl Iterator<Item = &[u8]> {
    // Nothing is no header, rather than one empty text.
    let headers = (!headers.is_empty()).then_some(headers);
    headers.into_iter().flat_map(|headers| headers.split(|byte| *byte == SEPARATOR))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_head_is_its_texts_with_a_separator_between_each_two() {
        let call =
            Call { request_id: "id", deadline: Instant::now(), deadline_ms: 1_700, retry_count: 0, trace_parent: None };
        let mut head = PackedHead::new(&call, 0);
        head.push("GET");
        head.push_bytes("café".as_bytes());
        head.push_bytes(b"caf\xe9\xff");
        assert_eq!(head.into_bytes(), b"id\xff1700\xff\xffGET\xffcaf\xc3\xa9\xffcaf\xc3\xa9\xc3\xbf");
    }

    #[test]
    fn headers_are_split_at_every_separator() {
        let texts = |headers: &'static [u8]| packed_texts(headers).collect::<Vec<_>>();
        assert!(texts(b"").is_empty());
        assert_eq!(texts(b"a"), [b"a"]);
        assert_eq!(texts(b"a\xffb"), [b"a", b"b"]);
        assert_eq!(texts(b"\xff"), [b"", b""]);
        assert_eq!(texts(b"a\xff\xff"), [&b"a"[..], b"", b""]);
    }
}
