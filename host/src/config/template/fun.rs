//! Fun's `template.yml`: resources of the type `Aliyun::Serverless::*` ("ROS template" of Fun's specification
//! 2018-04-03).

use serde_json::{Map, Value as Json, json};

use super::{
    Project, ProjectDomain, ProjectFunction, Report,
    fields::{Fields, put},
    function::{self, Spelling},
    trigger,
    yaml::{Entry, Node},
};

const TYPES: &str = "Aliyun::Serverless::";

pub(super) fn project(root: &Node, report: &Report<'_>) -> Project {
    let mut project = Project::default();
    let mut top = Fields::new(root, "the template", report);
    top.pass(&["ROSTemplateFormatVersion", "Transform", "Parameters", "Description", "Metadata"]);
    top.without_effect(&["Outputs", "Conditions", "Mappings", "Globals"], "has no effect: wisp reads resources only");
    if let Some(mut resources) = top.map("Resources") {
        for entry in resources.rest() {
            resource(entry, &mut project, report);
        }
    } else {
        report.problem(root.line, "`Resources` is missing");
    }
    top.finish();
    project
}

fn resource(entry: &Entry, project: &mut Project, report: &Report<'_>) {
    let Entry { key: name, line, .. } = entry;
    let mut fields = Fields::of(entry, format!("resource {name}"), report);
    let kind = fields.required("Type");
    match kind.strip_prefix(TYPES) {
        Some("Service") => service(name, fields, project),
        Some("CustomDomain") => domain(name, fields, project),
        Some(other) => report.warn(*line, format!("resource {name} is left out: wisp makes no {other}")),
        None if kind.is_empty() => {}
        None => report.warn(*line, format!("resource {name} is left out: wisp does not know the type {kind}")),
    }
}

/// A service; its functions are the keys beside `Type` and `Properties`.
fn service<'a>(name: &str, mut fields: Fields<'a>, project: &mut Project) {
    let mut attributes = Map::new();
    if let Some(mut properties) = fields.map("Properties") {
        attributes = function::service(&mut properties, Spelling::Upper);
        properties.without_effect(&["Policies"], "has no effect: wisp gives functions no credentials of the cloud");
        properties.finish();
    }
    project.services.insert(name.into(), attributes);
    for entry in fields.rest() {
        let what = format!("function {}", entry.key);
        let child = Fields::of(entry, what, fields.report);
        project.functions.extend(of_service(name, &entry.key, child));
    }
}

fn of_service(service: &str, name: &str, mut fields: Fields<'_>) -> Option<ProjectFunction> {
    let kind = fields.required("Type");
    if kind != "Aliyun::Serverless::Function" {
        fields
            .report
            .problem(fields.line, format!("{name} of service {service} is no function, but of the type {kind:?}"));
        return None;
    }
    let line = fields.line;
    let mut properties = fields.map("Properties")?;
    let attributes = function::function_2(&mut properties, Spelling::Upper);
    let code = properties.get("CodeUri");
    let code = function::code(code, &properties);
    let async_config = function::async_config(&mut properties, Spelling::Upper);
    properties.finish();
    let events = fields.map("Events");
    let triggers = events.into_iter().flat_map(|mut events| {
        let report = events.report;
        events.rest().into_iter().filter_map(move |entry| {
            let what = format!("trigger {}", entry.key);
            trigger::of_fun(&entry.key, Fields::of(entry, what, report))
        })
    });
    let function = ProjectFunction {
        service: Some(service.into()),
        name: name.into(),
        attributes: attributes.values,
        origins: attributes.origins,
        code,
        triggers: triggers.collect(),
        async_config,
        provision_config: None,
        concurrency_config: None,
        line,
    };
    fields.finish();
    Some(function)
}

fn domain(name: &str, mut fields: Fields<'_>, project: &mut Project) {
    let (line, report) = (fields.line, fields.report);
    let Some(mut properties) = fields.map("Properties") else {
        return report.problem(line, format!("`Properties` of resource {name} is missing"));
    };
    let domain = properties.text("DomainName").unwrap_or_else(|| name.to_owned());
    let mut attributes = Map::new();
    put(&mut attributes, "protocol", properties.text("Protocol"));
    put(
        &mut attributes,
        "certConfig",
        properties.get("CertConfig").map(|node| node.to_json_with(&function::uncapitalized)),
    );
    let routes = properties.map("RouteConfig").and_then(|mut config| {
        let routes = config.get("Routes").or(config.get("routes"));
        config.finish();
        routes
    });
    let routes: Vec<Json> = routes.map(Node::entries).unwrap_or_default().iter().map(route).collect();
    attributes.insert("routeConfig".to_owned(), json!({ "routes": routes }));
    properties.finish();
    fields.finish();
    if domain.eq_ignore_ascii_case("auto") {
        let message = format!("domain {name} is left out: wisp gives away no domains; name one of your own");
        return report.warn(line, message);
    }
    project.domains.insert(domain, ProjectDomain { attributes, without_services: false, line });
}

/// `/path: {ServiceName, FunctionName, Qualifier}`; a path may be `'/*'`.
fn route(entry: &Entry) -> Json {
    let mut route = match entry.node.to_json_with(&function::uncapitalized) {
        Json::Object(route) => route,
        _ => Map::new(),
    };
    route.insert("path".to_owned(), json!(entry.key));
    Json::Object(route)
}
