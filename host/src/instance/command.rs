//! A run of a `wasi:cli/run` component: the event in the environment, the result on standard output (CONTRACTS §4.3).

use wasmtime_wasi::WasiCtxBuilder;

use super::{Call, CallError, Exports, Instance, timed};
use crate::capability::stdio::Capture;

const EVENT_VARIABLE: &str = "FC_CUSTOM_CONTAINER_EVENT";

impl Instance {
    pub(super) async fn run_command(&mut self, call: &Call<'_>, event: &[u8]) -> Result<Vec<u8>, CallError> {
        let Exports::Command(command) = &self.exports else {
            return Err(CallError::Unsupported("the component is no command".into()));
        };
        let event = std::str::from_utf8(event).ok().filter(|event| !event.contains('\0')).ok_or_else(|| {
            CallError::Unsupported(format!(
                "a command gets its event in {EVENT_VARIABLE}: it must be UTF-8 without NUL"
            ))
        })?;
        self.calling = true;
        let stdout = Capture::new(self.store.data().response_limit());
        let wasi = self.store.data().command_context(event, call.request_id, &stdout);
        self.store.data_mut().wasi = wasi;
        let run =
            timed(&mut self.store, call.deadline, async |store| command.wasi_cli_run().call_run(store).await).await;
        let result = match run {
            // `main` of most languages exits by calling exit(0).
            Ok(Ok(())) | Err(CallError::Exited(0)) => Ok(Ok(())),
            Ok(Err(())) => Err(CallError::Exited(1)),
            Err(error) => Err(error),
        };
        self.ended(result)?;
        match stdout.take() {
            (bytes, 0) => Ok(bytes),
            (bytes, dropped) => Err(CallError::BadResponse(format!(
                "the command wrote {} bytes to standard output, over the response limit of {}",
                bytes.len() as u64 + dropped,
                bytes.len()
            ))),
        }
    }
}

impl super::Guest {
    /// A context like the one the instance started with, and the event.
    fn command_context(&self, event: &str, request_id: &str, stdout: &Capture) -> wasmtime_wasi::WasiCtx {
        let mut wasi = WasiCtxBuilder::new();
        wasi.envs(self.identity().variables())
            .env("FC_INSTANCE_ID", self.instance_id())
            .env("FC_REQUEST_ID", request_id)
            .env(EVENT_VARIABLE, event)
            .arg(&self.identity().function.name)
            .stdout(stdout.clone())
            .stderr(self.capture().clone());
        self.network.allow(&mut wasi);
        wasi.build()
    }
}
