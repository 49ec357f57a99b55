//! Why there is no snapshot, and what to do: one sentence each.

use std::sync::atomic::Ordering::Relaxed;

use crate::{
    component::{ComponentError, Kind},
    instance::{CallError, Policy},
};

/// A function that asks for a snapshot cannot have one. Without `snapshot` it can be deployed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotRefused {
    /// The component is not served in any case.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// What stands in the way, and the way out.
    #[error("no snapshot can be taken after its initializer (`snapshot`): {reason}. {advice}{wrote}")]
    Refused {
        /// What stands in the way.
        reason: String,
        /// The way out.
        advice: String,
        /// The last lines that the initializer wrote, as a paragraph of their own; empty if it wrote nothing.
        wrote: String,
    },
}

impl SnapshotRefused {
    pub(super) fn with_log(self, tail: &str) -> Self {
        match self {
            Self::Refused { reason, advice, .. } if !tail.is_empty() => {
                Self::Refused { reason, advice, wrote: format!(".\nThe initializer wrote:\n{tail}") }
            }
            other => other,
        }
    }
}

impl From<std::io::Error> for SnapshotRefused {
    fn from(error: std::io::Error) -> Self {
        Self::Component(error.into())
    }
}

const OPEN_LATER: &str = "Take out `snapshot`, or open it in the after-restore hook, which runs in each instance";
const TAKE_OUT: &str = "Take out `snapshot`: then it runs in each instance";

fn refused(reason: impl Into<String>, advice: &str) -> SnapshotRefused {
    SnapshotRefused::Refused { reason: reason.into(), advice: advice.into(), wrote: String::new() }
}

/// A kind that has no initializer, or whose state is never at rest.
pub(super) fn kind(kind: Kind) -> SnapshotRefused {
    let reason = match kind {
        Kind::WasiHttp03 => "serves several invocations at once, so there is no moment at which its state is whole",
        Kind::Command | Kind::Function | Kind::WasiHttp02 => "runs anew for every event and has no initializer",
    };
    refused(format!("a component of kind {} {reason}", kind.describe()), "Take out `snapshot`")
}

pub(super) fn no_initializer(kind: Kind) -> SnapshotRefused {
    let (reason, advice) = match kind {
        Kind::WasiHttp02 => (
            "no initializer is configured",
            "Take out `snapshot`, or set `initializer`: `POST /initialize` is then called once",
        ),
        _ => ("it has no initializer", "Take out `snapshot`, or move what takes time into an initializer"),
    };
    refused(reason, advice)
}

/// wasmtime-wizer cannot instrument it, or not read it.
pub(super) fn code(error: &wasmtime::Error) -> SnapshotRefused {
    refused(format!("its state cannot be read from outside ({error:#})"), "Take out `snapshot`")
}

pub(super) fn start(error: &CallError) -> SnapshotRefused {
    refused(format!("its instance does not start: {error}"), "Take out `snapshot` to see whether it does without")
}

/// How the initializer ended.
pub(super) fn initializer(result: Result<(), CallError>, policy: &Policy) -> Result<(), SnapshotRefused> {
    let wanted_network = policy.network_attempts.as_ref().is_some_and(|attempts| attempts.load(Relaxed));
    let after_restore = "Take out `snapshot`, or connect in the after-restore hook, which runs in each instance";
    match result {
        // It may have settled for something else, which every instance would then have.
        Ok(()) if wanted_network => {
            Err(refused("the initializer tried to reach the network, which a deploy does not give it", after_restore))
        }
        Ok(()) => Ok(()),
        Err(error) if wanted_network => Err(refused(
            format!(
                "the initializer wants the network, which a deploy does not give it ({})",
                sentence(&message_of(&error))
            ),
            after_restore,
        )),
        Err(CallError::TimedOut) => Err(refused(
            format!(
                "the initializer did not come to an end within {} s (`initialization_timeout`)",
                policy.identity.function.initialization_timeout.as_secs_f64()
            ),
            "Give it more time, or take out `snapshot`",
        )),
        Err(error @ CallError::Exited(_)) => Err(refused(format!("the initializer {error}"), TAKE_OUT)),
        Err(CallError::Trapped(reason)) => Err(refused(format!("the initializer trapped: {reason}"), TAKE_OUT)),
        Err(error) => Err(refused(
            format!("the initializer failed: {}", sentence(&message_of(&error))),
            "Correct it, or take out `snapshot`: then it is tried again in each instance",
        )),
    }
}

/// The guest itself says what it holds.
pub(super) fn park(error: &CallError) -> SnapshotRefused {
    refused(sentence(&message_of(error)), OPEN_LATER)
}

/// What is left that no snapshot holds.
pub(super) fn held(held: Option<String>, has_scratch_files: bool) -> Result<(), SnapshotRefused> {
    if let Some(held) = held {
        return Err(refused(
            format!("after the initializer it still holds {held}, which no other instance has"),
            OPEN_LATER,
        ));
    }
    if has_scratch_files {
        let advice = "Take out `snapshot`, keep it in memory, or write it in the after-restore hook";
        return Err(refused("the initializer left files in /tmp, which is empty in each instance", advice));
    }
    Ok(())
}

/// `errorMessage` of the error document.
fn message_of(error: &CallError) -> String {
    let (CallError::Failed { document, .. } | CallError::Panicked { document }) = error else {
        return error.to_string();
    };
    let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    document["errorMessage"].as_str().map_or_else(|| error.to_string(), str::to_owned)
}

/// As a part of a sentence that goes on.
fn sentence(message: &str) -> String {
    message.trim().trim_end_matches('.').to_owned()
}
