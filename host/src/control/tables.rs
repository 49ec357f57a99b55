//! What is in force, and where each part of it comes from.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use super::scope::ScopeState;
use crate::{
    catalog::{Catalog, FunctionRoutes, Scope, ScopeId},
    component::Ready,
    config::{DomainConfig, SourceConfig, TriggerConfig},
};

/// Functions of the configuration, by service and name.
pub(crate) type Declared = HashMap<String, HashMap<Arc<str>, FunctionRoutes>>;

/// What is there to be read by the APIs, at one moment: nobody who only reads waits for a change.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) declared: Arc<Declared>,
    pub(crate) triggers: Arc<[TriggerConfig]>,
    pub(crate) sources: Arc<BTreeMap<String, SourceConfig>>,
    pub(crate) states: HashMap<ScopeId, Arc<ScopeState>>,
}

/// The parts of the catalog. Whoever holds them may put another one in force.
#[derive(Default)]
pub(crate) struct Tables {
    /// They hide stored functions of the same name.
    pub(crate) declared: Arc<Declared>,
    /// Triggers of declared functions.
    pub(crate) declared_triggers: Arc<[TriggerConfig]>,
    /// Where events come from; only the configuration says.
    pub(crate) sources: Arc<BTreeMap<String, SourceConfig>>,
    pub(crate) declared_domains: BTreeMap<String, DomainConfig>,
    pub(crate) stored: HashMap<ScopeId, Arc<Scope>>,
    /// What the store has of each scope.
    pub(crate) states: HashMap<ScopeId, Arc<ScopeState>>,
    pub(crate) stored_domains: BTreeMap<String, DomainConfig>,
    /// What is loaded, by the path of the component: revisions of one component share it.
    pub(crate) ready: HashMap<std::path::PathBuf, Weak<Ready>>,
}

impl Tables {
    pub(crate) fn catalog(&self) -> Catalog {
        let mut scopes: HashMap<ScopeId, Arc<Scope>> = self.stored.clone();
        for (service, functions) in &*self.declared {
            let scope = scopes.entry(ScopeId::Service(service.clone())).or_default();
            let mut both = Scope::clone(scope);
            both.functions.extend(functions.iter().map(|(name, routes)| (name.clone(), routes.clone())));
            *scope = Arc::new(both);
        }
        let mut domains: BTreeMap<&String, &DomainConfig> = self.stored_domains.iter().collect();
        domains.extend(&self.declared_domains);
        Catalog::new(scopes, domains)
    }

    pub(crate) fn view(&self) -> View {
        View {
            declared: self.declared.clone(),
            triggers: self.declared_triggers.clone(),
            sources: self.sources.clone(),
            states: self.states.clone(),
        }
    }

    /// Whether the configuration has a function.
    pub(crate) fn declares(&self, id: &ScopeId, function: &str) -> bool {
        match id {
            ScopeId::Service(service) => {
                self.declared.get(service).is_some_and(|functions| functions.contains_key(function))
            }
            ScopeId::Function(_) => false,
        }
    }
}
