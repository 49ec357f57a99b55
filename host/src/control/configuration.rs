//! Stored attributes → the configuration that a function is served with.

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use http::Method;
use serde_json::Value;

use super::record::{Attributes, Document, FunctionRecord, number, text};
use crate::{
    catalog::{LATEST, ScopeId, TriggerEntry},
    component::Kind,
    config::{
        AsyncConfig, FunctionConfig, HandlerType, HttpTriggerConfig, InitializationFailure, Isolation, PayloadFormat,
        TriggerAuth,
    },
};

/// Function Compute's default for a handler, an initializer and a hook.
const TIMEOUT: u64 = 3;

/// Function Compute's default and smaller disk, in MB.
const DISK: u64 = 512;

/// Function Compute's quota of a region.
const MAX_INSTANCES: usize = 100;

/// As of functions in `wisp.toml`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A function's own attributes and those of its service.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) id: &'a ScopeId,
    pub(crate) name: &'a str,
    pub(crate) service: &'a Attributes,
    pub(crate) function: &'a FunctionRecord,
}

impl Source<'_> {
    /// The configuration for a component of a kind, in a file, that sees the files of its package.
    pub(crate) fn configuration(&self, kind: Kind, component: PathBuf, files: PathBuf) -> FunctionConfig {
        let attributes = &self.function.attributes;
        FunctionConfig {
            name: self.name.into(),
            service: self.id.service().into(),
            component,
            build: None,
            handler: text(attributes, "handler").into(),
            initializer: self.initializer().map(Into::into),
            timeout: Duration::from_secs(number(attributes, "timeout").unwrap_or(TIMEOUT)),
            initialization_timeout: Duration::from_secs(self.initialization_timeout()),
            initialization_failure: match self.id {
                ScopeId::Service(_) => InitializationFailure::Retry,
                ScopeId::Function(_) => InitializationFailure::Replace,
            },
            // A component that serves several calls at once is never frozen.
            pre_freeze: kind != Kind::WasiHttp03 && self.hook("preFreeze").is_some(),
            pre_freeze_handler: self.hook_handler("preFreeze"),
            pre_stop: self.hook("preStop").is_some(),
            pre_stop_handler: self.hook_handler("preStop"),
            snapshot: attributes.get("snapshot").and_then(Value::as_bool) == Some(true),
            after_restore: None,
            handler_type: match self.id {
                // An HTTP trigger, which comes later, makes an HTTP function of the same code.
                ScopeId::Service(_) => Some(HandlerType::Either),
                ScopeId::Function(_) => None,
            },
            hook_timeout: Duration::from_secs(self.hook_timeout()),
            memory: number(attributes, "memorySize").unwrap_or(128) << 20,
            scratch: number(attributes, "diskSize").unwrap_or(DISK) << 20,
            code_dir: Some(files),
            instance_concurrency: self.concurrency(kind),
            min_instances: 0,
            max_instances: NonZeroUsize::new(MAX_INSTANCES).unwrap_or(NonZeroUsize::MIN),
            idle_timeout: IDLE_TIMEOUT,
            max_requests_per_instance: None,
            isolation: Isolation::Instance,
            environment: self.environment(),
            allowed_outbound: self.allowed_outbound(),
            log_project: self.log_config("project"),
            log_store: self.log_config("logstore"),
            http: None,
            // The async-invoke-config is a setting of its own.
            asynchronous: AsyncConfig::default(),
        }
    }

    fn initializer(&self) -> Option<&str> {
        let own = text(&self.function.attributes, "initializer");
        let hook = self.hook("initializer").and_then(|hook| hook.get("handler")).and_then(Value::as_str);
        Some(own).filter(|own| !own.is_empty()).or(hook).filter(|name| !name.is_empty())
    }

    fn initialization_timeout(&self) -> u64 {
        let hook = self.hook("initializer").and_then(|hook| hook.get("timeout")).and_then(Value::as_u64);
        number(&self.function.attributes, "initializationTimeout").or(hook).unwrap_or(TIMEOUT).max(1)
    }

    /// A hook of the instance's life that is set.
    fn hook(&self, name: &str) -> Option<&Value> {
        let hook = self.function.attributes.get("instanceLifecycleConfig")?.get(name)?;
        hook.get("handler").and_then(Value::as_str).is_some_and(|handler| !handler.is_empty()).then_some(hook)
    }

    fn hook_handler(&self, name: &str) -> Option<Arc<str>> {
        self.hook(name)?.get("handler")?.as_str().map(Into::into)
    }

    fn hook_timeout(&self) -> u64 {
        let timeout = |name| self.hook(name)?.get("timeout")?.as_u64();
        timeout("preStop").into_iter().chain(timeout("preFreeze")).max().unwrap_or(TIMEOUT).clamp(1, 90)
    }

    /// A component that handles one call at a time does so whatever is asked for: more instances do the rest.
    fn concurrency(&self, kind: Kind) -> NonZeroUsize {
        let wanted = match kind {
            Kind::WasiHttp03 => number(&self.function.attributes, "instanceConcurrency").unwrap_or(1),
            Kind::Function | Kind::WasiHttp02 | Kind::Command => 1,
        };
        usize::try_from(wanted).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let variables = self.function.attributes.get("environmentVariables").and_then(Value::as_object);
        let pairs = variables.into_iter().flatten();
        pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// `internetAccess`, which Function Compute grants unless it is switched off: public addresses, and nothing else.
    fn allowed_outbound(&self) -> Vec<String> {
        let owner = match self.id {
            ScopeId::Service(_) => self.service,
            ScopeId::Function(_) => &self.function.attributes,
        };
        let granted = owner.get("internetAccess").and_then(Value::as_bool).unwrap_or(true);
        if granted { vec!["*:*".to_owned()] } else { Vec::new() }
    }

    fn log_config(&self, name: &str) -> Arc<str> {
        let owner = match self.id {
            ScopeId::Service(_) => self.service,
            ScopeId::Function(_) => &self.function.attributes,
        };
        owner.get("logConfig").and_then(|config| config.get(name)).and_then(Value::as_str).unwrap_or_default().into()
    }
}

/// A stored HTTP trigger as it is served; `None` for one of another kind.
pub(crate) fn http_trigger(trigger: &Document) -> Option<TriggerEntry> {
    if trigger.text("triggerType") != "http" {
        return None;
    }
    let config = trigger.attributes.get("triggerConfig");
    let get = |name: &str| config.and_then(|config| config.get(name));
    let methods = get("methods").and_then(Value::as_array).into_iter().flatten();
    let qualifier = trigger.text("qualifier");
    Some(TriggerEntry {
        // The head's trigger is the service's own: versions are reached through it as well, as in Function Compute.
        qualifier: (!qualifier.is_empty() && qualifier != LATEST).then(|| qualifier.into()),
        config: HttpTriggerConfig {
            methods: methods.filter_map(|name| Method::from_bytes(name.as_str()?.as_bytes()).ok()).collect(),
            payload_format: PayloadFormat::Fc3,
            auth: match get("authType").and_then(Value::as_str) {
                Some("anonymous") => TriggerAuth::Anonymous,
                _ => TriggerAuth::Function,
            },
            own_addresses: get("disableURLInternet").and_then(Value::as_bool) != Some(true),
        },
    })
}
