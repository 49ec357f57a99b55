//! What is deployed: the project in a file, and the packages of its functions.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, anyhow};
use serde_json::{Map, Value as Json, json};
use wisp::{
    component::package::{self, PackageLimits},
    config::{
        self, AsyncConfig, Config, Environment, FunctionConfig, Problem,
        template::{Project, ProjectDomain, ProjectFunction, ProjectTrigger},
    },
};

use super::{no_project, plan::Packages};
use crate::cli::{
    Failure,
    activity::Show,
    builds::{self, Builder, Outcome, Which},
    control::resource::FunctionName,
    project,
    runtimes::RuntimesArgs,
    terminal::counted,
};

/// The service of functions that have none.
const DEFAULT_SERVICE: &str = "default";

/// The rule that is what the API calls internet access.
const INTERNET: &str = "*:*";

/// What the hook of a component is called that wants none named.
const HOOK: &str = "index.hook";

/// Bytes that a disk of Function Compute can have.
const DISKS: [u64; 2] = [512 << 20, 10_240 << 20];

/// What functions that the API makes have.
const MAX_INSTANCES: usize = 100;
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The name of the trigger that `[functions.<name>.http]` stands for.
const HTTP_TRIGGER: &str = "http";

/// A project and its code.
pub(super) struct Source {
    pub(super) project: Project,
    pub(super) packages: Packages,
}

/// Reads a project's file, builds what must be built here, and packs all code.
pub(super) fn read(file: &Path, runtimes: &RuntimesArgs) -> Result<Source, Failure> {
    if !file.is_file() {
        return Err(no_project(file));
    }
    let project = if config::template::is_template(file) { template(file)? } else { own(file, runtimes)? };
    let packages = packages(&project)?;
    Ok(Source { project, packages })
}

fn template(file: &Path) -> Result<Project, Failure> {
    let read = Project::load(file, Environment::new(&project::variable));
    let mut project = read.map_err(|error| Failure::usage(project::problems(&error)))?;
    build_rust(&mut project, file)?;
    leave_out_cpu(&mut project, file);
    let directory = file.parent().unwrap_or(Path::new(""));
    for (name, domain) in &mut project.domains {
        include_certificate(&mut domain.attributes, directory)
            .with_context(|| format!("the certificate of domain {name} cannot be sent"))?;
    }
    Ok(project)
}

/// Function Compute has 1 to 4 GB of memory for each processor and refuses others. Processors mean nothing to wisp, so what
/// does not fit is no reason to deploy nothing.
fn leave_out_cpu(project: &mut Project, file: &Path) {
    for function in &mut project.functions {
        let number = |name: &str| function.attributes.get(name).and_then(Json::as_f64);
        let (Some(cpu), memory) = (number("cpu"), number("memorySize").unwrap_or(128.0)) else { continue };
        if !(0.999..=4.001).contains(&(memory / 1024.0 / cpu)) {
            function.attributes.remove("cpu");
            let message = format!(
                "`cpu` of function {} is left out: {cpu} processors do not go with {memory} MB of memory, of which Function \
                 Compute wants 1 to 4 GB for each; wisp shares processors by itself",
                function.name
            );
            project.warnings.push(Problem { file: file.to_owned(), line: None, message });
        }
    }
}

/// Serverless Devs takes a certificate and its key as texts in PEM or as the paths of files.
fn include_certificate(attributes: &mut Map<String, Json>, directory: &Path) -> anyhow::Result<()> {
    let Some(config) = attributes.get_mut("certConfig").and_then(Json::as_object_mut) else { return Ok(()) };
    for key in ["certificate", "privateKey"] {
        let Some(Json::String(text)) = config.get_mut(key) else { continue };
        if !text.is_empty() && !text.contains("-----BEGIN") {
            let path = directory.join(&*text);
            *text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        }
    }
    Ok(())
}

/// Rust is built here, where cargo is; the sources of other languages are the server's to build.
fn build_rust(project: &mut Project, file: &Path) -> Result<(), Failure> {
    // What cannot be served at all is said by the server, in the words for its own reasons.
    let Ok(config) = project.clone().into_config(file, Environment::empty()) else { return Ok(()) };
    let is_rust = |function: &&FunctionConfig| {
        function.build.as_ref().is_some_and(|build| build.language == Some(config::Language::Rust))
    };
    build(&Builder::new(&config, None, Show::fitting()), config.functions.iter().filter(is_rust))?;
    for built in config.functions.iter().filter(is_rust) {
        let is_it = |function: &&mut ProjectFunction| {
            function.name == built.name && function.service.as_deref().unwrap_or(DEFAULT_SERVICE) == &*built.service
        };
        if let Some(function) = project.functions.iter_mut().find(is_it) {
            function.code = Some(built.component.clone());
        }
    }
    Ok(())
}

/// Builds what is stale; all of it, or nothing is deployed.
fn build<'a>(builder: &Builder<'_>, functions: impl IntoIterator<Item = &'a FunctionConfig>) -> Result<(), Failure> {
    let outcomes = builder.run(functions, Which::Stale);
    let failed: Vec<_> = outcomes
        .iter()
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Failed(error) => Some(error),
            Outcome::Fresh | Outcome::Built => None,
        })
        .collect();
    failed.iter().for_each(|error| builds::report(error));
    match failed.len() {
        0 => Ok(()),
        count => Err(anyhow!("{} could not be built, so nothing is deployed", counted(count, "component")).into()),
    }
}

/// The project of a `wisp.toml`, whose components are built here: their sources may need tools that the server lacks.
fn own(file: &Path, runtimes: &RuntimesArgs) -> Result<Project, Failure> {
    let config = project::load(file)?;
    let runtimes = runtimes.open_alone(&config)?;
    build(&Builder::new(&config, runtimes.as_ref(), Show::fitting()), &config.functions)?;
    Ok(of_config(&config, file))
}

/// A configuration in the words of the API.
fn of_config(config: &Config, file: &Path) -> Project {
    let mut project = Project::default();
    for function in &config.functions {
        let service = project.services.entry(function.service.clone()).or_default();
        // Granted to a service as a whole, and by default: only if all of its functions have it.
        let granted = function.allowed_outbound == [INTERNET] && service.get("internetAccess") != Some(&json!(false));
        service.insert("internetAccess".to_owned(), json!(granted));
        project.functions.push(of_function(function));
        let lost = lost_settings(function);
        if !lost.is_empty() {
            let message = format!(
                "{} of function {} cannot be told to the API, which has no such attributes",
                lost.join(", "),
                function.name
            );
            project.warnings.push(Problem { file: file.to_owned(), line: None, message });
        }
    }
    for (name, domain) in &config.domains {
        let routes: Vec<Json> = domain.routes.iter().map(route).collect();
        let attributes = Map::from_iter([("routeConfig".to_owned(), json!({ "routes": routes }))]);
        if domain.certificate.is_some() {
            let message = format!(
                "the certificate of domain {name} is not deployed; `wisp domain {name} --certificate FILE --private-key FILE` \
                 sends it"
            );
            project.warnings.push(Problem { file: file.to_owned(), line: None, message });
        }
        project.domains.insert(name.clone(), ProjectDomain { attributes, without_services: false, line: 1 });
    }
    project
}

fn route(route: &config::RouteConfig) -> Json {
    let mut document = json!({
        "path": route.path,
        "serviceName": &*route.service,
        "functionName": &*route.function,
        "qualifier": &*route.qualifier,
    });
    if !route.methods.is_empty() {
        document["methods"] = route.methods.iter().map(|method| json!(method.as_str())).collect();
    }
    document
}

fn of_function(function: &FunctionConfig) -> ProjectFunction {
    let mut attributes = Map::new();
    let mut put = |key: &str, value: Json| drop(attributes.insert(key.to_owned(), value));
    if !function.handler.is_empty() {
        put("handler", json!(&*function.handler));
    }
    if let Some(initializer) = &function.initializer {
        put("initializer", json!(&**initializer));
        put("initializationTimeout", json!(function.initialization_timeout.as_secs()));
    }
    if function.snapshot {
        put("snapshot", json!(true));
    }
    put("timeout", json!(function.timeout.as_secs()));
    put("memorySize", json!(function.memory >> 20));
    put("instanceConcurrency", json!(function.instance_concurrency.get()));
    put("environmentVariables", json!(function.environment));
    if DISKS.contains(&function.scratch) {
        put("diskSize", json!(function.scratch >> 20));
    }
    let hook = |on: bool, name: &Option<std::sync::Arc<str>>| {
        let handler = name.as_deref().unwrap_or(HOOK);
        on.then(|| json!({ "handler": handler, "timeout": function.hook_timeout.as_secs() }))
    };
    let hooks = [
        ("preFreeze", hook(function.pre_freeze, &function.pre_freeze_handler)),
        ("preStop", hook(function.pre_stop, &function.pre_stop_handler)),
    ];
    let hooks: Map<_, _> = hooks.into_iter().filter_map(|(key, hook)| Some((key.to_owned(), hook?))).collect();
    if !hooks.is_empty() {
        put("instanceLifecycleConfig", Json::Object(hooks));
    }
    let triggers = function.http.as_ref().map(|http| {
        let methods: Vec<&str> = http.methods.iter().map(http::Method::as_str).collect();
        let auth = match http.auth {
            config::TriggerAuth::Anonymous => "anonymous",
            config::TriggerAuth::Function => "function",
        };
        let config = json!({ "authType": auth, "methods": methods, "disableURLInternet": !http.own_addresses });
        let attributes = Map::from_iter([("triggerConfig".to_owned(), config)]);
        ProjectTrigger { name: HTTP_TRIGGER.to_owned(), kind: "http".to_owned(), attributes, line: 1 }
    });
    let mut project = ProjectFunction::new(Some(function.service.clone()), function.name.clone());
    project.attributes = attributes;
    project.async_config = async_config(&function.asynchronous);
    if function.min_instances > 0 {
        project.provision_config = Some(Map::from_iter([("target".to_owned(), json!(function.min_instances))]));
    }
    project.code = Some(code(function).to_owned());
    project.triggers = triggers.into_iter().collect();
    project
}

/// What is asynchronous invocations' own; none, if all of it is as by default.
fn async_config(config: &AsyncConfig) -> Option<Map<String, Json>> {
    if *config == AsyncConfig::default() {
        return None;
    }
    let destinations = [("onSuccess", &config.on_success), ("onFailure", &config.on_failure)].into_iter();
    let destinations: Map<_, _> = destinations
        .filter_map(|(key, destination)| {
            Some((key.to_owned(), json!({ "destination": destination.as_ref()?.to_string() })))
        })
        .collect();
    Some(Map::from_iter([
        ("maxAsyncRetryAttempts".to_owned(), json!(config.max_retry_attempts)),
        ("maxAsyncEventAgeInSeconds".to_owned(), json!(config.max_event_age.as_secs())),
        ("statefulInvocation".to_owned(), json!(config.stateful)),
        ("destinationConfig".to_owned(), Json::Object(destinations)),
    ]))
}

/// The component; or the directory that the function sees as `/code`, if the component is at its top: then it is served
/// as it is, and the files come with it.
fn code(function: &FunctionConfig) -> &Path {
    match &function.code_dir {
        Some(directory) if function.component.parent() == Some(directory) => directory,
        _ => &function.component,
    }
}

/// The keys of a function that say something and that the API has no word for.
fn lost_settings(function: &FunctionConfig) -> Vec<&'static str> {
    let lost = [
        ("`isolation`", function.isolation != config::Isolation::Instance),
        ("`max_instances`", function.max_instances.get() != MAX_INSTANCES),
        ("`scratch`", !DISKS.contains(&function.scratch)),
        ("`idle_timeout`", function.idle_timeout != IDLE_TIMEOUT),
        ("`initialization_failure`", function.initialization_failure != config::InitializationFailure::Retry),
        ("`after_restore`", function.after_restore.is_some()),
        ("`log_project`", !function.log_project.is_empty()),
        ("`log_store`", !function.log_store.is_empty()),
        (
            "`payload_format`",
            function.http.as_ref().is_some_and(|http| http.payload_format != config::PayloadFormat::Fc3),
        ),
        ("`max_requests_per_instance`", function.max_requests_per_instance.is_some()),
        ("`code_dir`", function.code_dir.is_some() && code(function) == function.component),
        ("`allowed_outbound`", function.allowed_outbound.iter().any(|rule| rule != INTERNET)),
    ];
    lost.into_iter().filter(|(_, said)| *said).map(|(key, _)| key).collect()
}

/// The code of all functions that have any here.
fn packages(project: &Project) -> Result<Packages, Failure> {
    let mut packages = Packages::new();
    for function in &project.functions {
        let name = FunctionName {
            service: function.service.as_ref().map(ToString::to_string),
            name: function.name.to_string(),
        };
        let Some(code) = &function.code else { continue };
        let packed = package::pack(code, &PackageLimits::default())
            .with_context(|| format!("the code of function {name} at {} cannot be packed", code.display()))?;
        packages.insert(name, packed.bytes);
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wisp_toml_is_told_in_the_words_of_the_api() {
        let text = "[functions.hello]\nservice = \"shop\"\ncomponent = \"hello.wasm\"\nmemory = \"256 MB\"\ninitializer = \
                    \"i.i\"\nisolation = \"request\"\nenvironment = { A = \"1\" }\nhttp = { methods = [\"GET\"] }\n\
                    [functions.quiet]\ncomponent = \"quiet.wasm\"\n[domains.\"example.com\"]\nroutes = [{ path = \"/*\", \
                    service = \"shop\", function = \"hello\" }]\n";
        let file = Path::new("/srv/wisp.toml");
        let project = of_config(&config::parse(text, file).unwrap(), file);
        assert_eq!(project.services.keys().map(|name| &**name).collect::<Vec<_>>(), ["default", "shop"]);
        assert_eq!(project.services["shop"], Map::from_iter([("internetAccess".to_owned(), json!(false))]));
        let hello = &project.functions[1];
        assert_eq!(
            Json::Object(hello.attributes.clone()),
            json!({
                "initializer": "i.i", "initializationTimeout": 3, "timeout": 3, "memorySize": 256, "instanceConcurrency": 1,
                "environmentVariables": {"A": "1"}, "diskSize": 512,
            })
        );
        assert_eq!(hello.code.as_deref(), Some(Path::new("/srv/hello.wasm")));
        let trigger = &hello.triggers[0];
        assert_eq!((trigger.name.as_str(), trigger.kind.as_str()), ("http", "http"));
        assert_eq!(
            trigger.attributes["triggerConfig"],
            json!({"authType": "anonymous", "methods": ["GET"], "disableURLInternet": false})
        );
        assert_eq!(
            project.domains["example.com"].attributes["routeConfig"]["routes"],
            json!([{"path": "/*", "serviceName": "shop", "functionName": "hello", "qualifier": "LATEST"}])
        );
        assert_eq!((&hello.async_config, &hello.provision_config), (&None, &None));
        let warnings: Vec<_> = project.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, ["`isolation` of function hello cannot be told to the API, which has no such attributes"]);
    }

    #[test]
    fn hooks_asynchronous_settings_and_kept_instances_of_a_wisp_toml_are_told_too() {
        let text = "[functions.f]\ncomponent = \"f.wasm\"\npre_freeze = true\npre_stop = \"index.stop\"\nhook_timeout = \
                    \"9 s\"\nmin_instances = 2\nidle_timeout = \"5 s\"\n[functions.f.async]\nmax_retry_attempts = \
                    1\nmax_event_age = \"1 h\"\non_failure = \"default/g\"\n";
        let file = Path::new("/srv/wisp.toml");
        let project = of_config(&config::parse(text, file).unwrap(), file);
        let function = &project.functions[0];
        assert_eq!(
            function.attributes["instanceLifecycleConfig"],
            json!({
                "preFreeze": {"handler": "index.hook", "timeout": 9},
                "preStop": {"handler": "index.stop", "timeout": 9},
            })
        );
        assert_eq!(
            Json::Object(function.async_config.clone().unwrap()),
            json!({
                "maxAsyncRetryAttempts": 1, "maxAsyncEventAgeInSeconds": 3600, "statefulInvocation": false,
                "destinationConfig": {"onFailure": {"destination": "default/g"}},
            })
        );
        assert_eq!(Json::Object(function.provision_config.clone().unwrap()), json!({"target": 2}));
        let warnings: Vec<_> = project.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, ["`idle_timeout` of function f cannot be told to the API, which has no such attributes"]);
    }

    #[test]
    fn a_certificate_is_a_text_or_a_file_beside_the_project() {
        let directory = tempfile::tempdir().unwrap();
        let text = "-----BEGIN CERTIFICATE-----\n";
        fs::write(directory.path().join("cert.pem"), text).unwrap();
        let attributes = |certificate: &str| {
            let config = json!({ "certConfig": { "certName": "c", "certificate": certificate, "privateKey": text } });
            config.as_object().unwrap().clone()
        };
        for given in [text, "./cert.pem"] {
            let mut attributes = attributes(given);
            include_certificate(&mut attributes, directory.path()).unwrap();
            assert_eq!(attributes["certConfig"]["certificate"], text);
        }
        let error = include_certificate(&mut attributes("none.pem"), directory.path()).unwrap_err();
        assert!(error.to_string().contains("none.pem"), "{error}");
    }

    #[test]
    fn processors_that_do_not_go_with_the_memory_are_left_out() {
        let mut project = Project::default();
        for (name, memory) in [("small", 128), ("fitting", 512)] {
            let mut function = ProjectFunction::new(None, name.into());
            function.attributes =
                Map::from_iter([("cpu".to_owned(), json!(0.35)), ("memorySize".to_owned(), json!(memory))]);
            project.functions.push(function);
        }
        leave_out_cpu(&mut project, Path::new("s.yaml"));
        assert_eq!(
            (project.functions[0].attributes.get("cpu"), project.functions[1].attributes.get("cpu")),
            (None, Some(&json!(0.35)))
        );
        assert!(project.warnings[0].message.contains("function small"), "{:?}", project.warnings);
    }
}
