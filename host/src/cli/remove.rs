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
    client::ServerArgs,
    completions,
    control::{
        Control, names,
        resource::{FunctionName, Kind, Resource, Scope, domains, functions_of},
    },
    runtime,
    terminal::{GOOD, counted, paint, table, warn},
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
        let (plan, routes) = self.plan(control).await?;
        self.show(&plan, &routes)?;
        if self.dry_run {
            return Ok(());
        }
        if !self.yes && !confirmed(plan.len())? {
            bail!("nothing was removed");
        }
        remove(control, &plan).await
    }

    /// What goes, in its order, and the routes that then lead nowhere.
    async fn plan(&self, control: &Control) -> anyhow::Result<(Vec<Resource>, Vec<String>)> {
        let resource = Resource::named(self.kind, &self.name, control).await?;
        control.document(&resource).await?;
        let plan = with_dependents(control, resource).await?;
        let routes = dangling(&control.all(&domains(), "customDomains").await?, &plan);
        Ok((plan, routes))
    }

    fn show(&self, plan: &[Resource], routes: &[String]) -> anyhow::Result<()> {
        let mut out = anstream::stdout();
        if self.json {
            let items = plan.iter().map(|it| json!({ "kind": it.word(), "name": it.name() }));
            writeln!(out, "{:#}", Json::Array(items.collect()))?;
        } else {
            let mut rows = vec![["ACTION", "KIND", "NAME"].map(str::to_owned).to_vec()];
            rows.extend(plan.iter().map(|it| vec!["remove".to_owned(), it.word().to_owned(), it.name()]));
            writeln!(out, "{}", table(&rows))?;
        }
        routes.iter().for_each(|route| warn(route));
        Ok(())
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

/// The routes of domains that lead to functions that go, as sentences.
fn dangling(domains: &[Json], plan: &[Resource]) -> Vec<String> {
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
    let mut sentences = Vec::new();
    for domain in domains {
        let name = domain["domainName"].as_str().unwrap_or_default();
        let routes = domain["routeConfig"]["routes"].as_array().map(Vec::as_slice).unwrap_or_default();
        for route in routes.iter().filter(|route| goes(route) && !goes_itself(name)) {
            let path = route["path"].as_str().unwrap_or_default();
            sentences.push(format!("route {path} of domain {name} will lead nowhere"));
        }
    }
    sentences
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

async fn remove(control: &Control, plan: &[Resource]) -> anyhow::Result<()> {
    for (done, resource) in plan.iter().enumerate() {
        let removed = control.call(Method::DELETE, &resource.path(), None).await;
        removed.with_context(|| format!("removing {resource} failed ({} removed before)", counted(done, "thing")))?;
        anstream::eprintln!("{} {resource}", paint(GOOD, "removed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_to_what_goes_are_told_of() {
        let domains = [json!({"domainName": "example.com", "routeConfig": {"routes": [
            {"path": "/*", "serviceName": "s", "functionName": "f"},
            {"path": "/a", "serviceName": "t", "functionName": "f"},
            {"path": "/b", "functionName": "f"},
        ]}})];
        let function = |text: &str| Resource::Function(FunctionName::parse(text));
        assert_eq!(dangling(&domains, &[function("s/f")]), ["route /* of domain example.com will lead nowhere"]);
        assert_eq!(dangling(&domains, &[function("f")]), ["route /b of domain example.com will lead nowhere"]);
        let domain = Resource::Domain { name: "example.com".to_owned(), api_3: false };
        assert_eq!(dangling(&domains, &[function("s/f"), domain]), Vec::<String>::new());
    }
}
