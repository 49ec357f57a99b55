//! What leads to a thing that is to be deleted: nothing that stays may lead to what is gone. What only belongs to it, such
//! as its settings, goes with it; but instances that are kept for it are somebody's intention, and are let go of first.

use serde_json::Value;

use super::{
    Change,
    error::Error,
    record::{Attributes, number},
    scope::ScopeState,
};
use crate::{
    catalog::{LATEST, ScopeId},
    config::RouteConfig,
    store::Kind,
};

impl Change<'_> {
    /// A version or an alias that triggers or custom domains name, or that instances are kept for, stays.
    ///
    /// # Errors
    /// 409 with `code`, which names what leads to it; see also [`check_unkept`].
    pub(super) fn check_qualifier_unused(
        &self,
        state: &ScopeState,
        qualifier: &str,
        code: &'static str,
    ) -> Result<(), Error> {
        let what = format!("{} '{qualifier}' of {}", if code == "AliasInUse" { "alias" } else { "version" }, state.id);
        let triggers = state.triggers.iter();
        let mut named = triggers.filter(|(_, trigger)| trigger.value.text("qualifier") == qualifier);
        if let Some(((function, trigger), _)) = named.next() {
            return Err(Error::conflict(
                code,
                format!(
                    "{what} is used by trigger '{trigger}' of function '{function}'; change or delete the trigger first"
                ),
            ));
        }
        let to_qualifier = |route: &RouteConfig| {
            *route.qualifier == *qualifier && self.leads_to(route, &state.id, own_name(&route.function))
        };
        if let Some((domain, path)) = self.route(to_qualifier) {
            return Err(Error::conflict(
                code,
                format!("{what} is used by route '{path}' of custom domain '{domain}'; change or delete that first"),
            ));
        }
        check_unkept(state, |_, own| own == qualifier)
    }

    /// A custom domain leads only to functions with an HTTP trigger, so the trigger stays while one does.
    pub(super) fn check_unrouted(&self, id: &ScopeId, function: &str, trigger: &str) -> Result<(), Error> {
        match self.route(|route| self.leads_to(route, id, function)) {
            None => Ok(()),
            Some((domain, path)) => Err(Error::conflict(
                "TriggerInUse",
                format!(
                    "route '{path}' of custom domain '{domain}' leads to function '{function}' and needs its HTTP trigger \
                     '{trigger}'; change or delete the custom domain first"
                ),
            )),
        }
    }

    /// A route of the stored domains, with its domain. Those of the configuration lead to its own functions.
    fn route(&self, leads: impl Fn(&RouteConfig) -> bool) -> Option<(&str, &str)> {
        let mut routes = self
            .tables
            .stored_domains
            .iter()
            .flat_map(|(name, domain)| domain.routes.iter().map(move |route| (name.as_str(), route)));
        routes.find(|(_, route)| leads(route)).map(|(name, route)| (name, route.path.as_str()))
    }

    fn leads_to(&self, route: &RouteConfig, id: &ScopeId, function: &str) -> bool {
        if own_name(&route.function) != function {
            return false;
        }
        if !route.service.is_empty() {
            return matches!(id, ScopeId::Service(service) if **service == *route.service);
        }
        let catalog = self.host.catalog();
        let found = catalog.of_any_scope(&route.function).map(|(scope, _)| scope);
        found.is_ok_and(|scope| catalog.scope(id).is_some_and(|own| std::sync::Arc::ptr_eq(own, scope)))
    }
}

/// `f` of `s$f`, as API 2023-03-30 calls functions of services.
fn own_name(function: &str) -> &str {
    function.rsplit('$').next().unwrap_or(function)
}

/// Nothing is kept under the functions and qualifiers that are asked about.
///
/// # Errors
/// 409 `ProvisionConfigExist` or `ResidentScalingConfigExists`.
pub(super) fn check_unkept(state: &ScopeState, asked: impl Fn(&str, &str) -> bool) -> Result<(), Error> {
    for ((kind, (function, qualifier)), setting) in &state.settings {
        let (code, what) = match kind {
            Kind::Provision => ("ProvisionConfigExist", "provision config"),
            Kind::Scaling => ("ResidentScalingConfigExists", "scaling config"),
            _ => continue,
        };
        if asked(function, qualifier) && keeps(&setting.value.attributes) {
            return Err(Error::conflict(
                code,
                format!(
                    "instances of function '{function}' are kept for qualifier '{qualifier}' by its {what}; delete that, or \
                     set its target to 0, first"
                ),
            ));
        }
    }
    Ok(())
}

/// Whether a setting keeps instances, now or at some time.
fn keeps(attributes: &Attributes) -> bool {
    let targets = ["target", "defaultTarget", "minInstances"];
    let plans = ["scheduledActions", "targetTrackingPolicies", "scheduledPolicies", "horizontalScalingPolicies"];
    targets.iter().any(|name| number(attributes, name).is_some_and(|target| target > 0))
        || plans.iter().any(|name| attributes.get(*name).and_then(Value::as_array).is_some_and(|it| !it.is_empty()))
}

/// Whether a function's setting has nothing left to be of when the head is gone: versions keep their copies.
pub(super) fn goes_with_head(state: &ScopeState, function: &str, qualifier: &str) -> bool {
    qualifier == LATEST || state.function_in(function, qualifier).is_err()
}
