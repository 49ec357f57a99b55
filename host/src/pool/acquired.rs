//! What a caller of a pool is given: an instance of its own, or a slot in a shared one.

use std::sync::Arc;

use super::{exclusive::Exclusive, slots::Slot};
use crate::instance::{Call, CallError};

/// What a caller may call.
pub(crate) enum Acquired {
    Exclusive(Exclusive),
    Slot(Slot),
}

impl Acquired {
    pub(crate) fn is_initialized(&self) -> bool {
        match self {
            Self::Exclusive(exclusive) => {
                exclusive.pooled.as_ref().is_none_or(|pooled| pooled.instance.is_initialized())
            }
            Self::Slot(slot) => slot.instance().is_initialized(),
        }
    }

    /// Whether it can be called again.
    pub(crate) fn is_reusable(&self) -> bool {
        match self {
            Self::Exclusive(exclusive) => exclusive.pooled.as_ref().is_some_and(|pooled| pooled.instance.is_reusable()),
            Self::Slot(slot) => slot.instance().is_reusable(),
        }
    }

    pub(crate) async fn initialize(&mut self, call: &Call<'_>) -> Result<(), CallError> {
        match self {
            Self::Exclusive(exclusive) => exclusive.instance().initialize(call).await,
            Self::Slot(slot) => slot.instance().initialize(call).await,
        }
    }

    pub(crate) fn take_log(&mut self) -> (Vec<u8>, u64) {
        match self {
            Self::Exclusive(exclusive) => exclusive.instance().take_log(),
            Self::Slot(slot) => slot.instance().capture().take(),
        }
    }

    pub(crate) fn memory(&mut self) -> usize {
        match self {
            Self::Exclusive(exclusive) => exclusive.instance().memory(),
            Self::Slot(slot) => slot.instance().memory(),
        }
    }

    pub(crate) fn instance_id(&mut self) -> Arc<str> {
        match self {
            Self::Exclusive(exclusive) => exclusive.instance().id().clone(),
            Self::Slot(slot) => slot.instance().id().clone(),
        }
    }

    /// Whether the guest wrote anything since the log was last taken.
    pub(crate) fn has_log(&self) -> bool {
        match self {
            Self::Exclusive(exclusive) => exclusive.pooled.as_ref().is_some_and(|pooled| pooled.instance.has_log()),
            Self::Slot(slot) => !slot.instance().capture().is_empty(),
        }
    }

    /// Does what the function's rule says with an instance whose initializer failed: CONTRACTS §3.4.
    pub(crate) fn after_failed_initialization(&mut self) {
        match self {
            Self::Exclusive(exclusive) if exclusive.pool.replaces_failed() => exclusive.discard(),
            Self::Slot(slot) if slot.pool.replaces_failed() => slot.instance().retire(),
            // The same instance tries again at the next invocation.
            Self::Exclusive(_) | Self::Slot(_) => {}
        }
    }
}
