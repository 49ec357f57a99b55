//! `/wisp/triggers`: what `wisp trigger` and `wisp list triggers` ask of triggers that wisp runs.

use http::{Method, Response};
use serde_json::{Value, json};

use super::{ResponseBody, decoded_path, inspect::json_response, query_value};
use crate::{host::FunctionHost, platform_error::PlatformError, trigger::source::Triggers};

/// | request | does |
/// |---|---|
/// | `GET /wisp/triggers?service=&function=` | lists all but HTTP triggers, with their states |
/// | `GET /wisp/triggers/{name}` | shows one |
/// | `POST /wisp/triggers/{name}/fire` | fires a timer now |
/// | `POST /wisp/triggers/{name}/pause`, `…/resume` | lets it rest or go on |
/// | `POST /wisp/triggers/{name}/forget` | forgets what a trigger that is gone has at a broker |
///
/// A name is service, function and trigger, or the last of these, if that names one.
pub(super) async fn handle(
    host: &FunctionHost,
    method: &Method,
    path: &[&str],
    query: Option<&str>,
) -> Result<Response<ResponseBody>, PlatformError> {
    let triggers = host.triggers().ok_or_else(|| PlatformError::internal("this host was started without triggers"))?;
    let path = decoded_path(path);
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    match (method, path.as_slice()) {
        (&Method::GET, []) => Ok(json_response(&json!({ "triggers": list(triggers, query).await }))),
        (&Method::GET, name) => Ok(json_response(&triggers.describe_one(&name.join("/")).await?)),
        (&Method::POST, [name @ .., "fire"]) => done("fired", &triggers.fire(&name.join("/")).await?),
        (&Method::POST, [name @ .., "pause"]) => done("paused", &triggers.set_paused(&name.join("/"), true).await?),
        (&Method::POST, [name @ .., "forget"]) => done("forgotten", &triggers.forget(&name.join("/")).await?),
        (&Method::POST, [name @ .., "resume"]) => done("resumed", &triggers.set_paused(&name.join("/"), false).await?),
        _ => Err(PlatformError::path_not_supported(method, &format!("/wisp/triggers/{}", path.join("/")))),
    }
}

async fn list(triggers: &Triggers, query: Option<&str>) -> Vec<Value> {
    let wanted = ["service", "function"].map(|key| (key, query_value(query, key)));
    let is_wanted = |trigger: &Value| {
        wanted.iter().all(|(key, wanted)| wanted.as_deref().is_none_or(|wanted| trigger[*key].as_str() == Some(wanted)))
    };
    triggers.describe().await.into_iter().filter(is_wanted).collect()
}

fn done(what: &str, id: &str) -> Result<Response<ResponseBody>, PlatformError> {
    Ok(json_response(&json!({ what: id.trim_start_matches('/') })))
}
