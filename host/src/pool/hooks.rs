//! The end of instances, and the calls that a pool makes by itself: hooks, and the initializer of kept instances.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{Pool, exclusive::Pooled, slots::PooledConcurrent};
use crate::{
    instance::{Call, CallError, Hook, HookPath, Instance},
    invoke::{RequestId, epoch_ms},
};

impl Pool {
    /// Ends an instance: with its pre-stop hook, if it is whole and has one.
    pub(super) fn stop(&self, mut pooled: Box<Pooled>) {
        if !pooled.instance.is_reusable()
            || !pooled.instance.is_initialized()
            || !pooled.instance.has_hook(Hook::PreStop)
        {
            return;
        }
        let pool = self.clone();
        tokio::spawn(async move { pool.call_hook(&mut pooled.instance, Hook::PreStop).await });
    }

    /// The same for an instance whose call is over just now. Giving its memory back takes microseconds, which the caller's
    /// answer is not to wait for: a task that this one spawns runs behind it, on the same worker.
    pub(super) fn stop_after_answer(&self, pooled: Box<Pooled>) {
        if !pooled.instance.is_reusable() || tokio::runtime::Handle::try_current().is_err() {
            return self.stop(pooled);
        }
        let pool = self.clone();
        tokio::spawn(async move { pool.stop(pooled) });
    }

    pub(super) async fn call_hook(&self, instance: &mut Instance, hook: Hook) {
        let id = RequestId::new();
        let result = instance.call_hook(&own_call(&id, self.function().hook_timeout), hook).await;
        let (bytes, dropped) = instance.take_log();
        self.note_own_call(&id, &format!("{hook:?}"), result, &bytes, dropped);
    }

    /// A failure is logged and changes nothing else.
    pub(super) fn note_own_call(
        &self,
        id: &RequestId,
        what: &str,
        result: Result<(), CallError>,
        log: &[u8],
        dropped: u64,
    ) {
        let mut log = log.to_vec();
        if let Err(error) = result {
            log.extend_from_slice(format!("FC {what} failed, RequestId: {}: {error}\n", id.as_str()).as_bytes());
        }
        if !log.is_empty() {
            self.0.log.append(id.as_str(), &log, dropped);
        }
    }

    /// See [`Self::stop`].
    pub(super) fn stop_concurrent(&self, instance: Arc<PooledConcurrent>) {
        if !self.function().pre_stop || !instance.instance.is_initialized() || !instance.instance.is_reusable() {
            return;
        }
        let pool = self.clone();
        tokio::spawn(async move {
            let id = RequestId::new();
            let call = own_call(&id, pool.function().hook_timeout);
            let result = instance.instance.call_hook_path(&call, HookPath::PreStop).await;
            let (bytes, dropped) = instance.instance.capture().take();
            pool.note_own_call(&id, "PreStop", result, &bytes, dropped);
        });
    }
}

/// A call that nobody asked for, and its `timeout` from now on.
pub(crate) fn own_call(id: &RequestId, timeout: Duration) -> Call<'_> {
    Call {
        request_id: id.as_str(),
        deadline: Instant::now() + timeout,
        deadline_ms: epoch_ms(SystemTime::now() + timeout),
        retry_count: 0,
        trace_parent: None,
    }
}
