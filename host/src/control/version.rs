//! Published versions: copies of a scope that never change.

use super::{
    Change,
    error::Error,
    record::{ServiceRecord, Stored, VersionRecord, json, now, text},
    scope::{ScopeState, version_name},
};
use crate::{
    catalog::{LATEST, ScopeId},
    host::FunctionHost,
    store::{Expect, Kind, Write},
};

impl FunctionHost {
    /// Copies the head of a scope under the next number.
    pub(crate) async fn publish_version(
        &self,
        id: &ScopeId,
        description: &str,
        if_match: Option<&str>,
    ) -> Result<Stored<VersionRecord>, Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        super::check_etag(&state.service, if_match, &id.to_string())?;
        let service = &state.service.value;
        let number = service.last_version + 1;
        let version = VersionRecord {
            number,
            description: description.to_owned(),
            created: now(),
            service: service.attributes.clone(),
            functions: state.functions.iter().map(|(name, function)| (name.clone(), function.value.clone())).collect(),
        };
        let key = state.key(Kind::Version, version_name(number));
        let writes = vec![
            Change::put_scope(&state, &ServiceRecord { last_version: number, ..service.clone() }),
            Write::Put { key, document: json(&version), expect: Expect::Absent },
        ];
        let revision = change.commit(id, writes).await?;
        Ok(Stored { revision, value: version })
    }

    /// Removes a version that nothing leads to.
    pub(crate) async fn delete_version(&self, id: &ScopeId, number: &str) -> Result<(), Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        if number == LATEST {
            return Err(Error::invalid("version 'LATEST' is the changing head and cannot be deleted"));
        }
        let version = state.version(number)?.value.number;
        if let Some(alias) = user_of(&state, number) {
            return Err(Error::conflict(
                "VersionInUse",
                format!("version '{number}' of {id} is used by alias '{alias}'; change or delete the alias first"),
            ));
        }
        change.check_qualifier_unused(&state, number, "VersionInUse")?;
        let mut writes = vec![Write::Delete(state.key(Kind::Version, version_name(version)))];
        writes.extend(delete_settings(&state, number));
        change.commit(id, writes).await.map(drop)
    }
}

/// An alias that leads to a version, by its main or its other one.
fn user_of<'a>(state: &'a ScopeState, number: &str) -> Option<&'a str> {
    let uses = |attributes: &super::Attributes| {
        let weights = attributes.get("additionalVersionWeight").and_then(serde_json::Value::as_object);
        text(attributes, "versionId") == number || weights.is_some_and(|weights| weights.contains_key(number))
    };
    let mut aliases = state.aliases.iter();
    aliases.find(|(_, alias)| uses(&alias.value.attributes)).map(|(name, _)| name.as_str())
}

/// The settings that belong to a qualifier go with it.
pub(super) fn delete_settings(state: &ScopeState, qualifier: &str) -> Vec<Write> {
    let of_qualifier = state.settings.keys().filter(|(_, (_, own))| own == qualifier);
    of_qualifier
        .map(|(kind, (function, qualifier))| Write::Delete(state.pair_key(*kind, function, qualifier)))
        .collect()
}
