//! Custom domains, which both APIs have in nearly the same form.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, with_defaults},
    schema::{self, Field, Shape, field, invalid},
};
use crate::{
    control::{Attributes, Document, Stored},
    host::FunctionHost,
    platform_error::PlatformError,
};

const RULE: Shape = Shape::Objects(&[field("match", Shape::Text(256)), field("replacement", Shape::Text(256))]);

const FIELDS: &[Field] = &[
    field("domainName", Shape::Text(1 << 20)),
    field("protocol", Shape::Choice(&["HTTP", "HTTPS", "HTTP,HTTPS"])),
    field(
        "routeConfig",
        Shape::Object(&[field(
            "routes",
            Shape::Objects(&[
                field("path", Shape::Text(2048)),
                field("serviceName", Shape::Text(128)),
                field("functionName", Shape::Text(256)),
                field("qualifier", Shape::Text(128)),
                field("methods", Shape::Texts),
                field(
                    "rewriteConfig",
                    Shape::Object(&[
                        field("equalRules", RULE),
                        field("wildcardRules", RULE),
                        field("regexRules", RULE),
                    ]),
                ),
            ]),
        )]),
    ),
    field(
        "certConfig",
        Shape::Object(&[
            field("certName", Shape::Text(128)),
            field("certificate", Shape::Text(20_480)),
            field("privateKey", Shape::Text(4096)),
        ]),
    ),
    field(
        "tlsConfig",
        Shape::Object(&[
            field("minVersion", Shape::Choice(&["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0"])),
            field("maxVersion", Shape::Choice(&["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0"])),
            field("cipherSuites", Shape::Texts),
        ]),
    ),
    field("authConfig", Shape::Any),
    field("wafConfig", Shape::Object(&[field("enableWAF", Shape::Boolean)])),
    field("corsConfig", Shape::Any),
];

const METHODS: [&str; 7] = ["HEAD", "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// Methods of a route that names none.
const DEFAULT_METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// Rewrite rules of a kind: a request may try all of them.
const RULES: usize = 20;

/// The longest domain name and the longest of its labels.
const NAME: usize = 256;
const LABEL: usize = 63;

/// Answers a call; `None` if there is no such operation.
pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    version: &'static str,
    rest: &[&str],
) -> Result<Option<Answer>, PlatformError> {
    let shown = |name: &str, domain: &Stored<Document>| Answer::of(domain, show(host, name, &domain.value));
    let answer = match (call.method.as_str(), rest) {
        ("POST", []) => {
            let mut attributes = read(call)?;
            let name = schema::required(&attributes, "domainName")?.to_owned();
            check_name(&name)?;
            attributes.remove("domainName");
            attributes.entry("protocol").or_insert_with(|| "HTTP".into());
            attributes.insert("apiVersion".into(), version.into());
            shown(&name, &host.create_domain(&name, attributes).await?)
        }
        ("GET", []) => {
            let domains = host.domains().await?;
            call.page(domains)?
                .answer("customDomains", |name, domain: &Stored<Document>| show(host, name, &domain.value))
        }
        ("GET", [name]) => shown(name, &host.domain(name).await?),
        ("PUT", [name]) => {
            let mut attributes = read(call)?;
            attributes.remove("domainName");
            shown(name, &host.update_domain(name, attributes, call.if_match()).await?)
        }
        ("DELETE", [name]) => {
            host.delete_domain(name, call.if_match()).await?;
            Answer::nothing()
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn read(call: &Call) -> Result<Attributes, PlatformError> {
    let mut attributes = call.attributes(FIELDS)?;
    check_certificate(&attributes)?;
    let routes = attributes.get_mut("routeConfig").and_then(|config| config.get_mut("routes"));
    for route in routes.and_then(Value::as_array_mut).into_iter().flatten() {
        check_route(route)?;
    }
    Ok(attributes)
}

/// A certificate comes with its key. Whether they can be used is seen when they are put in force.
fn check_certificate(attributes: &Attributes) -> Result<(), PlatformError> {
    let is_given = |name: &str| {
        let config = attributes.get("certConfig").and_then(|config| config.get(name)).and_then(Value::as_str);
        config.is_some_and(|text| !text.is_empty())
    };
    if is_given("certificate") == is_given("privateKey") {
        return Ok(());
    }
    Err(PlatformError::invalid_argument("CertConfig: Certificate and PrivateKey are given together"))
}

fn check_route(route: &mut Value) -> Result<(), PlatformError> {
    let text = |name: &str| route.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let path = text("path");
    if !path.starts_with('/') || path.strip_suffix('*').unwrap_or(&path).contains('*') {
        return Err(invalid(
            "RouteConfig.Routes.Path",
            "a path from / on, with one * at its end at most",
            &path.into(),
        ));
    }
    if text("functionName").is_empty() {
        return Err(PlatformError::invalid_argument("RouteConfig.Routes.FunctionName is required"));
    }
    for (name, rules) in route.get("rewriteConfig").and_then(Value::as_object).into_iter().flatten() {
        let count = rules.as_array().map_or(0, Vec::len);
        if count > RULES {
            return Err(PlatformError::invalid_argument(format!(
                "RewriteConfig.{name} contains too many values (max: {RULES}, actual: {count})"
            )));
        }
    }
    let methods = route.get("methods").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(other) = methods.iter().find(|method| !method.as_str().is_some_and(|name| METHODS.contains(&name))) {
        return Err(invalid("RouteConfig.Routes.Methods", &METHODS.join(" | "), other));
    }
    if methods.is_empty()
        && let Some(route) = route.as_object_mut()
    {
        route.insert("methods".into(), json!(DEFAULT_METHODS));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), PlatformError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_label = |label: &str| {
        (1..=LABEL).contains(&label.len())
            && label.chars().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = name.rsplit('.').next().unwrap_or_default();
    let is_top = top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic());
    if name.len() <= NAME && name.contains('.') && name.split('.').all(is_label) && is_top {
        return Ok(());
    }
    Err(invalid("DomainName", "a domain name", &name.into()))
}

fn show(host: &FunctionHost, name: &str, domain: &Document) -> Value {
    let defaults = json!({
        "protocol": "HTTP",
        "routeConfig": { "routes": [] },
        "certConfig": { "certName": "", "certificate": "", "privateKey": "" },
        "tlsConfig": null,
    });
    let mut shown = with_defaults(defaults, &domain.attributes);
    // A key goes in and never comes out.
    if let Some(Value::Object(certificate)) = shown.get_mut("certConfig") {
        certificate.insert("privateKey".into(), "".into());
    }
    shown.insert("domainName".into(), name.into());
    shown.insert("accountId".into(), host.server().account_id.to_string().into());
    shown.insert("createdTime".into(), domain.created.as_str().into());
    shown.insert("lastModifiedTime".into(), domain.modified.as_str().into());
    Value::Object(shown)
}
