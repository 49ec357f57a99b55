//! The rest of a request body that nobody reads: a request is often answered before its body has come, above all when it is
//! refused.
//!
//! A server that closes a connection while its client still sends makes the system reset it, and the client loses the answer
//! that was on its way. So the rest is read and thrown away, within bounds, while the answer goes out.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::{runtime::Handle, time::timeout};

/// The longest that a client may go on sending what nobody reads, and its longest pause.
const LONGEST: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(5);

/// Bytes that are thrown away at most: more than the largest code package has in base64.
const MOST: u64 = 256 << 20;

/// A request's body; what is left of it when it is dropped is read and thrown away.
pub(crate) struct RequestBody<B: Body + Send + Unpin + 'static> {
    /// `None` once it has ended.
    body: Option<B>,
    sending: Sending,
}

/// Whether the client sends the body whatever is done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Yes,
    /// It waits for `100 Continue`, which it is sent when the body is first asked for.
    WhenAsked,
    /// There is nothing to send, or a stream of HTTP/2 that can be ended by itself.
    Stoppable,
}

impl<B: Body + Send + Unpin + 'static> RequestBody<B> {
    /// The same request; its body is looked after.
    pub(crate) fn of(request: Request<B>) -> Request<Self> {
        // Most requests have no body, and are looked at no further.
        let sending = if request.body().is_end_stream() || request.version() >= Version::HTTP_2 {
            Sending::Stoppable
        } else if request.headers().contains_key(header::EXPECT) {
            Sending::WhenAsked
        } else {
            Sending::Yes
        };
        request.map(|body| Self { body: Some(body), sending })
    }
}

impl<B: Body + Send + Unpin + 'static> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.sending == Sending::WhenAsked {
            self.sending = Sending::Yes;
        }
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body + Send + Unpin + 'static> Drop for RequestBody<B> {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !body.is_end_stream());
        if let Some(rest) = rest
            && self.sending == Sending::Yes
            // A guest's store may end anywhere.
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(LONGEST, throw_away(rest, PAUSE)));
        }
    }
}

/// Reads a body to its end, its first pause or the bound.
async fn throw_away<B: Body + Unpin>(mut body: B, pause: Duration) {
    let mut left = MOST;
    while let Ok(Some(Ok(frame))) = timeout(pause, body.frame()).await {
        let read = frame.data_ref().map_or(0, |data| bytes::Buf::remaining(data) as u64);
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use http_body_util::StreamBody;

    use super::*;

    /// A request whose body counts the pieces that were taken of it.
    fn request(pieces: usize, version: Version, expect: bool) -> (Arc<AtomicUsize>, Request<impl Body + Send + Unpin>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = taken.clone();
        let frames = futures_util::stream::iter(0..pieces).map(move |_| {
            counter.fetch_add(1, Relaxed);
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"x")))
        });
        let mut builder = Request::post("/").version(version);
        if expect {
            builder = builder.header("expect", "100-continue");
        }
        (taken, builder.body(StreamBody::new(frames)).unwrap())
    }

    async fn taken_after_drop(version: Version, expect: bool) -> usize {
        let (taken, request) = request(100, version, expect);
        drop(RequestBody::of(request));
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        taken.load(Relaxed)
    }

    #[tokio::test]
    async fn what_nobody_reads_is_thrown_away() {
        assert_eq!(taken_after_drop(Version::HTTP_11, false).await, 100);
    }

    #[tokio::test]
    async fn a_client_that_waits_for_leave_to_send_is_not_given_it() {
        assert_eq!(taken_after_drop(Version::HTTP_11, true).await, 0);
    }

    #[tokio::test]
    async fn a_stream_of_http_2_is_ended_instead() {
        assert_eq!(taken_after_drop(Version::HTTP_2, false).await, 0);
    }

    #[tokio::test]
    async fn a_client_that_pauses_for_long_is_not_waited_for() {
        let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, std::convert::Infallible>>());
        let waiting = throw_away(silent, Duration::from_millis(1));
        timeout(Duration::from_secs(60), waiting).await.expect("it is let go");
    }
}
