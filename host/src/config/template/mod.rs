//! Deployment files of other tools, read as they are: Fun's `template.yml` and Serverless Devs' `s.yaml`, of both
//! editions.
//!
//! The way: `yaml` keeps lines ▸ `variables` puts values in the place of `${…}` ▸ `fun` or `serverless_devs` reads the
//! dialect into a [`Project`], in the words of Function Compute's own API ▸ `to_config` makes the configuration that a
//! `wisp.toml` would have given. What wisp does not have is a warning that names it and its line, never silence; what
//! makes no sense is an error.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value as Json};

use super::{Config, ConfigError, Environment, Problem};

mod fields;
mod fun;
mod function;
mod serverless_devs;
mod to_config;
mod trigger;
mod variables;
mod yaml;

#[cfg(test)]
#[path = "../tests/template.rs"]
mod tests;

use yaml::Node;

/// What a project deploys, in the words of Function Compute's API.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// Services by name: the attributes of `CreateService`, without the name.
    pub services: BTreeMap<Arc<str>, Map<String, Json>>,
    /// Functions in the order of the file.
    pub functions: Vec<ProjectFunction>,
    /// Custom domains by name: the attributes of `CreateCustomDomain`, without the name.
    pub domains: BTreeMap<String, ProjectDomain>,
    /// What was left out or has no effect.
    pub warnings: Vec<Problem>,
}

/// One function of a [`Project`].
#[derive(Clone, Debug)]
pub struct ProjectFunction {
    /// The service; `None`: a function of Function Compute 3.0, which has none.
    pub service: Option<Arc<str>>,
    /// The function.
    pub name: Arc<str>,
    /// The attributes of `CreateFunction`, without name and code.
    pub attributes: Map<String, Json>,
    /// Directory, zip or component.
    pub code: Option<PathBuf>,
    /// Triggers in the order of the file.
    pub triggers: Vec<ProjectTrigger>,
    /// The body of `PutFunctionAsyncInvokeConfig` (2.0) or `PutAsyncInvokeConfig` (3.0).
    pub async_config: Option<Map<String, Json>>,
    /// The body of `PutProvisionConfig`.
    pub provision_config: Option<Map<String, Json>>,
    /// The body of `PutConcurrencyConfig`, which is 3.0's.
    pub concurrency_config: Option<Map<String, Json>>,
    /// Where the function is written, from 1.
    pub line: usize,
    /// Where its attributes are, and what the file calls them.
    origins: BTreeMap<String, Origin>,
}

impl ProjectFunction {
    /// A function of which only the name is known.
    pub fn new(service: Option<Arc<str>>, name: Arc<str>) -> Self {
        Self {
            service,
            name,
            attributes: Map::new(),
            code: None,
            triggers: Vec::new(),
            async_config: None,
            provision_config: None,
            concurrency_config: None,
            line: 1,
            origins: BTreeMap::new(),
        }
    }
}

/// Where an attribute comes from.
#[derive(Clone, Debug)]
struct Origin {
    key: String,
    line: usize,
}

/// One trigger of a [`ProjectFunction`].
#[derive(Clone, Debug)]
pub struct ProjectTrigger {
    /// The name.
    pub name: String,
    /// `triggerType`, such as `http`.
    pub kind: String,
    /// The attributes of `CreateTrigger` of 2.0, without name and type: `triggerConfig` is an object.
    pub attributes: Map<String, Json>,
    /// Where the trigger is written, from 1.
    pub line: usize,
}

/// One custom domain of a [`Project`].
#[derive(Clone, Debug)]
pub struct ProjectDomain {
    /// The attributes of `CreateCustomDomain`, without the name.
    pub attributes: Map<String, Json>,
    /// Whether the routes lead to functions of 3.0, which name no service.
    pub without_services: bool,
    /// Where the domain is written, from 1.
    pub line: usize,
}

impl Project {
    /// The project in a deployment file: Fun's or Serverless Devs'.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot be read: {error}");
            ConfigError { problems: vec![Problem { file: path.to_owned(), line: None, message }] }
        })?;
        Self::parse(&text, path, environment)
    }

    /// The project that `text` says; `path` is where its relative paths start from.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str, path: &Path, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let report = Report { file: path, problems: RefCell::default(), warnings: RefCell::default() };
        let project = report.parse(text, environment).unwrap_or_default();
        let problems = report.problems.into_inner();
        if !problems.is_empty() {
            return Err(ConfigError { problems: sorted(problems) });
        }
        Ok(Self { warnings: sorted(report.warnings.into_inner()), ..project })
    }

    /// What a host is told to do with the project. All that is not the project's own business is as in an empty
    /// `wisp.toml`, but for an access key: that of the environment's `WISP_ACCESS_KEY_ID` and `WISP_ACCESS_KEY_SECRET`,
    /// if they are set, because these files have no place for one.
    ///
    /// # Errors
    /// What does not fit together, by the lines of the deployment file.
    pub fn into_config(self, path: &Path, environment: Environment<'_>) -> Result<Config, ConfigError> {
        to_config::config(self, path, environment)
    }
}

/// Whether a configuration is of another tool, told by its name.
pub fn is_template(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

/// By line.
fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// What is found while one file is read.
#[derive(Debug)]
struct Report<'a> {
    file: &'a Path,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'a> Report<'a> {
    fn parse(&self, text: &str, environment: Environment<'_>) -> Option<Project> {
        let root = match Node::parse(text) {
            Ok(root) => root,
            Err(error) => {
                self.problems.borrow_mut().push(self.at(error.line, error.message));
                return None;
            }
        };
        if root.get("ROSTemplateFormatVersion").is_some() || root.get("Resources").is_some() {
            let root = variables::resolve(&root, variables::Dialect::Fun, environment, self);
            return Some(fun::project(&root, self));
        }
        if root.get("edition").is_some() || root.get("services").is_some() || root.get("resources").is_some() {
            let root = variables::resolve(&root, variables::Dialect::ServerlessDevs, environment, self);
            return Some(serverless_devs::project(&root, self));
        }
        let message = "is neither a template of Fun, which has `Resources`, nor one of Serverless Devs, which has \
                       `resources` or `services`";
        self.problems.borrow_mut().push(self.at(None, message));
        None
    }

    /// The directory that the file's relative paths start from.
    fn directory(&self) -> &'a Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    fn problem(&self, line: usize, message: impl Into<String>) {
        self.problems.borrow_mut().push(self.at(Some(line), message));
    }

    fn warn(&self, line: usize, message: impl Into<String>) {
        self.warnings.borrow_mut().push(self.at(Some(line), message));
    }

    fn at(&self, line: Option<usize>, message: impl Into<String>) -> Problem {
        Problem { file: self.file.to_owned(), line, message: message.into() }
    }
}
