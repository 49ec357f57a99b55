//! The load: keep-alive connections, each of which sends its next request when it has the answer to the last.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// Requests a second that a server answered.
pub(crate) fn run(
    address: SocketAddr,
    path: &str,
    headers: usize,
    connections: usize,
    turn: Duration,
) -> anyhow::Result<f64> {
    let headers: String =
        (0..headers).map(|number| format!("x-header-{number:02}: a value of common length\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(drive(address, request.into(), connections, turn))
    });
    thread.join().map_err(|_| anyhow::anyhow!("the load panicked"))?
}

async fn drive(address: SocketAddr, request: Arc<str>, connections: usize, turn: Duration) -> anyhow::Result<f64> {
    let (answered, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        clients.spawn(client(stream, request.clone(), answered.clone(), over.clone()));
    }
    let began = Instant::now();
    tokio::time::sleep(turn).await;
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = answered.load(Relaxed) as f64 / began.elapsed().as_secs_f64();
    over.store(true, Relaxed);
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(rate)
}

async fn client(
    mut stream: TcpStream,
    request: Arc<str>,
    answered: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    while !over.load(Relaxed) {
        stream.write_all(request.as_bytes()).await?;
        read_answer(&mut stream, &mut buffer).await?;
        answered.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// Reads one answer to its end, by its Content-Length or its last chunk.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default()).await?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        filled += read;
        let answer = buffer.get(..filled).unwrap_or_default();
        let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head_text = std::str::from_utf8(answer.get(..head).unwrap_or_default())?;
        if !head_text.starts_with("HTTP/1.1 200") {
            bail!("{}", String::from_utf8_lossy(answer));
        }
        let is_whole = match content_length(head_text) {
            Some(length) => filled >= head + 4 + length,
            // The answer is known, and no chunk of it looks like the last one.
            None if is_chunked(head_text) => answer.ends_with(b"\r\n0\r\n\r\n"),
            None => bail!("an answer without Content-Length"),
        };
        if is_whole {
            return Ok(());
        }
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
