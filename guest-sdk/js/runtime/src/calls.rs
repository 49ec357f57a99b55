//! Runs JavaScript for one call of an export until its outcome is there.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    ptr::NonNull,
    task::{Context as TaskContext, Poll, Waker},
};

use rquickjs::{CatchResultExt as _, Ctx, Function, Persistent, qjs};

use crate::{
    bindings::wisp::function::types::{Failure, FailureKind},
    engine,
    internal::{self, runtime_services::with_component_context},
    native::milliseconds,
};

/// Stack that JavaScript may use in linear memory. The host gives the other stack, which the guest cannot see, at least
/// 1 MiB; recursion of every kind reaches this limit first.
const JS_STACK: usize = 192 << 10;

/// What a call of an export comes to.
pub(crate) enum Outcome {
    Nothing,
    Bytes(Vec<u8>),
    /// The headers are packed: see `packed-http-response`.
    Response {
        status: u16,
        headers: Vec<u8>,
        body: Vec<u8>,
    },
    Text(String),
    Failure(Failure),
}

thread_local! {
    static OUTCOME: RefCell<Option<Outcome>> = const { RefCell::new(None) };
    static WAKER: RefCell<Option<Waker>> = const { RefCell::new(None) };
    /// When the next timer is due, in milliseconds of the monotonic clock; infinite without one.
    static DUE: Cell<f64> = const { Cell::new(f64::INFINITY) };
    static FUNCTIONS: Cell<Option<&'static Functions>> = const { Cell::new(None) };
}

/// The JavaScript functions that are called from here, registered once by `main.js`.
pub(crate) struct Functions {
    pub(crate) context: NonNull<qjs::JSContext>,
    pub(crate) load: Persistent<Function<'static>>,
    pub(crate) park: Persistent<Function<'static>>,
    pub(crate) resume: Persistent<Function<'static>>,
    pub(crate) event: Persistent<Function<'static>>,
    pub(crate) http: Persistent<Function<'static>>,
    pub(crate) hook: Persistent<Function<'static>>,
    pub(crate) fire_timers: Persistent<Function<'static>>,
    pub(crate) next_ticks: Persistent<Function<'static>>,
    pub(crate) rejections: Persistent<Function<'static>>,
}

pub(crate) fn register(functions: Functions) {
    FUNCTIONS.set(Some(Box::leak(Box::new(functions))));
}

/// Sets the outcome of the call that runs. The first one counts.
pub(crate) fn settle(outcome: Outcome) {
    OUTCOME.with_borrow_mut(|slot| {
        slot.get_or_insert(outcome);
    });
    wake();
}

/// Tells when the next timer is due.
pub(crate) fn set_due(due: f64) {
    DUE.set(due);
    wake();
}

fn wake() {
    WAKER.with_borrow(|waker| {
        if let Some(waker) = waker {
            waker.wake_by_ref();
        }
    });
}

/// Calls `start` with the runtime's functions, then lets JavaScript run until something called [`settle`].
///
/// `start` gives `false` if it knows that the turn has no ticks and no rejections to see to. Most handlers are done when
/// they return: for them no event loop is set up.
pub(crate) fn run(start: impl for<'js> FnOnce(&Ctx<'js>, &Functions) -> rquickjs::Result<Option<bool>>) -> Outcome {
    let Some(functions) = functions() else { return failure("the runtime did not start") };
    OUTCOME.set(None);
    WAKER.set(None);
    // SAFETY: the context lives as long as the process, and between two calls nothing else holds the engine: its lock,
    // which only this thread could take, is left alone.
    let ctx = unsafe { Ctx::from_raw(functions.context) };
    if let Err(message) = begin(&ctx, functions, start).catch(&ctx) {
        settle(failure(&message.to_string()));
    }
    match OUTCOME.take() {
        Some(outcome) => outcome,
        None => {
            wstd::runtime::block_on(with_component_context(&internal::get_js_state().ctx, async |ctx| wait(&ctx).await))
        }
    }
}

fn begin<'js>(
    ctx: &Ctx<'js>,
    functions: &Functions,
    start: impl FnOnce(&Ctx<'js>, &Functions) -> rquickjs::Result<Option<bool>>,
) -> rquickjs::Result<()> {
    let is_pending = start(ctx, functions)?;
    if is_pending == Some(false) && !ctx.execute_pending_job() {
        return Ok(());
    }
    turn(ctx, functions)
}

/// Registered when the runtime starts, which the first call makes it do.
fn functions() -> Option<&'static Functions> {
    FUNCTIONS.get().or_else(|| {
        internal::get_js_state();
        FUNCTIONS.get()
    })
}

fn failure(message: &str) -> Outcome {
    let document = serde_json::json!({ "errorMessage": message, "errorType": "RuntimeError" }).to_string();
    Outcome::Failure(Failure { kind: FailureKind::Unhandled, document })
}

/// Drives timers; the caller's context polls whatever waits for WASI.
async fn wait(ctx: &Ctx<'_>) -> Outcome {
    let mut sleep: Option<(f64, Pin<Box<dyn Future<Output = ()>>>)> = None;
    std::future::poll_fn(|cx| poll_once(ctx, &mut sleep, cx)).await
}

type Sleep = Option<(f64, Pin<Box<dyn Future<Output = ()>>>)>;

fn poll_once(ctx: &Ctx<'_>, sleep: &mut Sleep, cx: &mut TaskContext<'_>) -> Poll<Outcome> {
    WAKER.set(Some(cx.waker().clone()));
    if let Some(outcome) = OUTCOME.take() {
        WAKER.set(None);
        return Poll::Ready(outcome);
    }
    let due = DUE.get();
    if due <= milliseconds() {
        *sleep = None;
        fire(ctx);
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    if sleep.as_ref().is_none_or(|(until, _)| *until != due) {
        *sleep = due.is_finite().then(|| (due, sleep_until(due)));
    }
    if let Some((_, waiting)) = sleep
        && waiting.as_mut().poll(cx).is_ready()
    {
        *sleep = None;
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

fn sleep_until(due: f64) -> Pin<Box<dyn Future<Output = ()>>> {
    let left = ((due - milliseconds()).max(0.0) * 1e6).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let pollable = wasip2::clocks::monotonic_clock::subscribe_duration(left as u64);
    Box::pin(async move { wstd::runtime::AsyncPollable::new(pollable).wait_for().await })
}

fn fire(ctx: &Ctx<'_>) {
    let Some(functions) = functions() else { return };
    let fired = functions.fire_timers.clone().restore(ctx).and_then(|fire| fire.call::<_, ()>((milliseconds(),)));
    if let Err(error) = fired.and_then(|()| turn(ctx, functions)).catch(ctx) {
        settle(failure(&error.to_string()));
    }
}

/// Ends a turn as Node does: ticks before jobs, until none is left, then rejections that nobody handles.
fn turn(ctx: &Ctx<'_>, functions: &Functions) -> rquickjs::Result<()> {
    let next_ticks = functions.next_ticks.clone().restore(ctx)?;
    loop {
        let mut did_something = next_ticks.call::<_, usize>(())? > 0;
        while ctx.execute_pending_job() {
            did_something = true;
        }
        if !did_something {
            let rejections = functions.rejections.clone().restore(ctx)?;
            if rejections.call::<_, usize>(())? == 0 {
                return Ok(());
            }
        }
    }
}

/// Polls what never waits.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing else holds the engine between two calls"),
    }
}

/// Makes QuickJS throw a RangeError where the stack would end.
pub(crate) fn limit_stack() {
    at_once(internal::get_js_state().rt.set_max_stack_size(JS_STACK));
}

/// Growth of the heap that leads to a collection of it, at least. A collection visits every object of the snapshot, and so
/// makes the instance's own copy of every page.
const GARBAGE_THRESHOLD: usize = 8 << 20;

/// Frees what nothing refers to, so that a snapshot does not hold it, and puts the next collection off.
pub(crate) fn collect_garbage() {
    let state = internal::get_js_state();
    at_once(state.ctx.with(|ctx| ctx.run_gc()));
    let used = usize::try_from(at_once(state.rt.memory_usage()).malloc_size).unwrap_or_default();
    at_once(state.rt.set_gc_threshold(used + GARBAGE_THRESHOLD.max(used / 2)));
}

/// Prepares the engine's heap for a snapshot; `false`: there is no memory for it.
pub(crate) fn settle_heap() -> bool {
    at_once(internal::get_js_state().ctx.with(|ctx| engine::settle(&ctx)))
}

/// More than a hole in a heap is expected to have.
const LARGE: usize = 1 << 20;

/// Takes the holes between the objects of the heap for good, so that what an instance allocates lies side by side behind
/// them. An allocator prefers holes, and each is on another page, of which the instance would have to make a copy.
pub(crate) fn use_up_fragments() {
    let place = |size: usize| black_box(Vec::<u8>::with_capacity(size));
    let behind = place(LARGE);
    let end = behind.as_ptr().addr();
    drop(behind);
    let mut size = LARGE / 2;
    while size >= 8 {
        let block = place(size);
        if block.as_ptr().addr() < end {
            std::mem::forget(block);
        } else {
            // No hole is that large any more. Small sizes have lists of their own, 8 bytes apart.
            size = if size > 256 { size / 2 } else { size - 8 };
        }
    }
}
