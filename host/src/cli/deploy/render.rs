//! A plan for people and for programs.

use serde_json::{Value as Json, json};

use super::plan::{Action, Change, Step};
use crate::cli::terminal::table;

/// Longer values are cut: a plan is to be read at a glance.
const VALUE: usize = 40;

/// The plan as a table.
pub(super) fn plan(steps: &[Step]) -> String {
    let mut rows = vec![["ACTION", "KIND", "NAME", "CHANGES"].map(str::to_owned).to_vec()];
    rows.extend(steps.iter().map(|step| {
        let changes: Vec<String> = step.changes.iter().map(change).collect();
        vec![word(step.action).to_owned(), step.resource.word().to_owned(), step.resource.name(), changes.join(", ")]
    }));
    table(&rows)
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Keep => "keep",
    }
}

fn change(change: &Change) -> String {
    match change.attribute.as_str() {
        "code" => "code".to_owned(),
        attribute => format!("{attribute} {} → {}", short(&change.from), short(&change.to)),
    }
}

fn short(value: &Json) -> String {
    let text = match value {
        Json::Null => "-".to_owned(),
        Json::String(text) if text.is_empty() => "\"\"".to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The plan as a document; `done`: it was carried out.
pub(super) fn json(steps: &[Step], done: bool) -> Json {
    let steps: Vec<Json> = steps
        .iter()
        .map(|step| {
            let changes = step
                .changes
                .iter()
                .map(|change| json!({ "attribute": change.attribute, "from": change.from, "to": change.to }));
            json!({
                "action": word(step.action),
                "kind": step.resource.word(),
                "name": step.resource.name(),
                "changes": changes.collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "done": done, "steps": steps })
}
