//! The one run of an initializer, and the component that its instance becomes.

use std::time::{Instant, SystemTime};

use wasmtime_wizer::{ComponentContext, Wizer};

use super::{
    super::{Ready, state::InstanceState},
    SnapshotRefused, adapter,
    held::{self, Forgetful},
    libc, refusal,
};
use crate::{
    instance::{Call, CallError, Instance, Policy, Usage, explain_refused},
    invoke::{RequestId, epoch_ms, marked_log},
};

/// What the initializer wrote, between its marker lines.
pub(crate) struct InitializerLog {
    pub(crate) request_id: RequestId,
    pub(crate) text: Vec<u8>,
    pub(crate) dropped: u64,
    /// The last lines that it wrote itself.
    pub(super) tail: String,
}

/// Lines that stand in the message of a refusal.
const TAIL: usize = 20;

/// An instrumented component and what its one instance is given.
pub(super) struct Run<'a> {
    pub(super) wizer: Wizer,
    pub(super) context: ComponentContext<'a>,
    pub(super) ready: Ready,
    pub(super) policy: &'a Policy,
    /// What was instrumented.
    pub(super) bytes: &'a [u8],
    pub(super) id: RequestId,
}

/// What came of it.
pub(super) struct Made {
    pub(super) component: Vec<u8>,
    pub(super) at_ms: u64,
    pub(super) usage: Usage,
}

impl Run<'_> {
    /// Runs the initializer, lets go of what the guest can open again, and reads the state. `log` is set once it has run.
    pub(super) async fn make(&self, log: &mut Option<InitializerLog>) -> Result<Made, SnapshotRefused> {
        let function = &self.policy.identity.function;
        let timeout = function.initialization_timeout;
        let (began, now) = (Instant::now(), SystemTime::now());
        let deadline = began + timeout;
        let started = Instance::start_instrumented(&self.ready, self.policy, deadline).await;
        let (mut instance, raw) = started.map_err(|error| refusal::start(&error))?;
        let call = Call {
            request_id: self.id.as_str(),
            deadline,
            deadline_ms: epoch_ms(now + timeout),
            retry_count: 0,
            trace_parent: None,
        };
        let result = instance.initialize(&call).await;
        let usage = Usage { duration: began.elapsed(), memory: instance.memory() };
        *log = Some(self.log(&mut instance, &result, usage));
        let result = result.map_err(|error| explained(&mut instance, error));
        refusal::initializer(result, self.policy)?;
        let forgetful = self.let_go(&mut instance, &raw, deadline).await?;
        refusal::held(instance.held(|table| held::describe(table, forgetful)), instance.has_scratch_files())?;
        let component = self.read(&mut instance, &raw, forgetful).await?;
        Ok(Made { component, at_ms: epoch_ms(now), usage })
    }

    fn log(&self, instance: &mut Instance, result: &Result<(), CallError>, usage: Usage) -> InitializerLog {
        let (bytes, dropped) = instance.take_log();
        let ending = result.as_ref().err().map(|_| "Unhandled function error");
        let memory = self.policy.identity.function.memory;
        InitializerLog {
            request_id: self.id,
            text: marked_log(self.id.as_str(), "Initialize", &bytes, ending, usage, memory),
            dropped,
            tail: tail(&bytes),
        }
    }

    /// Has the guest let go of what it can open again.
    async fn let_go(
        &self,
        instance: &mut Instance,
        raw: &wasmtime::component::Instance,
        deadline: Instant,
    ) -> Result<Forgetful, SnapshotRefused> {
        // Of components with a declaration, and of no others: those are language runtimes.
        if self.ready.declaration.is_some() {
            instance.park(raw, deadline).await.map_err(|error| refusal::park(&error))?;
        }
        if instance.has_export(raw, libc::RESET) {
            let reset = instance.call_bare(raw, libc::RESET, deadline).await;
            reset.map_err(|error| refusal::park(&error))?;
        }
        Ok(if adapter::is_in(self.bytes)? { Forgetful::Adapter } else { Forgetful::Nobody })
    }

    async fn read(
        &self,
        instance: &mut Instance,
        raw: &wasmtime::component::Instance,
        forgetful: Forgetful,
    ) -> Result<Vec<u8>, SnapshotRefused> {
        let mut state = InstanceState::new(instance.store(), raw);
        let snapshot = self.wizer.snapshot_component(&self.context, &mut state).await;
        // An empty read, which only a failure brings, must not be taken for a snapshot.
        let snapshot = snapshot.and_then(|snapshot| state.check(snapshot)).map_err(|error| refusal::code(&error))?;
        Ok(match forgetful {
            Forgetful::Adapter => adapter::as_new(&snapshot, self.bytes)?,
            Forgetful::Nobody => snapshot,
        })
    }
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // Why the instance ended is what the refusal says.
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("wisp: the instance ended")).collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}

/// A trap with the limit that it came from.
fn explained(instance: &mut Instance, error: CallError) -> CallError {
    match (error, instance.take_refused()) {
        (CallError::Trapped(reason), Some(refused)) => {
            CallError::Trapped(format!("{reason} ({})", explain_refused(refused)))
        }
        (error, _) => error,
    }
}
