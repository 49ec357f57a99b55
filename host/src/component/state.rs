//! What wasmtime-wizer reads of an instrumented instance: its memories and globals, by functions that the instrumentation
//! has added.

use wasmtime::{
    Store,
    component::{ComponentNamedList, Instance, Lift, TypedFunc, WasmList},
};
use wasmtime_wizer::ComponentInstanceState;

use crate::instance::Guest;

/// An instance that is read. The trait knows no errors: the first one is kept, and what is read from then on is empty.
pub(super) struct InstanceState<'a> {
    store: &'a mut Store<Guest>,
    instance: &'a Instance,
    failed: Option<wasmtime::Error>,
}

impl<'a> InstanceState<'a> {
    pub(super) fn new(store: &'a mut Store<Guest>, instance: &'a Instance) -> Self {
        Self { store, instance, failed: None }
    }

    /// The snapshot, if all of the instance could be read.
    pub(super) fn check(self, snapshot: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        self.failed.map_or(Ok(snapshot), Err)
    }

    fn accessor<R>(&mut self, instance: &str, name: &str) -> wasmtime::Result<TypedFunc<(), R>>
    where
        R: ComponentNamedList + Lift,
    {
        let missing = || wasmtime::Error::msg(format!("the instrumented component has no {instance}#{name}"));
        let (_, interface) = self.instance.get_export(&mut *self.store, None, instance).ok_or_else(missing)?;
        let (_, function) = self.instance.get_export(&mut *self.store, Some(&interface), name).ok_or_else(missing)?;
        self.instance.get_typed_func(&mut *self.store, function)
    }

    async fn read<R>(&mut self, instance: &str, name: &str) -> wasmtime::Result<R>
    where
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let accessor = self.accessor::<(R,)>(instance, name)?;
        Ok(accessor.call_async(&mut *self.store, ()).await?.0)
    }

    async fn number<R>(&mut self, instance: &str, name: &str) -> R
    where
        R: Default + Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        self.read(instance, name).await.unwrap_or_else(|error| {
            self.failed.get_or_insert(error);
            R::default()
        })
    }
}

impl ComponentInstanceState for InstanceState<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.read::<WasmList<u8>>(instance, func).await {
            Ok(list) => contents(list.as_le_slice(&*self.store)),
            Err(error) => {
                self.failed.get_or_insert(error);
                contents(&[]);
            }
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.number(instance, func).await
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.number(instance, func).await
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.number::<f32>(instance, func).await.to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.number::<f64>(instance, func).await.to_bits()
    }
}
