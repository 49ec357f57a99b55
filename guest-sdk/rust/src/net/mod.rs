//! TCP connections to where the function's configuration allows, with names looked up by the host.
//!
//! The standard library's `std::net` does the same where the compiler has the target wasm32-wasip2, and nothing at all
//! on wasm32-wasip1: this module works on both.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

use crate::{
    bindings::imports::wasi::sockets::{
        instance_network::instance_network,
        ip_name_lookup::resolve_addresses,
        network::{ErrorCode, Network},
        tcp::{ShutdownType, TcpSocket},
        tcp_create_socket::create_tcp_socket,
    },
    reactor::{Source, block_on},
    streams::{Input, Output},
};

mod address;
mod error;

use address::{from_wasi, socket_address, split, to_wasi};
use error::failed;

/// A TCP connection, for async functions.
///
/// ```no_run
/// use wisp_sdk::net::TcpStream;
///
/// async fn ask(question: &[u8]) -> std::io::Result<[u8; 4]> {
///     let mut stream = TcpStream::connect("oracle.example.com:4242").await?;
///     stream.write_all(question).await?;
///     let mut answer = [0; 4];
///     stream.read_exact(&mut answer).await?;
///     Ok(answer)
/// }
/// ```
#[derive(Debug)]
pub struct TcpStream {
    // Dropped in this order: the host ends a guest that drops a socket before its streams.
    input: Input,
    output: Output,
    socket: TcpSocket,
}

/// A TCP connection that is read and written by `std::io::Read` and `Write`, for sync functions and for drivers that
/// know nothing of async. It holds the whole function up while it waits.
///
/// ```no_run
/// use std::io::{BufRead as _, BufReader, Write as _};
///
/// use wisp_sdk::net::BlockingTcpStream;
///
/// fn greeting() -> std::io::Result<String> {
///     let mut stream = BlockingTcpStream::connect("mail.example.com:25")?;
///     stream.write_all(b"HELO there\r\n")?;
///     let mut line = String::new();
///     BufReader::new(stream).read_line(&mut line)?;
///     Ok(line)
/// }
/// ```
#[derive(Debug)]
pub struct BlockingTcpStream(TcpStream);

/// Looks the addresses of a name up. An address is its own.
///
/// # Errors
/// There is no such name, it cannot be looked up at the moment, or the function may not reach it.
pub async fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    look_up(&instance_network(), name).await.map_err(|code| failed(format!("looking {name} up"), code))
}

async fn look_up(network: &Network, name: &str) -> Result<Vec<IpAddr>, ErrorCode> {
    let stream = resolve_addresses(network, name)?;
    let source = Source::new(stream.subscribe());
    let mut addresses = Vec::new();
    loop {
        match stream.resolve_next_address() {
            Ok(Some(address)) => addresses.push(from_wasi(address)),
            Ok(None) => return Ok(addresses),
            Err(ErrorCode::WouldBlock) => source.ready().await,
            Err(code) => return Err(code),
        }
    }
}

impl TcpStream {
    /// Connects to `host:port`, where the host is a name, an IPv4 address, or an IPv6 address in brackets. The addresses
    /// of a name are tried one after the other.
    ///
    /// # Errors
    /// What the last address gave, or the look-up; `PermissionDenied` if the function may not connect there.
    pub async fn connect(address: &str) -> io::Result<Self> {
        let (host, port) = split(address)?;
        let network = instance_network();
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
        for ip in resolve(host).await? {
            let ip = SocketAddr::new(ip, port);
            match open(&network, ip).await {
                Ok(stream) => return Ok(stream),
                Err(code) if ip.to_string() == address => last = failed(format!("connecting to {address}"), code),
                Err(code) => last = failed(format!("connecting to {address}, which is {ip}"), code),
            }
        }
        Err(last)
    }

    /// Reads what is there; nothing, if the other side sends no more.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_read(context, buffer)).await
    }

    /// Fills the buffer.
    ///
    /// # Errors
    /// The connection broke, or ended before: `UnexpectedEof`.
    pub async fn read_exact(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read(buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => buffer = buffer.get_mut(read..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Writes all of it, and waits until it is on its way.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|context| self.output.poll_write(context, bytes)).await?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        poll_fn(|context| self.output.poll_flush(context)).await
    }

    /// The address of this side.
    ///
    /// # Errors
    /// The connection broke.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_address().map(socket_address).map_err(|code| failed("asking for the address".into(), code))
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// The connection broke.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.remote_address().map(socket_address).map_err(|code| failed("asking for the address".into(), code))
    }

    /// Tells the other side that no more will be written.
    ///
    /// # Errors
    /// The connection broke.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown(ShutdownType::Send).map_err(|code| failed("ending the connection".into(), code))
    }

    fn poll_read(&mut self, context: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.input.poll_chunk(context, buffer.len()).map_ok(|bytes| fill(buffer, &bytes))
    }
}

impl BlockingTcpStream {
    /// See [`TcpStream::connect`].
    ///
    /// # Errors
    /// See [`TcpStream::connect`].
    pub fn connect(address: &str) -> io::Result<Self> {
        block_on(TcpStream::connect(address)).map(Self)
    }

    /// The connection, for async functions.
    pub fn into_async(self) -> TcpStream {
        self.0
    }

    /// See [`TcpStream::shutdown_write`].
    ///
    /// # Errors
    /// The connection broke.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown_write()
    }
}

impl From<TcpStream> for BlockingTcpStream {
    fn from(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl io::Read for BlockingTcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(fill(buffer, &self.0.input.block_chunk(buffer.len())?))
    }
}

impl io::Write for BlockingTcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.output.block_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.output.block_flush()
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncRead for TcpStream {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_read(&mut self, context, buffer)
    }
}

#[cfg(feature = "futures-io")]
impl futures_io::AsyncWrite for TcpStream {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.output.poll_write(context, bytes)
    }

    fn poll_flush(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_flush(context)
    }

    fn poll_close(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.output.poll_flush(context))?;
        Poll::Ready(self.shutdown_write())
    }
}

async fn open(network: &Network, address: SocketAddr) -> Result<TcpStream, ErrorCode> {
    let (family, address) = to_wasi(address);
    let socket = create_tcp_socket(family)?;
    socket.start_connect(network, address)?;
    let source = Source::new(socket.subscribe());
    loop {
        match socket.finish_connect() {
            Ok((input, output)) => {
                drop(source);
                return Ok(TcpStream { input: Input::new(input), output: Output::new(output), socket });
            }
            Err(ErrorCode::WouldBlock) => source.ready().await,
            Err(code) => {
                drop(source);
                return Err(code);
            }
        }
    }
}

fn fill(buffer: &mut [u8], bytes: &[u8]) -> usize {
    for (to, from) in buffer.iter_mut().zip(bytes) {
        *to = *from;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that a `static Mutex` keeps a connection from the initializer to the handler.
    #[test]
    fn connections_may_be_kept_in_a_static() {
        fn keepable<T: Send>() {}
        keepable::<TcpStream>();
        keepable::<BlockingTcpStream>();
    }

    #[test]
    fn an_address_needs_no_look_up() {
        let found = block_on(resolve("::1")).unwrap();
        assert_eq!(found, ["::1".parse::<IpAddr>().unwrap()]);
    }
}
