//! Whether two servers answer alike: a comparison of rates says nothing if one of them does less.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, ensure};

/// How long the first answer may take: an instance is started for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is the same at every request to the same server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: String,
    /// Names of the headers, in lower case.
    headers: BTreeSet<String>,
    body: Vec<u8>,
}

impl Answer {
    /// Asks a server once, over a connection that it closes.
    pub(crate) fn ask(address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Self::parse(&answer)
    }

    fn parse(answer: &[u8]) -> anyhow::Result<Self> {
        let end =
            answer.windows(4).position(|window| window == b"\r\n\r\n").context("the answer has no end of its head")?;
        let (head, body) = answer.split_at(end);
        let mut lines = std::str::from_utf8(head)?.split("\r\n");
        let status = lines.next().unwrap_or_default().to_owned();
        let names = lines.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_ascii_lowercase());
        Ok(Self { status, headers: names.collect(), body: body.get(4..).unwrap_or_default().to_vec() })
    }
}

/// # Errors
/// Names what the answers of two servers differ in.
pub(crate) fn check((one, left): (&str, Answer), (other, right): (&str, Answer)) -> anyhow::Result<()> {
    let differ = |what: &str, left: String, right: String| {
        format!("'{one}' and '{other}' cannot be compared, because their {what} differ: {left} and {right}")
    };
    ensure!(left.status == right.status, differ("status lines", left.status, right.status));
    ensure!(
        left.headers == right.headers,
        differ("headers", format!("{:?}", left.headers), format!("{:?}", right.headers))
    );
    let text = |body: &[u8]| format!("{:?}", String::from_utf8_lossy(body));
    ensure!(left.body == right.body, differ("bodies", text(&left.body), text(&right.body)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(left: &str, right: &str) -> Result<(), String> {
        let parse = |answer: &str| Answer::parse(answer.as_bytes()).unwrap();
        check(("one", parse(left)), ("other", parse(right))).map_err(|error| error.to_string())
    }

    #[test]
    fn values_and_the_order_of_headers_may_differ() {
        let answers = [
            "HTTP/1.1 200 OK\r\nDate: 1\r\nx-id: a\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nX-Id: b\r\ndate: 2\r\n\r\nhello",
        ];
        compared(answers[0], answers[1]).unwrap();
    }

    #[test]
    fn what_differs_is_named() {
        let answer = "HTTP/1.1 200 OK\r\ndate: 1\r\n\r\nhello";
        let status = compared(answer, &answer.replace("200 OK", "404 Not Found")).unwrap_err();
        assert!(status.contains("'one' and 'other'") && status.contains("404 Not Found"), "{status}");
        let headers = compared(answer, &answer.replace("date", "x-id")).unwrap_err();
        assert!(headers.contains("headers differ") && headers.contains("x-id"), "{headers}");
        let body = compared(answer, &answer.replace("hello", "bye")).unwrap_err();
        assert!(body.contains("bodies differ") && body.contains("bye"), "{body}");
    }
}
