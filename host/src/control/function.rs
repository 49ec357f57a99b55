//! Functions: what is served of a new one is made ready before it is stored.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use super::{
    check_etag,
    code::{InUse, Usage},
    configuration::Source,
    declared,
    error::Error,
    record::{Attributes, Code, FunctionRecord, Stored, json, merged, new_id, now, text},
    references::{check_unkept, goes_with_head},
    scope::{ScopeState, scope_key},
    service::{delete_scope, new_scope},
};
use crate::{
    catalog::ScopeId,
    component::{self, Ready, SharedFile},
    config::FunctionConfig,
    host::{DeployReason, FunctionHost},
    store::{Expect, Kind, Write},
};

/// A function as a request wants it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) attributes: Attributes,
    /// The code package as it was sent, if one was.
    pub(crate) package: Option<Vec<u8>>,
}

/// What a record's code was made into, which stays until the record is committed.
struct Equipped {
    ready: Arc<Ready>,
    _in_use: InUse,
}

/// The runtime whose functions are container images, and have no package.
const CONTAINER: &str = "custom-container";

impl FunctionHost {
    /// The heads of all functions, with their scopes.
    pub(crate) fn all_functions(&self) -> Vec<(ScopeId, String, FunctionRecord)> {
        let view = self.view();
        let declared = view.declared.keys().map(|service| ScopeId::Service(service.clone()));
        let ids: BTreeSet<_> = view.states.keys().cloned().chain(declared).collect();
        let mut functions = Vec::new();
        for state in ids.iter().filter_map(|id| declared::overlaid(&view, id)) {
            let own = state.functions.iter();
            functions.extend(own.map(|(name, function)| (state.id.clone(), name.clone(), function.value.clone())));
        }
        functions
    }

    /// Makes a function. One of FC 3.0 is its own scope.
    pub(crate) async fn create_function(
        &self,
        id: &ScopeId,
        name: &str,
        draft: Draft,
    ) -> Result<Stored<FunctionRecord>, Error> {
        let service = {
            let change = self.change().await?;
            change.check_new(id, name)?;
            change.tables.states.get(id).map(|state| state.service.value.attributes.clone()).unwrap_or_default()
        };
        let time = now();
        let mut record = FunctionRecord {
            id: new_id(),
            created: time.clone(),
            modified: time,
            code: None,
            attributes: draft.attributes,
        };
        let equipped = self.equip(id, name, &service, &mut record, draft.package).await?;
        let mut change = self.change().await?;
        change.check_new(id, name)?;
        let mut writes = Vec::new();
        if matches!(id, ScopeId::Function(_)) {
            let document = json(&new_scope(Attributes::new()));
            writes.push(Write::Put { key: scope_key(id), document, expect: Expect::Absent });
        }
        writes.push(Write::Put {
            key: crate::store::Key::new(Kind::Function, id.stored(), name),
            document: json(&record),
            expect: Expect::Absent,
        });
        change.keep_ready(self, &record, equipped.as_ref());
        let revision = change.commit(id, writes).await?;
        Ok(Stored { revision, value: record })
    }

    /// Changes a function; what the draft does not name stays.
    pub(crate) async fn update_function(
        &self,
        id: &ScopeId,
        name: &str,
        draft: Draft,
        if_match: Option<&str>,
    ) -> Result<Stored<FunctionRecord>, Error> {
        let state = {
            let change = self.change().await?;
            let state = change.scope(id)?;
            change.check_function(&state, name)?;
            state
        };
        let old = state.function(name)?;
        check_etag(old, if_match, &format!("function '{name}'"))?;
        let mut record = FunctionRecord {
            modified: now(),
            attributes: merged(&old.value.attributes, draft.attributes),
            ..old.value.clone()
        };
        let equipped = self.equip(id, name, &state.service.value.attributes, &mut record, draft.package).await?;
        let mut change = self.change().await?;
        let expect = Expect::Revision(old.revision);
        let write = Write::Put { key: state.key(Kind::Function, name), document: json(&record), expect };
        change.keep_ready(self, &record, equipped.as_ref());
        let revision = change.commit(id, vec![write]).await?;
        Ok(Stored { revision, value: record })
    }

    pub(crate) async fn delete_function(&self, id: &ScopeId, name: &str, if_match: Option<&str>) -> Result<(), Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        change.check_function(&state, name)?;
        check_etag(state.function(name)?, if_match, &format!("function '{name}'"))?;
        if let Some((trigger, _)) = state.triggers_of(name).next() {
            return Err(Error::conflict(
                "FunctionNotEmpty",
                format!("function '{name}' still has trigger '{trigger}'; delete its triggers first"),
            ));
        }
        let goes = |function: &str, qualifier: &str| function == name && goes_with_head(&state, function, qualifier);
        let writes = match id {
            ScopeId::Service(_) => {
                check_unkept(&state, goes)?;
                delete_function(&state, name)
            }
            ScopeId::Function(_) => {
                check_unkept(&state, |_, _| true)?;
                delete_scope(&state)
            }
        };
        change.commit(id, writes).await.map(drop)
    }

    /// Gives a record its code, and tries what is to be served: nothing is stored that does not start.
    async fn equip(
        &self,
        id: &ScopeId,
        name: &str,
        service: &Attributes,
        record: &mut FunctionRecord,
        package: Option<Vec<u8>>,
    ) -> Result<Option<Equipped>, Error> {
        let runtime = text(&record.attributes, "runtime").to_owned();
        let Some((code, in_use)) = self.code_of(Source { id, name, service, function: record }, package).await? else {
            return if runtime == CONTAINER {
                Ok(None)
            } else {
                Err(Error::invalid("Code is required: give `code.zipFile`"))
            };
        };
        let (component, files) = (self.code().component(&code), self.code().files(&code));
        let (loader, file) = (self.loader().clone(), SharedFile::default());
        let read = file.read(&component).await;
        let read = read.map_err(|error| Error::internal(format!("the component cannot be read: {error}")))?;
        let loading = tokio::task::spawn_blocking(move || loader.load_file(&read, || {}));
        let ready = loading.await.map_err(|error| Error::internal(error.to_string()))??;
        record.code = Some(code);
        let source = Source { id, name, service, function: record };
        let config = Arc::new(source.configuration(ready.kind, component, files));
        self.try_as_served(&config, &ready, file).await?;
        Ok(Some(Equipped { ready, _in_use: in_use }))
    }

    /// Starts an instance as they will start: from a snapshot, if the function says so.
    async fn try_as_served(
        &self,
        config: &Arc<FunctionConfig>,
        ready: &Arc<Ready>,
        file: SharedFile,
    ) -> Result<(), DeployReason> {
        if !config.snapshot {
            return self.try_out(config, ready).await;
        }
        let ready = self.initialized(config, ready, file).await?;
        self.try_out(config, &ready).await
    }

    /// The code of a new package, or the old code as handler and runtime now want it.
    async fn code_of(&self, source: Source<'_>, package: Option<Vec<u8>>) -> Result<Option<(Code, InUse)>, Error> {
        let (store, old) = (self.code().clone(), source.function.code.clone());
        let runtime = text(&source.function.attributes, "runtime").to_owned();
        let usage = Usage {
            runtime,
            function: source.configuration(component::Kind::Function, PathBuf::new(), PathBuf::new()),
        };
        let work = tokio::task::spawn_blocking(move || match (package, old) {
            (Some(package), _) => store.add(&package, &usage).map(Some),
            (None, Some(old)) => store.serve(&old, &usage).map(Some),
            (None, None) => Ok(None),
        });
        work.await.map_err(|error| Error::internal(error.to_string()))?
    }
}

impl super::Change<'_> {
    /// Whether a function may be made.
    fn check_new(&self, id: &ScopeId, name: &str) -> Result<(), Error> {
        if self.tables.declares(id, name) {
            return Err(Error::declared(&format!("function '{name}'")));
        }
        let exists = match id {
            ScopeId::Service(_) => self.scope(id)?.functions.contains_key(name),
            ScopeId::Function(_) => self.tables.states.contains_key(id),
        };
        if exists {
            return Err(Error::conflict("FunctionAlreadyExists", format!("function '{name}' already exists")));
        }
        Ok(())
    }

    /// So that the component that was just loaded is not loaded again.
    fn keep_ready(&mut self, host: &FunctionHost, record: &FunctionRecord, equipped: Option<&Equipped>) {
        if let (Some(code), Some(Equipped { ready, .. })) = (&record.code, equipped) {
            let loaded = self.tables.ready.entry(host.code().component(code)).or_default();
            if loaded.upgrade().is_none() {
                *loaded = Arc::downgrade(ready);
            }
        }
    }
}

/// Removes a head and its settings; versions keep their copies, with the settings of their qualifiers.
fn delete_function(state: &ScopeState, name: &str) -> Vec<Write> {
    let goes = |function: &str, qualifier: &str| function == name && goes_with_head(state, function, qualifier);
    let settings = state.settings.keys().filter(|(_, (function, qualifier))| goes(function, qualifier));
    let mut writes: Vec<_> = settings
        .map(|(kind, (function, qualifier))| Write::Delete(state.pair_key(*kind, function, qualifier)))
        .collect();
    writes.push(Write::Delete(state.key(Kind::Function, name)));
    writes
}
