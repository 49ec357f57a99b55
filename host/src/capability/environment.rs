//! What an instance is told about itself: the import `wisp:function/environment`, the `FC_*` variables and the common
//! headers.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use wasmtime::component::{HasSelf, Linker};

use crate::{
    capability::files::CODE,
    catalog::LATEST,
    config::{FunctionConfig, ServerConfig},
    instance::Guest,
};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "wisp:function/imports",
    });
}

use bindings::wisp::function::environment as wit;

/// Who a function is: the same for all instances of a revision, computed when it is deployed.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) function: Arc<FunctionConfig>,
    pub(crate) account_id: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) qualifier: Arc<str>,
    /// The number of the version; empty for the head.
    pub(crate) version_id: Arc<str>,
    variables: Vec<(String, String)>,
    common_headers: Vec<(HeaderName, HeaderValue)>,
}

impl Identity {
    pub(crate) fn new(server: &ServerConfig, function: Arc<FunctionConfig>, qualifier: &str, version: &str) -> Self {
        let mut identity = Self {
            account_id: server.account_id.clone(),
            region: server.region.clone(),
            qualifier: qualifier.into(),
            version_id: if version == LATEST { "" } else { version }.into(),
            variables: Vec::new(),
            common_headers: Vec::new(),
            function,
        };
        identity.variables = identity.compute_variables();
        identity.common_headers = identity.compute_common_headers();
        identity
    }

    /// Memory limit in MB, as functions are told.
    pub(crate) fn memory_mb(&self) -> u32 {
        u32::try_from(self.function.memory >> 20).unwrap_or(u32::MAX)
    }

    /// The environment variables of an instance; only the instance id is still missing.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// CONTRACTS §3.7. The function's own variables come last; they cannot be named `FC_*`.
    fn compute_variables(&self) -> Vec<(String, String)> {
        let function = &self.function;
        let memory = self.memory_mb().to_string();
        let fixed = [
            ("FC_ACCOUNT_ID", &*self.account_id),
            ("FC_CUSTOM_LISTEN_PORT", "9000"),
            ("FC_FUNC_CODE_PATH", CODE),
            ("FC_FUNCTION_HANDLER", &*function.handler),
            ("FC_FUNCTION_MEMORY_SIZE", &*memory),
            ("FC_FUNCTION_NAME", &*function.name),
            ("FC_QUALIFIER", &*self.qualifier),
            ("FC_REGION", &*self.region),
            ("FC_SERVER_PORT", "9000"),
            ("FC_SERVICE_NAME", &*function.service),
        ];
        let own = function.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        fixed.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The common headers of a `wasi:http` component; only the request id is still missing.
    pub(crate) fn common_headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.common_headers
    }

    /// CONTRACTS §4.2. What cannot be a header value, such as a handler with a line break, is left out.
    fn compute_common_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let function = &self.function;
        let memory = self.memory_mb().to_string();
        let timeout = seconds(function.timeout).to_string();
        let initialization_timeout = seconds(function.initialization_timeout).to_string();
        let hook = |configured: bool| if configured { "true" } else { "" };
        [
            ("x-fc-access-key-id", ""),
            ("x-fc-access-key-secret", ""),
            ("x-fc-account-id", &*self.account_id),
            ("x-fc-function-handler", &*function.handler),
            ("x-fc-function-initializer", function.initializer.as_deref().unwrap_or_default()),
            ("x-fc-function-memory", &*memory),
            ("x-fc-function-name", &*function.name),
            ("x-fc-function-timeout", &*timeout),
            ("x-fc-initialization-timeout", &*initialization_timeout),
            ("x-fc-instance-lifecycle-pre-freeze-handler", hook(function.pre_freeze)),
            ("x-fc-instance-lifecycle-pre-stop-handler", hook(function.pre_stop)),
            ("x-fc-qualifier", &*self.qualifier),
            ("x-fc-region", &*self.region),
            ("x-fc-security-token", ""),
            ("x-fc-service-logproject", &*function.log_project),
            ("x-fc-service-logstore", &*function.log_store),
            ("x-fc-service-name", &*function.service),
            ("x-fc-version-id", &*self.version_id),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?)))
        .collect()
    }
}

/// Whole seconds, rounded up: what FC's contexts speak of.
fn seconds(span: std::time::Duration) -> u32 {
    u32::try_from(span.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

impl wit::Host for Guest {
    fn get_function(&mut self) -> wit::FunctionInfo {
        let function = &self.identity().function;
        wit::FunctionInfo {
            name: function.name.to_string(),
            handler: function.handler.to_string(),
            memory_mb: self.identity().memory_mb(),
            timeout_seconds: seconds(function.timeout),
            initializer: function.initializer.as_ref().map(ToString::to_string),
            initialization_timeout_seconds: seconds(function.initialization_timeout),
        }
    }

    fn get_service(&mut self) -> wit::ServiceInfo {
        let identity = self.identity();
        wit::ServiceInfo {
            name: identity.function.service.to_string(),
            log_project: identity.function.log_project.to_string(),
            log_store: identity.function.log_store.to_string(),
            qualifier: identity.qualifier.to_string(),
            version_id: identity.version_id.to_string(),
        }
    }

    fn get_region(&mut self) -> String {
        self.identity().region.to_string()
    }

    fn get_account_id(&mut self) -> String {
        self.identity().account_id.to_string()
    }

    fn get_credentials(&mut self) -> wit::Credentials {
        let empty = String::new;
        wit::Credentials { access_key_id: empty(), access_key_secret: empty(), security_token: empty() }
    }

    fn get_instance_id(&mut self) -> String {
        self.instance_id().to_string()
    }
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}
