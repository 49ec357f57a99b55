//! An instance of an instrumented component: the initializer runs in it, and then its state is read.

use std::time::Instant;

use wasmtime::{
    Store,
    component::{Instance as RawInstance, ResourceTable},
};
use wasmtime_wasi_http::p2::bindings::ProxyIndices;

use super::{CallError, Exports, FunctionExports, Guest, Instance, Policy, abi, explain_start, new_instance_id, timed};
use crate::{
    component::{Entry, Ready, runtime::abi::LOADER},
    limits::Refused,
};

impl Instance {
    /// Instantiates it before `deadline`. No after-restore hook runs: what that needs may be what the initializer makes.
    ///
    /// # Errors
    /// As `start`.
    pub(crate) async fn start_instrumented(
        ready: &Ready,
        policy: &Policy,
        deadline: Instant,
    ) -> Result<(Self, RawInstance), CallError> {
        let entry = ready.code.entry().await.map_err(|error| CallError::Trapped(format!("cannot start: {error}")))?;
        let mut store = Guest::store(&ready.engine, policy, new_instance_id());
        let started = timed(&mut store, deadline, async |store| exports(&entry, store).await).await;
        let (exports, raw) = started.map_err(|error| explain_start(error, &mut store))?;
        Ok((Self { store, exports, initialized: false, calling: false, served: 0, _entry: entry }, raw))
    }

    /// Has a language runtime let go of what no snapshot holds.
    pub(crate) async fn park(&mut self, raw: &RawInstance, deadline: Instant) -> Result<(), CallError> {
        let park = async |store: &mut Store<Guest>| {
            let missing = || wasmtime::Error::msg(format!("the language runtime has no {LOADER}#park"));
            let (_, interface) = raw.get_export(&mut *store, None, LOADER).ok_or_else(missing)?;
            let (_, park) = raw.get_export(&mut *store, Some(&interface), "park").ok_or_else(missing)?;
            raw.get_typed_func::<(), abi::HookResults>(&mut *store, park)?.call_async(store, ()).await
        };
        let (result,) = timed(&mut self.store, deadline, park).await?;
        result.map_err(CallError::from_failure)
    }

    /// Whether the component itself exports something of this name.
    pub(crate) fn has_export(&mut self, raw: &RawInstance, name: &str) -> bool {
        raw.get_export(&mut self.store, None, name).is_some()
    }

    /// Calls a function that takes and gives nothing.
    pub(crate) async fn call_bare(
        &mut self,
        raw: &RawInstance,
        name: &str,
        deadline: Instant,
    ) -> Result<(), CallError> {
        let call = async |store: &mut Store<Guest>| {
            raw.get_typed_func::<(), ()>(&mut *store, name)?.call_async(store, ()).await
        };
        timed(&mut self.store, deadline, call).await
    }

    /// What the guest was refused last.
    pub(crate) fn take_refused(&mut self) -> Option<Refused> {
        self.store.data_mut().limiter().take_refused()
    }

    /// Looks at what the instance holds of the host.
    pub(crate) fn held<T>(&mut self, look: impl FnOnce(&mut ResourceTable) -> T) -> T {
        look(&mut self.store.data_mut().table)
    }

    /// Whether there is anything in `/tmp`.
    pub(crate) fn has_scratch_files(&self) -> bool {
        self.store.data().files.has_scratch_files()
    }

    pub(crate) fn store(&mut self) -> &mut Store<Guest> {
        &mut self.store
    }
}

async fn exports(entry: &Entry, store: &mut Store<Guest>) -> wasmtime::Result<(Exports, RawInstance)> {
    match entry {
        Entry::Function(pre) => {
            let raw = pre.pre.instantiate_async(&mut *store).await?;
            Ok((Exports::Function(FunctionExports::of(pre, store, &raw)?), raw))
        }
        Entry::WasiHttp02(pre) => {
            let raw = pre.instance_pre().instantiate_async(&mut *store).await?;
            let proxy = ProxyIndices::new(pre.instance_pre())?.load(&mut *store, &raw)?;
            Ok((Exports::WasiHttp(proxy), raw))
        }
        Entry::WasiHttp03(_) | Entry::Command(_) => {
            Err(wasmtime::Error::msg("no snapshot is taken of a component of this kind"))
        }
    }
}
