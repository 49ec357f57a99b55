//! What a connection is doing: so that one that does nothing can be let go, without a timer for every request.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};

/// The requests of one connection. A cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
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
        self.0.begun.fetch_add(1, Relaxed);
        self.0.running.fetch_add(1, Relaxed);
        Running(self.clone())
    }

    /// Whether no request runs, and none was begun since `seen`, which is brought up to date.
    pub(crate) fn is_quiet_since(&self, seen: &mut usize) -> bool {
        let begun = self.0.begun.load(Relaxed);
        let quiet = begun == *seen && self.0.running.load(Relaxed) == 0;
        *seen = begun;
        quiet
    }
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
    fn a_connection_is_quiet_when_nothing_runs_and_nothing_was_begun() {
        let (activity, mut seen) = (Activity::default(), 0);
        assert!(activity.is_quiet_since(&mut seen));
        let running = activity.begin();
        assert!(!activity.is_quiet_since(&mut seen), "begun since");
        assert!(!activity.is_quiet_since(&mut seen), "still running");
        drop(running);
        assert!(activity.is_quiet_since(&mut seen));
    }
}
