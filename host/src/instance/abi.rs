//! The records of `wisp:function/types` as they cross into a guest: borrowed on the way in, owned on the way out.

use wasmtime::component::{ComponentType, Lift, Lower};

/// A list of names and values.
pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Context<'a> {
    #[component(name = "request-id")]
    pub(crate) request_id: &'a str,
    #[component(name = "deadline-ms")]
    pub(crate) deadline_ms: u64,
    #[component(name = "retry-count")]
    pub(crate) retry_count: u32,
    #[component(name = "trace-parent")]
    pub(crate) trace_parent: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub(crate) struct HttpRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) url: &'a str,
    pub(crate) queries: Pairs<'a>,
    pub(crate) headers: Pairs<'a>,
    #[component(name = "client-ip")]
    pub(crate) client_ip: &'a str,
    pub(crate) body: &'a [u8],
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct HttpResponse {
    #[component(name = "status-code")]
    pub(crate) status_code: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// `headers` is read in `trigger/http/response.rs`.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct PackedHttpResponse {
    #[component(name = "status-code")]
    pub(crate) status_code: u16,
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[allow(dead_code, reason = "guests make it")]
#[component(enum)]
#[repr(u8)]
pub(crate) enum FailureKind {
    #[component(name = "handled")]
    Handled,
    #[component(name = "unhandled")]
    Unhandled,
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) document: String,
}

// Records go by reference: the parameters are part of every future on the way into the guest.
pub(crate) type EventParams<'a> = (&'a [u8], &'a Context<'a>);
pub(crate) type EventResults = (Result<Vec<u8>, Failure>,);
pub(crate) type HttpParams<'a> = (&'a HttpRequest<'a>, &'a Context<'a>);
pub(crate) type HttpResults = (Result<HttpResponse, Failure>,);
/// Head and body.
pub(crate) type PackedHttpParams<'a> = (&'a [u8], &'a [u8]);
pub(crate) type PackedHttpResults = (Result<PackedHttpResponse, Failure>,);
pub(crate) type HookParams<'a> = (&'a Context<'a>,);
pub(crate) type HookResults = (Result<(), Failure>,);
