//! The control plane of a running wisp, by its APIs: what the commands that create, show and remove things share.
//!
//! `resource` says what a thing is called and where it is, this file asks. Services and all that they own are reached by
//! API 2016-08-15, functions of Function Compute 3.0 by API 2023-03-30.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value as Json;

use super::client::{self, ApiClient};

pub(super) mod resource;

use resource::{Resource, Scope};

/// As many as the APIs give at once.
const PAGE: usize = 100;

/// What the server said instead of doing it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message} ({code}, status {}{}){}", status.as_u16(), self.request(), client::advice(message))]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// FC's error code.
    pub(super) code: String,
    pub(super) message: String,
    request_id: Option<String>,
}

impl Refused {
    fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let document: Json = serde_json::from_slice(body).unwrap_or_default();
        let text = |keys: [&str; 2]| keys.into_iter().find_map(|key| document[key].as_str()).map(str::to_owned);
        let request_id = headers.get("x-fc-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        Self {
            status,
            code: text(["ErrorCode", "Code"]).unwrap_or_else(|| "no code".to_owned()),
            message: text(["ErrorMessage", "Message"]).unwrap_or_else(|| "the server gives no reason".to_owned()),
            request_id,
        }
    }

    fn request(&self) -> String {
        self.request_id.as_ref().map(|id| format!(", request {id}")).unwrap_or_default()
    }

    /// Whether what was asked for is not there, rather than not to be had.
    fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }
}

/// Asks the control plane of one wisp.
pub(super) struct Control(pub(super) ApiClient);

impl Control {
    /// An answer's document; null if it has none.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Json>) -> anyhow::Result<Json> {
        let mut headers = HeaderMap::new();
        let body = match body {
            Some(body) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Bytes::from(serde_json::to_vec(body)?)
            }
            None => Bytes::new(),
        };
        let response = self.0.send(method, path, headers, body).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = client::whole(response).await?;
        if !status.is_success() {
            return Err(Refused::new(status, &headers, &body).into());
        }
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// A document; `None` if there is none.
    pub(super) async fn find(&self, path: &str) -> anyhow::Result<Option<Json>> {
        match self.call(Method::GET, path, None).await {
            Ok(document) => Ok(Some(document)),
            Err(error) if error.downcast_ref::<Refused>().is_some_and(Refused::is_not_found) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All documents of a list, page by page; none if what owns them is not there.
    pub(super) async fn all(&self, path: &str, key: &str) -> anyhow::Result<Vec<Json>> {
        let (mut documents, mut token) = (Vec::new(), String::new());
        loop {
            let next = if token.is_empty() { String::new() } else { format!("&nextToken={}", client::encoded(&token)) };
            let joint = if path.contains('?') { '&' } else { '?' };
            let Some(mut page) = self.find(&format!("{path}{joint}limit={PAGE}{next}")).await? else {
                return Ok(documents);
            };
            if let Some(Json::Array(items)) = page.get_mut(key).map(Json::take) {
                documents.extend(items);
            }
            match page.get("nextToken").and_then(Json::as_str).filter(|token| !token.is_empty()) {
                Some(next) if next != token => token = next.to_owned(),
                _ => return Ok(documents),
            }
        }
    }

    /// The owner of versions and aliases: a service, or a function of 3.0 if there is no such service.
    pub(super) async fn scope(&self, name: &str) -> anyhow::Result<Scope> {
        for scope in [Scope::Service(name.to_owned()), Scope::Function(name.to_owned())] {
            if self.find(&scope.path()).await?.is_some() {
                return Ok(scope);
            }
        }
        anyhow::bail!("there is neither a service nor a function of Function Compute 3.0 named '{name}'")
    }

    /// The document of a resource; an error that names it if it is not there.
    pub(super) async fn document(&self, resource: &Resource) -> anyhow::Result<Json> {
        // A version is only listed.
        if let Resource::Version { scope, id } = resource {
            let versions = self.all(&format!("{}/versions", scope.path()), "versions").await?;
            let version = versions.into_iter().find(|version| version["versionId"].as_str() == Some(id));
            return version.ok_or_else(|| anyhow::anyhow!("there is no {resource}"));
        }
        self.find(&resource.path()).await?.ok_or_else(|| anyhow::anyhow!("there is no {resource}"))
    }
}

/// The names in a list of documents.
pub(super) fn names<'a>(documents: &'a [Json], key: &'a str) -> impl Iterator<Item = String> + 'a {
    documents.iter().filter_map(move |document| document[key].as_str().map(str::to_owned))
}
