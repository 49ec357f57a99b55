//! Calls of `wasi:http/incoming-handler@0.2.x`: requests streamed both ways, and the event protocol of custom runtimes
//! over it (CONTRACTS §4.1).

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use serde_json::json;
use tokio::sync::oneshot;
use wasmtime_wasi_http::{
    WasiBody, WasiHttpView as _,
    p2::bindings::http::types::{ErrorCode, Scheme},
};

use super::{Call, CallError, Exports, Instance, timed};

/// A response of a `wasi:http` component; its body is still being written.
pub(crate) type WasiResponse = Response<WasiBody>;

/// The paths by which a custom runtime learns of its life: CONTRACTS §4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookPath {
    Initialize,
    PreFreeze,
    PreStop,
}

impl HookPath {
    fn method_and_path(self) -> (Method, &'static str) {
        match self {
            Self::Initialize => (Method::POST, "/initialize"),
            Self::PreFreeze => (Method::GET, "/pre-freeze"),
            Self::PreStop => (Method::GET, "/pre-stop"),
        }
    }

    pub(crate) fn request(self) -> Request<WasiBody> {
        let (method, path) = self.method_and_path();
        internal_request(method, path, Bytes::new())
    }

    /// What a hook's answer means.
    pub(crate) fn judge(
        self,
        status: StatusCode,
        fc_status: Option<&HeaderValue>,
        body: &Bytes,
    ) -> Result<(), CallError> {
        let told_failed = fc_status.is_some_and(|status| status == "404");
        if status.is_success() && !told_failed {
            return Ok(());
        }
        let path = self.method_and_path().1;
        if status.is_server_error() {
            // The contract of custom runtimes: 500 asks for another instance.
            return Err(CallError::Trapped(format!("{path} answered {status}")));
        }
        Err(failed(body, &format!("{path} answered {status}")))
    }
}

/// A request that wisp itself makes.
fn internal_request(method: Method, path: &'static str, body: Bytes) -> Request<WasiBody> {
    let mut request = Request::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *request.method_mut() = method;
    *request.uri_mut() = http::Uri::from_static(path);
    request.headers_mut().insert(http::header::HOST, HeaderValue::from_static("localhost:9000"));
    request.headers_mut().insert("x-fc-control-path", HeaderValue::from_static(path));
    request
}

pub(crate) fn invoke_request(event: Bytes) -> Request<WasiBody> {
    let mut request = internal_request(Method::POST, "/invoke", event);
    let octets = HeaderValue::from_static("application/octet-stream");
    request.headers_mut().insert(http::header::CONTENT_TYPE, octets);
    request
}

/// What the answer to `POST /invoke` means: `x-fc-status` decides, or else the HTTP status.
pub(crate) fn judge_invoke(
    status: StatusCode,
    fc_status: Option<&HeaderValue>,
    body: Bytes,
) -> Result<Bytes, CallError> {
    let succeeded = match fc_status {
        Some(status) => status == "200",
        None => status.is_success(),
    };
    if succeeded { Ok(body) } else { Err(failed(&body, &format!("/invoke answered {status}"))) }
}

/// A failure that a custom runtime reported: its body is the message, or the document.
fn failed(body: &Bytes, otherwise: &str) -> CallError {
    let text = String::from_utf8_lossy(body);
    let text = if text.trim().is_empty() { otherwise } else { &text };
    let document = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(object)) if object.contains_key("errorMessage") => text.to_owned(),
        _ => json!({ "errorMessage": text }).to_string(),
    };
    CallError::Failed { handled: false, document }
}

/// Reads a response to its end.
pub(crate) async fn collect(body: WasiBody, limit: usize) -> Result<Bytes, CallError> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(CallError::BadResponse(format!("the response is longer than {limit} bytes")))
        }
        Err(error) => Err(CallError::BadResponse(format!("the response broke off: {error}"))),
    }
}

impl Instance {
    /// Hands a request to the component. `respond` gets the head of the response as soon as the guest sets it; this
    /// future ends when the guest does.
    pub(crate) async fn serve(
        &mut self,
        call: &Call<'_>,
        request: Request<WasiBody>,
        respond: oneshot::Sender<Result<WasiResponse, ErrorCode>>,
    ) -> Result<(), CallError> {
        self.served += 1;
        self.serve_request(call, request, respond).await
    }

    async fn serve_request(
        &mut self,
        call: &Call<'_>,
        mut request: Request<WasiBody>,
        respond: oneshot::Sender<Result<WasiResponse, ErrorCode>>,
    ) -> Result<(), CallError> {
        let Exports::WasiHttp(proxy) = &self.exports else {
            return Err(CallError::Unsupported("the component does not serve wasi:http".into()));
        };
        self.calling = true;
        self.store.data().add_common_headers(&mut request, call);
        let result = timed(&mut self.store, call.deadline, async |store| {
            let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
            let out = store.data_mut().http().new_response_outparam(respond)?;
            proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
        })
        .await;
        self.ended(result.map(Ok))
    }

    /// Makes a request of wisp's own, and reads the answer to its end.
    async fn ask(&mut self, call: &Call<'_>, request: Request<WasiBody>) -> Result<Response<Bytes>, CallError> {
        let limit = self.store.data().response_limit();
        let (respond, response) = oneshot::channel::<Result<WasiResponse, ErrorCode>>();
        let read = async move {
            match response.await {
                Ok(Ok(response)) => {
                    let (head, body) = response.into_parts();
                    Ok(Response::from_parts(head, collect(body, limit).await?))
                }
                Ok(Err(code)) => Err(CallError::BadResponse(format!("the component answered with the error {code:?}"))),
                Err(_) => Err(CallError::BadResponse("the component ended without setting a response".into())),
            }
        };
        // The body has to be read while the guest writes it: it waits when the buffer is full.
        let (served, read) = tokio::join!(self.serve_request(call, request, respond), read);
        served.and(read)
    }

    pub(super) async fn call_hook_path(&mut self, call: &Call<'_>, path: HookPath) -> Result<(), CallError> {
        let response = self.ask(call, path.request()).await?;
        let result = path.judge(response.status(), response.headers().get("x-fc-status"), response.body());
        self.calling = matches!(&result, Err(error) if !error.instance_survives());
        result
    }

    pub(super) async fn call_invoke_path(&mut self, call: &Call<'_>, event: &[u8]) -> Result<Vec<u8>, CallError> {
        let response = self.ask(call, invoke_request(Bytes::copy_from_slice(event))).await?;
        let fc_status = response.headers().get("x-fc-status").cloned();
        let (head, body) = response.into_parts();
        judge_invoke(head.status, fc_status.as_ref(), body).map(Vec::from)
    }
}

impl super::Guest {
    /// The common headers of CONTRACTS §4.2.
    pub(super) fn add_common_headers(&self, request: &mut Request<WasiBody>, call: &Call<'_>) {
        add_common_headers(self.identity(), request, call);
    }
}

pub(super) fn add_common_headers(
    identity: &crate::capability::environment::Identity,
    request: &mut Request<WasiBody>,
    call: &Call<'_>,
) {
    let headers = request.headers_mut();
    headers.reserve(20);
    for (name, value) in identity.common_headers() {
        headers.insert(name.clone(), value.clone());
    }
    if let Ok(id) = HeaderValue::from_str(call.request_id) {
        headers.insert("x-fc-request-id", id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &'static str) -> Option<HeaderValue> {
        Some(HeaderValue::from_static(value))
    }

    #[test]
    fn x_fc_status_decides_whether_an_invoke_failed() {
        let judge = |status, fc_status: Option<HeaderValue>| {
            judge_invoke(StatusCode::from_u16(status).unwrap(), fc_status.as_ref(), Bytes::from_static(b"b")).is_ok()
        };
        assert!(judge(200, None));
        assert!(judge(200, header("200")));
        assert!(!judge(200, header("404")));
        assert!(!judge(404, None));
        assert!(judge(500, header("200")));
    }

    #[test]
    fn a_failed_initializer_is_retried_and_a_500_ends_the_instance() {
        let judge = |status| {
            HookPath::Initialize.judge(StatusCode::from_u16(status).unwrap(), None, &Bytes::from_static(b"no database"))
        };
        assert!(judge(200).is_ok());
        let failed = judge(404).unwrap_err();
        assert!(failed.instance_survives());
        assert_eq!(failed.to_string(), r#"{"errorMessage":"no database"}"#);
        assert!(!judge(500).unwrap_err().instance_survives());
    }
}
