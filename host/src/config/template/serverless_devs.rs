//! Serverless Devs' `s.yaml`: the component `fc` of the first edition, `fc3` and `fc3-domain` of the third.

use serde_json::{Map, Value as Json, json};

use super::{
    Project, ProjectDomain, ProjectFunction, Report,
    fields::{Fields, put},
    function::{self, Spelling},
    trigger,
    yaml::{Entry, Node},
};

const HOOKS: &str = "is not done: wisp runs no actions of Serverless Devs; run them before";

pub(super) fn project(root: &Node, report: &Report<'_>) -> Project {
    let mut project = Project::default();
    let mut top = Fields::new(root, "the file", report);
    top.pass(&["edition", "name", "access", "vars", "flow"]);
    top.without_effect(&["actions"], HOOKS);
    for key in ["services", "resources"] {
        let Some(mut resources) = top.map(key) else { continue };
        for entry in resources.rest() {
            resource(entry, &mut project, report);
        }
    }
    top.finish();
    project
}

fn resource(entry: &Entry, project: &mut Project, report: &Report<'_>) {
    let Entry { key: name, line, .. } = entry;
    let mut fields = Fields::of(entry, format!("resource {name}"), report);
    let component = fields.required("component");
    fields.pass(&["access"]);
    fields.without_effect(&["actions"], HOOKS);
    let props = fields.map("props");
    // `devsapp/fc`, `fc3@0.1`.
    let kind = component.rsplit('/').next().unwrap_or_default().split('@').next().unwrap_or_default();
    match (kind, props) {
        ("fc", Some(props)) => fc(props, project),
        ("fc3", Some(props)) => fc3(props, project),
        ("fc3-domain", Some(props)) => fc3_domain(props, project),
        ("fc" | "fc3" | "fc3-domain", None) => report.problem(*line, format!("`props` of resource {name} is missing")),
        ("", _) => {}
        _ => report.warn(*line, format!("resource {name} is left out: wisp does not know the component {component}")),
    }
    fields.finish();
}

/// `props` of the component `fc`.
fn fc(mut props: Fields<'_>, project: &mut Project) {
    let line = props.line;
    props.pass(&["region"]);
    let Some(service) = service(&mut props, project) else { return };
    let triggers: Vec<_> = items(&mut props, "triggers").into_iter().filter_map(trigger::of_devs_1).collect();
    match props.map("function") {
        Some(mut fields) => {
            let attributes = function::function_2(&mut fields, Spelling::Lower);
            let function = ProjectFunction {
                name: fields.required("name").into(),
                code: {
                    let code = fields.get("codeUri");
                    function::code(code, &fields)
                },
                async_config: function::async_config(&mut fields, Spelling::Lower),
                service: Some(service.as_str().into()),
                attributes: attributes.values,
                origins: attributes.origins,
                triggers,
                provision_config: None,
                concurrency_config: None,
                line: fields.line,
            };
            fields.without_effect(&["ossBucket", "ossKey"], "has no effect: wisp reaches no buckets of the cloud");
            fields.finish();
            project.functions.push(function);
        }
        None if triggers.is_empty() => {}
        None => props.report.problem(line, "`function` is missing, whose triggers are here"),
    }
    for domain in items(&mut props, "customDomains") {
        fc_domain(domain, project);
    }
    props.finish();
}

/// The maps of a list.
fn items<'a>(props: &mut Fields<'a>, key: &str) -> Vec<Fields<'a>> {
    let report = props.report;
    props.list(key).iter().map(|node| Fields::new(node, format!("an item of `{key}`"), report)).collect()
}

fn service(props: &mut Fields<'_>, project: &mut Project) -> Option<String> {
    let Some(mut fields) = props.map("service") else {
        props.report.problem(props.line, format!("`service` of {} is missing", props.what()));
        return None;
    };
    let name = fields.required("name");
    let attributes = function::service(&mut fields, Spelling::Lower);
    fields.without_effect(&["vpcBinding"], "has no effect: wisp is in no virtual network");
    fields.finish();
    // Several resources may share a service; the first that says something about it counts, as in Serverless Devs.
    let known = project.services.entry(name.as_str().into()).or_default();
    for (key, value) in attributes {
        known.entry(key).or_insert(value);
    }
    Some(name)
}

fn fc_domain(mut fields: Fields<'_>, project: &mut Project) {
    let domain = fields.required("domainName");
    let routes: Vec<Json> = fields.list("routeConfigs").iter().map(Node::to_json).collect();
    let attributes = domain_attributes(&mut fields, json!({ "routes": routes }));
    add_domain(domain, attributes, false, &fields, project);
    fields.finish();
}

/// `props` of the component `fc3-domain`.
fn fc3_domain(mut props: Fields<'_>, project: &mut Project) {
    props.pass(&["region"]);
    let domain = props.required("domainName");
    let routes = props.get("routeConfig").map_or_else(|| json!({ "routes": [] }), Node::to_json);
    let attributes = domain_attributes(&mut props, routes);
    add_domain(domain, attributes, true, &props, project);
    props.finish();
}

fn domain_attributes(fields: &mut Fields<'_>, route_config: Json) -> Map<String, Json> {
    let mut attributes = Map::new();
    put(&mut attributes, "protocol", fields.text("protocol"));
    for key in ["certConfig", "tlsConfig"] {
        put(&mut attributes, key, fields.get(key).map(Node::to_json));
    }
    fields.without_effect(&["wafConfig", "cdnConfig", "authConfig"], "has no effect: wisp has no such thing");
    attributes.insert("routeConfig".to_owned(), route_config);
    attributes
}

fn add_domain(
    domain: String,
    attributes: Map<String, Json>,
    without_services: bool,
    fields: &Fields<'_>,
    project: &mut Project,
) {
    if domain.eq_ignore_ascii_case("auto") {
        let message = "domain `auto` is left out: wisp gives away no domains; name one of your own";
        return fields.report.warn(fields.line, message);
    }
    project.domains.insert(domain, ProjectDomain { attributes, without_services, line: fields.line });
}

/// `props` of the component `fc3`.
fn fc3(mut props: Fields<'_>, project: &mut Project) {
    let line = props.line;
    props.pass(&["region"]);
    let attributes = function::function_3(&mut props);
    let function = ProjectFunction {
        service: None,
        name: props.required("functionName").into(),
        attributes: attributes.values,
        origins: attributes.origins,
        code: {
            let code = props.get("code");
            function::code(code, &props)
        },
        triggers: items(&mut props, "triggers").into_iter().filter_map(trigger::of_devs_3).collect(),
        async_config: object(&mut props, "asyncInvokeConfig"),
        provision_config: object(&mut props, "provisionConfig"),
        concurrency_config: object(&mut props, "concurrencyConfig"),
        line,
    };
    props.without_effect(&["vpcBinding"], "has no effect: wisp is in no virtual network");
    props.without_effect(
        &[
            "sessionAffinity",
            "sessionAffinityConfig",
            "scalingConfig",
            "resourceGroupId",
            "tags",
            "annotations",
            "endpoint",
        ],
        "has no effect on wisp",
    );
    props.finish();
    project.functions.push(function);
}

fn object(props: &mut Fields<'_>, key: &str) -> Option<Map<String, Json>> {
    match props.get(key)?.to_json() {
        Json::Object(object) => Some(object),
        _ => None,
    }
}
