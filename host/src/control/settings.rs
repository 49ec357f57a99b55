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
        let state = change.scope(id).await?;
        change.check_function(&state, name.function).or_else(|error| match state.function_in(name.function, name.qualifier) {
            Ok(_) if !change.tables.declares(id, name.function) => Ok(()),
            _ => Err(error),
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
        let state = change.scope(id).await?;
        if state.setting(name.kind, name.function, name.qualifier).is_none() {
            return Ok(false);
        }
        let write = Write::Delete(state.pair_key(name.kind, name.function, name.qualifier()));
        change.commit(id, vec![write]).await?;
        Ok(true)
    }

    /// All settings of a kind, with scope, function and qualifier.
    pub(crate) async fn settings(&self, kind: Kind) -> Result<Vec<Setting>, Error> {
        let settings = self.opened()?.read(move |storage| {
            let records = storage.list(kind, None)?;
            records.iter().map(|record| Ok((record.key.clone(), Stored::parse(record)?))).collect::<Result<Vec<_>, _>>()
        });
        let settings = settings.await?.into_iter().filter_map(|(key, document)| {
            let (function, qualifier) = key.name.split_once('/')?;
            Some(Setting {
                id: ScopeId::of_stored(&key.scope)?,
                function: function.to_owned(),
                qualifier: qualifier.to_owned(),
                document,
            })
        });
        Ok(settings.collect())
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
