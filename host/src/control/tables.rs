//! What is in force, and where each part of it comes from.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
};

use crate::{
    catalog::{Catalog, FunctionRoutes, Scope, ScopeId},
    component::Ready,
    config::DomainConfig,
};

/// The parts of the catalog. Whoever holds them may put another one in force.
#[derive(Default)]
pub(crate) struct Tables {
    /// Functions of the configuration, by service and name. They hide stored ones of the same name.
    pub(crate) declared: HashMap<String, HashMap<Arc<str>, FunctionRoutes>>,
    pub(crate) declared_domains: BTreeMap<String, DomainConfig>,
    pub(crate) stored: HashMap<ScopeId, Arc<Scope>>,
    pub(crate) stored_domains: BTreeMap<String, DomainConfig>,
    /// What is loaded, by the path of the component: revisions of one component share it.
    pub(crate) ready: HashMap<std::path::PathBuf, Weak<Ready>>,
}

impl Tables {
    pub(crate) fn catalog(&self) -> Catalog {
        let mut scopes: HashMap<ScopeId, Arc<Scope>> = self.stored.clone();
        for (service, functions) in &self.declared {
            let scope = scopes.entry(ScopeId::Service(service.clone())).or_default();
            let mut both = Scope::clone(scope);
            both.functions.extend(functions.iter().map(|(name, routes)| (name.clone(), routes.clone())));
            *scope = Arc::new(both);
        }
        let mut domains: BTreeMap<&String, &DomainConfig> = self.stored_domains.iter().collect();
        domains.extend(&self.declared_domains);
        Catalog::new(scopes, domains)
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
