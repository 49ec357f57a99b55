//! The HTTP/1.1 client of the measurements: one request at a time on a keep-alive connection.

use std::{fmt, str::FromStr, thread, time::Duration};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// Bytes of a refusal's body that are shown.
const EXCERPT: usize = 200;

/// Whom to ask, and for what.
#[derive(Clone, Debug)]
pub struct Target {
    /// Host and port.
    authority: String,
    /// Path and query.
    path: String,
    /// GET, unless something else is set.
    pub method: Method,
    /// Beside Host.
    pub headers: HeaderMap,
    /// Empty, unless something else is set.
    pub body: Bytes,
}

impl Target {
    /// `GET` of a path, which begins with `/`, at `host:port`.
    pub fn new(authority: impl Into<String>, path: impl Into<String>) -> Self {
        let (authority, path) = (authority.into(), path.into());
        Self { authority, path, method: Method::GET, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Host and port.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.parse().with_context(|| format!("'{}' is no path", self.path))?;
        *request.headers_mut() = self.headers.clone();
        if !self.headers.contains_key(header::HOST) {
            request.headers_mut().insert(header::HOST, HeaderValue::from_str(&self.authority)?);
        }
        Ok(request)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err("the load speaks http without TLS; give http://HOST:PORT/PATH".into());
        }
        let uri: Uri = text.parse().map_err(|error| format!("{error}; give http://HOST:PORT/PATH"))?;
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err("it does not begin with http://; give http://HOST:PORT/PATH".into());
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self::new(format!("{host}:{}", uri.port_u16().unwrap_or(80)), path))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority, self.path)
    }
}

/// Asks once, for those who want to know why before they ask a thousand times.
///
/// # Errors
/// If nothing answers, or with another status than 2xx or 3xx.
pub fn probe(target: &Target, patience: Duration) -> anyhow::Result<()> {
    on_own_thread(async {
        let mut connection = Connection::new(target);
        match timeout(patience, connection.ask()).await {
            Err(_) => Err(anyhow!("{target} does not answer within {} s", patience.as_secs_f64())),
            Ok(Err(error)) => Err(error.context(format!("{target} cannot be measured"))),
            Ok(Ok((status, _))) if is_success(status) => Ok(()),
            Ok(Ok((status, body))) => {
                let excerpt = String::from_utf8_lossy(body.get(..EXCERPT).unwrap_or(&body)).trim().to_owned();
                Err(anyhow!("{target} answers {status}, which is no measurement: {excerpt}"))
            }
        }
    })
}

/// The load shares no thread with the server, even in one process.
pub(super) fn on_own_thread<T: Send>(work: impl Future<Output = anyhow::Result<T>> + Send) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(work)
        });
        load.join().map_err(|_| anyhow!("the load panicked"))?
    })
}

/// One keep-alive connection, opened with its first request.
pub(super) struct Connection {
    target: Target,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(super) fn new(target: &Target) -> Self {
        Self { target: target.clone(), sender: None }
    }

    /// The next request opens another.
    pub(super) fn close(&mut self) {
        self.sender = None;
    }

    async fn connect(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.target.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    pub(super) async fn ask(&mut self) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        sender.ready().await?;
        let response = sender.send_request(self.target.request()?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok((status, body))
    }
}

/// Whether an answer counts.
pub(super) fn is_success(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}
