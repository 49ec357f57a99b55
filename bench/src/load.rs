//! The load: keep-alive connections, each of which sends its next request when it has the answer to the last.
//!
//! It shares the machine with the server, so what it takes itself is taken from every server alike, and from a fast one a
//! larger part. So it is one thread that asks the system which connections have something, and looks into an answer as
//! little as it can: the first is read whole, and what is as long as it, says 200 and ends like it is the same answer.
//! Every other one is read whole as well, and has to have a body as long as the first one's.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    time::{Duration, Instant},
};

use ::wisp::bench::answer;
use anyhow::{Context as _, bail, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use rustix::time::{ClockId, clock_gettime};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// How every answer that counts begins.
const STATUS: &[u8] = b"HTTP/1.1 200";

/// How long no answer may come from any connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes at the end of an answer that are compared.
const TAIL: usize = 16;

/// What a server did under load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Processor time of the load itself for each request, in microseconds.
    pub(crate) own_us: f64,
}

/// Loads a server for one turn.
pub(crate) fn run(
    address: SocketAddr,
    path: &str,
    headers: usize,
    connections: usize,
    turn: Duration,
) -> anyhow::Result<Loaded> {
    let headers: String =
        (0..headers).map(|number| format!("x-header-{number:02}: a value of common length\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").into_bytes();
    // A thread of its own: the system then knows what the load alone takes.
    let thread = std::thread::spawn(move || Load::start(address, request, connections)?.drive(turn));
    thread.join().map_err(|_| anyhow::anyhow!("the load panicked"))?
}

struct Load {
    poll: Poll,
    request: Vec<u8>,
    connections: Vec<Connection>,
    piece: Vec<u8>,
    expected: Option<Expected>,
    answered: u64,
    /// Connections that wait for an answer.
    waiting: usize,
    over: bool,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the request that were sent.
    sent: usize,
    /// What came of an answer that did not come in one piece.
    begun: Vec<u8>,
    waits: bool,
}

/// What is known of the answers by the first one.
struct Expected {
    length: usize,
    tail: Vec<u8>,
    /// Bytes of the body.
    body: usize,
}

impl Load {
    fn start(address: SocketAddr, request: Vec<u8>, connections: usize) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let connect = |index| {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            Ok(Connection { stream, sent: 0, begun: Vec::new(), waits: false })
        };
        let connections: Vec<_> = (0..connections).map(connect).collect::<anyhow::Result<_>>()?;
        let piece = vec![0; PIECE];
        Ok(Self { poll, request, connections, piece, expected: None, answered: 0, waiting: 0, over: false })
    }

    fn drive(mut self, turn: Duration) -> anyhow::Result<Loaded> {
        let own = thread_time();
        let began = Instant::now();
        for connection in &mut self.connections {
            connection.ask(&self.request)?;
            self.waiting += 1;
        }
        self.serve_until(began + turn)?;
        let (rate, own) = (self.rate(began.elapsed()), thread_time().saturating_sub(own));
        let own_us = own.as_secs_f64() * 1e6 / self.rate(Duration::from_secs(1)).max(1.0);
        // What is under way is not to fall into the next server's turn.
        self.over = true;
        self.serve_until(Instant::now() + PATIENCE)?;
        ensure!(self.waiting == 0, "{} requests had no answer {} s after the end", self.waiting, PATIENCE.as_secs());
        Ok(Loaded { rate, own_us })
    }

    fn rate(&self, time: Duration) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let answered = self.answered as f64;
        answered / time.as_secs_f64()
    }

    /// Answers come and requests go until then, or until nobody waits for an answer.
    fn serve_until(&mut self, end: Instant) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(self.connections.len());
        let mut last = Instant::now();
        loop {
            let now = Instant::now();
            if now >= end || self.waiting == 0 {
                return Ok(());
            }
            ensure!(now.duration_since(last) < PATIENCE, "no answer came for {} s", PATIENCE.as_secs());
            match self.poll.poll(&mut events, Some((end - now).min(PATIENCE))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                last = now;
                self.serve(event.token().0)?;
            }
        }
    }

    /// Takes what came on one connection, and sends the rest of a request that did not fit.
    fn serve(&mut self, index: usize) -> anyhow::Result<()> {
        let Some(connection) = self.connections.get_mut(index) else { return Ok(()) };
        if !connection.waits {
            return Ok(());
        }
        connection.send(&self.request)?;
        loop {
            let read = match connection.stream.read(&mut self.piece) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if connection.take(self.piece.get(..read).unwrap_or_default(), &mut self.expected)? {
                self.answered += 1;
                if self.over {
                    connection.waits = false;
                    self.waiting -= 1;
                    return Ok(());
                }
                connection.ask(&self.request)?;
            }
            // Fewer bytes than were asked for: there are no more, and more will be told.
            if read < PIECE {
                return Ok(());
            }
        }
    }
}

impl Connection {
    /// Begins the next request.
    fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        (self.sent, self.waits) = (0, true);
        self.send(request)
    }

    fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        while let Some(rest) = request.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes a piece; whether the answer is whole now.
    fn take(&mut self, piece: &[u8], expected: &mut Option<Expected>) -> anyhow::Result<bool> {
        if self.begun.is_empty() && expected.as_ref().is_some_and(|expected| expected.is(piece)) {
            return Ok(true);
        }
        self.begun.extend_from_slice(piece);
        let said = || String::from_utf8_lossy(&self.begun).into_owned();
        let Some(answer) = answer::read(&self.begun).with_context(said)? else { return Ok(false) };
        ensure!(answer.status == 200, said());
        let body = answer.body;
        let length = self.begun.len();
        let tail = self.begun.get(length.saturating_sub(TAIL)..).unwrap_or_default();
        let expected = expected.get_or_insert_with(|| Expected { length, tail: tail.to_vec(), body });
        ensure!(expected.body == body, "the body was {} bytes long at first, and now {body}", expected.body);
        self.begun.clear();
        Ok(true)
    }
}

impl Expected {
    fn is(&self, answer: &[u8]) -> bool {
        answer.len() == self.length && answer.starts_with(STATUS) && answer.ends_with(&self.tail)
    }
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        net::TcpListener,
        thread,
    };

    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

    /// A server whose connections give these pieces to each request, with a pause between each two; the last ones again
    /// and again. An empty piece closes the connection.
    fn server(answers: &[&[&'static str]]) -> SocketAddr {
        let answers: Vec<Vec<_>> = answers.iter().map(|pieces| pieces.to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let answers = answers.clone();
                thread::spawn(move || {
                    let mut turns = answers.iter().chain(std::iter::repeat(answers.last().unwrap()));
                    for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                        if !line.is_empty() {
                            continue;
                        }
                        for (index, piece) in turns.next().unwrap().iter().enumerate() {
                            if index > 0 {
                                thread::sleep(Duration::from_millis(5));
                            }
                            if piece.is_empty() || (&stream).write_all(piece.as_bytes()).is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        address
    }

    fn loaded(answers: &[&[&'static str]]) -> Result<Loaded, String> {
        run(server(answers), "/", 2, 3, Duration::from_millis(200)).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn answers_are_counted_however_they_come() {
        for answers in [&[&[OK][..]][..], &[&[CHUNKED]], &[&["HTTP/1.1 200 OK\r\ncont", "ent-length: 2\r\n\r\no", "k"]]]
        {
            let loaded = loaded(answers).unwrap();
            assert!(loaded.rate > 0.0 && loaded.own_us > 0.0, "{loaded:?}");
        }
    }

    #[test]
    fn the_same_body_in_other_headers_or_chunks_is_the_same_answer() {
        let named = "HTTP/1.1 200 OK\r\nx-more: 1\r\ncontent-length: 2\r\n\r\nok";
        let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n";
        loaded(&[&[OK], &[named], &[CHUNKED], &[chunks]]).unwrap();
    }

    #[test]
    fn an_answer_of_another_length_or_status_is_an_error() {
        let long = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\noki";
        assert!(loaded(&[&[OK], &[OK], &[long]]).unwrap_err().contains("2 bytes long at first, and now 3"));
        let gone = "HTTP/1.1 404 Not\r\ncontent-length: 2\r\n\r\nok";
        assert!(loaded(&[&[OK], &[gone]]).unwrap_err().contains("404 Not"));
    }

    #[test]
    fn a_closed_connection_is_an_error() {
        assert!(loaded(&[&[OK], &[""]]).unwrap_err().contains("closed the connection"));
    }
}
