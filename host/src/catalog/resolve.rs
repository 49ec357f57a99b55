//! From a name and a qualifier to a revision: one look-up for each of service, function and qualifier, no lock, no
//! allocation.

use std::sync::Arc;

use super::{Catalog, DEFAULT_SERVICE, FunctionRoutes, LATEST, Revision, Scope};
use crate::config::{AsyncConfig, HttpTriggerConfig};

/// A function as asked for: name and qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// `None`: an FC 3.0 function, which has no service. If there is none of the name, `<service>$<function>` and the
    /// default service are looked at.
    pub service: Option<&'a str>,
    /// The function's name.
    pub function: &'a str,
    /// A version, an alias or `LATEST`.
    pub qualifier: &'a str,
}

/// Why a target leads nowhere. The messages are those of the public error code page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no service of this name.
    #[error("service '{0}' does not exist")]
    ServiceNotFound(String),
    /// The service has other functions.
    #[error("function '{function}' does not exist in service '{service}'")]
    FunctionNotFoundInService {
        /// The function asked for.
        function: String,
        /// The service that it was asked of.
        service: String,
    },
    /// No service has it, or several have.
    #[error("function '{0}' does not exist")]
    FunctionNotFound(String),
    /// A number that was never published.
    #[error("version '{version}' of {scope} does not exist")]
    VersionNotFound {
        /// The version asked for.
        version: String,
        /// What it was asked of: a service, or an FC 3.0 function.
        scope: String,
    },
    /// Any other qualifier.
    #[error("alias '{alias}' of {scope} does not exist")]
    AliasNotFound {
        /// The alias asked for.
        alias: String,
        /// What it was asked of: a service, or an FC 3.0 function.
        scope: String,
    },
    /// It is there, but cannot be served.
    #[error("function '{function}' cannot be served: {reason}")]
    Unavailable {
        /// The function asked for.
        function: String,
        /// Why it cannot.
        reason: Arc<str>,
    },
    /// Its invocation is switched off.
    #[error("function '{function}' is disabled: {reason}")]
    Disabled {
        /// The function asked for.
        function: String,
        /// Why it is.
        reason: Arc<str>,
    },
}

/// What a target leads to.
#[derive(Clone, Copy)]
pub(crate) struct Resolved<'a> {
    pub(crate) revision: &'a Arc<Revision>,
    /// The HTTP trigger of the function that is for this qualifier.
    pub(crate) trigger: Option<&'a HttpTriggerConfig>,
}

impl Catalog {
    /// The revision that a target means; of a weighted alias, one that is drawn.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub(crate) fn resolve(&self, target: &Target<'_>) -> Result<Resolved<'_>, ResolveError> {
        let (scope, routes) = match target.service {
            Some(service) => self.of_service(service, target.function)?,
            None => self.of_any_scope(target.function)?,
        };
        let Some(choice) = routes.choice(target.qualifier) else {
            return Err(scope.without(target));
        };
        if let Some(reason) = &routes.disabled {
            return Err(ResolveError::Disabled { function: target.function.to_owned(), reason: reason.clone() });
        }
        match choice.draw() {
            Ok(revision) => Ok(Resolved { revision, trigger: routes.trigger_for(target.qualifier) }),
            Err(reason) => {
                Err(ResolveError::Unavailable { function: target.function.to_owned(), reason: reason.clone() })
            }
        }
    }

    /// How the asynchronous invocations of a target are treated; the defaults, if there is no such function.
    pub(crate) fn async_config(&self, target: &Target<'_>) -> AsyncConfig {
        let found = match target.service {
            Some(service) => self.of_service(service, target.function),
            None => self.of_any_scope(target.function),
        };
        let Ok((_, routes)) = found else { return AsyncConfig::default() };
        let qualifier = if target.qualifier.is_empty() { LATEST } else { target.qualifier };
        let of_revision = || Some(routes.choice(qualifier)?.members().next()?.function.asynchronous.clone());
        routes.asynchronous.get(qualifier).cloned().or_else(of_revision).unwrap_or_default()
    }

    fn of_service(&self, service: &str, function: &str) -> Result<(&Arc<Scope>, &FunctionRoutes), ResolveError> {
        let scope = self.services.get(service).ok_or_else(|| ResolveError::ServiceNotFound(service.to_owned()))?;
        let routes = scope.functions.get(function).ok_or_else(|| ResolveError::FunctionNotFoundInService {
            function: function.to_owned(),
            service: service.to_owned(),
        })?;
        Ok((scope, routes))
    }

    /// The function that API 2023-03-30 means by a name.
    pub(crate) fn of_any_scope(&self, name: &str) -> Result<(&Arc<Scope>, &FunctionRoutes), ResolveError> {
        if let Some(scope) = self.functions.get(name)
            && let Some(routes) = scope.functions.get(name)
        {
            return Ok((scope, routes));
        }
        if let Some((service, function)) = name.split_once('$') {
            return self.of_service(service, function);
        }
        if let Ok(found) = self.of_service(DEFAULT_SERVICE, name) {
            return Ok(found);
        }
        let mut found = self.services.values().filter_map(|scope| Some((scope, scope.functions.get(name)?)));
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(ResolveError::FunctionNotFound(name.to_owned())),
        }
    }
}

impl FunctionRoutes {
    fn trigger_for(&self, qualifier: &str) -> Option<&HttpTriggerConfig> {
        let trigger = self.trigger.as_ref()?;
        let fits = trigger.qualifier.as_deref().is_none_or(|own| own == qualifier);
        fits.then_some(&trigger.config)
    }
}

impl Scope {
    /// Why a function has nothing for a qualifier.
    fn without(&self, target: &Target<'_>) -> ResolveError {
        let qualifier = target.qualifier.to_owned();
        let is_known = target.qualifier == LATEST || qualifier.is_empty() || self.qualifiers.contains(target.qualifier);
        match target.service {
            Some(service) if is_known => ResolveError::FunctionNotFoundInService {
                function: target.function.to_owned(),
                service: service.to_owned(),
            },
            None if is_known => ResolveError::FunctionNotFound(target.function.to_owned()),
            service => {
                let scope = match service {
                    Some(service) => format!("service '{service}'"),
                    None => format!("function '{}'", target.function),
                };
                if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
                    ResolveError::VersionNotFound { version: qualifier, scope }
                } else {
                    ResolveError::AliasNotFound { alias: qualifier, scope }
                }
            }
        }
    }
}
