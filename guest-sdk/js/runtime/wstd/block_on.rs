//! In place of wstd's own `block_on`, for a component whose exports are called many times.
//!
//! wstd makes one reactor for each `block_on` and returns when nothing at all waits any more. Here the reactor lives as
//! long as the instance, and `block_on` returns as soon as its future is done: a connection that waits for data between
//! two invocations stays registered, and the next invocation goes on with it.

use super::{REACTOR, Reactor};

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// How many tasks run at most before pollables are looked at, so that tasks that wake each other starve nobody.
const TASKS_PER_CHECK: u32 = 64;

struct Root(AtomicBool);

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the event loop until the future is done. If nothing is left that could ever wake it, waits for the host to end
/// the instance: what never completes is a timeout.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let reactor = REACTOR.with(|current| current.borrow_mut().get_or_insert_with(Reactor::new).clone());
    let root = Arc::new(Root(AtomicBool::new(true)));
    let waker = Waker::from(root.clone());
    let mut future = pin!(future);
    let mut tasks = 0;
    loop {
        if root.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
        }
        if let Some(runnable) = reactor.pop_ready_list() {
            runnable.run();
            tasks += 1;
            if tasks % TASKS_PER_CHECK == 0 {
                reactor.nonblock_check_pollables();
            }
        } else if root.0.load(Ordering::Relaxed) {
            reactor.nonblock_check_pollables();
        } else if reactor.pending_pollables_is_empty() {
            wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX / 4).block();
        } else {
            reactor.block_on_pollables();
        }
    }
}

/// How many WASI pollables are alive.
pub fn open_pollables() -> usize {
    REACTOR.with(|current| current.borrow().as_ref().map_or(0, Reactor::pollables))
}
