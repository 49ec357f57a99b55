//! Where to enter a component: its exports, found once when it is deployed.

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::{p2, p3};

use super::Kind;
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
    /// As JSON events in the trigger's payload format.
    Event,
    /// As they are, by `wasi:http`.
    WasiHttp,
}

/// The exports of `wisp:function` that the component has.
pub(crate) struct FunctionPre {
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) event: Option<ComponentExportIndex>,
    pub(crate) http: Option<ComponentExportIndex>,
    pub(crate) initializer: Option<ComponentExportIndex>,
    pub(crate) pre_freeze: Option<ComponentExportIndex>,
    pub(crate) pre_stop: Option<ComponentExportIndex>,
}

impl Entry {
    /// Whether it takes events.
    pub(crate) fn handles_events(&self) -> bool {
        !matches!(self, Self::Function(FunctionPre { event: None, .. }))
    }

    /// Where the requests of an HTTP trigger go.
    pub(crate) fn http_entry(&self) -> HttpEntry {
        match self {
            Self::Function(FunctionPre { http: Some(_), .. }) => HttpEntry::Handler,
            Self::Function(_) | Self::Command(_) => HttpEntry::Event,
            Self::WasiHttp02(_) | Self::WasiHttp03(_) => HttpEntry::WasiHttp,
        }
    }

    pub(super) fn new(kind: Kind, pre: InstancePre<Guest>) -> wasmtime::Result<Self> {
        Ok(match kind {
            Kind::Function => Self::Function(FunctionPre::new(pre)),
            Kind::WasiHttp02 => Self::WasiHttp02(p2::bindings::ProxyPre::new(pre)?),
            Kind::WasiHttp03 => Self::WasiHttp03(p3::bindings::ServicePre::new(pre)?),
            Kind::Command => Self::Command(CommandPre::new(pre)?),
        })
    }
}

impl FunctionPre {
    fn new(pre: InstancePre<Guest>) -> Self {
        let find = |interface: &str, function: &str| export(pre.component(), interface, function);
        Self {
            event: find("event-handler", "handle"),
            http: find("http-handler", "handle"),
            initializer: find("initializer", "initialize"),
            pre_freeze: find("pre-freeze", "pre-freeze"),
            pre_stop: find("pre-stop", "pre-stop"),
            pre,
        }
    }
}

fn export(component: &Component, interface: &str, function: &str) -> Option<ComponentExportIndex> {
    let instance = component.get_export_index(None, format!("wisp:function/{interface}@1.0.0"))?;
    component.get_export_index(Some(&instance), function)
}
