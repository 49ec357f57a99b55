//! Standard output and error of a guest: captured for the invocation that runs, up to a number of bytes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// What a guest wrote since the invocation began. A cheap handle; the instance and its streams share it.
#[derive(Clone, Debug)]
pub(crate) struct Capture(Arc<Mutex<Captured>>);

#[derive(Debug)]
struct Captured {
    bytes: Vec<u8>,
    limit: usize,
    dropped: u64,
}

impl Capture {
    /// Keeps at most `limit` bytes of each invocation.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Captured { bytes: Vec::new(), limit, dropped: 0 })))
    }

    /// Takes what was written since the last call, and how many bytes more were dropped.
    pub(crate) fn take(&self) -> (Vec<u8>, u64) {
        let mut captured = self.0.lock();
        (std::mem::take(&mut captured.bytes), std::mem::take(&mut captured.dropped))
    }

    /// What was written so far.
    pub(crate) fn is_empty(&self) -> bool {
        let captured = self.0.lock();
        captured.bytes.is_empty() && captured.dropped == 0
    }

    /// What was written so far, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().bytes).into_owned()
    }

    /// Adds bytes as if the guest had written them.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut captured = self.0.lock();
        let room = captured.limit.saturating_sub(captured.bytes.len()).min(bytes.len());
        let (kept, dropped) = bytes.split_at(room);
        captured.bytes.extend_from_slice(kept);
        captured.dropped += dropped.len() as u64;
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        Self::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::write(&self, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_is_dropped_and_counted() {
        let capture = Capture::new(5);
        capture.write(b"abc");
        capture.write(b"defg");
        assert_eq!(capture.take(), (b"abcde".to_vec(), 2));
        assert!(capture.is_empty());
        capture.write(b"next");
        assert_eq!(capture.take(), (b"next".to_vec(), 0));
    }
}
