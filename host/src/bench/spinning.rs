//! A client that does not sleep while it waits, so that what it measures is the server's time and not that of its own
//! wake-up: on an idle machine, waking a thread takes tens of microseconds, as long as a start of an instance.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    num::NonZeroUsize,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;

use super::{
    answer::{self, Answer},
    client::{Target, is_success},
};

/// How long it looks for an answer without sleeping. What takes longer is not measured in microseconds.
const SPIN: Duration = Duration::from_millis(10);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Requests of one connection, one after the other: for what happens once, such as a first request.
///
/// It takes a processor of its own: with one alone, it sleeps as any client does.
pub struct Client {
    target: Target,
    stream: TcpStream,
    answer: Vec<u8>,
    piece: Vec<u8>,
    spins: bool,
}

impl Client {
    /// Connects to the target's server.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub fn connect(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target.authority())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let spins = thread::available_parallelism().is_ok_and(|cores| cores > NonZeroUsize::MIN);
        Ok(Self { target: target.clone(), stream, answer: Vec::new(), piece: vec![0; PIECE], spins })
    }

    /// Asks for a path by GET, and says what the answer took, to its last byte.
    ///
    /// # Errors
    /// If there is no answer, or one of another status than 2xx or 3xx.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Duration> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.target.authority());
        self.answer.clear();
        let began = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let answer = self.wait(began)?;
        let took = began.elapsed();
        if !is_success(answer.status) {
            let said = String::from_utf8_lossy(&self.answer);
            bail!("http://{}{path} answers {}: {}", self.target.authority(), answer.status, said.trim());
        }
        Ok(took)
    }

    fn wait(&mut self, began: Instant) -> anyhow::Result<Answer> {
        self.stream.set_nonblocking(self.spins)?;
        let mut spins = self.spins;
        let answer = loop {
            match self.stream.read(&mut self.piece) {
                Ok(0) => bail!("{} closed the connection", self.target.authority()),
                Ok(read) => {
                    self.answer.extend_from_slice(self.piece.get(..read).unwrap_or_default());
                    if let Some(answer) = answer::read(&self.answer)? {
                        break answer;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && spins => {
                    spins = began.elapsed() < SPIN;
                    self.stream.set_nonblocking(spins)?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        self.stream.set_nonblocking(false)?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        net::TcpListener,
    };

    use super::*;

    /// A server that gives these pieces to each request, with a pause before each.
    fn server(pause: Duration, pieces: &'static [&'static str]) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::new(listener.local_addr().unwrap().to_string(), "/");
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            for line in BufReader::new(&stream).lines().map_while(Result::ok).filter(String::is_empty) {
                assert!(line.is_empty());
                for piece in pieces {
                    thread::sleep(pause);
                    (&stream).write_all(piece.as_bytes()).unwrap();
                }
            }
        });
        Client::connect(&target).unwrap()
    }

    #[test]
    fn an_answer_takes_until_its_last_byte() {
        let pieces = &["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 2\r\n\r\no", "k"];
        for pause in [Duration::ZERO, Duration::from_millis(1), SPIN] {
            let mut client = server(pause, pieces);
            for _ in 0..3 {
                assert!(client.get("/").unwrap() >= 3 * pause);
            }
        }
    }

    #[test]
    fn another_status_is_an_error_that_says_it() {
        let mut client = server(Duration::ZERO, &["HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nnowhere"]);
        let error = client.get("/x").unwrap_err().to_string();
        assert!(error.contains("/x answers 404") && error.contains("nowhere"), "{error}");
    }
}
