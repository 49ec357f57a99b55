//! The executor of async functions: one future at a time, and `wasi:io/poll` to wait for what it waits for.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use crate::bindings::imports::wasi::io::poll::{self, Pollable};

thread_local! {
    /// What futures wait for, and whom to wake.
    static WAITING: RefCell<Vec<Waiting>> = const { RefCell::new(Vec::new()) };
}

struct Waiting {
    pollable: Arc<Pollable>,
    waker: Waker,
}

/// Something of WASI that becomes ready. To be dropped before the stream or socket that it belongs to: the host ends a
/// guest that drops a resource before its children.
#[derive(Debug)]
pub(crate) struct Source(Arc<Pollable>);

impl Source {
    pub(crate) fn new(pollable: Pollable) -> Self {
        Self(Arc::new(pollable))
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        poll_fn(|context| self.poll_ready(context)).await;
    }

    /// Whether it is ready; if not, the task is woken when it is.
    pub(crate) fn poll_ready(&self, context: &Context<'_>) -> Poll<()> {
        if self.0.ready() {
            return Poll::Ready(());
        }
        WAITING.with_borrow_mut(|waiting| {
            waiting.retain(|it| !Arc::ptr_eq(&it.pollable, &self.0));
            waiting.push(Waiting { pollable: Arc::clone(&self.0), waker: context.waker().clone() });
        });
        Poll::Pending
    }

    /// Waits, and holds everything else up.
    pub(crate) fn block(&self) {
        self.0.block();
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(|waiting| waiting.retain(|it| !Arc::ptr_eq(&it.pollable, &self.0)));
    }
}

/// Whether the future that an executor runs was woken since it was polled.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future to its end.
///
/// What the future waits for must be this crate's ([`client`](crate::client), [`net`](crate::net),
/// [`time`](crate::time)), or be woken by what is: channels and combinators of the `futures` crate are fine, sockets
/// and timers of tokio, async-std or wstd are not. wstd has an executor of its own, `wstd::runtime::block_on`.
///
/// ```
/// assert_eq!(wisp_sdk::block_on(async { 1 + 1 }), 2);
/// ```
///
/// # Panics
/// The future waits for something that nothing in this instance can bring about.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if !woken.0.swap(false, Ordering::Relaxed) {
            wait();
            woken.0.store(false, Ordering::Relaxed);
        }
    }
}

/// Waits until something is ready, and wakes whoever waits for it.
fn wait() {
    let pollables: Vec<Arc<Pollable>> =
        WAITING.with_borrow(|waiting| waiting.iter().map(|it| Arc::clone(&it.pollable)).collect());
    assert!(
        !pollables.is_empty(),
        "a future waits for nothing that WASI could bring about; does it use another runtime's sockets or timers?"
    );
    let references: Vec<&Pollable> = pollables.iter().map(Arc::as_ref).collect();
    let ready = poll::poll(&references);
    let wakers: Vec<Waker> = WAITING.with_borrow_mut(|waiting| {
        let is_ready = |it: &mut Waiting| {
            ready
                .iter()
                .any(|index| pollables.get(*index as usize).is_some_and(|ready| Arc::ptr_eq(ready, &it.pollable)))
        };
        waiting.extract_if(.., is_ready).map(|it| it.waker).collect()
    });
    // A waker may be anybody's code: it may wait for something else, or drop the stream that a pollable belongs to.
    drop(pollables);
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_wakes_itself_is_polled_again() {
        let mut left = 3;
        let counted = poll_fn(|context| {
            left -= 1;
            context.waker().wake_by_ref();
            if left == 0 { Poll::Ready("done") } else { Poll::Pending }
        });
        assert_eq!(block_on(counted), "done");
    }

    #[test]
    fn one_future_may_run_another_to_its_end() {
        assert_eq!(block_on(async { block_on(async { 1 }) + 1 }), 2);
    }

    #[test]
    fn a_future_that_nothing_can_wake_is_told_so() {
        let stuck = std::panic::catch_unwind(|| block_on(std::future::pending::<()>()));
        let message = *stuck.unwrap_err().downcast::<&str>().unwrap();
        assert!(message.starts_with("a future waits for nothing"), "{message}");
    }
}
