//! WASI's byte streams: what TCP connections and bodies of HTTP messages share.

use std::{
    io,
    task::{Context, Poll, ready},
};

use crate::{
    bindings::imports::wasi::io::streams::{InputStream, OutputStream, StreamError},
    reactor::Source,
};

/// The most to ask for at once: the host makes a buffer of what it is asked for.
const CHUNK: usize = 64 << 10;

// In both, the source stands first because fields are dropped in order, and it must go before its stream.

#[derive(Debug)]
pub(crate) struct Input {
    source: Source,
    stream: InputStream,
}

#[derive(Debug)]
pub(crate) struct Output {
    source: Source,
    stream: OutputStream,
}

impl Input {
    pub(crate) fn new(stream: InputStream) -> Self {
        Self { source: Source::new(stream.subscribe()), stream }
    }

    /// What is there, `limit` bytes at most; nothing if the stream has ended.
    pub(crate) fn poll_chunk(&mut self, context: &Context<'_>, limit: usize) -> Poll<io::Result<Vec<u8>>> {
        loop {
            match self.read_now(limit)? {
                Some(bytes) => return Poll::Ready(Ok(bytes)),
                None => ready!(self.source.poll_ready(context)),
            }
        }
    }

    /// As `poll_chunk`, but holds everything else up.
    pub(crate) fn block_chunk(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        loop {
            match self.read_now(limit)? {
                Some(bytes) => return Ok(bytes),
                None => self.source.block(),
            }
        }
    }

    fn read_now(&mut self, limit: usize) -> io::Result<Option<Vec<u8>>> {
        if limit == 0 {
            return Ok(Some(Vec::new()));
        }
        match self.stream.read(limit.min(CHUNK) as u64) {
            Ok(bytes) => Ok((!bytes.is_empty()).then_some(bytes)),
            Err(StreamError::Closed) => Ok(Some(Vec::new())),
            Err(error) => Err(failed(error)),
        }
    }
}

impl Output {
    pub(crate) fn new(stream: OutputStream) -> Self {
        Self { source: Source::new(stream.subscribe()), stream }
    }

    /// Writes a part of `bytes`, and tells how much.
    pub(crate) fn poll_write(&mut self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = ready!(self.poll_room(context))?;
        Poll::Ready(self.write_now(bytes, room))
    }

    /// Waits until all that was written is on its way.
    pub(crate) fn poll_flush(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        // A flush is over when the stream takes bytes again, and asking for one again meanwhile starts no second one.
        self.stream.flush().map_err(failed)?;
        self.poll_room(context).map_ok(drop)
    }

    /// As `poll_write`, but holds everything else up.
    pub(crate) fn block_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.block_room()?;
        self.write_now(bytes, room)
    }

    /// As `poll_flush`, but holds everything else up.
    pub(crate) fn block_flush(&mut self) -> io::Result<()> {
        self.stream.flush().map_err(failed)?;
        self.block_room().map(drop)
    }

    fn poll_room(&mut self, context: &Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            match self.room()? {
                0 => ready!(self.source.poll_ready(context)),
                room => return Poll::Ready(Ok(room)),
            }
        }
    }

    fn block_room(&mut self) -> io::Result<usize> {
        loop {
            match self.room()? {
                0 => self.source.block(),
                room => return Ok(room),
            }
        }
    }

    fn room(&self) -> io::Result<usize> {
        let room = self.stream.check_write().map_err(failed)?;
        Ok(room.try_into().unwrap_or(usize::MAX))
    }

    fn write_now(&mut self, bytes: &[u8], room: usize) -> io::Result<usize> {
        let (now, _) = bytes.split_at(room.min(bytes.len()));
        self.stream.write(now).map_err(failed)?;
        Ok(now.len())
    }
}

fn failed(error: StreamError) -> io::Error {
    match error {
        StreamError::Closed => io::Error::new(io::ErrorKind::BrokenPipe, "the other side has closed the connection"),
        StreamError::LastOperationFailed(error) => io::Error::other(error.to_debug_string()),
    }
}
