//! Aliases, which both APIs have in the same form.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, with_defaults},
    fields,
    schema::{self, invalid},
};
use crate::{
    catalog::{LATEST, ScopeId},
    control::{Document, Stored},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// The longest name.
const NAME: usize = 128;

/// `None` if there is no such operation.
pub(super) async fn route(
    host: &FunctionHost,
    call: &Call,
    id: &ScopeId,
    rest: &[&str],
) -> Result<Option<Answer>, PlatformError> {
    let answer = match (call.method.as_str(), rest) {
        ("POST", []) => create(host, call, id).await?,
        ("GET", []) => {
            let aliases = host.scope(id)?.aliases.clone();
            call.page(aliases)?.answer("aliases", |name, alias: &Stored<Document>| show(name, &alias.value))
        }
        ("GET", [name]) => {
            let state = host.scope(id)?;
            let alias = state.alias(name)?;
            Answer::of(alias, show(name, &alias.value))
        }
        ("PUT", [name]) => {
            let mut attributes = call.attributes(fields::ALIAS)?;
            attributes.remove("aliasName");
            let alias = host.update_alias(id, name, attributes, call.if_match()).await?;
            Answer::of(&alias, show(name, &alias.value))
        }
        ("DELETE", [name]) => {
            host.delete_alias(id, name, call.if_match()).await?;
            Answer::nothing()
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

async fn create(host: &FunctionHost, call: &Call, id: &ScopeId) -> Result<Answer, PlatformError> {
    let mut attributes = call.attributes(fields::ALIAS)?;
    let name = schema::required(&attributes, "aliasName")?.to_owned();
    schema::name("AliasName", &name, NAME)?;
    if name == LATEST {
        return Err(invalid("AliasName", "any name but LATEST", &name.into()));
    }
    schema::required(&attributes, "versionId")?;
    attributes.remove("aliasName");
    let alias = host.create_alias(id, &name, attributes).await?;
    Ok(Answer::of(&alias, show(&name, &alias.value)))
}

fn show(name: &str, alias: &Document) -> Value {
    let defaults = json!({ "description": "", "additionalVersionWeight": {} });
    let mut shown = with_defaults(defaults, &alias.attributes);
    shown.insert("aliasName".into(), name.into());
    shown.insert("createdTime".into(), alias.created.as_str().into());
    shown.insert("lastModifiedTime".into(), alias.modified.as_str().into());
    Value::Object(shown)
}
