//! `wisp invoke`: one event, by a running wisp or in this process.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;
use wisp::{
    catalog::{LATEST, Target},
    config::Config,
    host::FunctionHost,
    invoke::{Invocation, InvokeError, Report},
};

use super::{
    Failure,
    activity::{Show, deploy_progress},
    client::{self, ApiClient, ServerArgs, encoded},
    project, runtime,
    runtimes::RuntimesArgs,
    serving,
    terminal::{ERROR, FAINT, paint, stdout_is_terminal},
    up,
};

/// Slots of the instance pool for the one instance that is needed; a component may take the share of several.
const SLOTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// What the pre-stop hook may take at the end of a call in this process, at most.
const GRACE: Duration = Duration::from_secs(90);

/// Call a function with an event and print its result
#[derive(Debug, Args)]
#[command(after_help = "The result goes to stdout, everything else to stderr.\n\
                        Exit codes: 0 the function answered, 1 the function failed, 2 it could not be called.")]
pub(crate) struct InvokeArgs {
    /// The function
    function: String,
    /// `-` reads the event from stdin
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true, conflicts_with_all = ["event", "file"])]
    stdin: Option<String>,
    /// The event [default: empty]
    #[arg(long, short, value_name = "TEXT")]
    event: Option<String>,
    /// A file that holds the event; `-` is stdin
    #[arg(long, short, value_name = "FILE", conflicts_with = "event")]
    file: Option<PathBuf>,
    /// The service of the function [default: the one that has it]
    #[arg(long, short)]
    service: Option<String>,
    /// The version or alias
    #[arg(long, short, default_value = LATEST)]
    qualifier: String,
    /// Print the end of the function's log as well
    #[arg(long, short)]
    tail: bool,
    /// Run the function in this process, even if a server answers; its sources are built if they have changed
    #[arg(long, conflicts_with = "server")]
    local: bool,
    /// Print the result and what the call took as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    runtimes: RuntimesArgs,
}

/// How a call ended.
struct Answer {
    /// The result, or the function's error document.
    body: Bytes,
    /// The function's own failure; `None` if it answered.
    error_type: Option<String>,
    request_id: String,
    duration_ms: u64,
    memory_mb: f64,
    instance_id: String,
    log: Vec<u8>,
}

impl InvokeArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        // 1 is kept for a function that fails.
        self.answer().and_then(|answer| self.print(&answer)).map_err(Failure::into_usage)
    }

    fn answer(&self) -> Result<Answer, Failure> {
        let event = self.event()?;
        if self.local {
            return self.call_locally(self.server.config.load_or_infer()?, event);
        }
        let client = self.server.client()?;
        if self.server.server.is_some() || runtime::alone(client.answers())? {
            return self.call_server(&client, event);
        }
        let Some(config) = self.server.config.load_or_infer_if_any()? else {
            return Err(anyhow!(
                "no wisp answers at {}, and there is no {} here. Start one with `wisp up`, name another with --server, \
                 or go to a project",
                client.endpoint(),
                project::FILE
            )
            .into());
        };
        tell(&format!("no wisp answers at {}: calling {} in this process", client.endpoint(), self.function));
        self.call_locally(config, event)
    }

    fn event(&self) -> anyhow::Result<Bytes> {
        match (&self.event, &self.file) {
            (Some(text), _) => Ok(Bytes::from(text.clone())),
            (None, Some(file)) if file != Path::new("-") => {
                let bytes = fs::read(file).with_context(|| format!("the event {} cannot be read", file.display()))?;
                Ok(bytes.into())
            }
            (None, None) if self.stdin.is_none() => Ok(Bytes::new()),
            _ => {
                let mut bytes = Vec::new();
                io::stdin().read_to_end(&mut bytes).context("the event cannot be read from stdin")?;
                Ok(bytes.into())
            }
        }
    }

    fn call_server(&self, client: &ApiClient, event: Bytes) -> Result<Answer, Failure> {
        if self.server.server.is_none() {
            tell(&format!("calling {} on the wisp at {}", self.function, client.endpoint()));
        }
        Ok(runtime::alone(self.ask(client, event))??)
    }

    async fn ask(&self, client: &ApiClient, event: Bytes) -> anyhow::Result<Answer> {
        let mut headers = HeaderMap::new();
        if self.wants_log() {
            headers.insert("x-fc-log-type", HeaderValue::from_static("Tail"));
        }
        let response = client.send(Method::POST, &self.path(), headers, event).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = client::whole(response).await?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let error_type = text("x-fc-error-type");
        if status != StatusCode::OK && error_type.is_empty() {
            return Err(client::refusal(status, &body));
        }
        Ok(Answer {
            body,
            error_type: (!error_type.is_empty()).then(|| error_type.to_owned()),
            request_id: text("x-fc-request-id").to_owned(),
            duration_ms: text("x-fc-invocation-duration").parse().unwrap_or_default(),
            memory_mb: text("x-fc-max-memory-usage").parse().unwrap_or_default(),
            instance_id: text("x-fc-instance-id").to_owned(),
            log: BASE64_STANDARD.decode(text("x-fc-log-result")).unwrap_or_default(),
        })
    }

    fn path(&self) -> String {
        let (function, qualifier) = (encoded(&self.function), encoded(&self.qualifier));
        match &self.service {
            Some(service) => {
                format!("/2016-08-15/services/{}.{qualifier}/functions/{function}/invocations", encoded(service))
            }
            None => format!("/2023-03-30/functions/{function}/invocations?qualifier={qualifier}"),
        }
    }

    fn call_locally(&self, config: Config, event: Bytes) -> Result<Answer, Failure> {
        let config = self.only_what_is_called(config)?;
        runtime::with_workers(self.run(config, event))?
    }

    /// The configuration with the one function, and room for no more.
    fn only_what_is_called(&self, mut config: Config) -> Result<Config, Failure> {
        let is_called = |name: &str, service: &str| {
            name == self.function && self.service.as_ref().is_none_or(|asked| asked == service)
        };
        if !config.functions.iter().any(|function| is_called(&function.name, &function.service)) {
            return Err(Failure::usage(project::unknown(project::names(&config), &self.function)));
        }
        config.functions.retain(|function| is_called(&function.name, &function.service));
        config.functions.iter_mut().for_each(|function| function.min_instances = 0);
        config.domains.clear();
        config.server.max_instances = SLOTS;
        Ok(config)
    }

    async fn run(&self, config: Config, event: Bytes) -> Result<Answer, Failure> {
        let host = FunctionHost::new(config.server.clone(), config.limits.clone())?;
        let runtimes = self.runtimes.open(host.loader().clone(), &config)?;
        // One call does not wait for the compiler, which takes seconds where loading the sources takes a fraction of one.
        host.serve_before_compiled(runtimes.clone());
        if up::build(&config, &runtimes, Show::fitting()).await > 0 {
            return Err(anyhow!("{} could not be built, so it is not called", self.function).into());
        }
        let deployed = host.deploy(&config, deploy_progress(Show::fitting())).await;
        deployed.map_err(|errors| serving::undeployed(&errors))?;
        let mut invocation = Invocation::new();
        invocation.wants_log = self.wants_log();
        let request_id = invocation.id.as_str().to_owned();
        let target = Target { service: self.service.as_deref(), function: &self.function, qualifier: &self.qualifier };
        let result = host.invoke_event(target, invocation, event).await;
        let answer = local_answer(request_id, result);
        host.stop(GRACE).await;
        answer
    }

    fn wants_log(&self) -> bool {
        self.tail || self.json
    }

    fn print(&self, answer: &Answer) -> Result<ExitCode, Failure> {
        if self.json {
            writeln!(io::stdout(), "{:#}", as_json(answer))?;
        } else {
            write_result(&answer.body)?;
            if self.tail {
                anstream::eprint!("{}", paint(FAINT, &String::from_utf8_lossy(&answer.log)));
            }
        }
        let Some(error_type) = &answer.error_type else { return Ok(ExitCode::SUCCESS) };
        if !self.json {
            anstream::eprintln!("{} {} failed: {error_type}", paint(ERROR, "error:"), self.function);
        }
        Ok(ExitCode::FAILURE)
    }
}

fn local_answer(request_id: String, result: Result<(Bytes, Report), InvokeError>) -> Result<Answer, Failure> {
    let (body, error_type, report) = match result {
        Ok((body, report)) => (body, None, report),
        Err(InvokeError::Function(failed)) => {
            (failed.error.document.into(), Some(failed.error.error_type), failed.report)
        }
        Err(InvokeError::BadResponse { message, report }) => {
            let document = json!({ "ErrorCode": "BadResponse", "ErrorMessage": message }).to_string();
            (document.into(), Some("UnhandledInvocationError"), *report)
        }
        Err(error @ (InvokeError::Resolve(_) | InvokeError::Exhausted(_) | InvokeError::Unsupported(_))) => {
            return Err(error.into());
        }
    };
    Ok(Answer {
        body,
        error_type: error_type.map(str::to_owned),
        request_id,
        duration_ms: u64::try_from(report.usage.duration.as_millis()).unwrap_or(u64::MAX),
        memory_mb: report.usage.memory_mb(),
        instance_id: report.instance_id.to_string(),
        log: report.log,
    })
}

/// The bytes as they are; on a terminal the prompt shall not follow them on their line.
fn write_result(body: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(body)?;
    if stdout_is_terminal() && !body.is_empty() && !body.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn as_json(answer: &Answer) -> serde_json::Value {
    let text = std::str::from_utf8(&answer.body).ok();
    json!({
        "requestId": answer.request_id,
        "ok": answer.error_type.is_none(),
        "errorType": answer.error_type,
        "result": text,
        "resultBase64": text.is_none().then(|| BASE64_STANDARD.encode(&answer.body)),
        "durationMs": answer.duration_ms,
        "maxMemoryMb": (answer.memory_mb * 100.0).round() / 100.0,
        "instanceId": answer.instance_id,
        "log": String::from_utf8_lossy(&answer.log),
    })
}

/// Who ran it matters when two of them are there.
fn tell(text: &str) {
    anstream::eprintln!("{}", paint(FAINT, text));
}
