//! Snapshots after the initializer, as deploys ask for them.

use std::sync::{Arc, atomic::AtomicBool};

use tokio::runtime::Handle;

use super::{
    FunctionHost,
    deploy::{DeployReason, Origin, unloaded},
};
use crate::{
    capability::outbound::OutboundPolicy,
    catalog::Revision,
    component::{ComponentFile, Ready, SharedFile},
    config::FunctionConfig,
    engine,
    instance::Policy,
};

impl FunctionHost {
    /// A component that is loaded, with the state that its initializer leaves: from the store, or made now of its file, which
    /// runs the initializer.
    pub(crate) async fn initialized(
        &self,
        function: &Arc<FunctionConfig>,
        component: &Arc<Ready>,
        file: SharedFile,
    ) -> Result<Arc<Ready>, DeployReason> {
        let (host, function, runtime) = (self.clone(), function.clone(), Handle::current());
        if let Some(found) = host.found_snapshot(&function, component).await? {
            return Ok(found);
        }
        let file = file.read(&function.component).await.map_err(DeployReason::Unreadable)?;
        let work = move || host.initialized_here(&function, &file, &runtime, || {});
        tokio::task::spawn_blocking(work).await.map_err(unloaded)?
    }

    async fn found_snapshot(
        &self,
        function: &Arc<FunctionConfig>,
        component: &Arc<Ready>,
    ) -> Result<Option<Arc<Ready>>, DeployReason> {
        let (loader, component) = (self.loader().clone(), component.clone());
        let policy = self.snapshot_policy(function.clone())?;
        let work = move || loader.found_snapshot(&component, &policy);
        Ok(tokio::task::spawn_blocking(work).await.map_err(unloaded)??)
    }

    /// The same on this thread, for as long as it takes.
    pub(crate) fn initialized_here(
        &self,
        function: &Arc<FunctionConfig>,
        file: &ComponentFile,
        runtime: &Handle,
        compiling: impl FnOnce(),
    ) -> Result<Arc<Ready>, DeployReason> {
        let policy = self.snapshot_policy(function.clone())?;
        let attempt = self.0.loader.initialized(file, &policy, runtime, compiling);
        if let Some(log) = &attempt.log {
            let (function_log, _) = self.telemetry(function);
            function_log.append(log.request_id.as_str(), &log.text, log.dropped);
        }
        attempt.outcome.map_err(DeployReason::Snapshot)
    }

    /// What the function is given, as its head, but no network: what an initializer says to others would be said once, and
    /// what it is answered would be every instance's.
    pub(crate) fn snapshot_policy(&self, function: Arc<FunctionConfig>) -> Result<Policy, DeployReason> {
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
        let Ok(file) = ComponentFile::read(&revision.function.component) else { return false };
        let runtime = Handle::try_current();
        let compiled = engine::behind(|| {
            let initialized = match (revision.function.snapshot, &runtime) {
                (true, Ok(runtime)) => self.initialized_here(&revision.function, &file, runtime, || {}).is_ok(),
                (true, Err(_)) | (false, _) => false,
            };
            initialized || self.0.loader.load_file(&file, || {}).is_ok()
        });
        compiled.unwrap_or_default()
    }
}
