//! Aliases: names for a version, or for two with a weight.

use serde_json::Value;

use super::{
    check_etag,
    error::Error,
    record::{Attributes, Document, Stored, json, merged, text},
    scope::ScopeState,
    version::delete_settings,
};
use crate::{
    catalog::ScopeId,
    host::FunctionHost,
    store::{Expect, Kind, Write},
};

impl FunctionHost {
    pub(crate) async fn create_alias(
        &self,
        id: &ScopeId,
        name: &str,
        attributes: Attributes,
    ) -> Result<Stored<Document>, Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        if state.aliases.contains_key(name) {
            return Err(Error::conflict("AliasAlreadyExists", format!("alias '{name}' of {id} already exists")));
        }
        check(&state, &attributes)?;
        let document = Document::new(attributes);
        let write = Write::Put { key: state.key(Kind::Alias, name), document: json(&document), expect: Expect::Absent };
        let revision = change.commit(id, vec![write]).await?;
        Ok(Stored { revision, value: document })
    }

    pub(crate) async fn update_alias(
        &self,
        id: &ScopeId,
        name: &str,
        attributes: Attributes,
        if_match: Option<&str>,
    ) -> Result<Stored<Document>, Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        let old = state.alias(name)?;
        check_etag(old, if_match, &format!("alias '{name}'"))?;
        let attributes = merged(&old.value.attributes, attributes);
        check(&state, &attributes)?;
        let document = old.value.with(attributes);
        let expect = Expect::Revision(old.revision);
        let write = Write::Put { key: state.key(Kind::Alias, name), document: json(&document), expect };
        let revision = change.commit(id, vec![write]).await?;
        Ok(Stored { revision, value: document })
    }

    pub(crate) async fn delete_alias(&self, id: &ScopeId, name: &str, if_match: Option<&str>) -> Result<(), Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        check_etag(state.alias(name)?, if_match, &format!("alias '{name}'"))?;
        change.check_qualifier_unused(&state, name, "AliasInUse")?;
        let mut writes = vec![Write::Delete(state.key(Kind::Alias, name))];
        writes.extend(delete_settings(&state, name));
        change.commit(id, writes).await.map(drop)
    }
}

/// The versions are there, and the weight is one of one other version.
fn check(state: &ScopeState, attributes: &Attributes) -> Result<(), Error> {
    let version = text(attributes, "versionId");
    state.version(version)?;
    let Some(weights) = attributes.get("additionalVersionWeight").and_then(Value::as_object) else { return Ok(()) };
    if weights.len() > 1 {
        return Err(Error::invalid(format!(
            "AdditionalVersionWeight contains too many values (max: 1, actual: {})",
            weights.len()
        )));
    }
    for (other, weight) in weights {
        state.version(other)?;
        if other == version {
            return Err(Error::invalid(format!(
                "AdditionalVersionWeight names version '{other}', which the alias has already"
            )));
        }
        if !weight.as_f64().is_some_and(|weight| (0.0..=1.0).contains(&weight)) {
            return Err(Error::invalid(format!(
                "AdditionalVersionWeight is set to an invalid value (allowed: 0 to 1, actual: '{weight}')"
            )));
        }
    }
    Ok(())
}
