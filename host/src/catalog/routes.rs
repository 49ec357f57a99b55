//! The routes of a custom domain.

use crate::{
    config::{DomainConfig, DomainProtocol, RouteConfig},
    tls::Certificate,
};

/// A domain's routes in the order of the page "configure a custom domain": exact paths first, then prefixes, the longest first.
#[derive(Clone, Debug)]
pub(crate) struct DomainRoutes {
    routes: Vec<RouteConfig>,
    protocol: DomainProtocol,
    certificate: Option<Certificate>,
}

/// Why a domain has no function for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RouteError {
    /// No route has the path.
    NoRoute,
    /// Routes have the path, but take these methods only.
    NoMethod(Vec<http::Method>),
}

impl DomainRoutes {
    pub(crate) fn new(domain: &DomainConfig) -> Self {
        let mut routes = domain.routes.clone();
        routes.sort_by_key(|route| (route.path.ends_with('*'), std::cmp::Reverse(route.path.len())));
        Self { routes, protocol: domain.protocol, certificate: domain.certificate.clone() }
    }

    /// How the domain may be asked.
    pub(crate) fn protocol(&self) -> DomainProtocol {
        self.protocol
    }

    /// What it is served with by HTTPS, if it is.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref().filter(|_| self.protocol != DomainProtocol::Http)
    }

    /// The first route that has the path and takes the method.
    pub(crate) fn find(&self, path: &str, method: &http::Method) -> Result<&RouteConfig, RouteError> {
        let matching = || self.routes.iter().filter(|route| matches(&route.path, path));
        let taken = matching().find(|route| route.methods.is_empty() || route.methods.contains(method));
        taken.ok_or_else(|| match matching().next() {
            Some(_) => RouteError::NoMethod(matching().flat_map(|route| route.methods.clone()).collect()),
            None => RouteError::NoRoute,
        })
    }
}

/// `/login/*` has everything below `/login/`; any other path has itself alone.
fn matches(route: &str, path: &str) -> bool {
    match route.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == route,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::catalog::LATEST;

    fn route(path: &str, function: &str, methods: &[Method]) -> RouteConfig {
        RouteConfig {
            path: path.into(),
            service: "s".into(),
            function: function.into(),
            qualifier: LATEST.into(),
            methods: methods.to_vec(),
            rewrite: Vec::new(),
        }
    }

    fn found(routes: &DomainRoutes, path: &str, method: Method) -> Result<String, RouteError> {
        routes.find(path, &method).map(|route| route.function.to_string())
    }

    #[test]
    fn an_exact_path_goes_before_a_prefix_and_the_longest_prefix_first() {
        let routes = [route("/*", "all", &[]), route("/a/*", "below-a", &[]), route("/a/b", "exact", &[])];
        let routes = DomainRoutes::new(&DomainConfig { routes: routes.to_vec(), ..DomainConfig::default() });
        assert_eq!(found(&routes, "/a/b", Method::GET).unwrap(), "exact");
        assert_eq!(found(&routes, "/a/c/d", Method::GET).unwrap(), "below-a");
        assert_eq!(found(&routes, "/a", Method::GET).unwrap(), "all");
    }

    #[test]
    fn an_exact_path_does_not_match_with_a_slash_behind_it() {
        let routes =
            DomainRoutes::new(&DomainConfig { routes: vec![route("/a", "exact", &[])], ..DomainConfig::default() });
        assert_eq!(found(&routes, "/a/", Method::GET), Err(RouteError::NoRoute));
    }

    #[test]
    fn a_route_that_does_not_take_the_method_leaves_it_to_the_next() {
        let routes = [route("/a", "get", &[Method::GET]), route("/*", "post", &[Method::POST])];
        let routes = DomainRoutes::new(&DomainConfig { routes: routes.to_vec(), ..DomainConfig::default() });
        assert_eq!(found(&routes, "/a", Method::POST).unwrap(), "post");
        assert_eq!(found(&routes, "/a", Method::PUT), Err(RouteError::NoMethod(vec![Method::GET, Method::POST])));
    }
}
