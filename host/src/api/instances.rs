//! The instances of a function under a qualifier.

use serde_json::{Value, json};

use super::call::Answer;
use crate::{catalog::ScopeId, host::FunctionHost};

pub(super) fn list(host: &FunctionHost, id: &ScopeId, function: &str, qualifier: &str) -> Answer {
    let catalog = host.catalog();
    let routes = catalog.scope(id).and_then(|scope| scope.functions.get(function));
    let revisions = routes.and_then(|routes| routes.choice(qualifier)).into_iter().flat_map(|choice| choice.members());
    let instances: Vec<Value> = revisions
        .flat_map(|revision| {
            let version = if *revision.version == *crate::catalog::LATEST { "0" } else { &*revision.version };
            revision.pool.instance_ids().into_iter().map(move |id| json!({ "instanceId": id, "versionId": version }))
        })
        .collect();
    Answer::ok(json!({ "instances": instances }))
}
