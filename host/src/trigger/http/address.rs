//! Address → function: the default path of Function Compute, `<function>.<service>.localhost`, and custom domains.

use std::borrow::Cow;

use http::{Uri, header, request};

use super::request_record::{InsidePath, decoded};
use crate::{
    catalog::{Catalog, DomainRoutes, LATEST, RewriteRule, RouteError, Target, rewritten},
    config::DomainProtocol,
    platform_error::PlatformError,
};

/// The prefix of an HTTP trigger's default address.
pub(crate) const PROXY_PREFIX: &str = "/2016-08-15/proxy/";

/// The same for FC 3.0 functions, whose real addresses are host names.
pub(crate) const FUNCTION_PROXY_PREFIX: &str = "/2023-03-30/proxy/";

const LOCALHOST_SUFFIX: &str = ".localhost";

/// Where an address leads.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// `None`: an FC 3.0 function.
    service: Option<Cow<'a, str>>,
    function: Cow<'a, str>,
    qualifier: Cow<'a, str>,
    /// Where the path inside the function begins.
    pub(super) inside: InsidePath,
    /// How the custom domain that leads here may be asked, if one does.
    pub(super) domain: Option<DomainProtocol>,
    rewrite: &'a [RewriteRule],
}

impl Found<'_> {
    pub(super) fn target(&self) -> Target<'_> {
        Target { service: self.service.as_deref(), function: &self.function, qualifier: &self.qualifier }
    }
}

impl Found<'_> {
    /// What the path and query become by the rules of the route.
    pub(super) fn rewritten(&self, head: &request::Parts) -> Result<Option<Uri>, PlatformError> {
        if self.rewrite.is_empty() {
            return Ok(None);
        }
        let Some(target) = rewritten(self.rewrite, head.uri.path(), head.uri.query()) else { return Ok(None) };
        let uri = target.parse().map_err(|error| {
            PlatformError::invalid_argument(format!("the path is rewritten to '{target}', which is none: {error}"))
        })?;
        Ok(Some(uri))
    }
}

/// The function that a request is for.
///
/// # Errors
/// A platform error that says how functions are reached.
pub(super) fn find<'a>(catalog: &'a Catalog, head: &'a request::Parts) -> Result<Found<'a>, PlatformError> {
    if let Some(found) = by_proxy_path(&head.uri).or_else(|| by_function_path(&head.uri)) {
        return found;
    }
    let domain = host_of(head);
    let lower = domain.to_ascii_lowercase();
    if let Some(routes) = catalog.domain(&lower) {
        return by_route(routes, head, domain);
    }
    by_local_name(lower, head, domain)
}

/// The host that the client asked for, without a port: from the target (HTTP/2, absolute form) or the Host header.
pub(super) fn host_of(head: &request::Parts) -> &str {
    let from_header = || head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = head.uri.authority().map(http::uri::Authority::as_str).or_else(from_header).unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn by_proxy_path(uri: &Uri) -> Option<Result<Found<'_>, PlatformError>> {
    let path = uri.path();
    let rest = path.strip_prefix(PROXY_PREFIX)?;
    let (service, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let (function, inside) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    if service.is_empty() || function.is_empty() {
        return Some(Err(PlatformError::invalid_argument(format!(
            "'{path}' names no function: write {PROXY_PREFIX}<service>[.<qualifier>]/<function>/<path>"
        ))));
    }
    let (service, qualifier) = service.split_once('.').unwrap_or((service, LATEST));
    Some(Ok(Found {
        service: Some(decoded(service)),
        function: decoded(function),
        qualifier: decoded(qualifier),
        inside: InsidePath(path.len() - inside.len()),
        domain: None,
        rewrite: &[],
    }))
}

/// The same for FC 3.0 functions: `<function>[.<qualifier>]/<path>`.
fn by_function_path(uri: &Uri) -> Option<Result<Found<'_>, PlatformError>> {
    let path = uri.path();
    let rest = path.strip_prefix(FUNCTION_PROXY_PREFIX)?;
    let (function, inside) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (function, qualifier) = function.split_once('.').unwrap_or((function, LATEST));
    Some(Ok(Found {
        service: None,
        function: decoded(function),
        qualifier: decoded(qualifier),
        inside: InsidePath(path.len() - inside.len()),
        domain: None,
        rewrite: &[],
    }))
}

fn by_route<'a>(
    routes: &'a DomainRoutes,
    head: &'a request::Parts,
    domain: &'a str,
) -> Result<Found<'a>, PlatformError> {
    let path = head.uri.path();
    let route = routes.find(path, &head.method).map_err(|error| match error {
        RouteError::NoRoute => {
            PlatformError::domain_not_found(format!("domain name '{domain}' has no route for path '{path}'"))
        }
        RouteError::NoMethod(allowed) => {
            let message = format!("no route of '{domain}' for '{path}' takes {}", head.method);
            PlatformError::method_not_allowed(message, &allowed)
        }
    })?;
    Ok(Found {
        service: Some(Cow::Borrowed(&*route.service)).filter(|service| !service.is_empty()),
        function: Cow::Borrowed(&route.function),
        qualifier: Cow::Borrowed(&route.qualifier),
        inside: InsidePath(0),
        domain: Some(routes.protocol()),
        rewrite: &route.rewrite,
    })
}

fn by_local_name<'a>(lower: String, head: &'a request::Parts, domain: &'a str) -> Result<Found<'a>, PlatformError> {
    // Names may have capitals, hosts need not keep them: take the name as the client wrote it.
    let name = lower.ends_with(LOCALHOST_SUFFIX).then(|| &domain[..domain.len() - LOCALHOST_SUFFIX.len()]);
    let names = name.map(|name| name.split_once('.').map_or((name, None), |(name, service)| (name, Some(service))));
    let Some((function, service)) = names else {
        return Err(PlatformError::domain_not_found(format!(
            "domain name '{domain}' does not exist, and '{}' is no function's path: a function is reached by \
             {PROXY_PREFIX}<service>/<function>/<path>, by http://<function>.<service>.localhost, or by a route of \
             `[domains]`",
            head.uri.path()
        )));
    };
    Ok(Found {
        service: service.map(Cow::Borrowed),
        function: Cow::Borrowed(function),
        qualifier: Cow::Borrowed(LATEST),
        inside: InsidePath(0),
        domain: None,
        rewrite: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_path_names_service_qualifier_function_and_path() {
        let find = |uri: &str| {
            let head = http::Request::builder().uri(uri).body(()).unwrap().into_parts().0;
            by_proxy_path(&head.uri).unwrap().map(|found| {
                let target = found.target();
                let names = [target.service.unwrap(), target.qualifier, target.function].map(str::to_owned);
                (names.join(" "), found.inside.raw(&head).to_owned())
            })
        };
        assert_eq!(
            find("/2016-08-15/proxy/svc.prod/fn/a%20b/c?q=1").unwrap(),
            ("svc prod fn".into(), "/a%20b/c".into())
        );
        assert_eq!(find("/2016-08-15/proxy/svc/fn").unwrap(), ("svc LATEST fn".into(), "/".into()));
        assert!(find("/2016-08-15/proxy/svc/").unwrap_err().message.contains("names no function"));
    }

    #[test]
    fn a_host_is_read_without_its_port() {
        let host = |host: &str| {
            let head = http::Request::builder().header(header::HOST, host).body(()).unwrap().into_parts().0;
            host_of(&head).to_owned()
        };
        assert_eq!(host("example.com:9000"), "example.com");
        assert_eq!(host("example.com"), "example.com");
        assert_eq!(host("[::1]:9000"), "[::1]");
        assert_eq!(host("[::1]"), "[::1]");
    }
}
