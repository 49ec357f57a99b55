//! A trigger that is there: its source's task, which is started again whenever it cannot go on.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared as SharedFuture},
};
use serde_json::Value;
use tokio::sync::watch;

use super::{
    super::{
        Bound, Sink, SourceError,
        bound::Unbound,
        holding::Holding,
        source_of,
        status::{State, Status},
    },
    Shared,
};

/// First and longest pause before a source that could not go on is started again; half of it is left to chance.
const START_AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// A source that ran for so long was well: its next pause is the first one again.
const WELL: Duration = Duration::from_secs(60);

/// How long a source that was told to stop may finish what it is at.
const GRACE: Duration = Duration::from_secs(5);

/// The end of a source's task, for all who wait for it.
pub(super) type Ended = SharedFuture<BoxFuture<'static, ()>>;

/// A trigger that is there, whether its source runs or not.
pub(super) struct Running {
    pub(super) what: Result<Arc<Bound>, Unbound>,
    pub(super) paused: bool,
    pub(super) status: Arc<Status>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) task: Option<Ended>,
}

impl Running {
    pub(super) fn describe(&self, id: &str) -> Value {
        let mut description = self.status.describe();
        let mut parts = id.splitn(3, '/');
        let (kind, qualifier, source) = match &self.what {
            Ok(bound) => (bound.trigger.settings.kind(), &*bound.trigger.qualifier, bound.trigger.source.as_deref()),
            Err(unbound) => (unbound.kind.as_str(), "", None),
        };
        for key in ["service", "function", "name"] {
            description[key] = parts.next().unwrap_or_default().into();
        }
        description["type"] = kind.into();
        description["qualifier"] = qualifier.into();
        description["source"] = source.into();
        description
    }
}

impl Shared {
    /// Starts a trigger's source, if it has one; after its predecessor has ended.
    pub(super) fn begin(
        self: &Arc<Self>,
        what: Result<Arc<Bound>, Unbound>,
        paused: bool,
        before: Option<Running>,
    ) -> Running {
        let same = before.as_ref().filter(|before| before.what == what).map(|before| before.status.clone());
        let before = before.and_then(|mut before| {
            before.stop.send_replace(true);
            before.task.take()
        });
        let state = match &what {
            Err(unbound) => State::Unbound(unbound.reason.clone()),
            Ok(bound) if !bound.trigger.enabled => State::Disabled,
            Ok(_) if paused => State::Paused,
            Ok(_) => State::Connecting,
        };
        if let State::Unbound(reason) = &state {
            let id = what.as_ref().err().map(|unbound| unbound.id.as_str()).unwrap_or_default();
            tracing::warn!(trigger = id, reason, "a trigger fires nothing");
        }
        // Pausing does not set counters back.
        let status = same.unwrap_or_else(|| Arc::new(Status::new(state.clone())));
        status.becomes(state.clone());
        let (stop, stopped) = watch::channel(false);
        // Kept even if nothing is to run: its own successor waits for it.
        let task = match (&what, state) {
            (Ok(bound), State::Connecting) => {
                self.removed.may_hold(bound);
                let sink = self.sink(bound.clone(), status.clone(), stopped);
                Some(tokio::spawn(keep_running(sink, before)).map(drop).boxed().shared())
            }
            _ => before,
        };
        Running { what, paused, status, stop, task }
    }

    pub(super) fn sink(&self, bound: Arc<Bound>, status: Arc<Status>, stop: watch::Receiver<bool>) -> Sink {
        let (delivery, server, inboxes) = (self.delivery.clone(), self.server.clone(), self.inboxes.clone());
        Sink { bound, delivery, server, status, inboxes, stop }
    }
}

/// Runs a source until it is stopped, and again whenever it cannot go on.
async fn keep_running(sink: Sink, before: Option<Ended>) {
    if let Some(before) = before {
        before.await;
    }
    // Known before there is anything, so that nothing stays unknown.
    if let Some(holding) = Holding::of(&sink.bound)
        && sink.remember(holding.mark(true)).await.is_err()
    {
        return;
    }
    let mut pause = START_AGAIN.0;
    while !sink.is_stopped() {
        let began = Instant::now();
        let Err(error) = run_once(&sink).await else { return };
        if sink.is_stopped() {
            return;
        }
        sink.status.failures.fetch_add(1, Relaxed);
        tracing::warn!(trigger = %sink.id(), %error, "the source of a trigger cannot go on; it is started again");
        sink.status.becomes(State::Failed(error.0));
        if began.elapsed() >= WELL {
            pause = START_AGAIN.0;
        }
        if sink.pause(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await.is_err() {
            return;
        }
        pause = (pause * 2).min(START_AGAIN.1);
    }
}

/// `Ok` once the source was told to stop, and has ended or had time enough to.
async fn run_once(sink: &Sink) -> Result<(), SourceError> {
    let source = source_of(&sink.bound).map_err(SourceError)?;
    let overdue = async {
        sink.stopped().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = source.run(sink) => match ended {
            Ok(()) if !sink.is_stopped() => Err(SourceError("the source ended by itself".to_owned())),
            ended => ended,
        },
        () = overdue => {
            tracing::warn!(trigger = %sink.id(), "the source of a trigger did not stop in time");
            Ok(())
        }
    }
}
