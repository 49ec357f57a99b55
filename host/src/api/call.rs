//! A management request as its handlers see it, and what they answer.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Map, Value};

use super::{ResponseBody, schema, whole};
use crate::{
    control::{Attributes, Stored},
    platform_error::PlatformError,
};

/// How many items a list has, unless the caller says otherwise, and at most.
const LIMIT: usize = 20;
const MOST: usize = 100;

/// A request whose body has come.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The decoded segments of the path behind the version.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) request_id: String,
}

impl Call {
    /// A query parameter; an empty one counts as absent.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn if_match(&self) -> Option<&str> {
        self.header(header::IF_MATCH.as_str())
    }

    pub(super) fn object(&self) -> Result<Map<String, Value>, PlatformError> {
        schema::object(&self.body)
    }

    /// The known fields of the body.
    pub(super) fn attributes(&self, fields: &[schema::Field]) -> Result<Attributes, PlatformError> {
        schema::read(fields, &self.object()?)
    }

    /// One page of items that are ordered by name.
    pub(super) fn page<T>(&self, items: impl IntoIterator<Item = (String, T)>) -> Result<Page<T>, PlatformError> {
        // The operations on tags write their parameters with capitals.
        let either = |name: &str, capital: &str| self.parameter(name).or_else(|| self.parameter(capital));
        let limit = match either("limit", "Limit") {
            None => LIMIT,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=MOST) => limit,
                _ => return Err(schema::invalid("Limit", &format!("1 to {MOST}"), &text.into())),
            },
        };
        let prefix = self.parameter("prefix").unwrap_or_default();
        let start = match either("nextToken", "NextToken") {
            Some(token) => decoded_token(token)?,
            None => self.parameter("startKey").unwrap_or_default().to_owned(),
        };
        let mut items = items.into_iter().filter(|(name, _)| name.starts_with(prefix) && *name >= start).peekable();
        let page: Vec<_> = items.by_ref().take(limit).collect();
        let next = items.peek().map(|(name, _)| BASE64_URL_SAFE_NO_PAD.encode(name));
        Ok(Page { items: page, next })
    }
}

fn decoded_token(token: &str) -> Result<String, PlatformError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| schema::invalid("NextToken", "a token of the answer before", &token.into()))
}

/// A part of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<(String, T)>,
    /// Where the next part begins.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// `{ "<name>": […], "nextToken": … }`
    pub(super) fn answer(&self, name: &str, show: impl Fn(&str, &T) -> Value) -> Answer {
        let items = self.items.iter().map(|(key, item)| show(key, item)).collect();
        let mut body = Map::new();
        body.insert(name.to_owned(), Value::Array(items));
        if let Some(next) = &self.next {
            body.insert("nextToken".to_owned(), next.as_str().into());
        }
        Answer::ok(Value::Object(body))
    }
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Option<Value>,
    pub(super) headers: BTreeMap<&'static str, String>,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), headers: BTreeMap::new() }
    }

    /// Of something that `If-Match` can name.
    pub(super) fn of<T>(stored: &Stored<T>, body: Value) -> Self {
        Self::ok(body).with("etag", stored.etag())
    }

    /// 204: it is gone, or there is nothing to say.
    pub(super) fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: None, headers: BTreeMap::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(super) fn response(self) -> Response<ResponseBody> {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut response = Response::new(whole(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// What was asked for, over what is so by default.
pub(super) fn with_defaults(defaults: Value, attributes: &Attributes) -> Map<String, Value> {
    let mut all = match defaults {
        Value::Object(defaults) => defaults,
        _ => Map::new(),
    };
    all.extend(attributes.clone());
    all
}
