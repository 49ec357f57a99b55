//! `[[access_keys]]`.

use std::{fs, sync::Arc};

use super::{Place, Section};
use crate::config::{AccessKeyConfig, AccessScope, Secret};

const SCOPES: [(&str, AccessScope); 3] =
    [("admin", AccessScope::Admin), ("invoke", AccessScope::Invoke), ("read-only", AccessScope::ReadOnly)];

/// The longest id.
const ID: usize = 128;

/// What takes too long to guess, if it is random.
const SECRET: usize = 16;

/// The keys that one text may be given by: itself, a file that holds it, a variable of wisp's environment that does.
pub(super) struct Keys {
    pub(super) text: &'static str,
    pub(super) file: &'static str,
    pub(super) variable: &'static str,
}

const SECRET_KEYS: Keys = Keys { text: "secret", file: "secret_file", variable: "secret_env" };

const TOKEN_KEYS: Keys = Keys { text: "security_token", file: "security_token_file", variable: "security_token_env" };

/// `[[access_keys]]`.
pub(super) fn access_keys(top: &mut Section<'_>) -> Vec<AccessKeyConfig> {
    let mut found: Vec<(Place, AccessKeyConfig)> = Vec::new();
    top.list_if_any("access_keys", |section| {
        let key = access_key(section);
        match found.iter().find(|(_, other)| other.id == key.id && !key.id.is_empty()) {
            Some((first, _)) => section.clash(&format!("access key {:?}", &*key.id), first),
            None => found.push((section.here(), key)),
        }
    });
    found.into_iter().map(|(_, key)| key).collect()
}

fn access_key(section: &mut Section<'_>) -> AccessKeyConfig {
    AccessKeyConfig {
        id: id(section),
        secret: required_secret(section),
        security_token: secret(section, &TOKEN_KEYS),
        scope: section.choice("scope", &SCOPES).unwrap_or(AccessScope::Admin),
    }
}

fn id(section: &mut Section<'_>) -> Arc<str> {
    if !section.has("id") {
        section.problem("id", "is missing");
    }
    let id: Option<String> = section.get("id");
    // What separates the parts of an `Authorization` header.
    let fits = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b':' | b',' | b'=');
    if let Some(id) = &id
        && (id.is_empty() || id.len() > ID || !id.bytes().all(fits))
    {
        let reason =
            format!("{id:?} is no id; give 1 to {ID} printable ASCII characters without space, `:`, `,` and `=`");
        section.problem("id", reason);
    }
    id.unwrap_or_default().into()
}

fn required_secret(section: &mut Section<'_>) -> Secret {
    let given = [SECRET_KEYS.text, SECRET_KEYS.file, SECRET_KEYS.variable].iter().any(|key| section.has(key));
    if !given {
        section.problem("secret", "is missing; give `secret`, `secret_file` or `secret_env`");
    }
    let secret = secret(section, &SECRET_KEYS);
    if let Some(secret) = &secret
        && secret.expose().chars().count() < SECRET
    {
        let reason = format!("has less than {SECRET} characters; `openssl rand -hex 20` makes one that nobody guesses");
        let key = [SECRET_KEYS.file, SECRET_KEYS.variable].into_iter().find(|key| section.has(key));
        section.problem(key.unwrap_or(SECRET_KEYS.text), reason);
    }
    secret.unwrap_or_else(|| Secret::new(""))
}

/// `token`, `token_file` or `token_env` of a source.
pub(super) fn token(section: &mut Section<'_>) -> Option<Secret> {
    secret(section, &Keys { text: "token", file: "token_file", variable: "token_env" })
}

/// A text given in one of three ways. No problem says the text.
pub(super) fn secret(section: &mut Section<'_>, keys: &Keys) -> Option<Secret> {
    let text: Option<String> = section.get(keys.text);
    let file = section.path(keys.file).and_then(|path| {
        let text = fs::read_to_string(&path);
        text.map_err(|error| section.problem(keys.file, format!("{} cannot be read: {error}", path.display()))).ok()
    });
    let variable: Option<String> = section.get(keys.variable);
    let variable = variable.and_then(|name| {
        let value = section.file.environment.get(&name);
        if value.is_none() {
            section.problem(keys.variable, format!("the environment of wisp has no variable {name}; set it"));
        }
        value
    });
    let given = [keys.text, keys.file, keys.variable].into_iter().filter(|key| section.has(key)).count();
    if given > 1 {
        let Keys { text, file, variable } = keys;
        section.problem(text, format!("is given more than once; keep one of `{text}`, `{file}` and `{variable}`"));
    }
    // Editors end files with a newline.
    let secret = text.or(file.map(|text| text.trim().to_owned())).or(variable)?;
    if secret.bytes().all(|byte| matches!(byte, b'!'..=b'~')) && !secret.is_empty() {
        return Some(Secret::new(secret));
    }
    section.problem(keys.text, "is empty, or holds other characters than printable ASCII without space");
    None
}
