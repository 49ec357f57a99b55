//! One call of an instance, in whichever way its component is called.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

use crate::{
    component::{HttpEntry, Ready},
    instance::{Call, CallError, PackedHead, WasiResponse, abi},
    invoke::RequestId,
    pool::{Acquired, own_call},
};

/// What instances are called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// An event.
    Event(Bytes),
    /// `GET` of a path.
    Get(String),
}

impl Payload {
    /// A request of `/` for what takes requests, an empty event for what takes only events.
    pub(crate) fn fitting(ready: &Ready) -> Self {
        match ready.http_entry() {
            HttpEntry::Handler | HttpEntry::PackedHandler | HttpEntry::WasiHttp => Self::Get("/".into()),
            HttpEntry::Event => Self::Event(Bytes::new()),
        }
    }
}

/// Calls an instance, and takes its answer to the end.
pub(super) async fn call(
    acquired: &mut Acquired,
    ready: &Ready,
    payload: &Payload,
    timeout: Duration,
) -> Result<(), CallError> {
    let id = RequestId::new();
    let call = own_call(&id, timeout);
    match (payload, acquired) {
        (Payload::Event(event), Acquired::Exclusive(exclusive)) => {
            exclusive.instance().call_event(&call, event).await.map(drop)
        }
        (Payload::Event(event), Acquired::Slot(slot)) => {
            slot.instance().call_event(&call, event.clone()).await.map(drop)
        }
        (Payload::Get(path), Acquired::Slot(slot)) => {
            let response = slot.instance().serve(&call, streamed(path)).await?;
            read(response).await
        }
        (Payload::Get(path), Acquired::Exclusive(exclusive)) if ready.http_entry() == HttpEntry::WasiHttp => {
            let (respond, response) = oneshot::channel();
            let answer = async {
                match response.await {
                    Ok(Ok(response)) => read(response).await,
                    Ok(Err(code)) => Err(CallError::BadResponse(format!("the component answered with {code:?}"))),
                    Err(_) => Err(CallError::BadResponse("the component set no response".into())),
                }
            };
            let (served, answer) = tokio::join!(exclusive.instance().serve(&call, streamed(path), respond), answer);
            served.and(answer)
        }
        (Payload::Get(path), Acquired::Exclusive(exclusive)) if ready.http_entry() == HttpEntry::PackedHandler => {
            let head = packed_head(&call, path);
            exclusive.instance().call_packed_http(&call, &head, &[]).await.map(drop)
        }
        (Payload::Get(path), Acquired::Exclusive(exclusive)) => {
            let headers = [("host", "localhost")];
            let request = abi::HttpRequest {
                method: "GET",
                path,
                url: path,
                queries: &[],
                headers: &headers,
                client_ip: "127.0.0.1",
                body: &[],
            };
            exclusive.instance().call_http(&call, &request).await.map(drop)
        }
    }
}

fn packed_head(call: &Call<'_>, path: &str) -> Vec<u8> {
    let mut head = PackedHead::new(call, 0);
    for text in ["GET", path, path, "127.0.0.1", "0", "host", "localhost"] {
        head.push(text);
    }
    head.into_bytes()
}

/// Runs the initializer of a new instance, unless it needs none.
pub(super) async fn initialize(acquired: &mut Acquired, timeout: Duration) -> Result<(), CallError> {
    if acquired.is_initialized() {
        return Ok(());
    }
    let id = RequestId::new();
    acquired.initialize(&own_call(&id, timeout)).await
}

fn streamed(path: &str) -> Request<WasiBody> {
    let mut request = Request::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    request.headers_mut().insert("x-fc-control-path", HeaderValue::from_static("/http-invoke"));
    request
}

async fn read(response: WasiResponse) -> Result<(), CallError> {
    let body = response.into_body().collect().await;
    body.map(drop).map_err(|error| CallError::BadResponse(format!("the response broke off: {error}")))
}
