//! A stored scope → what is served of it.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Instant,
};

use futures_util::StreamExt as _;
use serde_json::Value;

use super::{
    asynchronous::async_config,
    configuration::{Source, http_trigger},
    record::{Attributes, Document, FunctionRecord},
    scaling::Bounds,
    scope::ScopeState,
    tables::Tables,
};
use crate::{
    admission::Reservation,
    catalog::{Choice, FunctionRoutes, LATEST, Member, Revision, Scope, ScopeId},
    component::{ComponentFile, Ready, SharedFile},
    config::AsyncConfig,
    host::{FunctionHost, Origin},
    store::Kind,
};

/// A scope while it is put together.
pub(crate) struct Assembly<'a> {
    pub(crate) host: &'a FunctionHost,
    pub(crate) state: &'a ScopeState,
    /// What is served of the scope so far.
    pub(crate) previous: Option<Arc<Scope>>,
}

/// One function under one qualifier.
struct Part<'a> {
    name: &'a str,
    qualifier: &'a str,
    version: &'a str,
    service: &'a Attributes,
    function: &'a FunctionRecord,
}

impl Assembly<'_> {
    /// All functions under all qualifiers. One that cannot be loaded answers why.
    pub(crate) async fn scope(&self, tables: &mut Tables) -> Scope {
        let mut scope = Scope::default();
        for name in self.names() {
            scope.functions.insert(name.into(), self.routes(name, tables).await);
        }
        let versions = self.state.versions.keys().map(u32::to_string);
        scope.qualifiers = versions.chain(self.state.aliases.keys().cloned()).map(Into::into).collect();
        scope
    }

    /// Functions of the head and of all versions.
    fn names(&self) -> BTreeSet<&str> {
        let versions = self.state.versions.values().flat_map(|version| version.value.functions.keys());
        self.state.functions.keys().chain(versions).map(String::as_str).collect()
    }

    async fn routes(&self, name: &str, tables: &mut Tables) -> FunctionRoutes {
        let state = self.state;
        let mut routes = FunctionRoutes::default();
        if let Some(function) = state.functions.get(name) {
            let service = &state.service.value.attributes;
            let part = Part { name, qualifier: LATEST, version: LATEST, service, function: &function.value };
            routes.latest = Some(Choice::only(self.member(&part, tables).await));
            routes.disabled = disabled(&function.value);
        }
        for number in state.versions.keys() {
            let qualifier = number.to_string();
            if let Some(member) = self.of_version(name, &qualifier, &qualifier, tables).await {
                routes.qualified.insert(qualifier.into(), Choice::only(member));
            }
        }
        for (alias, document) in &state.aliases {
            if let Some(choice) = self.of_alias(name, alias, &document.value, tables).await {
                routes.qualified.insert(alias.as_str().into(), choice);
            }
        }
        routes.trigger = state.triggers_of(name).find_map(|(_, trigger)| http_trigger(&trigger.value));
        routes.asynchronous = self.asynchronous(name, &routes);
        routes.reservation = self.reservation(name);
        self.bound(name, &routes);
        routes
    }

    /// What is reserved for a function; as long as that does not change, those who have a part of it keep it.
    fn reservation(&self, name: &str) -> Option<Reservation> {
        let limit = Bounds::reserved(self.state, name)?;
        let previous = self.previous.as_ref().and_then(|scope| scope.functions.get(name)?.reservation.clone());
        if let Some(unchanged) = previous.filter(|previous| previous.limit() == limit) {
            return Some(unchanged);
        }
        let (host, id, name) = (self.host.downgrade(), self.state.id.clone(), name.to_owned());
        Some(Reservation::new(limit, Arc::new(move || host.upgrade().is_some_and(|host| evict(&host, &id, &name)))))
    }

    fn asynchronous(&self, name: &str, routes: &FunctionRoutes) -> HashMap<Arc<str>, AsyncConfig> {
        let qualifiers = std::iter::once(LATEST.into()).chain(routes.qualified.keys().cloned());
        let configured = qualifiers.filter_map(|qualifier: Arc<str>| {
            let setting = self.state.setting(Kind::AsyncConfig, name, &qualifier)?;
            Some((qualifier, async_config(&setting.value.attributes)))
        });
        configured.collect()
    }

    async fn of_alias(&self, name: &str, alias: &str, document: &Document, tables: &mut Tables) -> Option<Choice> {
        let main = self.of_version(name, alias, document.text("versionId"), tables).await?;
        let weights = document.attributes.get("additionalVersionWeight").and_then(Value::as_object);
        let weighted = weights.and_then(|weights| weights.iter().next());
        let mut choice = Choice::only(main);
        if let Some((version, share)) = weighted
            && let Some(share) = share.as_f64().filter(|share| *share > 0.0)
            && let Some(member) = self.of_version(name, alias, version, tables).await
        {
            choice.other = Some((member, share));
        }
        Some(choice)
    }

    async fn of_version(&self, name: &str, qualifier: &str, version: &str, tables: &mut Tables) -> Option<Member> {
        let record = &self.state.version(version).ok()?.value;
        let function = record.functions.get(name)?;
        let part = Part { name, qualifier, version, service: &record.service, function };
        Some(self.member(&part, tables).await)
    }

    async fn member(&self, part: &Part<'_>, tables: &mut Tables) -> Member {
        let member = self.revision(part, tables).await;
        if let Err(reason) = &member {
            let Part { name, qualifier, .. } = part;
            tracing::warn!(function = name, qualifier, "{} cannot be served: {reason}", self.state.id);
        }
        member
    }

    async fn revision(&self, part: &Part<'_>, tables: &mut Tables) -> Member {
        let began = Instant::now();
        let Some(code) = &part.function.code else {
            return Err("it has no code package; wisp runs WebAssembly components, and no container images".into());
        };
        let store = self.host.code();
        let (component, files) = (store.component(code), store.files(code));
        let ready = match self.served(part.name, &component) {
            Some(ready) => ready,
            None => load(self.host, &component, tables).await?,
        };
        let source = Source { id: &self.state.id, name: part.name, service: part.service, function: part.function };
        let config = Arc::new(source.configuration(ready.kind, component, files));
        let ready = match config.snapshot {
            true => {
                let initialized = self.host.initialized(&config, &ready, SharedFile::default()).await;
                initialized.map_err(|error| Arc::from(error.to_string()))?
            }
            false if ready.initialized.is_none() => ready,
            // What was served so far is its snapshot.
            false => load(self.host, &config.component, tables).await?,
        };
        if let Some(unchanged) = self.unchanged(part, |revision| {
            *revision.function == *config && *revision.version == *part.version && Arc::ptr_eq(&revision.ready, &ready)
        }) {
            return Ok(unchanged);
        }
        let origin = Origin {
            qualifier: part.qualifier.into(),
            version: part.version.into(),
            source_digest: digest(&code.digest),
            code_checksum: code.checksum.as_str().into(),
        };
        let revision = self.host.assemble(config, ready, origin, began.elapsed());
        revision.map(Arc::new).map_err(|error| error.to_string().into())
    }

    /// What is served of a component already: it, or a snapshot of it, which says what a snapshot with other settings is
    /// made of.
    fn served(&self, name: &str, component: &Path) -> Option<Arc<Ready>> {
        let routes = self.previous.as_ref()?.functions.get(name)?;
        let same = routes.revisions().find(|revision| revision.function.component == component);
        same.map(|revision| revision.ready.clone())
    }

    fn unchanged(&self, part: &Part<'_>, same: impl Fn(&Revision) -> bool) -> Option<Arc<Revision>> {
        let routes = self.previous.as_ref()?.functions.get(part.name)?;
        routes.choice(part.qualifier)?.members().find(|revision| same(revision)).cloned()
    }

    /// Tells the pools of a function how many instances they keep and may have.
    fn bound(&self, name: &str, routes: &FunctionRoutes) {
        let choices = routes.qualified.iter().map(|(qualifier, choice)| (&**qualifier, choice));
        for (qualifier, choice) in routes.latest.iter().map(|choice| (LATEST, choice)).chain(choices) {
            let bounds = Bounds::of(self.state, name, qualifier);
            for revision in choice.members() {
                revision.pool.set_most(bounds.most.unwrap_or(revision.function.max_instances.get()));
            }
        }
        for revision in routes.revisions() {
            revision.pool.set_reservation(routes.reservation.clone());
            let setting = |kind| self.state.setting(kind, name, &revision.qualifier).is_some();
            if !setting(Kind::Provision) && !setting(Kind::Scaling) {
                revision.pool.set_floor(0);
            }
        }
    }
}

/// Ends the instance of a function that is idle longest, whatever its qualifier.
fn evict(host: &FunctionHost, id: &ScopeId, function: &str) -> bool {
    let catalog = host.catalog();
    let Some(routes) = catalog.scope(id).and_then(|scope| scope.functions.get(function)) else { return false };
    let idle = routes.revisions().filter_map(|revision| Some((revision.pool.idle_since()?, &revision.pool)));
    idle.min_by_key(|(since, _)| *since).is_some_and(|(_, pool)| pool.evict())
}

/// Loads a component, unless it is loaded.
pub(crate) async fn load(host: &FunctionHost, component: &Path, tables: &mut Tables) -> Result<Arc<Ready>, Arc<str>> {
    if let Some(ready) = tables.ready.get(component).and_then(Weak::upgrade) {
        return Ok(ready);
    }
    let ready = load_file(host, component.to_owned()).await?;
    tables.ready.retain(|_, ready| ready.strong_count() > 0);
    tables.ready.insert(component.to_owned(), Arc::downgrade(&ready));
    Ok(ready)
}

async fn load_file(host: &FunctionHost, path: PathBuf) -> Result<Arc<Ready>, Arc<str>> {
    let loader = host.loader().clone();
    let loading = tokio::task::spawn_blocking(move || {
        let file = ComponentFile::read(&path).map_err(|error| format!("its component cannot be read: {error}"))?;
        loader.load_file(&file, || {}).map_err(|error| error.to_string())
    });
    loading.await.map_err(|error| error.to_string())?.map_err(Arc::from)
}

fn disabled(function: &FunctionRecord) -> Option<Arc<str>> {
    let is_disabled = function.attributes.get("disableInvocation").and_then(Value::as_bool) == Some(true);
    is_disabled.then(|| super::record::text(&function.attributes, "disableReason").into())
}

fn digest(hex: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or_default();
    }
    digest
}

/// Loads the components of all functions, several at a time: each is mapped from the cache, or compiled. They stay loaded
/// as long as what is returned does, or a revision has them.
pub(crate) async fn preload(host: &FunctionHost, scopes: &[Arc<ScopeState>], tables: &mut Tables) -> Vec<Arc<Ready>> {
    let heads = scopes.iter().flat_map(|scope| scope.functions.values().map(|function| &function.value));
    let versions = scopes.iter().flat_map(|scope| scope.versions.values());
    let copies = versions.flat_map(|version| version.value.functions.values());
    let components: BTreeSet<_> =
        heads.chain(copies).filter_map(|function| Some(host.code().component(function.code.as_ref()?))).collect();
    let loads = components.into_iter().map(|component| async move {
        let loaded = load_file(host, component.clone()).await;
        (component, loaded)
    });
    let parallel = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut kept = Vec::new();
    let mut loads = futures_util::stream::iter(loads).buffer_unordered(parallel);
    while let Some((component, loaded)) = loads.next().await {
        if let Ok(ready) = loaded {
            tables.ready.insert(component, Arc::downgrade(&ready));
            kept.push(ready);
        }
    }
    kept
}
