//! What names and other texts may look like.

use std::sync::Arc;

use super::Section;

/// The longest function name.
pub(super) const FUNCTION_NAME: usize = 64;

/// The longest name of a service or of an alias.
pub(super) const NAME: usize = 128;

/// The longest text that a function is told about itself, such as its handler.
const TOLD: usize = 128;

/// The longest domain name and the longest of its labels, as DNS has them.
const DOMAIN: usize = 256;
const LABEL: usize = 63;

/// The longest route path.
const PATH: usize = 2048;

/// Why `name` is no name of a function, a service or an alias.
pub(super) fn name(name: &str, longest: usize) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.len() <= longest && name.starts_with(starts) && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no name; give 1 to {longest} letters, digits, `_` and `-` that start with a letter or `_`"
    ))
}

/// Why `text` is neither a version, which is a number, nor an alias.
pub(super) fn qualifier(text: &str) -> Result<(), String> {
    let version = !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    if version { Ok(()) } else { name(text, NAME) }
}

/// A text that the function is told, also by headers, which hold printable ASCII only.
pub(super) fn told(section: &mut Section<'_>, key: &'static str, default: &str) -> Arc<str> {
    let text: String = section.or(key, default.to_owned());
    if text.len() > TOLD || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        section.problem(
            key,
            format!("{text:?} cannot be sent in a header; give at most {TOLD} printable ASCII characters"),
        );
    }
    text.into()
}

/// Why no variable of a function may be called `name`.
pub(super) fn variable(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(fits) {
        return Err("is no name of a variable; give letters, digits and `_` that start with a letter".to_owned());
    }
    if name.starts_with("FC_") || RESERVED.contains(&name) {
        return Err("is set by wisp itself; take another name".to_owned());
    }
    Ok(())
}

/// Variables that Function Compute 2.0 keeps for itself besides `FC_*`.
const RESERVED: [&str; 4] = ["accessKeyID", "accessKeySecret", "securityToken", "topic"];

/// Why `name` is no domain name.
pub(super) fn domain(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > DOMAIN {
        return Err("is not 1 to 256 characters long");
    }
    if !name.split('.').all(is_label) {
        return Err("is no domain name; its labels have 1 to 63 letters, digits and inner `-`, and no port follows");
    }
    let top = name.rsplit('.').next().unwrap_or(name);
    if top.len() < 2 || top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("ends in no top-level domain; addresses are served without a domain");
    }
    Ok(())
}

fn is_label(label: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=LABEL).contains(&label.len()) && label.chars().all(fits) && !label.starts_with('-') && !label.ends_with('-')
}

/// Why `path` is no path of a route.
pub(super) fn route_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("{path:?} does not start with `/`"));
    }
    if path.strip_suffix("/*").unwrap_or(path).contains('*') {
        return Err(format!("{path:?} has a `*` that is not a last segment of its own, as in `/a/*`"));
    }
    if path.contains(['?', '#']) || path.len() > PATH {
        return Err(format!("{path:?} is more than a path of at most {PATH} characters; leave query and fragment out"));
    }
    Ok(())
}
