//! What a connection is doing: so that one that does nothing can be let go, without a timer for every request.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The requests of one connection. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests begun, and pieces of responses that the client took.
    moved: AtomicUsize,
    running: AtomicUsize,
}

/// One request, from its head to the last byte of its response.
#[derive(Debug)]
pub(crate) struct Running(Activity);

/// A response body that keeps its request running until it is dropped.
pub(crate) struct RunningBody<B> {
    body: B,
    _running: Running,
}

impl Activity {
    pub(crate) fn begin(&self) -> Running {
        self.0.moved.fetch_add(1, Relaxed);
        self.0.running.fetch_add(1, Relaxed);
        Running(self.clone())
    }

    /// Whether no request runs, and nothing has moved since `seen`, which is brought up to date.
    pub(crate) fn is_quiet_since(&self, seen: &mut usize) -> bool {
        let moved = self.0.moved.load(Relaxed);
        let quiet = moved == *seen && self.0.running.load(Relaxed) == 0;
        *seen = moved;
        quiet
    }

    /// A stream whose writes count as activity: a slow client takes a response long after its request has ended.
    pub(crate) fn watch<S>(&self, stream: S) -> WatchedStream<S> {
        WatchedStream { stream, activity: self.clone() }
    }
}

/// Bytes up to which the head and the body of a response are joined and sent by one plain call: the system takes less time
/// for it than for gathering them.
const SMALL: usize = 1024;

/// See [`Activity::watch`].
pub(crate) struct WatchedStream<S> {
    stream: S,
    activity: Activity,
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> WatchedStream<S> {
    fn moved(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(_))) {
            self.activity.0.moved.fetch_add(1, Relaxed);
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.moved(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let stream = Pin::new(&mut self.stream);
        let mut joined = [0; SMALL];
        let written = match joined.get_mut(..length) {
            Some(joined) => stream.poll_write(context, join(slices, joined)),
            None => stream.poll_write_vectored(context, slices),
        };
        self.moved(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Copies slices one behind the other; `into` is as long as they are together.
fn join<'a>(slices: &[io::IoSlice<'_>], into: &'a mut [u8]) -> &'a [u8] {
    let mut rest = &mut *into;
    for slice in slices {
        let Some((place, behind)) = rest.split_at_mut_checked(slice.len()) else { break };
        place.copy_from_slice(slice);
        rest = behind;
    }
    into
}

impl Running {
    pub(crate) fn with<B>(self, body: B) -> RunningBody<B> {
        RunningBody { body, _running: self }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Relaxed);
    }
}

impl<B: Body + Unpin> Body for RunningBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_quiet_when_nothing_runs_and_nothing_has_moved() {
        let (activity, mut seen) = (Activity::default(), 0);
        assert!(activity.is_quiet_since(&mut seen));
        let running = activity.begin();
        assert!(!activity.is_quiet_since(&mut seen), "begun since");
        assert!(!activity.is_quiet_since(&mut seen), "still running");
        drop(running);
        assert!(activity.is_quiet_since(&mut seen));
    }

    #[tokio::test]
    async fn slices_arrive_in_their_order_whether_they_are_joined_or_not() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        for length in [1, SMALL / 2, SMALL, SMALL * 2] {
            let (mut client, server) = tokio::io::duplex(SMALL * 8);
            let (head, body) = (vec![b'h'; length], vec![b'b'; length]);
            let mut stream = Activity::default().watch(server);
            let slices = [io::IoSlice::new(&head), io::IoSlice::new(&[]), io::IoSlice::new(&body)];
            let mut written = stream.write_vectored(&slices).await.unwrap();
            // A stream may take no more than the first slice of several.
            while written < length * 2 {
                let whole = [&*head, &*body].concat();
                written += stream.write(&whole[written..]).await.unwrap();
            }
            drop(stream);
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, [head, body].concat(), "{length} bytes each");
        }
    }

    #[tokio::test]
    async fn a_client_that_still_takes_its_response_is_not_quiet() {
        use tokio::io::AsyncWriteExt as _;
        let (activity, mut seen) = (Activity::default(), 0);
        let (client, server) = tokio::io::duplex(16);
        activity.watch(server).write_all(b"response").await.unwrap();
        assert!(!activity.is_quiet_since(&mut seen));
        assert!(activity.is_quiet_since(&mut seen));
        drop(client);
    }
}
