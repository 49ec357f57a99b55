//! `wisp domain`.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value as Json, json};

use super::{
    Failure,
    client::ServerArgs,
    completions,
    control::{
        Control,
        resource::{FunctionName, Resource},
    },
    get, runtime,
};

/// Lead a domain's paths to functions
#[derive(Debug, Args)]
#[command(after_help = "wisp domain shop.example.com --route '/*=shop/orders' --route '/pay/*=shop/pay@prod'\n\
                        wisp get domain shop.example.com        shows it\n\
                        wisp list domains                       shows all\n\
                        wisp remove domain shop.example.com     removes it")]
pub(crate) struct DomainArgs {
    /// The domain
    #[arg(add = completions::names())]
    domain: String,
    /// A path, or a prefix that ends in `/*`, and its function; all routes of the domain are given at once
    #[arg(long, short, required = true, value_name = "PATH=FUNCTION[@QUALIFIER]")]
    route: Vec<Route>,
    /// The certificate for HTTPS, in PEM, with the chain behind it
    #[arg(long, requires = "private_key", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, requires = "certificate", value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// How the domain may be asked [default: http; with a certificate, both]
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    path: String,
    function: FunctionName,
    qualifier: Option<String>,
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "give PATH=SERVICE/FUNCTION, such as '/*=shop/orders', with @QUALIFIER or without".to_owned();
        let (path, target) = text.split_once('=').ok_or_else(form)?;
        let (function, qualifier) = match target.split_once('@') {
            Some((function, qualifier)) => (function, Some(qualifier.to_owned())),
            None => (target, None),
        };
        if !path.starts_with('/') || function.is_empty() || qualifier.as_deref() == Some("") {
            return Err(form());
        }
        Ok(Self { path: path.to_owned(), function: FunctionName::parse(function), qualifier })
    }
}

impl DomainArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let control = Control(self.server.client()?);
        let (domain, existed) = runtime::alone(self.put(&control))??;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{domain:#}")?;
        } else {
            let did = if existed { "updated" } else { "created" };
            writeln!(out, "{did} domain {}\n{}", self.domain, get::fields(&domain))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn put(&self, control: &Control) -> anyhow::Result<(Json, bool)> {
        // Functions of 3.0 have no service, and so the routes to them are told to that API.
        let api_3 = self.route.iter().all(|route| route.function.service.is_none());
        let resource = Resource::Domain { name: self.domain.clone(), api_3 };
        let routes: Vec<Json> = self.route.iter().map(Route::document).collect();
        let mut body = json!({ "routeConfig": { "routes": routes } });
        let existed = control.find(&resource.path()).await?.is_some();
        if let Some(certificate) = self.cert_config()? {
            body["certConfig"] = certificate;
        }
        // What is there keeps its protocol, unless something is said about it.
        let given = self.protocol.map(Protocol::word);
        let default = if self.certificate.is_some() { "HTTP,HTTPS" } else { "HTTP" };
        if let Some(protocol) = given.or((!existed || self.certificate.is_some()).then_some(default)) {
            body["protocol"] = json!(protocol);
        }
        let domain = if existed {
            control.call(Method::PUT, &resource.path(), Some(&body)).await?
        } else {
            body["domainName"] = json!(self.domain);
            control.call(Method::POST, &resource.collection(), Some(&body)).await?
        };
        Ok((domain, existed))
    }
}

impl DomainArgs {
    /// The certificate and its key as the API takes them; none, if none is given.
    fn cert_config(&self) -> anyhow::Result<Option<Json>> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.private_key) else { return Ok(None) };
        let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        let name: String = self.domain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Ok(Some(json!({ "certName": name, "certificate": read(certificate)?, "privateKey": read(key)? })))
    }
}

/// How a domain may be asked.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Protocol {
    Http,
    Https,
    /// By both
    Both,
}

impl Protocol {
    fn word(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Both => "HTTP,HTTPS",
        }
    }
}

impl Route {
    fn document(&self) -> Json {
        let mut document = json!({ "path": self.path, "functionName": self.function.name });
        if let Some(service) = &self.function.service {
            document["serviceName"] = json!(service);
        }
        if let Some(qualifier) = &self.qualifier {
            document["qualifier"] = json!(qualifier);
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_a_path_and_a_function_with_or_without_a_qualifier() {
        let route: Route = "/pay/*=shop/pay@prod".parse().unwrap();
        assert_eq!(
            route.document(),
            json!({"path": "/pay/*", "serviceName": "shop", "functionName": "pay", "qualifier": "prod"})
        );
        let route: Route = "/=hello".parse().unwrap();
        assert_eq!(route.document(), json!({"path": "/", "functionName": "hello"}));
        for wrong in ["/", "x=f", "/=", "/=f@"] {
            assert!(wrong.parse::<Route>().unwrap_err().contains("such as '/*=shop/orders'"), "{wrong}");
        }
    }
}
