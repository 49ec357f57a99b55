//! What a function knows of the invocation that it serves, and of itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{
    bindings::imports::wisp::function::{environment, types},
    text::Text,
};

/// The invocation that a function serves, and the function as it is configured.
///
/// What differs from call to call is in the value itself. The rest is asked of the host each time, because it differs
/// between instances that were started from one snapshot.
#[derive(Clone, Debug)]
pub struct Context {
    request_id: Text,
    deadline: SystemTime,
    retry_count: u32,
    trace_parent: Option<Text>,
}

/// The function as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// The function's name.
    pub name: String,
    /// The configured handler; empty if none is configured.
    pub handler: String,
    /// Memory limit of an instance, in MB.
    pub memory_mb: u32,
    /// Timeout of one invocation, in whole seconds, rounded up.
    pub timeout: Duration,
    /// The configured initializer.
    pub initializer: Option<String>,
    /// Timeout of the initializer, in whole seconds, rounded up.
    pub initialization_timeout: Duration,
}

/// The service that owns the function, and the version that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceInfo {
    /// The service's name; empty for a function without a service.
    pub name: String,
    /// The service's log project; empty if none is configured.
    pub log_project: String,
    /// The service's log store; empty if none is configured.
    pub log_store: String,
    /// The qualifier by which the version was reached when the instance started: `LATEST`, a version or an alias.
    pub qualifier: String,
    /// The version's number; empty for `LATEST`.
    pub version_id: String,
}

/// Keys that the function may use against other services. All texts are empty if the operator configured none.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Identifies the key.
    pub access_key_id: String,
    /// The secret half of the key.
    pub access_key_secret: String,
    /// The token of a temporary key; empty for a lasting one.
    pub security_token: String,
}

impl Context {
    /// A context for tests: of the first try of a request that may take an hour.
    pub fn new(request_id: impl Into<String>) -> Self {
        let deadline = SystemTime::now() + Duration::from_secs(3600);
        Self { request_id: Text::from(request_id.into()), deadline, retry_count: 0, trace_parent: None }
    }

    pub(crate) fn of_request(request_id: Text, deadline_ms: u64, trace_parent: Option<Text>) -> Self {
        Self { request_id, deadline: instant(deadline_ms), retry_count: 0, trace_parent }
    }

    /// Identifies this invocation everywhere: in `x-fc-request-id` of the answer and on every line of the log.
    pub fn request_id(&self) -> &str {
        self.request_id.as_str()
    }

    /// The instant at which the host gives this invocation up.
    pub fn deadline(&self) -> SystemTime {
        self.deadline
    }

    /// What is left until the deadline; zero if it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.duration_since(SystemTime::now()).unwrap_or_default()
    }

    /// How often this event was tried before: 0 at the first try, and always 0 for synchronous invocations.
    pub fn retry_count(&self) -> u32 {
        self.retry_count
    }

    /// The W3C `traceparent` of the caller, if it sent one.
    pub fn trace_parent(&self) -> Option<&str> {
        self.trace_parent.as_ref().map(Text::as_str)
    }

    /// The function as it is configured.
    pub fn function(&self) -> FunctionInfo {
        let info = environment::get_function();
        FunctionInfo {
            name: info.name,
            handler: info.handler,
            memory_mb: info.memory_mb,
            timeout: Duration::from_secs(info.timeout_seconds.into()),
            initializer: info.initializer,
            initialization_timeout: Duration::from_secs(info.initialization_timeout_seconds.into()),
        }
    }

    /// The service that owns the function, and the version that runs.
    pub fn service(&self) -> ServiceInfo {
        let info = environment::get_service();
        ServiceInfo {
            name: info.name,
            log_project: info.log_project,
            log_store: info.log_store,
            qualifier: info.qualifier,
            version_id: info.version_id,
        }
    }

    /// The region's name.
    pub fn region(&self) -> String {
        environment::get_region()
    }

    /// The account that owns the function.
    pub fn account_id(&self) -> String {
        environment::get_account_id()
    }

    /// The function's own keys.
    pub fn credentials(&self) -> Credentials {
        let keys = environment::get_credentials();
        Credentials {
            access_key_id: keys.access_key_id,
            access_key_secret: keys.access_key_secret,
            security_token: keys.security_token,
        }
    }

    /// Identifies this instance among all that ever ran.
    pub fn instance_id(&self) -> String {
        environment::get_instance_id()
    }
}

impl From<types::Context> for Context {
    fn from(context: types::Context) -> Self {
        Self {
            request_id: context.request_id.into(),
            deadline: instant(context.deadline_ms),
            retry_count: context.retry_count,
            trace_parent: context.trace_parent.map(Text::from),
        }
    }
}

fn instant(epoch_ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(epoch_ms)
}

/// Without the secret parts, which have no place in a log.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_counts_down_to_the_deadline_that_the_host_set() {
        let passed = types::Context { request_id: "1".into(), deadline_ms: 1, retry_count: 2, trace_parent: None };
        let context = Context::from(passed);
        assert_eq!((context.remaining(), context.retry_count()), (Duration::ZERO, 2));
        assert!(Context::new("2").remaining() > Duration::from_secs(3500));
    }

    #[test]
    fn secrets_are_not_written_to_logs() {
        let keys =
            Credentials { access_key_id: "id".into(), access_key_secret: "hush".into(), security_token: "mum".into() };
        let text = format!("{keys:?}");
        assert!(text.contains("id") && !text.contains("hush") && !text.contains("mum"), "{text}");
    }
}
