//! `wisp domain`.

use std::{io::Write as _, process::ExitCode, str::FromStr};

use clap::Args;
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
        let mut body = json!({ "protocol": "HTTP", "routeConfig": { "routes": routes } });
        let existed = control.find(&resource.path()).await?.is_some();
        let domain = if existed {
            control.call(Method::PUT, &resource.path(), Some(&body)).await?
        } else {
            body["domainName"] = json!(self.domain);
            control.call(Method::POST, &resource.collection(), Some(&body)).await?
        };
        Ok((domain, existed))
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
