//! Settings of a function under one qualifier: kept instances, the most instances, asynchronous invocations, and more.

use super::{
    error::Error,
    record::{Attributes, Document, Stored, json},
    scope::ScopeState,
};
use crate::{
    catalog::{LATEST, ScopeId},
    host::FunctionHost,
    store::{Expect, Kind, Write},
};

/// Names a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettingName<'a> {
    pub(crate) kind: Kind,
    pub(crate) function: &'a str,
    /// Empty: the head.
    pub(crate) qualifier: &'a str,
}

impl SettingName<'_> {
    fn qualifier(&self) -> &str {
        if self.qualifier.is_empty() { LATEST } else { self.qualifier }
    }
}

impl FunctionHost {
    /// Puts a setting in the place of the one before.
    pub(crate) async fn put_setting(
        &self,
        id: &ScopeId,
        name: SettingName<'_>,
        attributes: Attributes,
    ) -> Result<Stored<Document>, Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        change.check_function(&state, name.function).or_else(|error| {
            match state.function_in(name.function, name.qualifier) {
                Ok(_) if !change.tables.declares(id, name.function) => Ok(()),
                _ => Err(error),
            }
        })?;
        check_qualifier(&state, &name)?;
        let document = match state.setting(name.kind, name.function, name.qualifier) {
            Some(old) => old.value.with(attributes),
            None => Document::new(attributes),
        };
        let key = state.pair_key(name.kind, name.function, name.qualifier());
        let write = Write::Put { key, document: json(&document), expect: Expect::Anything };
        let revision = change.commit(id, vec![write]).await?;
        Ok(Stored { revision, value: document })
    }

    /// Removes a setting; `false` if there was none.
    pub(crate) async fn delete_setting(&self, id: &ScopeId, name: SettingName<'_>) -> Result<bool, Error> {
        let mut change = self.change().await?;
        let state = change.scope(id)?;
        if state.setting(name.kind, name.function, name.qualifier).is_none() {
            return Ok(false);
        }
        let write = Write::Delete(state.pair_key(name.kind, name.function, name.qualifier()));
        change.commit(id, vec![write]).await?;
        Ok(true)
    }

    /// All settings of a kind, ordered by scope, function and qualifier.
    pub(crate) fn settings(&self, kind: Kind) -> Vec<Setting> {
        let view = self.view();
        let mut states: Vec<_> = view.states.values().collect();
        states.sort_by(|a, b| a.id.cmp(&b.id));
        let settings = states.into_iter().flat_map(|state| {
            let own = state.settings.iter().filter(|((own, _), _)| *own == kind);
            own.map(|((_, (function, qualifier)), document)| Setting {
                id: state.id.clone(),
                function: function.clone(),
                qualifier: qualifier.clone(),
                document: document.clone(),
            })
        });
        settings.collect()
    }
}

/// A setting and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) id: ScopeId,
    pub(crate) function: String,
    pub(crate) qualifier: String,
    pub(crate) document: Stored<Document>,
}

/// A qualifier is there, and has the function.
fn check_qualifier(state: &ScopeState, name: &SettingName<'_>) -> Result<(), Error> {
    match name.kind {
        // Its name is that of a network, not of a qualifier.
        Kind::VpcBinding => Ok(()),
        _ => state.function_in(name.function, name.qualifier).map(drop),
    }
}
