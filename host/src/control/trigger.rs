//! Triggers of functions, as they are kept. HTTP triggers are served by the catalog, others run by `trigger::source`.

use super::{
    check_etag,
    error::Error,
    record::{Attributes, Document, Stored, json, merged, text},
    scope::ScopeState,
};
use crate::{
    catalog::{LATEST, ScopeId},
    host::FunctionHost,
    store::{Expect, Kind, Write},
};

const HTTP: &str = "http";

impl FunctionHost {
    pub(crate) async fn create_trigger(
        &self,
        id: &ScopeId,
        function: &str,
        name: &str,
        attributes: Attributes,
    ) -> Result<Stored<Document>, Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        change.check_function(&state, function)?;
        if find(&state, function, name).is_some() {
            return Err(Error::conflict(
                "TriggerAlreadyExists",
                format!("trigger '{name}' of function '{function}' already exists"),
            ));
        }
        check_kinds(&state, function, text(&attributes, "triggerType"))?;
        check_qualifier(&state, &attributes)?;
        let document = Document::new(attributes);
        let key = state.pair_key(Kind::Trigger, function, name);
        let write = Write::Put { key, document: json(&document), expect: Expect::Absent };
        let revision = change.commit(id, vec![write]).await?;
        Ok(Stored { revision, value: document })
    }

    pub(crate) async fn update_trigger(
        &self,
        id: &ScopeId,
        function: &str,
        name: &str,
        attributes: Attributes,
        if_match: Option<&str>,
    ) -> Result<Stored<Document>, Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        change.check_function(&state, function)?;
        let old = found(&state, function, name)?;
        check_etag(old, if_match, &format!("trigger '{name}'"))?;
        let attributes = merged(&old.value.attributes, attributes);
        check_qualifier(&state, &attributes)?;
        let document = old.value.with(attributes);
        let key = state.pair_key(Kind::Trigger, function, name);
        let write = Write::Put { key, document: json(&document), expect: Expect::Revision(old.revision) };
        let revision = change.commit(id, vec![write]).await?;
        Ok(Stored { revision, value: document })
    }

    pub(crate) async fn delete_trigger(
        &self,
        id: &ScopeId,
        function: &str,
        name: &str,
        if_match: Option<&str>,
    ) -> Result<(), Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        change.check_function(&state, function)?;
        let trigger = found(&state, function, name)?;
        check_etag(trigger, if_match, &format!("trigger '{name}'"))?;
        if trigger.value.text("triggerType") == HTTP {
            change.check_unrouted(id, function, name)?;
        }
        let write = Write::Delete(state.pair_key(Kind::Trigger, function, name));
        change.commit(id, vec![write]).await.map(drop)
    }
}

/// A trigger that is there.
pub(crate) fn found<'a>(state: &'a ScopeState, function: &str, name: &str) -> Result<&'a Stored<Document>, Error> {
    state.function(function)?;
    find(state, function, name).ok_or_else(|| {
        Error::not_found("TriggerNotFound", format!("trigger '{name}' does not exist in function '{function}'"))
    })
}

fn find<'a>(state: &'a ScopeState, function: &str, name: &str) -> Option<&'a Stored<Document>> {
    state.triggers.get(&(function.to_owned(), name.to_owned()))
}

/// A function has one HTTP trigger, and then no other.
fn check_kinds(state: &ScopeState, function: &str, kind: &str) -> Result<(), Error> {
    let Some((name, other)) =
        state.triggers_of(function).find(|(_, other)| kind == HTTP || other.value.text("triggerType") == HTTP)
    else {
        return Ok(());
    };
    let other = other.value.text("triggerType");
    let reason = if kind == HTTP && other == HTTP {
        format!("function '{function}' has the HTTP trigger '{name}' already, and can have one only")
    } else {
        format!("function '{function}' has the {other} trigger '{name}'; an HTTP trigger stands beside no other kind")
    };
    Err(Error::invalid(reason))
}

fn check_qualifier(state: &ScopeState, attributes: &Attributes) -> Result<(), Error> {
    let qualifier = text(attributes, "qualifier");
    if qualifier == LATEST { Ok(()) } else { state.version_of(qualifier).map(drop) }
}
