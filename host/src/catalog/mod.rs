//! Which functions there are. `resolve` gives a [`Revision`]: immutable configuration with a ready component and its
//! instances. A new table of revisions replaces the old one in one step; what runs goes on with what it started with.
//!
//! A *scope* owns numbered versions and aliases. A service is a scope with many functions, an FC 3.0 function is a scope
//! with one. Every qualifier of a function has a revision of its own, because an instance is told by which qualifier it
//! was reached; revisions of one component share what was loaded of it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    admission::Reservation,
    component::Ready,
    config::{AsyncConfig, DomainConfig, FunctionConfig, HttpTriggerConfig},
    pool::Pool,
    telemetry::{Counters, FunctionLog},
};

mod resolve;
mod rewrite;
mod routes;

pub(crate) use resolve::Resolved;
pub use resolve::{ResolveError, Target};
pub use rewrite::RewriteRule;
pub(crate) use rewrite::rewritten;
pub(crate) use routes::{DomainRoutes, RouteError};

/// The version that changes.
pub const LATEST: &str = "LATEST";

/// The service of functions that name none.
pub(crate) const DEFAULT_SERVICE: &str = "default";

/// One function under one qualifier as it is served: what a request resolves to. Immutable, but for its instances.
pub struct Revision {
    pub(crate) function: Arc<FunctionConfig>,
    /// The qualifier that leads here: `LATEST`, a version or an alias.
    pub(crate) qualifier: Arc<str>,
    /// `LATEST`, or the version that this is a part of.
    pub(crate) version: Arc<str>,
    pub(crate) ready: Arc<Ready>,
    pub(crate) pool: Pool,
    pub(crate) log: FunctionLog,
    pub(crate) counters: Arc<Counters>,
    /// When it was deployed.
    pub(crate) created: SystemTime,
    /// SHA-256 of the file that it was made from.
    pub(crate) source_digest: [u8; 32],
    /// CRC-64 of the code package in decimal; empty if there was none.
    pub(crate) code_checksum: Arc<str>,
    /// What its load took.
    pub(crate) load_time: Duration,
}

/// A revision, or why there is none: a function that cannot be loaded answers its error and harms no other.
pub(crate) type Member = Result<Arc<Revision>, Arc<str>>;

/// What a qualifier of a function leads to.
#[derive(Clone)]
pub(crate) struct Choice {
    pub(crate) main: Member,
    /// An alias' other version, and the share of requests that it is to have, 0 to 1.
    pub(crate) other: Option<(Member, f64)>,
}

impl Choice {
    pub(crate) fn only(member: Member) -> Self {
        Self { main: member, other: None }
    }

    /// Draws, if there are two.
    fn draw(&self) -> &Member {
        match &self.other {
            Some((other, share)) if fastrand::f64() < *share => other,
            _ => &self.main,
        }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<Revision>> {
        let other = self.other.iter().map(|(member, _)| member);
        std::iter::once(&self.main).chain(other).filter_map(|member| member.as_ref().ok())
    }
}

/// A function's HTTP trigger.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TriggerEntry {
    /// The version or alias that it is for; `None`: for whatever qualifier a request names.
    pub(crate) qualifier: Option<Arc<str>>,
    pub(crate) config: HttpTriggerConfig,
}

/// One function in all its qualifiers.
#[derive(Clone, Default)]
pub(crate) struct FunctionRoutes {
    pub(crate) latest: Option<Choice>,
    /// By version number and alias.
    pub(crate) qualified: HashMap<Arc<str>, Choice>,
    pub(crate) trigger: Option<TriggerEntry>,
    /// Why nobody may invoke it at the moment.
    pub(crate) disabled: Option<Arc<str>>,
    /// How its asynchronous invocations are treated, by qualifier; of others, as the revision's configuration says.
    pub(crate) asynchronous: HashMap<Arc<str>, AsyncConfig>,
    /// The concurrency that is reserved for all qualifiers together.
    pub(crate) reservation: Option<Reservation>,
}

impl FunctionRoutes {
    pub(crate) fn choice(&self, qualifier: &str) -> Option<&Choice> {
        if qualifier.is_empty() || qualifier == LATEST { self.latest.as_ref() } else { self.qualified.get(qualifier) }
    }

    pub(crate) fn revisions(&self) -> impl Iterator<Item = &Arc<Revision>> {
        self.latest.iter().chain(self.qualified.values()).flat_map(Choice::members)
    }
}

/// A service, or an FC 3.0 function.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    pub(crate) functions: HashMap<Arc<str>, FunctionRoutes>,
    /// The versions and aliases there are.
    pub(crate) qualifiers: HashSet<Arc<str>>,
}

/// Names a scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ScopeId {
    /// A service of FC 2.0.
    Service(String),
    /// A function of FC 3.0, which is a scope of its own.
    Function(String),
}

impl ScopeId {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Service(name) | Self::Function(name) => name,
        }
    }

    /// The service that instances are told of; FC 3.0 functions have none.
    pub(crate) fn service(&self) -> &str {
        match self {
            Self::Service(name) => name,
            Self::Function(_) => "",
        }
    }
}

impl std::fmt::Display for ScopeId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(name) => write!(formatter, "service '{name}'"),
            Self::Function(name) => write!(formatter, "function '{name}'"),
        }
    }
}

/// The functions and domains at one moment. Immutable.
#[derive(Default)]
pub struct Catalog {
    services: HashMap<Arc<str>, Arc<Scope>>,
    functions: HashMap<Arc<str>, Arc<Scope>>,
    domains: HashMap<String, DomainRoutes>,
    /// All there are, ordered by service, name and qualifier.
    revisions: Vec<Arc<Revision>>,
}

impl Catalog {
    pub(crate) fn new<'a>(
        scopes: impl IntoIterator<Item = (ScopeId, Arc<Scope>)>,
        domains: impl IntoIterator<Item = (&'a String, &'a DomainConfig)>,
    ) -> Self {
        let mut catalog = Self::default();
        for (id, scope) in scopes {
            let revisions = scope.functions.values().flat_map(FunctionRoutes::revisions).cloned();
            catalog.revisions.extend(revisions);
            match id {
                ScopeId::Service(name) => catalog.services.insert(name.into(), scope),
                ScopeId::Function(name) => catalog.functions.insert(name.into(), scope),
            };
        }
        catalog.revisions.sort_by(|a, b| order(a).cmp(&order(b)));
        catalog.domains = domains.into_iter().map(|(name, domain)| (name.clone(), DomainRoutes::new(domain))).collect();
        catalog
    }

    pub(crate) fn scope(&self, id: &ScopeId) -> Option<&Arc<Scope>> {
        match id {
            ScopeId::Service(name) => self.services.get(name.as_str()),
            ScopeId::Function(name) => self.functions.get(name.as_str()),
        }
    }

    /// Every function with its service, ordered by both.
    pub(crate) fn functions(&self) -> Vec<(&str, &str, &FunctionRoutes)> {
        let services = self.services.iter().flat_map(|(service, scope)| {
            scope.functions.iter().map(move |(name, routes)| (&**service, &**name, routes))
        });
        let alone = self
            .functions
            .values()
            .flat_map(|scope| scope.functions.iter().map(|(name, routes)| ("", &**name, routes)));
        let mut functions: Vec<_> = services.chain(alone).collect();
        functions.sort_by_key(|(service, name, _)| (*service, *name));
        functions
    }

    /// How many functions there are, declared and stored.
    pub fn function_count(&self) -> usize {
        let scopes = self.services.values().chain(self.functions.values());
        scopes.map(|scope| scope.functions.len()).sum()
    }

    /// All revisions, ordered by service, name and qualifier.
    pub fn revisions(&self) -> &[Arc<Revision>] {
        &self.revisions
    }

    /// The routes of a custom domain, given by its name in lower case.
    pub(crate) fn domain(&self, name: &str) -> Option<&DomainRoutes> {
        self.domains.get(name)
    }
}

fn order(revision: &Revision) -> (&str, &str, &str, &str) {
    (&revision.function.service, &revision.function.name, &revision.qualifier, &revision.version)
}
