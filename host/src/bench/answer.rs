//! One answer to a GET by HTTP/1.1, read whole, by clients that do as little as possible while time is taken.

use anyhow::{Context as _, bail, ensure};
use http::StatusCode;

const VERSION: &[u8] = b"HTTP/1.1 ";

/// An answer that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Bytes of its body.
    pub body: usize,
}

/// The answer that these bytes are, once it is whole, by its Content-Length or its chunks; `None` before.
///
/// # Errors
/// If it is none of HTTP/1.1, says no length, or is followed by more.
pub fn read(answer: &[u8]) -> anyhow::Result<Option<Answer>> {
    ensure!(answer.starts_with(VERSION) || VERSION.starts_with(answer), "no answer of HTTP/1.1");
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = answer.split_at(end + 4);
    let head = std::str::from_utf8(head)?;
    let status = StatusCode::from_bytes(head.as_bytes().get(VERSION.len()..VERSION.len() + 3).unwrap_or_default())?;
    let (length, taken) = if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        (0, 0)
    } else if is_chunked(head) {
        let Some(chunks) = chunks(body)? else { return Ok(None) };
        chunks
    } else {
        let length = content_length(head).context("an answer without Content-Length")?;
        (length, length)
    };
    ensure!(body.len() <= taken, "more bytes than the answer has");
    Ok((body.len() == taken).then_some(Answer { status, body: length }))
}

/// Bytes in all chunks, and of the chunks themselves; `None` if the last one has not come.
fn chunks(body: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let (mut length, mut at) = (0, 0);
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(rest.get(..line).unwrap_or_default())?;
        let Ok(size) = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16) else {
            bail!("'{size}' is no size of a chunk");
        };
        // Line, chunk, and the end of its line.
        at = size.saturating_add(at + line + 4);
        if body.len() < at {
            return Ok(None);
        }
        if size == 0 {
            // No trailers: nobody asks for any.
            return Ok(Some((length, at)));
        }
        length += size;
    }
}

fn is_chunked(head: &str) -> bool {
    head.lines().any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"))
}

fn content_length(head: &str) -> Option<usize> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_at_its_last_byte_and_not_before() {
        for (answer, length) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 5),
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 0),
            ("HTTP/1.1 204 No Content\r\n\r\n", 0),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n", 15),
        ] {
            for cut in 0..answer.len() {
                assert_eq!(read(&answer.as_bytes()[..cut]).unwrap(), None, "{cut} of {answer}");
            }
            assert_eq!(read(answer.as_bytes()).unwrap().map(|answer| answer.body), Some(length), "{answer}");
            let error = read(format!("{answer}H").as_bytes()).unwrap_err().to_string();
            assert!(error.contains("more bytes"), "{error}");
        }
    }

    #[test]
    fn what_is_no_such_answer_is_an_error() {
        for answer in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(read(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
