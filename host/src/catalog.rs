//! Which functions there are. `resolve` gives a [`Revision`]: immutable configuration with a ready component and its
//! instances. A new table of revisions replaces the old one in one step; what runs goes on with what it started with.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    component::Ready,
    config::{Config, DomainConfig, FunctionConfig, RouteConfig},
    pool::Pool,
    telemetry::{Counters, FunctionLog},
};

/// The version that changes.
pub const LATEST: &str = "LATEST";

/// The service of functions that name none.
const DEFAULT_SERVICE: &str = "default";

/// A function as asked for: name and qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// `None`: an FC 3.0 function, which has no service. The function is looked for in the default service first.
    pub service: Option<&'a str>,
    /// The function's name.
    pub function: &'a str,
    /// A version, an alias or `LATEST`.
    pub qualifier: &'a str,
}

/// Why a target leads nowhere: CONTRACTS §5.2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No function is in a service of this name.
    #[error("service '{0}' does not exist")]
    ServiceNotFound(String),
    /// The service has other functions.
    #[error("function '{function}' does not exist in service '{service}'")]
    FunctionNotFoundInService {
        /// The function asked for.
        function: String,
        /// The service that it was asked of.
        service: String,
    },
    /// No service has it, or several have.
    #[error("function '{0}' does not exist")]
    FunctionNotFound(String),
    /// A number that was never published.
    #[error("version '{version}' of service '{service}' does not exist")]
    VersionNotFound {
        /// The version asked for.
        version: String,
        /// The service that it was asked of.
        service: String,
    },
    /// Any other qualifier.
    #[error("alias '{alias}' of service '{service}' does not exist")]
    AliasNotFound {
        /// The alias asked for.
        alias: String,
        /// The service that it was asked of.
        service: String,
    },
}

/// One function as it is served: what a request resolves to. Immutable, but for its instances.
pub struct Revision {
    pub(crate) function: Arc<FunctionConfig>,
    pub(crate) ready: Arc<Ready>,
    pub(crate) pool: Pool,
    pub(crate) log: FunctionLog,
    pub(crate) counters: Arc<Counters>,
    /// When it was deployed.
    pub(crate) created: SystemTime,
    /// SHA-256 of the file that it was made from.
    pub(crate) source_digest: [u8; 32],
    /// What its load took.
    pub(crate) load_time: Duration,
}

/// A domain's routes in the order of CONTRACTS §2.4: exact paths first, then prefixes, the longest first.
#[derive(Clone, Debug)]
pub(crate) struct DomainRoutes(Vec<RouteConfig>);

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
        Self(routes)
    }

    /// The first route that has the path and takes the method.
    pub(crate) fn find(&self, path: &str, method: &http::Method) -> Result<&RouteConfig, RouteError> {
        let matching = || self.0.iter().filter(|route| matches(&route.path, path));
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

/// The functions and domains at one moment. Immutable.
#[derive(Default)]
pub struct Catalog {
    services: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Revision>>>,
    domains: HashMap<String, DomainRoutes>,
}

impl Catalog {
    /// The catalog of a checked configuration whose components are all ready.
    pub(crate) fn new(config: &Config, revisions: impl IntoIterator<Item = Arc<Revision>>) -> Self {
        let mut services: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Revision>>> = HashMap::new();
        for revision in revisions {
            let function = &revision.function;
            services.entry(function.service.clone()).or_default().insert(function.name.clone(), revision);
        }
        let domains = config.domains.iter().map(|(name, domain)| (name.clone(), DomainRoutes::new(domain))).collect();
        Self { services, domains }
    }

    /// The revision that a target means.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn resolve(&self, target: &Target<'_>) -> Result<&Arc<Revision>, ResolveError> {
        let revision = match target.service {
            Some(service) => self.of_service(service, target.function)?,
            None => self.of_any_service(target.function)?,
        };
        if target.qualifier == LATEST || target.qualifier.is_empty() {
            return Ok(revision);
        }
        let service = revision.function.service.to_string();
        let qualifier = target.qualifier.to_owned();
        Err(if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
            ResolveError::VersionNotFound { version: qualifier, service }
        } else {
            ResolveError::AliasNotFound { alias: qualifier, service }
        })
    }

    fn of_service(&self, service: &str, function: &str) -> Result<&Arc<Revision>, ResolveError> {
        let functions = self.services.get(service).ok_or_else(|| ResolveError::ServiceNotFound(service.to_owned()))?;
        functions.get(function).ok_or_else(|| ResolveError::FunctionNotFoundInService {
            function: function.to_owned(),
            service: service.to_owned(),
        })
    }

    fn of_any_service(&self, function: &str) -> Result<&Arc<Revision>, ResolveError> {
        if let Ok(revision) = self.of_service(DEFAULT_SERVICE, function) {
            return Ok(revision);
        }
        let mut found = self.services.values().filter_map(|functions| functions.get(function));
        match (found.next(), found.next()) {
            (Some(revision), None) => Ok(revision),
            _ => Err(ResolveError::FunctionNotFound(function.to_owned())),
        }
    }

    /// The revision of a function, if there is one.
    pub(crate) fn find(&self, service: &str, function: &str) -> Option<Arc<Revision>> {
        self.services.get(service)?.get(function).cloned()
    }

    /// All revisions, ordered by service and name.
    pub fn revisions(&self) -> Vec<&Arc<Revision>> {
        let mut revisions: Vec<_> = self.services.values().flat_map(HashMap::values).collect();
        revisions.sort_by(|a, b| (&a.function.service, &a.function.name).cmp(&(&b.function.service, &b.function.name)));
        revisions
    }

    /// The routes of a custom domain, given by its name in lower case.
    pub(crate) fn domain(&self, name: &str) -> Option<&DomainRoutes> {
        self.domains.get(name)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn route(path: &str, function: &str, methods: &[Method]) -> RouteConfig {
        RouteConfig {
            path: path.into(),
            service: "s".into(),
            function: function.into(),
            qualifier: LATEST.into(),
            methods: methods.to_vec(),
        }
    }

    fn found(routes: &DomainRoutes, path: &str, method: Method) -> Result<String, RouteError> {
        routes.find(path, &method).map(|route| route.function.to_string())
    }

    #[test]
    fn an_exact_path_goes_before_a_prefix_and_the_longest_prefix_first() {
        let routes = [route("/*", "all", &[]), route("/a/*", "below-a", &[]), route("/a/b", "exact", &[])];
        let routes = DomainRoutes::new(&DomainConfig { routes: routes.to_vec() });
        assert_eq!(found(&routes, "/a/b", Method::GET).unwrap(), "exact");
        assert_eq!(found(&routes, "/a/c/d", Method::GET).unwrap(), "below-a");
        assert_eq!(found(&routes, "/a", Method::GET).unwrap(), "all");
    }

    #[test]
    fn an_exact_path_does_not_match_with_a_slash_behind_it() {
        let routes = DomainRoutes::new(&DomainConfig { routes: vec![route("/a", "exact", &[])] });
        assert_eq!(found(&routes, "/a/", Method::GET), Err(RouteError::NoRoute));
    }

    #[test]
    fn a_route_that_does_not_take_the_method_leaves_it_to_the_next() {
        let routes = [route("/a", "get", &[Method::GET]), route("/*", "post", &[Method::POST])];
        let routes = DomainRoutes::new(&DomainConfig { routes: routes.to_vec() });
        assert_eq!(found(&routes, "/a", Method::POST).unwrap(), "post");
        assert_eq!(found(&routes, "/a", Method::PUT), Err(RouteError::NoMethod(vec![Method::GET, Method::POST])));
    }
}
