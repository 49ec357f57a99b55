//! Everything that the store has of one scope.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::{
    error::Error,
    record::{Document, FunctionRecord, ServiceRecord, Stored, VersionRecord},
};
use crate::{
    catalog::{LATEST, ScopeId},
    store::{Key, Kind, Storage, StoreError},
};

/// A function and a name that belongs to it: a trigger, or a qualifier.
pub(crate) type Pair = (String, String);

/// A scope as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct ScopeState {
    pub(crate) id: ScopeId,
    pub(crate) service: Stored<ServiceRecord>,
    pub(crate) functions: BTreeMap<String, Stored<FunctionRecord>>,
    pub(crate) versions: BTreeMap<u32, Stored<VersionRecord>>,
    pub(crate) aliases: BTreeMap<String, Stored<Document>>,
    /// By function and name.
    pub(crate) triggers: BTreeMap<Pair, Stored<Document>>,
    /// By function and qualifier, of every kind of setting.
    pub(crate) settings: BTreeMap<(Kind, Pair), Stored<Document>>,
}

/// The settings that belong to a function's qualifier.
pub(crate) const SETTINGS: [Kind; 6] =
    [Kind::Provision, Kind::OnDemand, Kind::AsyncConfig, Kind::Concurrency, Kind::Scaling, Kind::VpcBinding];

impl ScopeState {
    /// Reads a scope; `None` if there is none of the name.
    pub(crate) fn read(storage: &dyn Storage, id: &ScopeId) -> Result<Option<Self>, StoreError> {
        let Some(service) = storage.get(&scope_key(id))? else { return Ok(None) };
        let scope = id.stored();
        let mut settings = BTreeMap::new();
        for kind in SETTINGS {
            let found = documents(storage, kind, &scope)?;
            settings.extend(found.into_iter().map(|(name, document)| ((kind, pair(&name)), document)));
        }
        let versions: BTreeMap<String, Stored<VersionRecord>> = all(storage, Kind::Version, &scope)?;
        Ok(Some(Self {
            service: Stored::parse(&service)?,
            functions: all(storage, Kind::Function, &scope)?,
            versions: versions.into_values().map(|version| (version.value.number, version)).collect(),
            aliases: documents(storage, Kind::Alias, &scope)?,
            triggers: documents(storage, Kind::Trigger, &scope)?
                .into_iter()
                .map(|(name, trigger)| (pair(&name), trigger))
                .collect(),
            settings,
            id: id.clone(),
        }))
    }

    /// The key of one of its records.
    pub(crate) fn key(&self, kind: Kind, name: impl Into<String>) -> Key {
        Key::new(kind, self.id.stored(), name)
    }

    /// The key of what belongs to one of its functions.
    pub(crate) fn pair_key(&self, kind: Kind, function: &str, name: &str) -> Key {
        self.key(kind, format!("{function}/{name}"))
    }

    pub(crate) fn function(&self, name: &str) -> Result<&Stored<FunctionRecord>, Error> {
        self.functions.get(name).ok_or_else(|| Error::function_not_found(&self.id, name))
    }

    /// A function as a qualifier has it: the head, a version, or the main version of an alias.
    pub(crate) fn function_in(&self, name: &str, qualifier: &str) -> Result<(i64, &FunctionRecord), Error> {
        match self.version_of(qualifier)? {
            None => self.function(name).map(|stored| (stored.revision, &stored.value)),
            Some(version) => {
                let found = version.value.functions.get(name);
                found.map(|it| (version.revision, it)).ok_or_else(|| Error::function_not_found(&self.id, name))
            }
        }
    }

    /// The version that a qualifier means; `None`: the head.
    pub(crate) fn version_of(&self, qualifier: &str) -> Result<Option<&Stored<VersionRecord>>, Error> {
        if qualifier.is_empty() || qualifier == LATEST {
            return Ok(None);
        }
        if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.version(qualifier).map(Some);
        }
        let alias = self.alias(qualifier)?;
        self.version(alias.value.text("versionId")).map(Some)
    }

    pub(crate) fn version(&self, number: &str) -> Result<&Stored<VersionRecord>, Error> {
        // One version has one name: `01` and `+1` would pass by whoever compares names, such as the aliases' check.
        let parsed = number.parse().ok().filter(|parsed: &u32| parsed.to_string() == number);
        parsed.and_then(|parsed| self.versions.get(&parsed)).ok_or_else(|| {
            Error::not_found("VersionNotFound", format!("version '{number}' of {} does not exist", self.id))
        })
    }

    pub(crate) fn alias(&self, name: &str) -> Result<&Stored<Document>, Error> {
        self.aliases
            .get(name)
            .ok_or_else(|| Error::not_found("AliasNotFound", format!("alias '{name}' of {} does not exist", self.id)))
    }

    pub(crate) fn triggers_of<'a>(
        &'a self,
        function: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Stored<Document>)> {
        let of = self.triggers.iter().filter(move |((owner, _), _)| owner == function);
        of.map(|((_, name), trigger)| (name.as_str(), trigger))
    }

    pub(crate) fn setting(&self, kind: Kind, function: &str, qualifier: &str) -> Option<&Stored<Document>> {
        let qualifier = if qualifier.is_empty() { LATEST } else { qualifier };
        self.settings.get(&(kind, (function.to_owned(), qualifier.to_owned())))
    }
}

impl ScopeId {
    /// What its records are kept under.
    pub(crate) fn stored(&self) -> String {
        match self {
            Self::Service(name) => format!("s/{name}"),
            Self::Function(name) => format!("f/{name}"),
        }
    }

    /// The scope that records are kept under.
    pub(crate) fn of_stored(text: &str) -> Option<Self> {
        match text.split_once('/')? {
            ("s", name) => Some(Self::Service(name.to_owned())),
            ("f", name) => Some(Self::Function(name.to_owned())),
            _ => None,
        }
    }
}

/// Where a scope itself is kept. Services and FC 3.0 functions are listed apart.
pub(crate) fn scope_key(id: &ScopeId) -> Key {
    match id {
        ScopeId::Service(name) => Key::new(Kind::Scope, "s", name),
        ScopeId::Function(name) => Key::new(Kind::Scope, "f", name),
    }
}

/// Numbers are written so that their order is that of the texts.
pub(crate) fn version_name(number: u32) -> String {
    format!("{number:010}")
}

fn pair(name: &str) -> Pair {
    let (function, rest) = name.split_once('/').unwrap_or((name, ""));
    (function.to_owned(), rest.to_owned())
}

fn documents(storage: &dyn Storage, kind: Kind, scope: &str) -> Result<BTreeMap<String, Stored<Document>>, StoreError> {
    all(storage, kind, scope)
}

fn all<T: DeserializeOwned>(
    storage: &dyn Storage,
    kind: Kind,
    scope: &str,
) -> Result<BTreeMap<String, Stored<T>>, StoreError> {
    let records = storage.list(kind, Some(scope))?;
    records.iter().map(|record| Ok((record.key.name.clone(), Stored::parse(record)?))).collect()
}
