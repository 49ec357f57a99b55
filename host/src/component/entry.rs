//! Where to enter a component: its exports, found once when it is deployed.

use std::sync::{Arc, atomic::AtomicBool};

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::{p2, p3};

use super::{Declaration, Kind, runtime::Preload};
use crate::instance::Guest;

/// A component of each kind with its imports resolved and its exports found.
pub(crate) enum Entry {
    Function(FunctionPre),
    WasiHttp02(p2::bindings::ProxyPre<Guest>),
    WasiHttp03(p3::bindings::ServicePre<Guest>),
    Command(CommandPre<Guest>),
}

/// How a component takes the requests of an HTTP trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpEntry {
    /// As records, by `wisp:function/http-handler`.
    Handler,
    /// As runs of bytes, by `wisp:function/packed-http-handler`.
    PackedHandler,
    /// As JSON events in the trigger's payload format.
    Event,
    /// As they are, by `wasi:http`.
    WasiHttp,
}

/// The exports of `wisp:function` that the component has.
pub(crate) struct FunctionPre {
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) event: Option<ComponentExportIndex>,
    /// None as well if the component exports the packed form, which goes before it.
    pub(crate) http: Option<ComponentExportIndex>,
    pub(crate) packed_http: Option<ComponentExportIndex>,
    pub(crate) initializer: Option<ComponentExportIndex>,
    pub(crate) pre_freeze: Option<ComponentExportIndex>,
    pub(crate) pre_stop: Option<ComponentExportIndex>,
    /// Called once in each new instance, before everything else.
    pub(crate) after_restore: Option<ComponentExportIndex>,
    /// Whether the functions behind the exports were found to have the contract's types, which are the component's and so
    /// the same in each instance.
    pub(crate) is_checked: AtomicBool,
    /// For a language runtime that loads the sources in each instance.
    pub(crate) preload: Option<Arc<Preload>>,
}

impl Entry {
    /// Whether it takes events.
    pub(crate) fn handles_events(&self) -> bool {
        !matches!(self, Self::Function(FunctionPre { event: None, .. }))
    }

    /// Where the requests of an HTTP trigger go.
    pub(crate) fn http_entry(&self) -> HttpEntry {
        match self {
            Self::Function(FunctionPre { packed_http: Some(_), .. }) => HttpEntry::PackedHandler,
            Self::Function(FunctionPre { http: Some(_), .. }) => HttpEntry::Handler,
            Self::Function(_) | Self::Command(_) => HttpEntry::Event,
            Self::WasiHttp02(_) | Self::WasiHttp03(_) => HttpEntry::WasiHttp,
        }
    }

    /// Of a component as it was built.
    pub(super) fn new(kind: Kind, pre: InstancePre<Guest>, declared: Option<&Declaration>) -> wasmtime::Result<Self> {
        let is_restored = declared.is_some_and(|declared| declared.snapshot);
        Self::of(kind, pre, declared, is_restored)
    }

    /// Of a component with the state that its initializer left.
    pub(super) fn restored(
        kind: Kind,
        pre: InstancePre<Guest>,
        declared: Option<&Declaration>,
    ) -> wasmtime::Result<Self> {
        Self::of(kind, pre, declared, true)
    }

    fn of(
        kind: Kind,
        pre: InstancePre<Guest>,
        declared: Option<&Declaration>,
        is_restored: bool,
    ) -> wasmtime::Result<Self> {
        Ok(match kind {
            Kind::Function => Self::Function(FunctionPre::new(pre, declared, is_restored)),
            Kind::WasiHttp02 => Self::WasiHttp02(p2::bindings::ProxyPre::new(pre)?),
            Kind::WasiHttp03 => Self::WasiHttp03(p3::bindings::ServicePre::new(pre)?),
            Kind::Command => Self::Command(CommandPre::new(pre)?),
        })
    }
}

impl FunctionPre {
    /// Of a component with a declaration only what it declares is called; of any other all that it exports.
    fn new(pre: InstancePre<Guest>, declared: Option<&Declaration>, is_restored: bool) -> Self {
        let find = |interface: &str, function: &str, is_declared: fn(&Declaration) -> bool| {
            declared.is_none_or(is_declared).then(|| export(pre.component(), interface, function)).flatten()
        };
        let packed_http = find("packed-http-handler", "handle", |it| it.http);
        Self {
            event: find("event-handler", "handle", |it| it.event),
            http: if packed_http.is_none() { find("http-handler", "handle", |it| it.http) } else { None },
            packed_http,
            initializer: find("initializer", "initialize", |it| it.initializer),
            pre_freeze: find("pre-freeze", "pre-freeze", |it| it.pre_freeze),
            pre_stop: find("pre-stop", "pre-stop", |it| it.pre_stop),
            after_restore: find("after-restore", "after-restore", |it| it.after_restore).filter(|_| is_restored),
            is_checked: AtomicBool::new(false),
            preload: None,
            pre,
        }
    }

    /// A language runtime that loads `preload` in each instance, which then is what `declared` says.
    pub(super) fn preloading(pre: InstancePre<Guest>, declared: &Declaration, preload: Arc<Preload>) -> Self {
        Self { preload: Some(preload), after_restore: None, ..Self::new(pre, Some(declared), false) }
    }
}

fn export(component: &Component, interface: &str, function: &str) -> Option<ComponentExportIndex> {
    let instance = component.get_export_index(None, format!("wisp:function/{interface}@1.0.0"))?;
    component.get_export_index(Some(&instance), function)
}
