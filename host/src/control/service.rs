//! Services.

use super::{
    Change, check_etag, declared,
    error::Error,
    record::{Attributes, ServiceRecord, Stored, json, merged, new_id, now},
    scope::{ScopeState, scope_key},
};
use crate::{
    catalog::ScopeId,
    host::FunctionHost,
    store::{Expect, Kind, Write},
};

impl FunctionHost {
    /// All services by name, those of the configuration among them.
    pub(crate) fn services(&self) -> Vec<(String, Stored<ServiceRecord>)> {
        let view = self.view();
        let stored = view.states.values().filter(|state| matches!(state.id, ScopeId::Service(_)));
        let mut services: Vec<_> = stored.map(|state| (state.id.name().to_owned(), state.service.clone())).collect();
        for name in view.declared.keys() {
            if !services.iter().any(|(other, _)| other == name) {
                services.push((name.clone(), declared::service()));
            }
        }
        services.sort_by(|(a, _), (b, _)| a.cmp(b));
        services
    }

    pub(crate) async fn create_service(
        &self,
        name: &str,
        attributes: Attributes,
    ) -> Result<Stored<ServiceRecord>, Error> {
        let mut change = self.change().await?;
        let id = ScopeId::Service(name.to_owned());
        if change.tables.declared.contains_key(name) || change.tables.states.contains_key(&id) {
            return Err(Error::conflict("ServiceAlreadyExists", format!("service '{name}' already exists")));
        }
        let record = new_scope(attributes);
        let write = Write::Put { key: scope_key(&id), document: json(&record), expect: Expect::Absent };
        let revision = change.commit(&id, vec![write]).await?;
        Ok(Stored { revision, value: record })
    }

    pub(crate) async fn update_service(
        &self,
        name: &str,
        attributes: Attributes,
        if_match: Option<&str>,
    ) -> Result<Stored<ServiceRecord>, Error> {
        let mut change = self.change().await?;
        let id = ScopeId::Service(name.to_owned());
        let state = change.scope(&id)?;
        check_etag(&state.service, if_match, &id.to_string())?;
        let old = state.service.value.clone();
        let record = ServiceRecord { modified: now(), attributes: merged(&old.attributes, attributes), ..old };
        let expect = Expect::Revision(state.service.revision);
        let write = Write::Put { key: scope_key(&id), document: json(&record), expect };
        let revision = change.commit(&id, vec![write]).await?;
        Ok(Stored { revision, value: record })
    }

    pub(crate) async fn delete_service(&self, name: &str, if_match: Option<&str>) -> Result<(), Error> {
        let mut change = self.change().await?;
        let id = ScopeId::Service(name.to_owned());
        let state = change.scope(&id)?;
        check_etag(&state.service, if_match, &id.to_string())?;
        check_empty(&state)?;
        let writes = delete_scope(&state);
        change.commit(&id, writes).await.map(drop)
    }
}

impl Change<'_> {
    /// The record of the scope with a new number of versions or a new time.
    pub(super) fn put_scope(state: &ScopeState, record: &ServiceRecord) -> Write {
        let expect = Expect::Revision(state.service.revision);
        Write::Put { key: scope_key(&state.id), document: json(record), expect }
    }
}

pub(super) fn new_scope(attributes: Attributes) -> ServiceRecord {
    let now = now();
    ServiceRecord { id: new_id(), created: now.clone(), modified: now, last_version: 0, attributes }
}

/// What is in a service would be lost with it.
fn check_empty(state: &ScopeState) -> Result<(), Error> {
    let id = &state.id;
    let has = if let Some(function) = state.functions.keys().next() {
        format!("function '{function}'")
    } else if let Some(alias) = state.aliases.keys().next() {
        format!("alias '{alias}'")
    } else if let Some(version) = state.versions.keys().next() {
        format!("version '{version}'")
    } else {
        return Ok(());
    };
    Err(Error::conflict(
        "ServiceNotEmpty",
        format!("{id} still has {has}; delete its functions, aliases and versions first"),
    ))
}

/// Removes a scope and all that is in it.
pub(super) fn delete_scope(state: &ScopeState) -> Vec<Write> {
    let scope = state.id.stored();
    let kinds = [
        Kind::Function,
        Kind::Version,
        Kind::Alias,
        Kind::Trigger,
        Kind::Provision,
        Kind::OnDemand,
        Kind::AsyncConfig,
        Kind::Concurrency,
        Kind::Scaling,
        Kind::VpcBinding,
    ];
    let mut writes: Vec<_> = kinds.into_iter().map(|kind| Write::DeleteAll(kind, scope.clone())).collect();
    writes.push(Write::Delete(scope_key(&state.id)));
    writes.extend(super::tag::delete_tags(state));
    writes
}
