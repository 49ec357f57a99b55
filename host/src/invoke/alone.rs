//! A guest of `wasi:http` 0.2, which serves one request alone and may go on after its response went out.
//!
//! It begins in the caller's own task, and most guests end there: then the response is known as a whole before its head is
//! sent, so it goes out in one piece, with its length, and nobody was woken. A guest that waits for something, or writes
//! more than is gathered, goes on in a task of its own from there.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::{Body as _, Frame};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody, p2::bindings::http::types::ErrorCode};

use super::{
    InvokeError, Lease, LeasedBody, Report, call,
    leased_body::{Ahead, GuestTask},
};
use crate::{instance::WasiResponse, pool::Acquired};

/// Bytes of a body that are gathered before its response goes out.
const GATHERED: usize = 64 << 10;

/// What a guest sets: the response, or why there is none.
type Responded = Result<WasiResponse, ErrorCode>;

/// A guest that runs; it ends with the outcome of its lease.
type Running = Pin<Box<dyn Future<Output = Result<((), Report), InvokeError>> + Send>>;

impl Lease {
    pub(super) async fn serve_alone(
        self,
        request: Request<WasiBody>,
    ) -> Result<http::Response<LeasedBody>, InvokeError> {
        let (respond, mut response) = oneshot::channel();
        let failed = Arc::new(AtomicBool::new(false));
        // Boxed: it may have to move to a task of its own.
        let mut guest = Guest::Running(Box::pin(self.run_guest(request, respond, failed.clone())));
        let head = tokio::select! {
            // The guest first: it sets the response, and perhaps ends.
            biased;
            result = guest.ended() => match response.try_recv() {
                Ok(head) => head,
                // It ended without an answer: why, is what the caller is told.
                Err(_) => return Err(ended_early(result)),
            },
            Ok(head) = &mut response => head,
        };
        match head {
            Ok(response) => Ok(guest.respond(response, failed).await),
            Err(code) => Err(InvokeError::BadResponse {
                message: format!("the component answered with the error {code:?}"),
                report: Box::default(),
            }),
        }
    }

    async fn run_guest(
        mut self,
        request: Request<WasiBody>,
        respond: oneshot::Sender<Responded>,
        failed: Arc<AtomicBool>,
    ) -> Result<((), Report), InvokeError> {
        let Self { acquired: Acquired::Exclusive(exclusive), invocation, deadline, deadline_ms, .. } = &mut self else {
            return Err(InvokeError::Unsupported("the component serves several requests at a time".into()));
        };
        let result = exclusive.instance().serve(&call(invocation, *deadline, *deadline_ms), request, respond).await;
        // Before the instance goes, and with it the body's other end.
        failed.store(result.is_err(), Ordering::Release);
        self.finish(result)
    }
}

/// A guest in its caller's task.
enum Guest {
    Running(Running),
    Ended,
}

impl Guest {
    /// The end of a guest that has not ended.
    async fn ended(&mut self) -> Result<((), Report), InvokeError> {
        let Self::Running(guest) = self else { return std::future::pending().await };
        let result = guest.await;
        *self = Self::Ended;
        result
    }

    /// One more turn for the guest. What it ends with was counted by its lease, and `failed` says whether it is broken.
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Self::Running(guest) = self
            && guest.as_mut().poll(context).is_ready()
        {
            *self = Self::Ended;
        }
    }

    /// The response with what there is of its body; the guest writes the rest in a task of its own.
    async fn respond(mut self, response: WasiResponse, failed: Arc<AtomicBool>) -> http::Response<LeasedBody> {
        let (head, mut body) = response.into_parts();
        let mut ahead = Gathered::default();
        std::future::poll_fn(|context| {
            ahead.gather(&mut body, &mut self, context);
            Poll::Ready(())
        })
        .await;
        let task = match self {
            Self::Running(guest) => Some(tokio::spawn(guest).abort_handle()),
            Self::Ended => None,
        };
        let body = LeasedBody::of_guest(body, ahead.into(), GuestTask::new(task, failed));
        http::Response::from_parts(head, body)
    }
}

/// What a guest wrote before its response went out.
#[derive(Default)]
struct Gathered {
    frames: VecDeque<Result<Frame<Bytes>, Error>>,
    bytes: usize,
    ended: bool,
}

impl Gathered {
    /// Takes frames as long as there are some, and lets the guest write the next.
    fn gather(&mut self, body: &mut WasiBody, guest: &mut Guest, context: &mut Context<'_>) {
        while self.bytes < GATHERED && !self.ended {
            match Pin::new(&mut *body).poll_frame(context) {
                Poll::Pending => return,
                Poll::Ready(None) => self.ended = true,
                Poll::Ready(Some(frame)) => {
                    self.bytes += frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
                    self.ended = frame.is_err();
                    self.frames.push_back(frame);
                    // It waits for the frame to be taken, or has more to say, or ends.
                    guest.poll(context);
                }
            }
        }
    }
}

impl From<Gathered> for Ahead {
    fn from(Gathered { frames, ended, .. }: Gathered) -> Self {
        Self { frames, ended }
    }
}

fn ended_early(result: Result<((), Report), InvokeError>) -> InvokeError {
    match result {
        Err(error) => error,
        Ok(_) => InvokeError::BadResponse {
            message: "the component ended without setting a response".into(),
            report: Box::default(),
        },
    }
}
