//! What others send to sources: messages to topics and queues, CloudEvents, notifications of S3-compatible stores.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body::Body;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{ResponseBody, access, decoded, query_value, whole};
use crate::{
    config::{InboxConfig, InboxKind, Secret, SourceConfig, hint},
    host::FunctionHost,
    invoke::RequestId,
    platform_error::PlatformError,
    trigger::{
        http::{BodyError, read_body},
        payload::Occurrence,
    },
};

mod cloud_events;
mod mns;
mod s3;

/// Bytes of one request: a batch of events, or of notifications.
const LARGEST: usize = 1 << 20;

/// Where something is sent to.
pub(super) struct Place {
    collection: &'static str,
    source: String,
}

impl Place {
    /// | path | source |
    /// |---|---|
    /// | `/topics/{source}/messages` | a topic |
    /// | `/queues/{source}/messages` | a queue |
    /// | `/sources/{source}` | CloudEvents, or notifications of a store |
    pub(super) fn of(path: &[&str]) -> Option<Self> {
        let (collection, source) = match path {
            ["topics", source, "messages"] => ("topics", source),
            ["queues", source, "messages"] => ("queues", source),
            ["sources", source] => ("sources", source),
            _ => return None,
        };
        Some(Self { collection, source: decoded(source) })
    }

    fn takes(&self, kind: InboxKind) -> bool {
        match kind {
            InboxKind::Topic => self.collection == "topics",
            InboxKind::Queue => self.collection == "queues",
            InboxKind::CloudEvents | InboxKind::S3 => self.collection == "sources",
        }
    }
}

/// Takes what is sent; answered once it is durable.
pub(super) async fn receive<B>(
    host: &FunctionHost,
    place: Place,
    (head, body): (Parts, B),
    peer: SocketAddr,
    id: &RequestId,
) -> Result<Response<ResponseBody>, PlatformError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    let sources = host.view().sources.clone();
    let config = sources.get(&place.source);
    let caller = match config {
        Some(SourceConfig::Inbox(InboxConfig { token: Some(token), .. })) => {
            check_token(&head, token)?;
            None
        }
        // Who may not ask is not even told which sources there are.
        _ => access::check(host, &head, peer)?,
    };
    let config = match config {
        Some(SourceConfig::Inbox(config)) if place.takes(config.kind) => config,
        Some(other) => return Err(not_here(&place, other.kind())),
        None => {
            let hint = hint(&place.source, sources.keys().map(String::as_str));
            let message = format!("there is no source '{}' in wisp.toml{hint}", place.source);
            return Err(PlatformError::not_found("SourceNotFound", message));
        }
    };
    if !matches!(head.method, Method::POST | Method::PUT) {
        let message = format!("'{}' sends nothing; use POST", head.method);
        return Err(PlatformError::method_not_allowed(message, &[Method::POST]));
    }
    let body = read_body(&head, body, LARGEST).await?;
    if let Some(caller) = &caller {
        caller.check_body(&body)?;
    }
    let triggers = host.triggers().ok_or_else(|| PlatformError::internal("this host was started without triggers"))?;
    let (came, answer) = match config.kind {
        InboxKind::Topic | InboxKind::Queue => {
            let message = mns::message(&place.source, &head, &body)?;
            let answer = mns::accepted(&message, &head.headers, id);
            (vec![Occurrence::Message(message)], answer)
        }
        InboxKind::CloudEvents => {
            (cloud_events::events(&head.headers, &body)?.into_iter().map(Occurrence::CloudEvent).collect(), accepted())
        }
        InboxKind::S3 => (s3::changes(&body, peer)?.into_iter().map(Occurrence::Object).collect(), accepted()),
    };
    triggers.receive(&place.source, config, &came).await?;
    Ok(answer)
}

fn not_here(place: &Place, kind: &str) -> PlatformError {
    let source = &place.source;
    let path = match kind {
        "topic" => format!("/topics/{source}/messages"),
        "queue" => format!("/queues/{source}/messages"),
        "cloudevents" | "s3" => format!("/sources/{source}"),
        _ => {
            return PlatformError::not_found("SourceNotFound", format!("nothing can be sent to the {kind} '{source}'"));
        }
    };
    PlatformError::not_found("SourceNotFound", format!("source '{source}' is a {kind}; send to {path}"))
}

/// `Authorization: Bearer TOKEN`, or `?token=` for senders that can say nothing else.
fn check_token(head: &Parts, token: &Secret) -> Result<(), PlatformError> {
    let authorization = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization.map(|value| value.strip_prefix("Bearer ").unwrap_or(value).trim().to_owned());
    let shown = bearer.or_else(|| query_value(head.uri.query(), "token")).unwrap_or_default();
    // Of digests, so that the time it takes tells nothing of the token.
    if Sha256::digest(&shown) == Sha256::digest(token.expose()) {
        return Ok(());
    }
    Err(PlatformError::access_denied("the source takes nothing without its token, as in `Authorization: Bearer TOKEN`"))
}

fn accepted() -> Response<ResponseBody> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn created(body: String, content_type: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(whole(body.into()));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn created_json(value: &Value) -> Response<ResponseBody> {
    created(format!("{value}\n"), "application/json")
}

fn invalid(message: impl Into<String>) -> PlatformError {
    PlatformError::invalid_argument(message)
}

/// The value of a header; empty if there is none.
fn header_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A document that says what an answer to a message says.
fn message_document(id: &str, md5: &str) -> Value {
    json!({ "messageId": id, "messageMD5": md5 })
}
