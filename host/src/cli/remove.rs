//! `wisp remove`: a plan of what goes, a question, and then the removal, what depends on others first.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args;
use http::Method;
use serde_json::{Value as Json, json};

use super::{
    Failure,
    client::{ServerArgs, encoded},
    completions,
    control::{
        Control, names,
        resource::{FunctionName, Kind, Resource, Scope, domains, functions_of},
    },
    runtime,
    terminal::{GOOD, counted, paint, table},
};

/// Remove a service, function, trigger, version, alias or domain, with all that belongs to it
#[derive(Debug, Args)]
#[command(visible_alias = "rm", after_help = "What would go is shown, and asked about, before anything goes.")]
pub(crate) struct RemoveArgs {
    /// What it is
    kind: Kind,
    /// Its name, such as demo, demo/hello or demo/hello/http
    #[arg(add = completions::names())]
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Show what would go, and remove nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Print what goes as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl RemoveArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let control = Control(self.server.client()?);
        runtime::alone(self.run(&control))??;
        Ok(ExitCode::SUCCESS)
    }

    async fn run(&self, control: &Control) -> anyhow::Result<()> {
        let plan = self.plan(control).await?;
        self.show(&plan)?;
        if self.dry_run {
            return Ok(());
        }
        if !self.yes && !confirmed(plan.len())? {
            bail!("nothing was removed");
        }
        remove(control, &plan).await
    }

    /// What goes, in its order: first what leads to the rest from elsewhere, then the instances that are kept.
    async fn plan(&self, control: &Control) -> anyhow::Result<Vec<Step>> {
        let resource = Resource::named(self.kind, &self.name, control).await?;
        control.document(&resource).await?;
        let mut kept = kept(control, &resource).await?;
        let resources = with_dependents(control, resource).await?;
        let mut plan = routes(&control.all(&domains(), "customDomains").await?, &resources);
        plan.append(&mut kept);
        plan.extend(resources.into_iter().map(Step::of));
        Ok(plan)
    }

    fn show(&self, plan: &[Step]) -> anyhow::Result<()> {
        let mut out = anstream::stdout();
        if self.json {
            let items = plan.iter().map(|it| json!({ "kind": it.kind, "name": it.name }));
            writeln!(out, "{:#}", Json::Array(items.collect()))?;
        } else {
            let mut rows = vec![["ACTION", "KIND", "NAME"].map(str::to_owned).to_vec()];
            rows.extend(plan.iter().map(|it| vec!["remove".to_owned(), it.kind.to_owned(), it.name.clone()]));
            writeln!(out, "{}", table(&rows))?;
        }
        Ok(())
    }
}

/// One thing that goes, and the call that makes it go.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    kind: &'static str,
    name: String,
    path: String,
    /// What stays of it; none: all of it is deleted.
    rest: Option<Json>,
}

impl Step {
    fn of(resource: Resource) -> Self {
        Self { kind: resource.word(), name: resource.name(), path: resource.path(), rest: None }
    }
}

/// A resource behind everything that belongs to it.
async fn with_dependents(control: &Control, resource: Resource) -> anyhow::Result<Vec<Resource>> {
    let mut plan = Vec::new();
    match &resource {
        Resource::Service(name) => {
            let functions = control.all(&functions_of(name), "functions").await?;
            for function in names(&functions, "functionName") {
                let function = FunctionName { service: Some(name.clone()), name: function };
                plan.extend(triggers(control, &function).await?);
                plan.push(Resource::Function(function));
            }
            plan.extend(qualifiers(control, &Scope::Service(name.clone())).await?);
        }
        Resource::Function(function) => {
            plan.extend(triggers(control, function).await?);
            if function.service.is_none() {
                plan.extend(qualifiers(control, &Scope::Function(function.name.clone())).await?);
            }
        }
        _ => {}
    }
    plan.push(resource);
    Ok(plan)
}

async fn triggers(control: &Control, function: &FunctionName) -> anyhow::Result<Vec<Resource>> {
    let triggers = control.all(&format!("{}/triggers", function.path()), "triggers").await?;
    let resource = |name| Resource::Trigger { function: function.clone(), name };
    Ok(names(&triggers, "triggerName").map(resource).collect())
}

/// The aliases, which keep versions, and then the versions.
async fn qualifiers(control: &Control, scope: &Scope) -> anyhow::Result<Vec<Resource>> {
    let aliases = control.all(&format!("{}/aliases", scope.path()), "aliases").await?;
    let versions = control.all(&format!("{}/versions", scope.path()), "versions").await?;
    let alias = |name| Resource::Alias { scope: scope.clone(), name };
    let version = |id| Resource::Version { scope: scope.clone(), id };
    Ok(names(&aliases, "aliasName").map(alias).chain(names(&versions, "versionId").map(version)).collect())
}

/// The settings that keep instances for what goes.
async fn kept(control: &Control, resource: &Resource) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let step = |kind, function: &FunctionName, qualifier: &str, path| Step {
        kind,
        name: format!("{function}@{qualifier}"),
        path,
        rest: None,
    };
    if let Some((Scope::Service(service), wanted)) = of_scope(resource) {
        let list = format!("/2016-08-15/provision-configs?serviceName={}", encoded(&service));
        for resource in names(&control.all(&list, "provisionConfigs").await?, "resource") {
            let [_, _, qualifier, name] = resource.split('#').collect::<Vec<_>>()[..] else { continue };
            let function = FunctionName { service: Some(service.clone()), name: name.to_owned() };
            if wanted.has(name, qualifier) {
                let service = format!("{}.{}", encoded(&service), encoded(qualifier));
                let path = format!("/2016-08-15/services/{service}/functions/{}/provision-config", encoded(name));
                steps.push(step("provision config", &function, qualifier, path));
            }
        }
    }
    if let Some((Scope::Function(name), wanted)) = of_scope(resource) {
        let function = FunctionName { service: None, name: name.clone() };
        for (kind, list, key) in [
            ("provision config", "provision-configs", "provisionConfigs"),
            ("scaling config", "scaling-configs", "scalingConfigs"),
        ] {
            let listed = format!("/2023-03-30/{list}?functionName={}", encoded(&name));
            for arn in names(&control.all(&listed, key).await?, "functionArn") {
                let qualifier = arn.rsplit_once(&format!("functions/{name}/")).map_or("LATEST", |(_, it)| it);
                if wanted.has(&name, qualifier) {
                    let path =
                        format!("{}/{}?qualifier={}", function.path(), list.trim_end_matches('s'), encoded(qualifier));
                    steps.push(step(kind, &function, qualifier, path));
                }
            }
        }
    }
    Ok(steps)
}

/// The settings of a scope that go with a resource; none: whatever it has.
#[derive(Clone, Debug, Default)]
struct Wanted {
    function: Option<String>,
    qualifier: Option<String>,
}

impl Wanted {
    fn has(&self, function: &str, qualifier: &str) -> bool {
        self.function.as_deref().is_none_or(|own| own == function)
            && self.qualifier.as_deref().is_none_or(|own| own == qualifier)
    }
}

/// Where the settings of a resource are, if it can have some.
fn of_scope(resource: &Resource) -> Option<(Scope, Wanted)> {
    Some(match resource {
        Resource::Service(name) => (Scope::Service(name.clone()), Wanted::default()),
        Resource::Function(FunctionName { service: None, name }) => (Scope::Function(name.clone()), Wanted::default()),
        // The versions of a service keep their copies of the function, and what is kept of them.
        Resource::Function(FunctionName { service: Some(service), name }) => {
            let wanted = Wanted { function: Some(name.clone()), qualifier: Some("LATEST".to_owned()) };
            (Scope::Service(service.clone()), wanted)
        }
        Resource::Version { scope, id: qualifier } | Resource::Alias { scope, name: qualifier } => {
            (scope.clone(), Wanted { function: None, qualifier: Some(qualifier.clone()) })
        }
        _ => return None,
    })
}

/// The routes of domains that lead to functions that go; a domain without routes goes itself.
fn routes(domains: &[Json], plan: &[Resource]) -> Vec<Step> {
    let goes = |route: &Json| {
        plan.iter().any(|it| match it {
            Resource::Function(function) => {
                route["functionName"].as_str() == Some(&function.name)
                    && route["serviceName"].as_str().filter(|it| !it.is_empty()) == function.service.as_deref()
            }
            _ => false,
        })
    };
    let goes_itself =
        |name: &str| plan.iter().any(|it| matches!(it, Resource::Domain { name: gone, .. } if gone == name));
    let mut steps = Vec::new();
    for domain in domains {
        let name = domain["domainName"].as_str().unwrap_or_default();
        let own = domain["routeConfig"]["routes"].as_array().cloned().unwrap_or_default();
        let (gone, left): (Vec<_>, Vec<_>) = own.into_iter().partition(goes);
        if gone.is_empty() || goes_itself(name) {
            continue;
        }
        let api_3 = domain["apiVersion"].as_str() == Some("2023-03-30");
        let domain = Step::of(Resource::Domain { name: name.to_owned(), api_3 });
        if left.is_empty() {
            steps.push(domain);
            continue;
        }
        let paths: Vec<_> = gone.iter().filter_map(|route| route["path"].as_str()).collect();
        steps.push(Step {
            kind: "route",
            name: format!("{} of {name}", paths.join(", ")),
            rest: Some(json!({ "routeConfig": { "routes": left } })),
            ..domain
        });
    }
    steps
}

/// Only a person can be asked.
fn confirmed(count: usize) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody can be asked whether to remove this; --yes says so");
    }
    anstream::eprint!("remove {}? [y/N] ", counted(count, "thing"));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

async fn remove(control: &Control, plan: &[Step]) -> anyhow::Result<()> {
    for (done, Step { kind, name, path, rest }) in plan.iter().enumerate() {
        let method = if rest.is_some() { Method::PUT } else { Method::DELETE };
        let removed = control.call(method, path, rest.as_ref()).await;
        removed
            .with_context(|| format!("removing {kind} {name} failed ({} removed before)", counted(done, "thing")))?;
        anstream::eprintln!("{} {kind} {name}", paint(GOOD, "removed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_to_what_goes_go_as_well_and_a_domain_without_routes_with_them() {
        let domains = [json!({"domainName": "example.com", "apiVersion": "2016-08-15", "routeConfig": {"routes": [
            {"path": "/*", "serviceName": "s", "functionName": "f"},
            {"path": "/a", "serviceName": "t", "functionName": "f"},
        ]}})];
        let function = |text: &str| Resource::Function(FunctionName::parse(text));
        let [step] = &routes(&domains, &[function("s/f")])[..] else { panic!("one route goes") };
        assert_eq!((step.kind, step.name.as_str()), ("route", "/* of example.com"));
        let left = &step.rest.as_ref().unwrap()["routeConfig"]["routes"];
        assert_eq!((left.as_array().unwrap().len(), &left[0]["path"]), (1, &json!("/a")));
        let all = routes(&domains, &[function("s/f"), function("t/f")]);
        assert_eq!((all.len(), all[0].kind, &all[0].rest), (1, "domain", &None));
        assert_eq!(routes(&domains, &[function("f")]), []);
        let domain = Resource::Domain { name: "example.com".to_owned(), api_3: false };
        assert_eq!(routes(&domains, &[function("s/f"), domain]), []);
    }
}
