//! Snapshots after the initializer, as deploys ask for them.

use std::{
    fs,
    sync::{Arc, atomic::AtomicBool},
};

use tokio::runtime::Handle;

use super::{DeployReason, FunctionHost, Origin};
use crate::{
    capability::outbound::OutboundPolicy, catalog::Revision, component::Ready, config::FunctionConfig, engine,
    instance::Policy,
};

impl FunctionHost {
    /// The component with the state that its initializer leaves: from the store, or made now, which runs the initializer.
    pub(crate) async fn initialized(
        &self,
        function: &Arc<FunctionConfig>,
        component: Vec<u8>,
        compiling: impl FnOnce() + Send + 'static,
    ) -> Result<Arc<Ready>, DeployReason> {
        let (host, function, runtime) = (self.clone(), function.clone(), Handle::current());
        let work = move || host.initialized_here(&function, &component, &runtime, compiling);
        let made = tokio::task::spawn_blocking(work).await;
        made.map_err(|error| DeployReason::Unfit(format!("the loader failed: {error}")))?
    }

    /// The same on this thread, for as long as it takes.
    pub(super) fn initialized_here(
        &self,
        function: &Arc<FunctionConfig>,
        component: &[u8],
        runtime: &Handle,
        compiling: impl FnOnce(),
    ) -> Result<Arc<Ready>, DeployReason> {
        let policy = self.snapshot_policy(function.clone())?;
        let attempt = self.0.loader.initialized(component, &policy, runtime, compiling);
        if let Some(log) = &attempt.log {
            let (function_log, _) = self.telemetry(function);
            function_log.append(log.request_id.as_str(), &log.text, log.dropped);
        }
        attempt.outcome.map_err(DeployReason::Snapshot)
    }

    /// What the function is given, as its head, but no network: what an initializer says to others would be said once, and
    /// what it is answered would be every instance's.
    pub(super) fn snapshot_policy(&self, function: Arc<FunctionConfig>) -> Result<Policy, DeployReason> {
        let policy = self.policy(function, &Origin::declared([0; 32]))?;
        let network_attempts = Some(Arc::new(AtomicBool::new(false)));
        Ok(Policy { outbound: Arc::new(OutboundPolicy::default()), network_attempts, ..policy })
    }

    /// Whether a deploy of the same function and component would make another revision of it.
    pub(super) fn is_outdated(&self, revision: &Revision) -> bool {
        let Revision { function, ready, .. } = revision;
        if !function.snapshot {
            return ready.interim && self.0.loader.is_compiled(&ready.digest);
        }
        let policy = self.snapshot_policy(function.clone());
        let has_snapshot = policy.is_ok_and(|policy| self.0.loader.has_snapshot(&ready.digest, &policy));
        if ready.interim {
            has_snapshot || self.0.loader.is_compiled(&ready.digest)
        } else {
            // A file that the initializer may have read has changed.
            !has_snapshot
        }
    }

    /// Makes what an interim revision stands in for. What is wrong with it is found, and told, by the deploy that follows.
    pub(super) fn compile(&self, revision: &Revision) -> bool {
        let Ok(bytes) = fs::read(&revision.function.component) else { return false };
        let runtime = Handle::try_current();
        let compiled = engine::behind(|| {
            let initialized = match (revision.function.snapshot, &runtime) {
                (true, Ok(runtime)) => self.initialized_here(&revision.function, &bytes, runtime, || {}).is_ok(),
                (true, Err(_)) | (false, _) => false,
            };
            initialized || self.0.loader.load(&bytes, || {}).is_ok()
        });
        compiled.unwrap_or_default()
    }
}
