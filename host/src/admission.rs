//! The host's own limit: how many instances live at once, over all functions.

use std::{sync::Arc, time::Instant};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

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

    /// Waits for room until `deadline`, first come first served.
    pub(crate) async fn admit(&self, deadline: Instant) -> Option<InstancePermit> {
        let permit = timeout_at(deadline.into(), self.0.instances.clone().acquire_owned()).await;
        Some(InstancePermit { _permit: permit.ok()?.ok()? })
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
