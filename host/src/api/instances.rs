//! The instances of a function under a qualifier.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use crate::{catalog::ScopeId, host::FunctionHost};

/// `instanceIds` of the query, a list in JSON, picks some of them.
pub(super) fn list(host: &FunctionHost, call: &Call, id: &ScopeId, function: &str, qualifier: &str) -> Answer {
    let wanted: Option<Vec<String>> = call.parameter("instanceIds").and_then(|text| serde_json::from_str(text).ok());
    let catalog = host.catalog();
    let routes = catalog.scope(id).and_then(|scope| scope.functions.get(function));
    let revisions = routes.and_then(|routes| routes.choice(qualifier)).into_iter().flat_map(|choice| choice.members());
    let instances: Vec<Value> = revisions
        .flat_map(|revision| {
            let version = if *revision.version == *crate::catalog::LATEST { "0" } else { &*revision.version };
            let qualifier = &revision.qualifier;
            revision.pool.instance_ids().into_iter().map(move |id| {
                json!({ "instanceId": id, "versionId": version, "qualifier": qualifier, "status": "Running" })
            })
        })
        .filter(|instance| wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|id| instance["instanceId"] == *id)))
        .collect();
    Answer::ok(json!({ "instances": instances }))
}
