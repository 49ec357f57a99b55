//! Asks a running wisp, by its API.

use std::{fmt, io, path::Path, str::FromStr, time::Duration};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jiff::Timestamp;
use wisp::{
    config::{AccessScope, Config, Secret, template::is_template},
    signature::{self, Credentials, Resource},
};

use super::{
    Failure,
    project::{self, ConfigArgs},
};

/// On the same machine an answer comes at once, or never.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Every answer of the API carries it, and hardly any other program's.
const REQUEST_ID: &str = "x-fc-request-id";

/// Which wisp to ask.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// The API of a running wisp, such as 127.0.0.1:9001 [default: `server.api_listen` of the configuration]
    #[arg(long, visible_alias = "url", env = "WISP_SERVER", value_name = "URL", hide_env_values = true)]
    pub(super) server: Option<Endpoint>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

/// The access key that requests are signed with.
#[derive(Debug, Args)]
struct KeyArgs {
    /// The id of an access key of that wisp [default: the first of the configuration that may do everything]
    #[arg(long, env = "WISP_ACCESS_KEY_ID", value_name = "ID", hide_env_values = true, requires = "access_key_secret")]
    access_key_id: Option<String>,
    /// Its secret; better in WISP_ACCESS_KEY_SECRET, because other users see the command line
    #[arg(long, env = "WISP_ACCESS_KEY_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = secret)]
    access_key_secret: Option<Secret>,
    /// The security token of a key that is lent
    #[arg(long, env = "WISP_SECURITY_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = secret)]
    security_token: Option<Secret>,
}

/// A parser that cannot fail, but for clap.
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

impl KeyArgs {
    fn is_typed(&self) -> bool {
        self.access_key_id.is_some()
    }

    /// The key that was typed, or one of the configuration.
    fn credentials(&self, config: Option<&Config>) -> Option<Credentials> {
        if let (Some(id), Some(secret)) = (&self.access_key_id, &self.access_key_secret) {
            let security_token = self.security_token.clone();
            return Some(Credentials { id: id.clone(), secret: secret.clone(), security_token });
        }
        let keys = &config?.access_keys;
        let key = keys.iter().find(|key| key.scope == AccessScope::Admin).or(keys.first())?;
        let security_token = key.security_token.clone();
        Some(Credentials { id: key.id.to_string(), secret: key.secret.clone(), security_token })
    }
}

impl ServerArgs {
    /// The API to ask.
    pub(super) fn client(&self) -> Result<ApiClient, Failure> {
        self.client_by(&self.config.path())
    }

    /// The API to ask; `file` is the configuration that says what was not typed. Deployment files of other tools say
    /// nothing about a wisp.
    pub(super) fn client_by(&self, file: &Path) -> Result<ApiClient, Failure> {
        let load = || match is_template(file) || !self.config.is_typed() && !file.exists() {
            true => Ok(None),
            false => project::load(file).map(Some),
        };
        let Some(endpoint) = &self.server else {
            let config = load()?.map_or_else(project::default_config, Ok)?;
            let endpoint = Endpoint(config.server.api_listen.to_string());
            return Ok(ApiClient::new(endpoint, self.key.credentials(Some(&config))));
        };
        // Whose address was typed needs no configuration, not even a sound one.
        let config = if self.key.is_typed() { None } else { load().ok().flatten() };
        Ok(ApiClient::new(endpoint.clone(), self.key.credentials(config.as_ref())))
    }
}

/// Host and port of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint(pub(super) String);

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        if authority.starts_with("https://") {
            return Err("wisp's API speaks http; give http://HOST:PORT".to_owned());
        }
        let uri: Uri = format!("http://{authority}/").parse().map_err(|error| format!("{error}; give HOST:PORT"))?;
        match uri.port_u16() {
            Some(_) if uri.path() == "/" => Ok(Self(authority.to_owned())),
            Some(_) => Err("it has a path; give HOST:PORT".to_owned()),
            None => Err("it has no port; give HOST:PORT, such as 127.0.0.1:9001".to_owned()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The API of one wisp.
pub(super) struct ApiClient {
    endpoint: Endpoint,
    /// `None`: requests are not signed.
    credentials: Option<Credentials>,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl ApiClient {
    pub(super) fn new(endpoint: Endpoint, credentials: Option<Credentials>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self { endpoint, credentials, http: Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// Whom it asks.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether a wisp answers there.
    pub(super) async fn answers(&self) -> bool {
        self.get("/wisp/host").await.is_ok()
    }

    /// An answer whose status is 200.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Response<Incoming>> {
        let response = self.send(Method::GET, path, HeaderMap::new(), Bytes::new()).await?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        Err(refusal(status, &whole(response).await?))
    }

    /// The same, read to its end as JSON.
    pub(super) async fn get_json(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let body = whole(self.get(path).await?).await?;
        serde_json::from_slice(&body).with_context(|| format!("{} answers {path} with no JSON", self.endpoint))
    }

    /// An answer, whatever its status.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{}{path}", self.endpoint).parse()?;
        *request.headers_mut() = headers;
        self.sign(&mut request)?;
        let response = self.http.request(request).await.map_err(|error| self.unreachable(&error))?;
        if response.headers().contains_key(REQUEST_ID) {
            return Ok(response);
        }
        Err(anyhow!("what answers at {} is not wisp's API. Name the address that `wisp serve` prints", self.endpoint))
    }

    fn sign<B>(&self, request: &mut Request<B>) -> anyhow::Result<()> {
        let Some(credentials) = &self.credentials else { return Ok(()) };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let signed =
            signature::sign(credentials, &method, &uri, request.headers_mut(), Resource::Api, Timestamp::now());
        signed.context("the access key cannot be sent in a header")
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> anyhow::Error {
        let (endpoint, reason) = (&self.endpoint, reason(error));
        if !error.is_connect() {
            return anyhow!("the server at {endpoint} ended the connection before it answered: {reason}");
        }
        anyhow!(
            "no wisp answers at {endpoint}: {reason}. Start one with `wisp up` or `wisp serve`, or name another with \
             --server"
        )
    }
}

/// The system's own words if it has any, else the innermost ones.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let (mut last, mut cause) = (error, Some(error));
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind().to_string();
        }
        (last, cause) = (error, error.source());
    }
    last.to_string()
}

/// The body to its end.
pub(super) async fn whole(response: Response<Incoming>) -> anyhow::Result<Bytes> {
    Ok(response.into_body().collect().await.context("the answer broke off")?.to_bytes())
}

/// The platform's error document as one sentence.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> anyhow::Error {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |keys: [&str; 2]| keys.into_iter().find_map(|key| document[key].as_str());
    match (text(["ErrorCode", "Code"]), text(["ErrorMessage", "Message"])) {
        // What an API never says: somebody asked the other listener.
        (Some("DomainNameNotFound"), _) => {
            anyhow!("what answers there are wisp's triggers; give the address of its API, which `wisp serve` prints")
        }
        (Some(code), Some(message)) => anyhow!("{message} ({code}, status {}){}", status.as_u16(), advice(message)),
        _ => anyhow!("the server answered with status {status}"),
    }
}

/// What to do about a refusal, where the server cannot know it.
pub(super) fn advice(message: &str) -> &'static str {
    match message.ends_with("Authorization was not specified") {
        true => ". This wisp wants signed requests: set WISP_ACCESS_KEY_ID and WISP_ACCESS_KEY_SECRET",
        false => "",
    }
}

/// A text as a path segment or a value of a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port_with_or_without_the_scheme() {
        let endpoint = |text: &str| text.parse::<Endpoint>();
        assert_eq!(endpoint("127.0.0.1:9001").unwrap(), endpoint("http://127.0.0.1:9001/").unwrap());
        assert!(endpoint("[::1]:9001").is_ok());
        assert!(endpoint("https://127.0.0.1:9001").unwrap_err().contains("give http://"));
        assert!(endpoint("localhost").unwrap_err().contains("no port"));
        assert!(endpoint("localhost:9001/wisp").unwrap_err().contains("a path"));
    }

    #[test]
    fn both_forms_of_error_documents_are_read() {
        let fc2 = refusal(StatusCode::NOT_FOUND, br#"{"ErrorCode":"FunctionNotFound","ErrorMessage":"no f"}"#);
        let fc3 = refusal(StatusCode::NOT_FOUND, br#"{"Code":"FunctionNotFound","Message":"no f","RequestId":"1"}"#);
        assert_eq!(fc2.to_string(), "no f (FunctionNotFound, status 404)");
        assert_eq!(fc2.to_string(), fc3.to_string());
        assert!(refusal(StatusCode::BAD_GATEWAY, b"<html>").to_string().contains("502"));
    }
}
