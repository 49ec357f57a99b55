//! Limits over many pools: how many instances live at once, of all functions or of all qualifiers of one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

/// How often who waits for room looks for an idle instance to end.
const EVICTION_INTERVAL: Duration = Duration::from_millis(10);

/// Ends an idle instance of another pool, if there is one.
pub(crate) type Evict = Arc<dyn Fn() -> bool + Send + Sync>;

/// Admits instances. A cheap handle.
#[derive(Clone)]
pub(crate) struct Admission(Arc<Shared>);

struct Shared {
    instances: Arc<Semaphore>,
    limit: usize,
}

/// The right to have one instance; given back when dropped.
pub(crate) struct InstancePermit {
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { instances: Arc::new(Semaphore::new(limit)), limit }))
    }

    pub(crate) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Instances alive.
    pub(crate) fn live(&self) -> usize {
        self.0.limit - self.0.instances.available_permits()
    }

    pub(crate) fn try_admit(&self) -> Option<InstancePermit> {
        let permit = self.0.instances.clone().try_acquire_owned().ok()?;
        Some(InstancePermit { _permit: permit })
    }

    /// Room for one more instance; idle ones of others make it, or whoever ends before `deadline`.
    pub(crate) async fn admit_evicting(&self, deadline: Instant, evict: &Evict) -> Option<InstancePermit> {
        if let Some(permit) = self.try_admit() {
            return Some(permit);
        }
        // Those of others may be busy now and idle in a moment.
        let mut evicted = evict();
        let mut permit = std::pin::pin!(self.admit(deadline));
        loop {
            tokio::select! {
                permit = &mut permit => return permit,
                () = tokio::time::sleep(EVICTION_INTERVAL), if !evicted => evicted = evict(),
            }
        }
    }

    /// Waits for room until `deadline`, first come first served.
    pub(crate) async fn admit(&self, deadline: Instant) -> Option<InstancePermit> {
        let permit = timeout_at(deadline.into(), self.0.instances.clone().acquire_owned()).await;
        Some(InstancePermit { _permit: permit.ok()?.ok()? })
    }
}

/// The concurrency that is reserved for a function: the instances of all its qualifiers together. A cheap handle.
#[derive(Clone)]
pub(crate) struct Reservation {
    admission: Admission,
    /// Of the function's other qualifiers.
    evict: Evict,
}

impl Reservation {
    pub(crate) fn new(limit: usize, evict: Evict) -> Self {
        Self { admission: Admission::new(limit), evict }
    }

    pub(crate) fn limit(&self) -> usize {
        self.admission.limit()
    }

    /// Room for one more instance of the function; the error says how many there are.
    pub(crate) async fn admit(&self, deadline: Instant) -> Result<InstancePermit, String> {
        let permit = self.admission.admit_evicting(deadline, &self.evict).await;
        permit.ok_or_else(|| {
            format!("the function is at its reserved concurrency: all {} instances are busy", self.limit())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_host_is_full_until_an_instance_goes() {
        let admission = Admission::new(1);
        let first = admission.try_admit().unwrap();
        assert!(admission.try_admit().is_none());
        assert!(admission.admit(Instant::now() + Duration::from_millis(1)).await.is_none());
        drop(first);
        assert_eq!(admission.live(), 0);
        assert!(admission.try_admit().is_some());
    }
}
