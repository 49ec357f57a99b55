//! Tags of resources. Services and FC 3.0 functions can have them.

use std::collections::BTreeMap;

use super::{
    error::Error,
    record::{Attributes, Document, Stored, json},
    scope::ScopeState,
};
use crate::{
    catalog::ScopeId,
    host::FunctionHost,
    store::{Expect, Key, Kind, Write},
};

/// Tags that a resource may have.
const MOST: usize = 20;

/// What a tag's name and value may have.
const NAME: usize = 64;
const VALUE: usize = 128;

impl FunctionHost {
    /// The tags of all resources that have some, by the short name of the resource, such as `services/x`.
    pub(crate) async fn all_tags(&self) -> Result<BTreeMap<String, Stored<Document>>, Error> {
        let tags = self.opened()?.read(|storage| {
            let records = storage.list(Kind::Tags, Some(""))?;
            records.iter().map(|record| Ok((record.key.name.clone(), Stored::parse(record)?))).collect()
        });
        Ok(tags.await?)
    }

    pub(crate) async fn tags(&self, resource: &str) -> Result<Attributes, Error> {
        self.check_resource(resource)?;
        Ok(self.all_tags().await?.remove(resource).map(|tags| tags.value.attributes).unwrap_or_default())
    }

    /// Gives tags to resources, to all of them or to none.
    pub(crate) async fn tag(&self, resources: &[String], tags: Attributes) -> Result<(), Error> {
        check(&tags)?;
        self.retag(resources, |own| {
            own.extend(tags.clone());
            match own.len() {
                ..=MOST => Ok(()),
                many => Err(Error::invalid(format!("Tags contains too many values (max: {MOST}, actual: {many})"))),
            }
        })
        .await
    }

    /// Removes the tags of these names, or all; from all resources or from none.
    pub(crate) async fn untag(&self, resources: &[String], names: &[String], all: bool) -> Result<(), Error> {
        self.retag(resources, |own| {
            own.retain(|name, _| !all && !names.contains(name));
            Ok(())
        })
        .await
    }

    /// Changes the tags of resources in one commit.
    async fn retag(
        &self,
        resources: &[String],
        change: impl Fn(&mut Attributes) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _turn = self.change().await?;
        let mut all = self.all_tags().await?;
        let mut writes = Vec::new();
        for resource in resources {
            self.check_resource(resource)?;
            // One that is named twice is changed once more, from where the first change left it.
            let old = all.remove(resource).map(|old| old.value.attributes);
            let mut tags = old.unwrap_or_default();
            change(&mut tags)?;
            let key = Key::new(Kind::Tags, "", resource);
            let document = Document::new(tags);
            writes.push(match document.attributes.is_empty() {
                true => Write::Delete(key),
                false => Write::Put { key, document: json(&document), expect: Expect::Anything },
            });
            all.insert(resource.clone(), Stored { revision: 0, value: document });
        }
        Ok(self.opened()?.commit(writes).await.map(drop)?)
    }

    fn check_resource(&self, resource: &str) -> Result<(), Error> {
        let id = match resource.split_once('/') {
            Some(("services", name)) if is_name(name) => ScopeId::Service(name.to_owned()),
            Some(("functions", name)) if is_name(name) => match name.split_once('$') {
                Some((service, _)) => ScopeId::Service(service.to_owned()),
                None => ScopeId::Function(name.to_owned()),
            },
            _ => {
                return Err(Error::invalid(format!(
                    "ResourceArn is set to an invalid value (allowed: services/<name> | functions/<name>, actual: '{resource}')"
                )));
            }
        };
        self.scope(&id).map(drop)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'))
}

fn check(tags: &Attributes) -> Result<(), Error> {
    if tags.is_empty() {
        return Err(Error::invalid("Tags is required"));
    }
    for (name, value) in tags {
        let Some(value) = value.as_str() else {
            return Err(Error::invalid(format!("Tags: the value of '{name}' is no text")));
        };
        if name.is_empty() || name.chars().count() > NAME || value.chars().count() > VALUE {
            return Err(Error::invalid(format!(
                "Tags: '{name}' has a name of more than {NAME} characters or none, or a value of more than {VALUE}"
            )));
        }
    }
    Ok(())
}

/// Tags go with what has them.
pub(super) fn delete_tags(state: &ScopeState) -> Vec<Write> {
    let resource = match &state.id {
        ScopeId::Service(name) => format!("services/{name}"),
        ScopeId::Function(name) => format!("functions/{name}"),
    };
    vec![Write::Delete(Key::new(Kind::Tags, "", resource))]
}
