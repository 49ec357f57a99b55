//! JavaScript, TypeScript and Python, by wisp's own language runtimes: no tool of the language is needed.

use std::{path::Path, sync::Arc};

use super::{
    BuildError, Job, Loading, Packages, Progress, failed_io, kept, packages, typescript, user_error::UserError,
};
use crate::{
    capability::{environment::Identity, files::CODE, outbound::OutboundPolicy},
    component::runtime::{self, Snapshot, SnapshotError, abi},
    config::{Evaluate, FunctionConfig, HandlerType, Language, Limits},
    instance::{CallError, Policy},
};

/// The version that changes: what is built is not published yet.
const QUALIFIER: &str = crate::catalog::LATEST;

/// What sources may write while they are loaded.
const LOG: usize = 1 << 20;

const CORRECT: &str = "Correct it, and build again";

/// Writes the component and gives what its author should know.
pub(super) fn build(
    job: &Job<'_>,
    language: Language,
    loading: &Loading<'_>,
    progress: Progress<'_>,
) -> Result<Vec<String>, BuildError> {
    if loading.packages == Packages::Installed {
        match language {
            Language::JavaScript => packages::check_node(&job.source)?,
            Language::Python => packages::install_python(&job.source, progress)?,
            Language::Rust => {}
        }
    }
    let recipe = Recipe { job, language, loading, files: files(&job.source, language)? };
    let (snapshot, warnings) = match loading.evaluate {
        Evaluate::Build => recipe.evaluated(progress)?,
        Evaluate::Start => (recipe.snapshot(false, progress).map_err(|error| recipe.failed(error))?, Vec::new()),
    };
    if snapshot.takes_nothing {
        let reason = "it found no handler in the sources";
        return Err(runtime_error(&job.source, language, reason, "Name one in `handler`, such as \"index.handler\""));
    }
    std::fs::write(&job.output, &snapshot.component).map_err(|error| failed_io(&job.source, error))?;
    progress(&format!("{} sources, style {}", language.name(), snapshot.style));
    Ok(warnings.into_iter().chain(snapshot.warnings).collect())
}

/// The function's own files in the form in which the runtime is to load them.
fn files(source: &Path, language: Language) -> Result<Vec<abi::TranslatedFile>, BuildError> {
    let mut files = kept::plain(source, language);
    if language == Language::JavaScript {
        files.extend(typescript::translate_all(source).map_err(|error| match error {
            typescript::TranslateError::Io(path, error) => failed_io(&path, error),
            typescript::TranslateError::Source(error) => wrong_source(source, language, &error),
        })?);
    }
    Ok(files)
}

struct Recipe<'a> {
    job: &'a Job<'a>,
    language: Language,
    loading: &'a Loading<'a>,
    files: Vec<abi::TranslatedFile>,
}

impl Recipe<'_> {
    /// With the top level run now, if what it leaves can be part of a component.
    fn evaluated(&self, progress: Progress<'_>) -> Result<(Snapshot, Vec<String>), BuildError> {
        match self.snapshot(true, progress) {
            Ok(snapshot) => Ok((snapshot, Vec::new())),
            Err(SnapshotError::Unfit(reason)) => {
                let warning = format!(
                    "the top level of the sources cannot run while the component is built: {reason}. It runs in each \
                     instance instead, before the first call; `evaluate = \"start\"` in the function's `build` says so \
                     without this warning"
                );
                let snapshot = self.snapshot(false, progress).map_err(|error| self.failed(error))?;
                Ok((snapshot, vec![warning]))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn snapshot(&self, evaluate: bool, progress: Progress<'_>) -> Result<Snapshot, SnapshotError> {
        let runtimes = self.loading.runtimes;
        runtimes.snapshot(self.language, self.source(evaluate), self.policy(), progress)
    }

    fn source(&self, evaluate: bool) -> abi::Source {
        let function = self.loading.function;
        let text = |name: &Option<Arc<str>>| name.as_ref().map(ToString::to_string);
        abi::Source {
            directory: CODE.into(),
            handler: function.handler.to_string(),
            initializer: text(&function.initializer),
            pre_freeze: text(&function.pre_freeze_handler),
            pre_stop: text(&function.pre_stop_handler),
            after_restore: text(&function.after_restore),
            http_trigger: function.http.is_some(),
            kinds: match function.handler_type {
                Some(HandlerType::Event) => abi::HandlerKinds::EVENT,
                Some(HandlerType::Http) => abi::HandlerKinds::HTTP,
                Some(HandlerType::Either) => abi::HandlerKinds::EVENT | abi::HandlerKinds::HTTP,
                None => abi::HandlerKinds::default(),
            },
            translated: self.files.clone(),
            evaluate,
        }
    }

    /// What the function is given when it runs, but no network. What it leaves in `/tmp` is not there then: see `worker.rs`.
    fn policy(&self) -> Policy {
        let Loading { runtimes, function, server, limits, .. } = *self.loading;
        let function = FunctionConfig { code_dir: Some(self.job.source.clone()), ..function.clone() };
        Policy {
            identity: Arc::new(Identity::new(server, Arc::new(function), QUALIFIER, "")),
            outbound: Arc::new(OutboundPolicy::default()),
            limits: Arc::new(Limits { log: LOG, ..limits.clone() }),
            scratch: runtimes.scratch(),
            data_dir: server.data_dir.as_path().into(),
            cpu_gate: runtimes.cpu_gate(),
            network_attempts: Some(runtime::network_attempts()),
        }
    }

    fn failed(&self, error: SnapshotError) -> BuildError {
        match error {
            SnapshotError::Failed(CallError::Failed { document, .. }) => self.wrong(&document),
            SnapshotError::Failed(error) => self.stopped(&error),
            SnapshotError::Unfit(reason) => {
                let advice = "Keep what is open out of the top level of the sources, and open it in the initializer";
                runtime_error(&self.job.source, self.language, &reason, advice)
            }
            SnapshotError::Runtime(reason) => runtime_error(&self.job.source, self.language, &reason, MISSING),
        }
    }

    fn wrong(&self, document: &str) -> BuildError {
        let mut error = UserError::of_document(document, &self.job.source);
        if self.language == Language::JavaScript
            && document.contains("SyntaxError")
            && let Some(found) = typescript::first_syntax_error(&self.job.source)
        {
            error = *found;
        }
        wrong_source(&self.job.source, self.language, &error)
    }

    fn stopped(&self, error: &CallError) -> BuildError {
        let (reason, advice) = match error {
            CallError::TimedOut => (
                "the top level of the sources did not come to an end".to_owned(),
                "See whether it waits for something; `evaluate = \"start\"` runs it in each instance instead",
            ),
            CallError::Exited(code) => (
                format!("the sources ended the process with code {code} while they were loaded"),
                "Take the exit out of their top level",
            ),
            other if other.to_string().contains("`memory`") => {
                (format!("the sources do not fit into their instance: {other}"), "Raise `memory`, or load less")
            }
            other => (
                format!("it went down while it loaded the sources: {other}"),
                "What it wrote says more; `evaluate = \"start\"` leaves their top level to each instance",
            ),
        };
        runtime_error(&self.job.source, self.language, &reason, advice)
    }
}

/// Where runtimes come from.
const MISSING: &str = "`make runtimes` builds the language runtimes in a checkout of wisp; WISP_RUNTIMES names a directory \
                       that has them";

fn wrong_source(source: &Path, language: Language, error: &UserError) -> BuildError {
    BuildError { output: error.details(), ..runtime_error(source, language, &error.to_string(), CORRECT) }
}

fn runtime_error(source: &Path, language: Language, reason: &str, advice: &str) -> BuildError {
    BuildError {
        tool: tool(language),
        directory: source.into(),
        reason: reason.trim_end_matches('.').into(),
        advice: advice.into(),
        output: String::new(),
    }
}

fn tool(language: Language) -> String {
    format!("the {} runtime", language.name())
}
