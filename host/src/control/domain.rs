//! Custom domains.

use std::collections::BTreeMap;

use http::Method;
use regex::RegexBuilder;
use serde_json::Value;

use super::{
    Change, check_etag,
    error::Error,
    record::{Attributes, Document, Stored, json, merged, text},
};
use crate::{
    catalog::{LATEST, RewriteRule, ScopeId},
    config::{DomainConfig, DomainProtocol, RouteConfig},
    host::FunctionHost,
    store::{Expect, Key, Kind, Write},
    tls::{Certificate, TlsVersions},
};

/// Bytes that the program of one regular expression may take.
const REGEX_SIZE: usize = 1 << 20;

impl FunctionHost {
    pub(crate) async fn domains(&self) -> Result<BTreeMap<String, Stored<Document>>, Error> {
        let domains = self.opened()?.read(|storage| {
            let records = storage.list(Kind::Domain, Some(""))?;
            records.iter().map(|record| Ok((record.key.name.clone(), Stored::parse(record)?))).collect()
        });
        Ok(domains.await?)
    }

    pub(crate) async fn domain(&self, name: &str) -> Result<Stored<Document>, Error> {
        self.domains().await?.remove(name).ok_or_else(|| not_found(name))
    }

    /// The routes of all stored domains.
    pub(super) async fn stored_domains(&self) -> Result<BTreeMap<String, DomainConfig>, Error> {
        let domains = self.domains().await?;
        let configs = domains.into_iter().map(|(name, domain)| {
            let routes = routes(&domain.value.attributes).unwrap_or_else(|error| {
                tracing::warn!(domain = name, "the routes of a domain cannot be served: {error}");
                Vec::new()
            });
            let certificate = certificate(&domain.value.attributes).unwrap_or_else(|error| {
                tracing::warn!(domain = name, "a domain cannot be served by HTTPS: {error}");
                None
            });
            let protocol = protocol(&domain.value.attributes);
            (name.to_ascii_lowercase(), DomainConfig { protocol, certificate, routes })
        });
        Ok(configs.collect())
    }

    pub(crate) async fn create_domain(&self, name: &str, attributes: Attributes) -> Result<Stored<Document>, Error> {
        let mut change = self.change().await?;
        change.check_domain(name)?;
        if self.domains().await?.contains_key(name) {
            return Err(Error::conflict("DomainNameAlreadyExists", format!("domain name '{name}' already exists")));
        }
        let document = Document::new(attributes);
        change.put_domain(name, document, Expect::Absent).await
    }

    pub(crate) async fn update_domain(
        &self,
        name: &str,
        attributes: Attributes,
        if_match: Option<&str>,
    ) -> Result<Stored<Document>, Error> {
        let mut change = self.change().await?;
        change.check_domain(name)?;
        let old = self.domain(name).await?;
        check_etag(&old, if_match, &format!("domain name '{name}'"))?;
        let document = old.value.with(merged(&old.value.attributes, attributes));
        change.put_domain(name, document, Expect::Revision(old.revision)).await
    }

    pub(crate) async fn delete_domain(&self, name: &str, if_match: Option<&str>) -> Result<(), Error> {
        let mut change = self.change().await?;
        change.check_domain(name)?;
        check_etag(&self.domain(name).await?, if_match, &format!("domain name '{name}'"))?;
        self.opened()?.commit(vec![Write::Delete(Key::new(Kind::Domain, "", name))]).await?;
        change.refresh_domains().await
    }
}

impl Change<'_> {
    fn check_domain(&self, name: &str) -> Result<(), Error> {
        match self.tables.declared_domains.contains_key(&name.to_ascii_lowercase()) {
            true => Err(Error::declared(&format!("domain name '{name}'"))),
            false => Ok(()),
        }
    }

    async fn put_domain(&mut self, name: &str, document: Document, expect: Expect) -> Result<Stored<Document>, Error> {
        for route in routes(&document.attributes)? {
            self.check_route(&route)?;
        }
        self.check_protocol(&document.attributes)?;
        let write = Write::Put { key: Key::new(Kind::Domain, "", name), document: json(&document), expect };
        let revision = self.host.opened()?.commit(vec![write]).await?;
        self.refresh_domains().await?;
        Ok(Stored { revision, value: document })
    }

    /// What is asked for can be served.
    fn check_protocol(&self, attributes: &Attributes) -> Result<(), Error> {
        let (protocol, certificate) = (protocol(attributes), certificate(attributes)?);
        if protocol == DomainProtocol::Http {
            return Ok(());
        }
        if certificate.is_none() {
            return Err(Error::invalid(format!(
                "CertConfig is required for protocol '{}': give Certificate and PrivateKey, or protocol 'HTTP'",
                text(attributes, "protocol")
            )));
        }
        let server = self.host.server();
        if protocol == DomainProtocol::Https && server.tls_listen.is_none() && server.trusted_proxies.is_empty() {
            return Err(Error::invalid(
                "Protocol is 'HTTPS', but this host serves no HTTPS: set `server.tls_listen`, or give protocol 'HTTP,HTTPS' \
                 or 'HTTP'",
            ));
        }
        Ok(())
    }

    /// A domain leads to functions with an HTTP trigger.
    fn check_route(&self, route: &RouteConfig) -> Result<(), Error> {
        let catalog = self.host.catalog();
        let routes = match &*route.service {
            "" => {
                catalog
                    .of_any_scope(&route.function)
                    .map_err(|error| Error::not_found("FunctionNotFound", error.to_string()))?
                    .1
            }
            service => {
                let id = ScopeId::Service(service.to_owned());
                let scope = catalog.scope(&id).ok_or_else(|| Error::scope_not_found(&id))?;
                scope.functions.get(&route.function).ok_or_else(|| Error::function_not_found(&id, &route.function))?
            }
        };
        if routes.choice(&route.qualifier).is_none() {
            let is_version = route.qualifier.bytes().all(|byte| byte.is_ascii_digit());
            let code = if is_version { "VersionNotFound" } else { "AliasNotFound" };
            let message = format!("function '{}' has no qualifier '{}'", route.function, route.qualifier);
            return Err(Error::not_found(code, message));
        }
        if routes.trigger.is_none() {
            return Err(Error::invalid(format!(
                "function '{}' has no HTTP trigger: a custom domain can only lead to a function that has one",
                route.function
            )));
        }
        Ok(())
    }

    async fn refresh_domains(&mut self) -> Result<(), Error> {
        self.tables.stored_domains = self.host.stored_domains().await?;
        self.host.put_in_force(&self.tables);
        Ok(())
    }
}

/// `protocol`, which the API has checked.
fn protocol(attributes: &Attributes) -> DomainProtocol {
    match text(attributes, "protocol") {
        "HTTPS" => DomainProtocol::Https,
        "HTTP,HTTPS" => DomainProtocol::Both,
        _ => DomainProtocol::Http,
    }
}

/// `certConfig` with what `tlsConfig` says of versions; `None` if it is empty.
fn certificate(attributes: &Attributes) -> Result<Option<Certificate>, Error> {
    let get = |config: &str, name: &str| {
        let value = attributes.get(config).and_then(|config| config.get(name)).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let (certificate, key) = (get("certConfig", "certificate"), get("certConfig", "privateKey"));
    if certificate.is_empty() && key.is_empty() {
        return Ok(None);
    }
    let versions = match (get("tlsConfig", "minVersion").as_str(), get("tlsConfig", "maxVersion").as_str()) {
        (_, "TLSv1.0" | "TLSv1.1") => {
            return Err(Error::invalid(
                "TLSConfig.MaxVersion is set to an invalid value (allowed: TLSv1.2 | TLSv1.3, which are what wisp speaks)",
            ));
        }
        ("TLSv1.3", "TLSv1.2") => {
            return Err(Error::invalid("TLSConfig.MinVersion is later than TLSConfig.MaxVersion"));
        }
        ("TLSv1.3", _) => TlsVersions::Only13,
        (_, "TLSv1.2") => TlsVersions::Only12,
        _ => TlsVersions::Both,
    };
    let made = Certificate::new(&certificate, &key, versions);
    made.map(Some).map_err(|error| Error::invalid(format!("CertConfig: {error}")))
}

fn not_found(name: &str) -> Error {
    Error::not_found("DomainNameNotFound", format!("domain name '{name}' does not exist"))
}

/// `routeConfig` as it is served. A route without a service is of an FC 3.0 function.
fn routes(attributes: &Attributes) -> Result<Vec<RouteConfig>, Error> {
    let routes = attributes.get("routeConfig").and_then(|config| config.get("routes")).and_then(Value::as_array);
    routes.into_iter().flatten().map(route).collect()
}

fn route(route: &Value) -> Result<RouteConfig, Error> {
    let text = |name: &str| route.get(name).and_then(Value::as_str).unwrap_or_default();
    let methods = route.get("methods").and_then(Value::as_array).into_iter().flatten();
    let qualifier = Some(text("qualifier")).filter(|qualifier| !qualifier.is_empty()).unwrap_or(LATEST);
    Ok(RouteConfig {
        path: text("path").to_owned(),
        service: text("serviceName").into(),
        function: text("functionName").into(),
        qualifier: qualifier.into(),
        methods: methods.filter_map(|name| Method::from_bytes(name.as_str()?.as_bytes()).ok()).collect(),
        rewrite: route.get("rewriteConfig").map(rules).transpose()?.unwrap_or_default(),
    })
}

/// Equal rules go first, then those with wildcards, then regular expressions.
fn rules(config: &Value) -> Result<Vec<RewriteRule>, Error> {
    let pairs = |name: &str| {
        let rules = config.get(name).and_then(Value::as_array).into_iter().flatten();
        let pairs = rules.filter_map(|rule| Some((rule.get("match")?.as_str()?, rule.get("replacement")?.as_str()?)));
        pairs.collect::<Vec<_>>()
    };
    let equal =
        pairs("equalRules").into_iter().map(|(from, to)| RewriteRule::Equal { from: from.into(), to: to.into() });
    let wildcard =
        pairs("wildcardRules").into_iter().map(|(from, to)| RewriteRule::Wildcard { from: from.into(), to: to.into() });
    let mut rules: Vec<_> = equal.chain(wildcard).collect();
    for (from, to) in pairs("regexRules") {
        let regex = RegexBuilder::new(from).size_limit(REGEX_SIZE).build();
        let from =
            regex.map_err(|error| Error::invalid(format!("RegexRules: '{from}' is no regular expression: {error}")))?;
        rules.push(RewriteRule::Regex { from, to: to.into() });
    }
    Ok(rules)
}
