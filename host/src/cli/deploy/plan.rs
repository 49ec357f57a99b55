//! What a deploy has to do: the project against what is there. Pure, so that it can be shown before it is done.

use std::collections::BTreeMap;

use anyhow::bail;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Map, Value as Json, json};
use wisp::{
    checksum,
    config::template::{Project, ProjectFunction, ProjectTrigger},
};

use crate::cli::{
    control::resource::{FunctionName, Resource, Setting},
    get::is_unset,
};

/// What is done to one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Update,
    /// It is as it should be.
    Keep,
}

/// An attribute that changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) attribute: String,
    /// Null: not set.
    pub(super) from: Json,
    pub(super) to: Json,
}

/// One step of a deploy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) action: Action,
    pub(super) resource: Resource,
    /// What differs; empty for what is created or kept.
    pub(super) changes: Vec<Change>,
    /// The request that does it; `None` if there is nothing to do.
    pub(super) request: Option<Request>,
}

/// A request of the API.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Json,
}

/// A code package, by the function that it is for.
pub(super) type Packages = BTreeMap<FunctionName, Vec<u8>>;

/// The documents of what is there.
pub(super) type Current = BTreeMap<Resource, Json>;

/// What a function of 2.0 must have, though a component needs neither.
const RUNTIME: &str = "custom";
const HANDLER: &str = "index.handler";

/// Everything that a project names, in the order in which it is made.
pub(super) fn resources(project: &Project) -> Vec<Resource> {
    let mut resources: Vec<Resource> = desired(project, &Packages::new()).into_iter().map(|it| it.resource).collect();
    resources.dedup();
    resources
}

/// The steps that lead from what is there to what the project says.
///
/// # Errors
/// Something is there that cannot become what is wanted.
pub(super) fn plan(project: &Project, packages: &Packages, current: &Current) -> anyhow::Result<Vec<Step>> {
    project.functions.iter().try_for_each(check_triggers)?;
    desired(project, packages).into_iter().map(|desired| desired.step(current)).collect()
}

/// Told before anything is done, because half a deploy is worse than none.
fn check_triggers(function: &ProjectFunction) -> anyhow::Result<()> {
    let http = function.triggers.iter().filter(|trigger| trigger.kind == "http").count();
    if http > 1 || http == 1 && function.triggers.len() > 1 {
        bail!(
            "function {} has an HTTP trigger and others, which Function Compute does not allow; give the others to a function of \
             their own",
            function.name
        );
    }
    Ok(())
}

/// A resource as the project wants it.
struct Desired {
    resource: Resource,
    /// The name's own attribute, which only a creation sends.
    identity: Map<String, Json>,
    attributes: Map<String, Json>,
    package: Option<Vec<u8>>,
}

fn desired(project: &Project, packages: &Packages) -> Vec<Desired> {
    let mut all = Vec::new();
    for (name, attributes) in &project.services {
        let identity = object([("serviceName", json!(&**name))]);
        let resource = Resource::Service(name.to_string());
        all.push(Desired { resource, identity, attributes: attributes.clone(), package: None });
    }
    for function in &project.functions {
        all.push(of_function(function, packages));
    }
    for function in &project.functions {
        all.extend(function.triggers.iter().map(|trigger| of_trigger(function, trigger)));
        all.extend(of_settings(function));
    }
    for (name, domain) in &project.domains {
        let mut attributes = domain.attributes.clone();
        attributes.entry("protocol").or_insert_with(|| json!("HTTP"));
        let resource = Resource::Domain { name: name.clone(), api_3: domain.without_services };
        all.push(Desired { resource, identity: object([("domainName", json!(name))]), attributes, package: None });
    }
    all
}

fn name_of(function: &ProjectFunction) -> FunctionName {
    FunctionName { service: function.service.as_ref().map(ToString::to_string), name: function.name.to_string() }
}

fn of_function(function: &ProjectFunction, packages: &Packages) -> Desired {
    let name = name_of(function);
    let mut attributes = function.attributes.clone();
    attributes.entry("runtime").or_insert_with(|| json!(RUNTIME));
    attributes.entry("handler").or_insert_with(|| json!(HANDLER));
    let package = packages.get(&name).cloned();
    let identity = object([("functionName", json!(name.name))]);
    Desired { resource: Resource::Function(name), identity, attributes, package }
}

fn of_trigger(function: &ProjectFunction, trigger: &ProjectTrigger) -> Desired {
    let identity = object([("triggerName", json!(trigger.name)), ("triggerType", json!(trigger.kind))]);
    let mut attributes = trigger.attributes.clone();
    // 3.0 has a text where 2.0 has an object.
    if function.service.is_none()
        && let Some(config) = attributes.get_mut("triggerConfig")
    {
        *config = json!(config.to_string());
    }
    let resource = Resource::Trigger { function: name_of(function), name: trigger.name.clone() };
    Desired { resource, identity, attributes, package: None }
}

fn of_settings(function: &ProjectFunction) -> Vec<Desired> {
    let provision = function.provision_config.clone().map(|mut config| {
        // What Serverless Devs calls the target outside scheduled times.
        if let Some(target) = config.remove("defaultTarget") {
            config.entry("target").or_insert(target);
        }
        config
    });
    let settings = [
        (Setting::AsyncConfig, function.async_config.clone()),
        (Setting::ProvisionConfig, provision),
        (Setting::Concurrency, function.concurrency_config.clone()),
    ];
    let desired = |(setting, attributes): (Setting, Option<Map<String, Json>>)| {
        let resource = Resource::Setting { function: name_of(function), setting };
        Some(Desired { resource, identity: Map::new(), attributes: attributes?, package: None })
    };
    settings.into_iter().filter_map(desired).collect()
}

impl Desired {
    fn step(self, current: &Current) -> anyhow::Result<Step> {
        let Some(there) = current.get(&self.resource) else { return Ok(self.create()) };
        if let (Some(wanted), Some(kind)) = (self.identity.get("triggerType"), there.get("triggerType"))
            && wanted != kind
        {
            let resource = &self.resource;
            bail!(
                "{resource} is of the type {kind} there and {wanted} here, which cannot be changed; `wisp remove trigger {}` \
                 removes it",
                resource.name()
            );
        }
        Ok(self.update(there))
    }

    fn create(self) -> Step {
        let mut body = self.identity;
        body.extend(self.attributes);
        if let Some(package) = &self.package {
            body.insert("code".to_owned(), code(package));
        }
        let method = if matches!(self.resource, Resource::Setting { .. }) { Method::PUT } else { Method::POST };
        let request = Request { method, path: self.resource.collection(), body: Json::Object(body) };
        Step { action: Action::Create, resource: self.resource, changes: Vec::new(), request: Some(request) }
    }

    fn update(self, there: &Json) -> Step {
        let differing = self.attributes.iter().filter(|(key, value)| !same(key, value, &there[key.as_str()]));
        let mut changes: Vec<Change> = differing
            .map(|(key, value)| Change { attribute: key.clone(), from: there[key.as_str()].clone(), to: value.clone() })
            .collect();
        let mut body: Map<String, Json> =
            changes.iter().map(|change| (change.attribute.clone(), change.to.clone())).collect();
        if let Some(package) = &self.package {
            let (old, new) = (there["codeChecksum"].clone(), json!(checksum::checksum(package)));
            if old != new {
                changes.push(Change { attribute: "code".to_owned(), from: old, to: new });
                body.insert("code".to_owned(), code(package));
            }
        }
        if changes.is_empty() {
            return Step { action: Action::Keep, resource: self.resource, changes, request: None };
        }
        // A setting is replaced as a whole; so are the routes of a domain, which are one attribute.
        if matches!(self.resource, Resource::Setting { .. }) {
            body = self.attributes;
        }
        let request = Request { method: Method::PUT, path: self.resource.path(), body: Json::Object(body) };
        Step { action: Action::Update, resource: self.resource, changes, request: Some(request) }
    }
}

fn object<const N: usize>(pairs: [(&str, Json); N]) -> Map<String, Json> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn code(package: &[u8]) -> Json {
    json!({ "zipFile": BASE64_STANDARD.encode(package), "checksum": checksum::checksum(package) })
}

/// Whether what is there is what is wanted. The server adds what was not said; that is no difference.
fn same(key: &str, wanted: &Json, there: &Json) -> bool {
    // A variable that is there and not wanted is one to be removed.
    if key == "environmentVariables" {
        return is_unset(wanted) && is_unset(there) || wanted == there;
    }
    // A private key is never told: another one comes with another certificate.
    if key == "certConfig"
        && let Some(mut wanted) = wanted.as_object().cloned()
    {
        wanted.remove("privateKey");
        return covers(&Json::Object(wanted), there);
    }
    // A text that holds JSON, as 3.0 has it.
    if key == "triggerConfig"
        && let (Some(wanted), Some(there)) = (parsed(wanted), parsed(there))
    {
        return covers(&wanted, &there);
    }
    covers(wanted, there)
}

fn parsed(value: &Json) -> Option<Json> {
    match value {
        Json::String(text) => serde_json::from_str(text).ok(),
        other => Some(other.clone()),
    }
}

fn covers(wanted: &Json, there: &Json) -> bool {
    match (wanted, there) {
        _ if is_unset(wanted) && is_unset(there) => true,
        (Json::Number(wanted), Json::Number(there)) => wanted.as_f64() == there.as_f64(),
        (Json::Object(wanted), Json::Object(there)) => {
            wanted.iter().all(|(key, wanted)| covers(wanted, there.get(key).unwrap_or(&Json::Null)))
        }
        (Json::Array(wanted), Json::Array(there)) if wanted.iter().all(Json::is_string) => {
            sorted(wanted) == sorted(there)
        }
        (Json::Array(wanted), Json::Array(there)) => {
            wanted.len() == there.len() && wanted.iter().zip(there).all(|(wanted, there)| covers(wanted, there))
        }
        _ => wanted == there,
    }
}

/// Lists of words, such as methods, have no order.
fn sorted(words: &[Json]) -> Vec<&str> {
    let mut words: Vec<&str> = words.iter().filter_map(Json::as_str).collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
#[path = "tests/plan.rs"]
mod tests;
