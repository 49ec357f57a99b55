//! `[domains."<name>"]`.

use std::fs;

use http::Method;

use super::{
    Place, Section,
    function::{methods, service},
    text,
};
use crate::{
    config::{DomainConfig, DomainProtocol, RouteConfig},
    tls::{Certificate, TlsVersions},
};

/// The version that changes with every deployment.
const QUALIFIER: &str = "LATEST";

/// A domain whose routes are not followed yet.
pub(super) struct Domain {
    pub(super) routes: Vec<Route>,
    protocol: DomainProtocol,
    certificate: Option<Certificate>,
}

/// A route and where to report that it leads nowhere.
pub(super) struct Route {
    pub(super) place: Place,
    pub(super) config: RouteConfig,
}

impl From<Domain> for DomainConfig {
    fn from(domain: Domain) -> Self {
        let Domain { routes, protocol, certificate } = domain;
        Self { protocol, certificate, routes: routes.into_iter().map(|route| route.config).collect() }
    }
}

/// `[domains."<name>"]`.
pub(super) fn domain(name: &str, section: &mut Section<'_>) -> Domain {
    if let Err(reason) = text::domain(name) {
        section.problem_here(&format!("{name:?} {reason}"));
    }
    let routes = section.list("routes", route);
    check_overlap(&routes, section);
    let certificate = certificate(section);
    let protocol = section.choice("protocol", &PROTOCOLS).unwrap_or_default();
    if protocol == DomainProtocol::Https && certificate.is_none() && !section.has("certificate") {
        section.problem("protocol", "is \"https\", but there is no certificate; give `certificate` and `private_key`");
    }
    Domain { routes, protocol, certificate }
}

const PROTOCOLS: [(&str, DomainProtocol); 3] =
    [("http", DomainProtocol::Http), ("https", DomainProtocol::Https), ("http,https", DomainProtocol::Both)];

/// `certificate` and `private_key`: files in PEM.
fn certificate(section: &mut Section<'_>) -> Option<Certificate> {
    let (certificate, private_key) = (pem(section, "certificate"), pem(section, "private_key"));
    match (section.has("certificate"), section.has("private_key")) {
        (true, false) => section.problem("certificate", "is given without `private_key`; give both"),
        (false, true) => section.problem("private_key", "is given without `certificate`; give both"),
        _ => {}
    }
    let made = Certificate::new(&certificate?, &private_key?, TlsVersions::default());
    made.map_err(|error| section.problem("certificate", error.to_string())).ok()
}

fn pem(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let path = section.path(key)?;
    let text = fs::read_to_string(&path);
    text.map_err(|error| section.problem(key, format!("{} cannot be read: {error}", path.display()))).ok()
}

fn route(section: &mut Section<'_>) -> Route {
    let config = RouteConfig {
        path: required(section, "path", text::route_path),
        service: service(section),
        function: required(section, "function", |name| text::name(name, text::FUNCTION_NAME)).into(),
        qualifier: qualifier(section).into(),
        methods: methods(section).unwrap_or_default(),
        rewrite: Vec::new(),
    };
    Route { place: section.here(), config }
}

/// The text of `key`; empty, and reported, if there is none.
fn required(section: &mut Section<'_>, key: &'static str, check: fn(&str) -> Result<(), String>) -> String {
    if !section.has(key) {
        section.problem(key, "is missing");
    }
    let text: Option<String> = section.get(key);
    if let Some(Err(reason)) = text.as_deref().map(check) {
        section.problem(key, reason);
    }
    text.unwrap_or_default()
}

fn qualifier(section: &mut Section<'_>) -> String {
    let qualifier: String = section.or("qualifier", QUALIFIER.to_owned());
    text::qualifier(&qualifier).unwrap_or_else(|reason| section.problem("qualifier", reason));
    qualifier
}

/// Two routes for one request would leave the choice to their order.
fn check_overlap(routes: &[Route], section: &Section<'_>) {
    for (index, Route { config, .. }) in routes.iter().enumerate() {
        let same =
            |earlier: &&Route| earlier.config.path == config.path && overlap(&earlier.config.methods, &config.methods);
        if routes.iter().take(index).any(|earlier| same(&earlier)) {
            section.problem("routes", format!("`{}` is routed twice for the same method; remove one", config.path));
        }
    }
}

/// An empty list stands for every method of the trigger.
fn overlap(a: &[Method], b: &[Method]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|method| b.contains(method))
}
