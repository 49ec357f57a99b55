//! What may be changed about functions while a host runs: services, functions, versions, aliases, triggers, domains and
//! their settings, whichever API asks for it.
//!
//! A change is: check what is there ▸ make new code ready ▸ commit to the store ▸ put the scope in force. One change is
//! made at a time; what takes long, which is building and compiling, comes before its turn. Whoever is told that a change
//! was made finds it made after a crash.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::sync::MutexGuard;

mod alias;
mod assemble;
mod asynchronous;
mod code;
mod configuration;
mod declared;
mod domain;
mod error;
mod function;
mod record;
mod references;
mod scaling;
mod scope;
mod service;
mod settings;
mod tables;
mod tag;
mod trigger;
mod version;

pub(crate) use code::CodeStore;
pub(crate) use error::{Error, ErrorKind};
pub(crate) use function::Draft;
pub(crate) use record::{Attributes, Document, FunctionRecord, ServiceRecord, Stored, VersionRecord, number, text};
pub(crate) use scaling::{Schedule, current as current_instances};
pub(crate) use scope::ScopeState;
pub(crate) use settings::{Setting, SettingName};
pub(crate) use tables::{Declared, Tables, View};
pub(crate) use trigger::found as found_trigger;

use self::assemble::Assembly;
use crate::{
    catalog::{Scope, ScopeId},
    host::FunctionHost,
    store::{Kind, SqliteStorage, Store, Write},
};

impl FunctionHost {
    /// Opens the catalog in the data directory, and makes all functions in it ready. Until then the host serves what the
    /// configuration declares, and changes nothing.
    ///
    /// # Errors
    /// If another process has it open, or it cannot be read. A function that cannot be loaded is no error: it answers why.
    pub async fn open_catalog(&self) -> anyhow::Result<()> {
        let directory = self.server().data_dir.clone();
        let storage = tokio::task::spawn_blocking(move || SqliteStorage::open(&directory)).await??;
        // From here on whoever wants to change something waits for the end of this.
        let mut tables = self.tables().lock().await;
        self.set_store(Store::new(storage));
        let scopes: Vec<_> = self.stored_scopes().await?.into_iter().map(Arc::new).collect();
        self.collect_garbage(scopes.iter(), Duration::ZERO).await?;
        let loaded = assemble::preload(self, &scopes, &mut tables).await;
        for state in scopes {
            let scope = Assembly { host: self, state: &state, previous: None }.scope(&mut tables).await;
            tables.stored.insert(state.id.clone(), Arc::new(scope));
            tables.states.insert(state.id.clone(), state);
        }
        // The revisions have it now.
        drop(loaded);
        tables.stored_domains = self.stored_domains().await?;
        self.put_in_force(&tables);
        tokio::spawn(scaling::run(self.downgrade()));
        Ok(())
    }

    async fn stored_scopes(&self) -> Result<Vec<ScopeState>, Error> {
        let scopes = self.opened()?.read(|storage| {
            let mut scopes = Vec::new();
            for record in storage.list(Kind::Scope, None)? {
                let id = ScopeId::of_stored(&format!("{}/{}", record.key.scope, record.key.name));
                scopes.extend(id.map(|id| ScopeState::read(storage, &id)).transpose()?.flatten());
            }
            Ok(scopes)
        });
        Ok(scopes.await?)
    }

    /// Removes code packages that nobody has had for `age`.
    pub(crate) async fn collect_old_packages(&self, age: Duration) -> anyhow::Result<()> {
        let turn = self.tables().lock().await;
        self.collect_garbage(turn.states.values(), age).await
    }

    async fn collect_garbage(
        &self,
        scopes: impl Iterator<Item = &Arc<ScopeState>>,
        age: Duration,
    ) -> anyhow::Result<()> {
        let mut named = HashSet::new();
        for scope in scopes {
            let heads = scope.functions.values().map(|function| &function.value);
            let copies = scope.versions.values().flat_map(|version| version.value.functions.values());
            named.extend(heads.chain(copies).filter_map(|function| Some(function.code.as_ref()?.digest.clone())));
        }
        let code = self.code().clone();
        let removed = tokio::task::spawn_blocking(move || code.collect_garbage(&named, age)).await??;
        if removed > 0 {
            tracing::info!("removed {removed} code packages that no function has");
        }
        Ok(())
    }

    /// The store, once it is open.
    fn opened(&self) -> Result<&Store, Error> {
        self.store().ok_or_else(|| Error::internal("this host was started without a catalog"))
    }

    /// A scope as the store has it now.
    async fn stored_scope(&self, id: &ScopeId) -> Result<Option<ScopeState>, Error> {
        let id = id.clone();
        Ok(self.opened()?.read(move |storage| ScopeState::read(storage, &id)).await?)
    }

    /// A scope with what the configuration declares in it.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn scope(&self, id: &ScopeId) -> Result<Arc<ScopeState>, Error> {
        declared::overlaid(&self.view(), id).ok_or_else(|| Error::scope_not_found(id))
    }

    /// The turn to change something.
    async fn change(&self) -> Result<Change<'_>, Error> {
        self.opened()?;
        Ok(Change { host: self, tables: self.tables().lock().await })
    }
}

/// The turn of one change.
struct Change<'a> {
    host: &'a FunctionHost,
    tables: MutexGuard<'a, Tables>,
}

impl Change<'_> {
    /// The scope as it is stored; a scope that is only declared cannot be changed.
    fn scope(&self, id: &ScopeId) -> Result<Arc<ScopeState>, Error> {
        match self.tables.states.get(id) {
            Some(state) => Ok(state.clone()),
            None if self.tables.declared.contains_key(id.service()) => Err(Error::declared(&id.to_string())),
            None => Err(Error::scope_not_found(id)),
        }
    }

    /// A function that may be changed.
    fn check_function(&self, state: &ScopeState, function: &str) -> Result<(), Error> {
        if self.tables.declares(&state.id, function) {
            return Err(Error::declared(&format!("function '{function}'")));
        }
        state.function(function).map(drop)
    }

    /// Commits, and puts the scope in force as it then is. Returns the number of the commit.
    async fn commit(&mut self, id: &ScopeId, writes: Vec<Write>) -> Result<i64, Error> {
        let revision = self.host.opened()?.commit(writes).await?;
        self.refresh(id).await?;
        Ok(revision)
    }

    async fn refresh(&mut self, id: &ScopeId) -> Result<(), Error> {
        let previous = self.tables.stored.get(id).cloned();
        match self.host.stored_scope(id).await?.map(Arc::new) {
            Some(state) => {
                let assembly = Assembly { host: self.host, state: &state, previous };
                let scope: Scope = assembly.scope(&mut self.tables).await;
                self.tables.stored.insert(id.clone(), Arc::new(scope));
                self.tables.states.insert(id.clone(), state);
            }
            None => {
                self.tables.stored.remove(id);
                self.tables.states.remove(id);
            }
        }
        self.host.put_in_force(&self.tables);
        Ok(())
    }
}

/// Commits of what `If-Match` names: `None` and `*` are anything.
fn check_etag<T>(stored: &Stored<T>, expected: Option<&str>, what: &str) -> Result<(), Error> {
    let Some(expected) = expected.map(|etag| etag.trim().trim_matches('"')) else { return Ok(()) };
    if expected.is_empty() || expected == "*" || expected == stored.etag() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Precondition,
        "PreconditionFailed",
        format!("{what} is not as `If-Match` says: it was changed meanwhile, and its etag is now {}", stored.etag()),
    ))
}
