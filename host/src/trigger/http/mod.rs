//! The HTTP trigger: address → function, request → call, result → response, with the limits of CONTRACTS §5.1 on both
//! ways. See `invoke` for what lies between.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header, request};
use http_body::Body;
use http_body_util::{Either, Full};

mod address;
mod request_record;
mod response;

pub(crate) use address::{FUNCTION_PROXY_PREFIX, PROXY_PREFIX};
pub(crate) use request_record::{client_ip, read_body};

use self::request_record::{InsidePath, RequestTexts};
use super::payload;
use crate::{
    api::{
        asynchronous::{enqueue, new_event},
        check_trigger,
        invocations::{INVOCATION_TYPE, is_asynchronous},
        signature::Caller,
    },
    catalog::{Resolved, Revision, Target},
    component::HttpEntry,
    config::{DomainProtocol, HttpTriggerConfig, PayloadFormat, TriggerAuth},
    host::FunctionHost,
    instance::Call,
    invoke::{Invocation, InvokeError, LeasedBody},
    platform_error::{ErrorForm, PlatformError},
};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-fc-request-id");

/// A body on its way to the client: whole, or still being written by a guest.
pub(crate) type ResponseBody = Either<Full<Bytes>, LeasedBody>;

/// Any error of a request's body.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The answer to a request, under way.
///
/// Boxed where it is made, and all that needs no waiting is done before: hyper moves the whole future of a request, and
/// the size of the largest way that a request may take would be part of it.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, TriggerError>> + Send + 'a>>;

/// Who is at the other end of a connection, and how it came.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    /// By TLS, to this host.
    is_encrypted: bool,
    /// The address that guests are told, as text: made once, and not for every request.
    ip: (IpAddr, Box<str>),
}

impl Client {
    pub(crate) fn new(address: SocketAddr, is_encrypted: bool) -> Self {
        let ip = address.ip().to_canonical();
        Self { address, is_encrypted, ip: (ip, ip.to_string().into()) }
    }

    /// Some address as text: mostly the client's own.
    fn text_of(&self, ip: IpAddr) -> Cow<'_, str> {
        if ip == self.ip.0 { Cow::Borrowed(&self.ip.1) } else { Cow::Owned(ip.to_string()) }
    }
}

/// Answers one request. There is always an answer, and it always carries `x-fc-request-id`.
pub(crate) async fn handle<B>(host: &FunctionHost, client: &Client, request: Request<B>) -> Response<ResponseBody>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    let mut invocation = Invocation::new();
    invocation.trace_parent = header_text(request.headers(), "traceparent");
    let id = invocation.id;
    let is_head = request.method() == Method::HEAD;
    let answer = match respond(host, client, request, invocation) {
        Ok(answer) => answer.await,
        Err(error) => Err(error),
    };
    let mut response = answer.unwrap_or_else(|error| error.response(&id));
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    without_forbidden_body(response, is_head)
}

fn respond<'a, B>(
    host: &'a FunctionHost,
    client: &'a Client,
    request: Request<B>,
    invocation: Invocation,
) -> Result<Answer<'a>, TriggerError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    let (head, body) = request.into_parts();
    request_record::check_limits(&head, host.limits())?;
    let Resolution { revision, inside, format, auth, rewritten } = resolve(host, client, &head)?;
    // The signature is over the request as the client sent it.
    let caller = match auth {
        TriggerAuth::Anonymous => None,
        TriggerAuth::Function => Some(check_trigger(host, &head)?),
    };
    let (mut head, mut inside) = (head, inside);
    if let Some(uri) = rewritten {
        (head.uri, inside) = (uri, InsidePath(0));
    }
    let client_ip = client_ip(&head.headers, client.address, &host.server().trusted_proxies);
    let exchange = Exchange { host, client, revision, inside, format, head, client_ip, invocation };
    match caller.filter(Caller::signs_body) {
        None => exchange.call(body),
        Some(caller) => Ok(Box::pin(exchange.call_signed(body, caller))),
    }
}

/// What a request is for.
struct Resolution {
    revision: Arc<Revision>,
    inside: InsidePath,
    format: PayloadFormat,
    auth: TriggerAuth,
    /// The path and query that the function sees, if they are others than the client's.
    rewritten: Option<Uri>,
}

/// The function that an address leads to, and the path inside it.
fn resolve(host: &FunctionHost, client: &Client, head: &request::Parts) -> Result<Resolution, PlatformError> {
    let catalog = host.catalog();
    let found = address::find(&catalog, head)?;
    if let Some(protocol) = found.domain {
        check_protocol(protocol, host, client, head)?;
    }
    let Resolved { revision, trigger } = catalog.resolve(&found.target())?;
    let Some(trigger) = trigger else {
        return Err(PlatformError::trigger_not_found(format!(
            "function '{}' of service '{}' has no HTTP trigger: add `[functions.{}.http]` or create one, or invoke it with \
             an event",
            revision.function.name, revision.function.service, revision.function.name
        )));
    };
    if !trigger.own_addresses && found.domain.is_none() {
        return Err(PlatformError::access_denied(format!(
            "the own addresses of function '{}' are switched off (`disableURLInternet`): use its custom domain",
            revision.function.name
        )));
    }
    check_method(trigger, revision, &head.method)?;
    Ok(Resolution {
        revision: revision.clone(),
        inside: found.inside,
        format: trigger.payload_format,
        auth: trigger.auth,
        rewritten: found.rewritten(head)?,
    })
}

/// A custom domain is asked as it is to be.
fn check_protocol(
    protocol: DomainProtocol,
    host: &FunctionHost,
    client: &Client,
    head: &request::Parts,
) -> Result<(), PlatformError> {
    let domain = address::host_of(head);
    match protocol {
        DomainProtocol::Both => Ok(()),
        DomainProtocol::Https if client.is_encrypted || came_encrypted(host, client, head) => Ok(()),
        DomainProtocol::Https => Err(PlatformError::access_denied(format!(
            "domain name '{domain}' takes HTTPS only: ask for https://{domain}{}",
            head.uri.path()
        ))),
        DomainProtocol::Http if !client.is_encrypted => Ok(()),
        DomainProtocol::Http => Err(PlatformError::access_denied(format!(
            "domain name '{domain}' takes HTTP only: ask for http://{domain}{}",
            head.uri.path()
        ))),
    }
}

/// Whether a trusted proxy says that it was asked by HTTPS.
fn came_encrypted(host: &FunctionHost, client: &Client, head: &request::Parts) -> bool {
    request_record::is_trusted(client.address.ip().to_canonical(), &host.server().trusted_proxies)
        && head.headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

fn check_method(trigger: &HttpTriggerConfig, revision: &Revision, method: &Method) -> Result<(), PlatformError> {
    if trigger.methods.contains(method) {
        return Ok(());
    }
    let methods: Vec<_> = trigger.methods.iter().map(Method::as_str).collect();
    let message =
        format!("the HTTP trigger of function '{}' takes {}, not {method}", revision.function.name, methods.join(", "));
    Err(PlatformError::method_not_allowed(message, &trigger.methods))
}

/// One request and where it goes.
struct Exchange<'a> {
    host: &'a FunctionHost,
    client: &'a Client,
    revision: Arc<Revision>,
    inside: InsidePath,
    format: PayloadFormat,
    head: request::Parts,
    client_ip: IpAddr,
    invocation: Invocation,
}

impl<'a> Exchange<'a> {
    fn call<B>(self, body: B) -> Result<Answer<'a>, TriggerError>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        if is_asynchronous(&self.head.headers)? {
            return Ok(Box::pin(self.enqueue(body)));
        }
        Ok(match self.revision.ready.http_entry() {
            HttpEntry::Handler => Box::pin(self.call_handler(body)),
            HttpEntry::PackedHandler => Box::pin(self.call_packed_handler(body)),
            HttpEntry::Event => Box::pin(self.call_event(body)),
            HttpEntry::WasiHttp => Box::pin(self.stream(body)),
        })
    }

    /// The same, for a caller whose signature says what the body is.
    async fn call_signed<B>(self, body: B, caller: Caller) -> Result<Response<ResponseBody>, TriggerError>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let body = read_body(&self.head, body, self.host.limits().sync_body).await?;
        caller.check_body(&body).map_err(PlatformError::from)?;
        self.call(Full::new(body))?.await
    }

    /// `x-fc-invocation-type: Async`: the request becomes an event that is called later, and its answer is nobody's.
    async fn enqueue<B>(mut self, body: B) -> Result<Response<ResponseBody>, TriggerError>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let function = &self.revision.function;
        if !matches!(self.revision.ready.http_entry(), HttpEntry::Event) {
            return Err(TriggerError::Platform(PlatformError::invalid_argument(format!(
                "function '{}' answers requests itself, and asynchronous ones are for functions with an event handler: leave \
                 `{INVOCATION_TYPE}` out, or give the function one",
                function.name
            ))));
        }
        let mut new = new_event(&self.head.headers, self.invocation.id)?;
        let body = read_body(&self.head, body, self.host.limits().async_body).await?;
        request_record::strip_ignored(&mut self.head.headers);
        new.payload = payload::encode(self.format, &self.parts(&body)).into();
        let service = Some(&*self.revision.function.service).filter(|service| !service.is_empty());
        let target = Target { service, function: &self.revision.function.name, qualifier: &self.revision.qualifier };
        let accepted = enqueue(self.host, target, new, ErrorForm::Fc2).await?;
        Ok(accepted.map(|_| whole(Bytes::new())))
    }

    /// `wisp:function/http-handler`: the request as a record.
    async fn call_handler<B>(self, body: B) -> Result<Response<ResponseBody>, TriggerError>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        // The body first, then the instance: a slow upload holds no instance.
        let body = read_body(&self.head, body, self.host.limits().sync_body).await?;
        let lease = self.host.lease(self.revision, self.invocation).await?;
        let texts = RequestTexts::new(&self.head, self.inside, self.client.text_of(self.client_ip));
        let (queries, headers) = (texts.query_pairs(), texts.header_pairs());
        let (answer, _) = lease.call_http(&texts.record((&queries, &headers), &body)).await?;
        Ok(response::from_record(answer, self.host.limits())?.map(whole))
    }

    /// `wisp:function/packed-http-handler`: the request as a run of bytes.
    async fn call_packed_handler<B>(self, body: B) -> Result<Response<ResponseBody>, TriggerError>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let body = read_body(&self.head, body, self.host.limits().sync_body).await?;
        let lease = self.host.lease(self.revision, self.invocation).await?;
        let client_ip = self.client.text_of(self.client_ip);
        let head = |call: &Call<'_>| request_record::packed(call, &self.head, self.inside, &client_ip);
        let (answer, _) = lease.call_packed_http(head, &body).await?;
        Ok(response::from_packed(answer, self.host.limits())?.map(whole))
    }

    /// `wisp:function/event-handler` and commands: the request as a JSON event.
    async fn call_event<B>(mut self, body: B) -> Result<Response<ResponseBody>, TriggerError>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let body = read_body(&self.head, body, self.host.limits().sync_body).await?;
        let format = self.format;
        request_record::strip_ignored(&mut self.head.headers);
        let event = payload::encode(format, &self.parts(&body));
        let lease = self.host.lease(self.revision, self.invocation).await?;
        let (result, _) = lease.call_event(event.into()).await?;
        let parts = payload::decode(format, result).map_err(|error| PlatformError::bad_response(error.to_string()))?;
        Ok(response::from_parts(parts, self.host.limits())?.map(whole))
    }

    fn parts<'b>(&'b self, body: &'b [u8]) -> payload::RequestParts<'b> {
        payload::RequestParts {
            method: &self.head.method,
            raw_path: self.inside.raw(&self.head),
            query: self.head.uri.query(),
            headers: &self.head.headers,
            body,
            client_ip: self.client_ip,
            version: self.head.version,
            request_id: self.invocation.id.as_str(),
            account_id: &self.host.server().account_id,
            domain: address::host_of(&self.head),
            received: self.invocation.received,
            service: &self.revision.function.service,
            function: &self.revision.function.name,
        }
    }

    /// `wasi:http`: the request itself, streamed both ways.
    async fn stream<B>(self, body: B) -> Result<Response<ResponseBody>, TriggerError>
    where
        B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
    {
        let request = request_record::streamed(self.head, self.inside, body, self.host.limits())?;
        let lease = self.host.lease(self.revision, self.invocation).await?;
        let response = lease.serve(request).await?;
        Ok(response::streamed(response, self.host.limits())?.map(Either::Right))
    }
}

fn whole(body: Bytes) -> ResponseBody {
    Either::Left(Full::new(body))
}

/// HEAD, 204 and 304 have no body; one that a guest is still writing is let go of.
fn without_forbidden_body(mut response: Response<ResponseBody>, is_head: bool) -> Response<ResponseBody> {
    let bodiless = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bodiless && !is_head {
        return response;
    }
    // A HEAD is told how long the body would be; of a framework that leaves bodies out by itself that is not known.
    if is_head
        && !bodiless
        && let Some(length) = response.body().size_hint().exact().filter(|&length| length > 0)
    {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response.map(|body| {
        if let Either::Right(streamed) = body {
            streamed.let_go();
        }
        whole(Bytes::new())
    })
}

pub(crate) fn header_text(headers: &http::HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// A request that failed, on either side.
enum TriggerError {
    Platform(PlatformError),
    Function(Box<crate::invoke::Failed>),
}

impl From<PlatformError> for TriggerError {
    fn from(error: PlatformError) -> Self {
        Self::Platform(error)
    }
}

impl From<InvokeError> for TriggerError {
    fn from(error: InvokeError) -> Self {
        PlatformError::from_invoke(error).map_or_else(Self::Function, Self::Platform)
    }
}

impl TriggerError {
    /// CONTRACTS §3.3, "HTTP trigger view".
    fn response(self, id: &crate::invoke::RequestId) -> Response<ResponseBody> {
        let (mut response, error_type) = match self {
            Self::Platform(error) => {
                let of_function = error.status == StatusCode::BAD_GATEWAY;
                let error_type = if of_function { "UnhandledInvocationError" } else { "FcCommonError" };
                (error.response(ErrorForm::Fc2, id), error_type)
            }
            Self::Function(failed) => {
                let mut response = Response::new(Bytes::from(failed.error.document));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                (response, failed.error.error_type)
            }
        };
        response.headers_mut().insert("x-fc-error-type", HeaderValue::from_static(error_type));
        response.map(whole)
    }
}
