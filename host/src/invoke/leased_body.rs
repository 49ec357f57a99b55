//! The body of a `wasi:http` response while its guest still writes it: it holds what the guest runs by, and ends with it.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::task::{AbortHandle, JoinHandle};
use wasmtime_wasi_http::{Error, WasiBody};

use super::Lease;
use crate::{
    instance::{CallError, ConcurrentInstance},
    pool::Acquired,
};

/// A response body that keeps the instance that writes it.
pub(crate) struct LeasedBody {
    /// What was taken of the body already.
    ahead: Ahead,
    body: WasiBody,
    writer: Option<Writer>,
}

/// The beginning of a body, and whether it is all of it.
#[derive(Default)]
pub(super) struct Ahead {
    pub(super) frames: VecDeque<Result<Frame<Bytes>, Error>>,
    /// The body has said that it is over, and is not asked again.
    pub(super) ended: bool,
}

/// Who writes a body.
enum Writer {
    /// A guest that serves this request alone, in a task that owns the lease.
    Guest(GuestTask),
    /// A guest that serves others as well: the lease is kept here.
    Slot(WatchedLease),
}

/// The task of a guest that serves one request alone. It goes with its caller, unless the response is whole: then the
/// guest may finish what else it does.
pub(super) struct GuestTask {
    task: Option<AbortHandle>,
    /// The guest trapped or ran out of time.
    failed: Arc<AtomicBool>,
}

/// A lease of a slot whose deadline is watched even while the client does not read.
struct WatchedLease {
    lease: Arc<Mutex<Option<Box<Lease>>>>,
    /// Ends when the deadline has passed and the lease is ended.
    watchdog: JoinHandle<()>,
}

impl GuestTask {
    /// `task`: what the guest goes on in; `None` if it has ended.
    pub(super) fn new(task: Option<AbortHandle>, failed: Arc<AtomicBool>) -> Self {
        Self { task, failed }
    }
}

impl Drop for GuestTask {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl WatchedLease {
    fn new(lease: Lease) -> Self {
        let deadline = lease.deadline;
        let lease = Arc::new(Mutex::new(Some(Box::new(lease))));
        let watched = lease.clone();
        let watchdog = tokio::spawn(async move {
            tokio::time::sleep_until(deadline.into()).await;
            expire(&watched);
        });
        Self { lease, watchdog }
    }

    fn end(&self, result: Result<(), CallError>) {
        let lease = self.lease.lock().take();
        if let Some(lease) = lease {
            // Counted and logged; there is nobody left to tell.
            let _ = lease.finish(result);
        }
    }

    fn guest_has_ended(&self) -> bool {
        self.lease.lock().as_ref().and_then(|lease| instance(lease)).is_some_and(ConcurrentInstance::has_ended)
    }
}

impl Drop for WatchedLease {
    fn drop(&mut self) {
        self.watchdog.abort();
    }
}

fn instance(lease: &Lease) -> Option<&ConcurrentInstance> {
    match &lease.acquired {
        Acquired::Slot(slot) => Some(slot.instance()),
        Acquired::Exclusive(_) => None,
    }
}

/// Ends a lease whose deadline has passed. The guest's call cannot be taken back, so its instance takes no more of them.
fn expire(lease: &Mutex<Option<Box<Lease>>>) {
    let lease = lease.lock().take();
    if let Some(lease) = lease {
        if let Some(instance) = instance(&lease) {
            instance.retire();
        }
        let _ = lease.finish::<()>(Err(CallError::TimedOut));
    }
}

impl LeasedBody {
    pub(super) fn of_guest(body: WasiBody, ahead: Ahead, guest: GuestTask) -> Self {
        Self { ahead, body, writer: Some(Writer::Guest(guest)) }
    }

    pub(super) fn of_slot(body: WasiBody, lease: Lease) -> Self {
        Self { ahead: Ahead::default(), body, writer: Some(Writer::Slot(WatchedLease::new(lease))) }
    }

    /// Gives up a body that the protocol does not allow: the response is whole without it.
    pub(crate) fn let_go(mut self) {
        self.end(Ok(()));
    }

    /// Whether what looks like the end is a guest that failed in the middle.
    fn is_broken_off(&self) -> bool {
        match &self.writer {
            Some(Writer::Guest(guest)) => guest.failed.load(Ordering::Acquire),
            Some(Writer::Slot(lease)) => lease.guest_has_ended(),
            None => false,
        }
    }

    fn end(&mut self, result: Result<(), CallError>) {
        match self.writer.take() {
            Some(Writer::Guest(mut guest)) => guest.task = None,
            Some(Writer::Slot(lease)) => lease.end(result),
            None => {}
        }
    }

    fn break_off(&mut self, reason: &str) -> Error {
        self.end(Err(CallError::Trapped(reason.into())));
        Error::InternalError(Some(reason.into()))
    }

    /// Ready when the deadline has passed while the guest had nothing to write.
    fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let Some(Writer::Slot(lease)) = &mut self.writer else { return Poll::Pending };
        let _ = ready!(Pin::new(&mut lease.watchdog).poll(context));
        Poll::Ready(self.break_off("the deadline passed within the response"))
    }
}

impl Body for LeasedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        // First of all: a guest that always has something to write does not outrun its deadline.
        if let Poll::Ready(error) = self.poll_expired(context) {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = match self.ahead.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if self.ahead.ended => Poll::Ready(None),
            None => Pin::new(&mut self.body).poll_frame(context),
        };
        match &polled {
            Poll::Ready(None) if self.is_broken_off() => {
                return Poll::Ready(Some(Err(self.break_off("the guest ended within its response"))));
            }
            Poll::Ready(None) => self.end(Ok(())),
            Poll::Ready(Some(Err(error))) => {
                let error = CallError::Trapped(format!("the response broke off: {error}"));
                self.end(Err(error));
            }
            Poll::Ready(Some(Ok(_))) if self.is_end_stream() => self.end(Ok(())),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.frames.is_empty() && if self.ahead.ended { !self.is_broken_off() } else { self.body.is_end_stream() }
    }

    fn size_hint(&self) -> SizeHint {
        let frames = &self.ahead.frames;
        let ahead: usize = frames.iter().flatten().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
        if self.ahead.ended {
            // Trailers need chunks, and what breaks off has no length.
            let is_data = |frame: &Result<Frame<Bytes>, Error>| frame.as_ref().is_ok_and(Frame::is_data);
            let is_plain = frames.iter().all(is_data) && !self.is_broken_off();
            return if is_plain { SizeHint::with_exact(ahead) } else { SizeHint::default() };
        }
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ahead)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl Drop for LeasedBody {
    fn drop(&mut self) {
        // An empty body is never polled.
        if self.is_end_stream() {
            self.end(Ok(()));
        }
    }
}
