//! What the things of the control plane are called, and where they are.

use std::fmt;

use clap::ValueEnum;

use super::Control;
use crate::cli::client::encoded;

const API_2: &str = "/2016-08-15";
const API_3: &str = "/2023-03-30";

/// The kinds of things, as they are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Kind {
    /// NAME
    #[value(alias = "services")]
    Service,
    /// SERVICE/NAME, or NAME of a function of Function Compute 3.0
    #[value(alias = "functions")]
    Function,
    /// FUNCTION/NAME
    #[value(alias = "triggers")]
    Trigger,
    /// SERVICE/NUMBER, or FUNCTION/NUMBER of 3.0
    #[value(alias = "versions")]
    Version,
    /// SERVICE/NAME, or FUNCTION/NAME of 3.0
    #[value(alias = "aliases")]
    Alias,
    /// NAME
    #[value(alias = "domains")]
    Domain,
}

impl Kind {
    /// How its names look.
    pub(in crate::cli) fn form(self) -> &'static str {
        match self {
            Self::Service | Self::Domain => "NAME",
            Self::Function => "SERVICE/NAME, or NAME of a function of Function Compute 3.0",
            Self::Trigger => "SERVICE/FUNCTION/NAME, or FUNCTION/NAME of Function Compute 3.0",
            Self::Version => "SERVICE/NUMBER, or FUNCTION/NUMBER of Function Compute 3.0",
            Self::Alias => "SERVICE/NAME, or FUNCTION/NAME of Function Compute 3.0",
        }
    }

    pub(in crate::cli) fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Function => "function",
            Self::Trigger => "trigger",
            Self::Version => "version",
            Self::Alias => "alias",
            Self::Domain => "domain",
        }
    }
}

/// What owns versions and aliases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Scope {
    Service(String),
    /// A function of Function Compute 3.0.
    Function(String),
}

impl Scope {
    pub(in crate::cli) fn path(&self) -> String {
        match self {
            Self::Service(name) => format!("{API_2}/services/{}", encoded(name)),
            Self::Function(name) => format!("{API_3}/functions/{}", encoded(name)),
        }
    }

    pub(in crate::cli) fn name(&self) -> &str {
        let (Self::Service(name) | Self::Function(name)) = self;
        name
    }
}

/// A function with its service; those of Function Compute 3.0 have none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct FunctionName {
    pub(in crate::cli) service: Option<String>,
    pub(in crate::cli) name: String,
}

impl FunctionName {
    /// `SERVICE/NAME` or `NAME`.
    pub(in crate::cli) fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((service, name)) => Self { service: Some(service.to_owned()), name: name.to_owned() },
            None => Self { service: None, name: text.to_owned() },
        }
    }

    pub(in crate::cli) fn path(&self) -> String {
        let name = encoded(&self.name);
        match &self.service {
            Some(service) => format!("{API_2}/services/{}/functions/{name}", encoded(service)),
            None => format!("{API_3}/functions/{name}"),
        }
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => write!(f, "{service}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A setting of a function that is neither an attribute nor a thing of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Setting {
    AsyncConfig,
    ProvisionConfig,
    Concurrency,
}

impl Setting {
    fn path(self) -> &'static str {
        match self {
            Self::AsyncConfig => "async-invoke-config",
            Self::ProvisionConfig => "provision-config",
            Self::Concurrency => "concurrency",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::AsyncConfig => "async config",
            Self::ProvisionConfig => "provision config",
            Self::Concurrency => "concurrency config",
        }
    }
}

/// One thing of the control plane; the order is the one in which they are created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Resource {
    Service(String),
    Function(FunctionName),
    Trigger { function: FunctionName, name: String },
    Setting { function: FunctionName, setting: Setting },
    Version { scope: Scope, id: String },
    Alias { scope: Scope, name: String },
    Domain { name: String, api_3: bool },
}

impl Resource {
    /// The resource of a kind and a name as they are typed. What owns a version or an alias is looked up.
    pub(in crate::cli) async fn named(kind: Kind, name: &str, control: &Control) -> anyhow::Result<Self> {
        let malformed = || anyhow::anyhow!("'{name}' names no {}; give {}", kind.word(), kind.form());
        let parts: Vec<&str> = name.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(malformed());
        }
        Ok(match (kind, parts.as_slice()) {
            (Kind::Service, [name]) => Self::Service((*name).to_owned()),
            (Kind::Domain, [name]) => Self::Domain { name: (*name).to_owned(), api_3: false },
            (Kind::Function, [_] | [_, _]) => Self::Function(FunctionName::parse(name)),
            (Kind::Trigger, [_, _] | [_, _, _]) => {
                let (function, name) = name.rsplit_once('/').ok_or_else(malformed)?;
                Self::Trigger { function: FunctionName::parse(function), name: name.to_owned() }
            }
            (Kind::Version, [scope, id]) => Self::Version { scope: control.scope(scope).await?, id: (*id).to_owned() },
            (Kind::Alias, [scope, name]) => {
                Self::Alias { scope: control.scope(scope).await?, name: (*name).to_owned() }
            }
            _ => return Err(malformed()),
        })
    }

    /// Where it is asked for, changed and removed.
    pub(in crate::cli) fn path(&self) -> String {
        match self {
            Self::Service(name) => format!("{API_2}/services/{}", encoded(name)),
            Self::Function(function) => function.path(),
            Self::Trigger { function, name } => format!("{}/triggers/{}", function.path(), encoded(name)),
            Self::Setting { function, setting } => self.setting_path(function, *setting),
            Self::Version { scope, id } => format!("{}/versions/{}", scope.path(), encoded(id)),
            Self::Alias { scope, name } => format!("{}/aliases/{}", scope.path(), encoded(name)),
            Self::Domain { name, api_3 } => format!("{}/custom-domains/{}", domain_api(*api_3), encoded(name)),
        }
    }

    fn setting_path(&self, function: &FunctionName, setting: Setting) -> String {
        let qualifier =
            if function.service.is_none() && setting != Setting::Concurrency { "?qualifier=LATEST" } else { "" };
        format!("{}/{}{qualifier}", function.path(), setting.path())
    }

    /// Where its like are created and listed.
    pub(in crate::cli) fn collection(&self) -> String {
        match self {
            Self::Service(_) => format!("{API_2}/services"),
            Self::Function(FunctionName { service: Some(service), .. }) => functions_of(service),
            Self::Function(FunctionName { service: None, .. }) => functions_3(),
            Self::Trigger { function, .. } => format!("{}/triggers", function.path()),
            Self::Setting { .. } => self.path(),
            Self::Version { scope, .. } => format!("{}/versions", scope.path()),
            Self::Alias { scope, .. } => format!("{}/aliases", scope.path()),
            Self::Domain { api_3, .. } => format!("{}/custom-domains", domain_api(*api_3)),
        }
    }

    pub(in crate::cli) fn word(&self) -> &'static str {
        match self {
            Self::Service(_) => "service",
            Self::Function(_) => "function",
            Self::Trigger { .. } => "trigger",
            Self::Setting { setting, .. } => setting.word(),
            Self::Version { .. } => "version",
            Self::Alias { .. } => "alias",
            Self::Domain { .. } => "domain",
        }
    }

    /// The name as it is typed.
    pub(in crate::cli) fn name(&self) -> String {
        match self {
            Self::Service(name) | Self::Domain { name, .. } => name.clone(),
            Self::Function(function) => function.to_string(),
            Self::Trigger { function, name } => format!("{function}/{name}"),
            Self::Setting { function, .. } => function.to_string(),
            Self::Version { scope, id: name } | Self::Alias { scope, name } => format!("{}/{name}", scope.name()),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.name())
    }
}

fn domain_api(api_3: bool) -> &'static str {
    if api_3 { API_3 } else { API_2 }
}

/// Where services are listed.
pub(in crate::cli) fn services() -> String {
    format!("{API_2}/services")
}

/// Where the functions of a service are listed.
pub(in crate::cli) fn functions_of(service: &str) -> String {
    format!("{API_2}/services/{}/functions", encoded(service))
}

/// Where the functions of Function Compute 3.0 are listed.
pub(in crate::cli) fn functions_3() -> String {
    format!("{API_3}/functions")
}

/// Where domains are listed.
pub(in crate::cli) fn domains() -> String {
    format!("{API_2}/custom-domains")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(text: &str) -> FunctionName {
        FunctionName::parse(text)
    }

    #[test]
    fn what_has_a_service_is_reached_by_the_api_of_2016_and_what_has_none_by_that_of_2023() {
        let trigger = |text: &str| Resource::Trigger { function: function(text), name: "t".to_owned() };
        assert_eq!(trigger("s/f").path(), "/2016-08-15/services/s/functions/f/triggers/t");
        assert_eq!(trigger("f").path(), "/2023-03-30/functions/f/triggers/t");
        assert_eq!(trigger("s/f").collection(), "/2016-08-15/services/s/functions/f/triggers");
        assert_eq!(trigger("s/f").to_string(), "trigger s/f/t");
        assert_eq!(Resource::Function(function("f")).collection(), "/2023-03-30/functions");
    }

    #[test]
    fn settings_of_functions_of_3_are_those_of_the_head() {
        let setting = |text: &str, setting| Resource::Setting { function: function(text), setting };
        let path = |text: &str, which| setting(text, which).path();
        assert_eq!(path("f", Setting::AsyncConfig), "/2023-03-30/functions/f/async-invoke-config?qualifier=LATEST");
        assert_eq!(path("s/f", Setting::AsyncConfig), "/2016-08-15/services/s/functions/f/async-invoke-config");
        assert_eq!(path("f", Setting::Concurrency), "/2023-03-30/functions/f/concurrency");
    }
}
