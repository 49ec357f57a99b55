//! The API listener: event invokes of both API versions, HTTP triggers under the proxy path, and what the command line
//! asks a host about.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Either, Full, combinators::UnsyncBoxBody};

mod access;
mod aliases;
pub(crate) mod asynchronous;
mod call;
pub mod checksum;
mod domains;
mod download;
mod events;
mod fc2016;
mod fc2023;
mod fields;
mod functions;
mod ingress;
mod inspect;
mod instances;
pub(crate) mod invocations;
mod logs;
mod schema;
mod settings;
pub mod signature;
mod stateful;
mod trigger_config;
mod trigger_states;
mod triggers;
mod versions;

pub(crate) use self::access::check_trigger;
use self::call::Call;

use crate::{
    host::FunctionHost,
    invoke::RequestId,
    platform_error::{ErrorForm, PlatformError},
    trigger::http::{self as http_trigger, BodyError},
};

/// A body of either listener: an HTTP trigger's, or the API's own.
pub(crate) type ResponseBody = Either<http_trigger::ResponseBody, UnsyncBoxBody<Bytes, wasmtime_wasi_http::Error>>;

/// A body that is whole.
fn whole(body: Bytes) -> ResponseBody {
    Either::Left(Either::Left(Full::new(body)))
}

/// A body that comes piece by piece.
fn piecewise(pieces: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> ResponseBody {
    use futures_util::StreamExt as _;
    let frames = pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    Either::Right(http_body_util::StreamBody::new(frames).map_err(|never| match never {}).boxed_unsync())
}

/// Answers one request of the API listener.
pub(crate) async fn handle<B>(host: &FunctionHost, peer: SocketAddr, request: Request<B>) -> Response<ResponseBody>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    // The official clients reach HTTP triggers by the same endpoint as the API.
    let path = request.uri().path();
    if path.starts_with(http_trigger::PROXY_PREFIX) || path.starts_with(http_trigger::FUNCTION_PROXY_PREFIX) {
        let client = http_trigger::Client::new(peer, false);
        return http_trigger::handle(host, &client, request).await.map(Either::Left);
    }
    let id = RequestId::new();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let form = if path.starts_with("/2023-03-30/") { ErrorForm::Fc3 } else { ErrorForm::Fc2 };
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let answer = answer(host, peer, request, (&method, &segments), id, form).await;
    let mut response = answer.unwrap_or_else(|error| error.response(form, &id).map(whole));
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert("x-fc-request-id", id);
    }
    response
}

async fn answer<B>(
    host: &FunctionHost,
    peer: SocketAddr,
    request: Request<B>,
    operation: (&Method, &[&str]),
    id: RequestId,
    form: ErrorForm,
) -> Result<Response<ResponseBody>, PlatformError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    let (head, body) = request.into_parts();
    if let Some(place) = ingress::Place::of(operation.1) {
        return ingress::receive(host, place, (head, body), peer, &id).await;
    }
    if !matches!(operation.1, ["2016-08-15" | "2023-03-30" | "wisp", ..] | ["metrics"]) {
        return Err(PlatformError::path_not_supported(operation.0, head.uri.path()));
    }
    // Before the body is read: who may not ask is not listened to.
    let caller = access::check(host, &head, peer)?;
    let query = head.uri.query();
    match operation {
        (&Method::POST, ["2016-08-15", "services", service, "functions", function, "invocations"]) => {
            let (service, qualifier) = service.split_once('.').unwrap_or((service, crate::catalog::LATEST));
            let target = invocations::Address { service: Some(service), function, qualifier };
            invocations::invoke(host, target, (head, body), caller.as_ref(), id, form).await
        }
        (&Method::POST, ["2023-03-30", "functions", function, "invocations"]) => {
            let qualifier = query_value(query, "qualifier").unwrap_or_default();
            let target = invocations::Address { service: None, function, qualifier: &qualifier };
            invocations::invoke(host, target, (head, body), caller.as_ref(), id, form).await
        }
        (_, [version @ ("2016-08-15" | "2023-03-30"), rest @ ..]) => {
            let path = rest.iter().map(|segment| decoded(segment)).collect();
            manage(host, version, path, (head, body), caller.as_ref(), id).await
        }
        (&Method::GET, ["wisp", "functions"]) => Ok(inspect::functions(host)),
        (&Method::GET, ["wisp", "host"]) => Ok(inspect::host(host)),
        (&Method::GET, ["wisp", "logs"]) => logs::logs(host, query),
        (&Method::GET, ["wisp", "code", digest]) => download::serve(host, digest, query).await,
        (method, ["wisp", "events", rest @ ..]) => events::handle(host, method, rest, query).await,
        (method, ["wisp", "triggers", rest @ ..]) => trigger_states::handle(host, method, rest, query).await,
        (&Method::GET, ["metrics"]) => Ok(inspect::metrics(host)),
        (method, _) => Err(PlatformError::path_not_supported(method, head.uri.path())),
    }
}

/// Bytes that a request to the management APIs may have: a package of 100 MB in base64, and the rest of a function.
const MANAGEMENT_BODY: usize = 140 << 20;

/// A call of the management APIs.
async fn manage<B>(
    host: &FunctionHost,
    version: &str,
    path: Vec<String>,
    (head, body): (http::request::Parts, B),
    caller: Option<&signature::Caller>,
    id: RequestId,
) -> Result<Response<ResponseBody>, PlatformError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    let body = http_trigger::read_body(&head, body, MANAGEMENT_BODY).await?;
    if let Some(caller) = caller {
        caller.check_body(&body)?;
    }
    let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let request_id = id.as_str().to_owned();
    let call = Call { method: head.method, path, query, headers: head.headers, body, request_id };
    // A task of its own: a change that has begun is made even if the caller goes away.
    let (host, is_2016) = (host.clone(), version == fc2016::VERSION);
    let answering = tokio::spawn(async move {
        if is_2016 { fc2016::handle(&host, call).await } else { fc2023::handle(&host, call).await }
    });
    let answer = answering.await.map_err(|error| PlatformError::internal(error.to_string()))??;
    Ok(answer.response())
}

/// `services/x` of `acs:fc:<region>:<account>:services/x`.
fn short_arn(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The segments of a path, without their escapes.
fn decoded_path(path: &[&str]) -> Vec<String> {
    path.iter().map(|segment| decoded(segment)).collect()
}

/// The decoded value of a query parameter, if it is given.
fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    form_urlencoded::parse(query?.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
