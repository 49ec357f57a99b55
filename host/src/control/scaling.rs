//! Kept instances: what is provisioned for a qualifier, by a fixed target, by the clock and by how busy its instances are.
//! One task looks at all of it every second and tells the pools.

use std::{collections::HashMap, sync::Arc, time::Duration};

use croner::Cron;
use jiff::Timestamp;
use serde_json::Value;

use super::{record::{Document, number}, scope::ScopeState, settings::Setting};
use crate::{
    catalog::{LATEST, Revision, ScopeId},
    host::{FunctionHost, WeakHost},
    store::Kind,
};

/// How often targets are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many instances a qualifier of a function may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) most: Option<usize>,
}

impl Bounds {
    /// The lowest of what is set for the qualifier, and of the concurrency that is reserved for the function.
    pub(crate) fn of(state: &ScopeState, function: &str, qualifier: &str) -> Self {
        let get = |kind, qualifier, name| {
            let document = state.setting(kind, function, qualifier)?;
            number(&document.value.attributes, name).and_then(|number| usize::try_from(number).ok())
        };
        let on_demand = get(Kind::OnDemand, qualifier, "maximumInstanceCount");
        let reserved = get(Kind::Concurrency, LATEST, "reservedConcurrency");
        Self { most: on_demand.into_iter().chain(reserved).min() }
    }
}

/// Looks at all targets for as long as the host is there.
pub(crate) async fn run(host: WeakHost) {
    let mut tracked: HashMap<Qualified, usize> = HashMap::new();
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let Some(host) = host.upgrade() else { return };
        let mut seen = Vec::new();
        for kind in [Kind::Provision, Kind::Scaling] {
            match host.settings(kind).await {
                Ok(settings) => seen.extend(settings.iter().map(|setting| apply(&host, kind, setting, &mut tracked))),
                Err(error) => tracing::warn!(%error, "kept instances are not looked at"),
            }
        }
        tracked.retain(|qualified, _| seen.contains(qualified));
    }
}

/// A function under a qualifier.
type Qualified = (ScopeId, String, String);

fn apply(host: &FunctionHost, kind: Kind, setting: &Setting, tracked: &mut HashMap<Qualified, usize>) -> Qualified {
    let qualified = (setting.id.clone(), setting.function.clone(), setting.qualifier.clone());
    let revisions = revisions(host, setting);
    let (live, idle) = revisions.iter().map(|revision| revision.pool.instances()).fold((0, 0), |sum, one| {
        (sum.0 + one.0, sum.1 + one.1)
    });
    let busy = live.saturating_sub(idle);
    let document = &setting.document.value;
    let fixed = match kind {
        Kind::Scaling => number(&document.attributes, "minInstances"),
        _ => number(&document.attributes, "target"),
    };
    let fixed = usize::try_from(fixed.unwrap_or(0)).unwrap_or(usize::MAX);
    let now = Timestamp::now();
    let scheduled = scheduled(document, now).unwrap_or(fixed);
    let floor = match policy(document, now) {
        None => scheduled,
        Some(policy) => {
            let last = tracked.get(&qualified).copied().unwrap_or(scheduled);
            let next = policy.next(last, busy);
            tracked.insert(qualified.clone(), next);
            next
        }
    };
    // An alias with two versions keeps the instances of its main one.
    if let Some(revision) = revisions.first() {
        revision.pool.set_floor(floor);
    }
    qualified
}

/// The revisions of a qualifier, the main one first.
fn revisions(host: &FunctionHost, setting: &Setting) -> Vec<Arc<Revision>> {
    let catalog = host.catalog();
    let routes = catalog.scope(&setting.id).and_then(|scope| scope.functions.get(setting.function.as_str()));
    let choice = routes.and_then(|routes| routes.choice(&setting.qualifier));
    choice.map(|choice| choice.members().cloned().collect()).unwrap_or_default()
}

/// Instances of a qualifier that are kept now; those that requests brought are not counted.
pub(crate) fn current(host: &FunctionHost, setting: &Setting) -> usize {
    let kept = revisions(host, setting).into_iter().next();
    kept.map_or(0, |revision| revision.pool.instances().0.min(revision.pool.floor()))
}

/// The target of the scheduled action that began last and has not ended.
fn scheduled(document: &Document, now: Timestamp) -> Option<usize> {
    let actions = document.attributes.get("scheduledActions")?.as_array()?;
    let running = actions.iter().filter(|action| is_between(action, now));
    let began = running.filter_map(|action| {
        let time = Schedule::parse(action.get("scheduleExpression")?.as_str()?).ok()?.last(now)?;
        // What would have begun before the action itself did not.
        let is_meant = instant(action, "startTime").is_none_or(|start| time >= start);
        is_meant.then_some((time, action.get("target")?.as_u64()?))
    });
    let (_, target) = began.max_by_key(|(time, _)| *time)?;
    usize::try_from(target).ok()
}

fn is_between(value: &Value, now: Timestamp) -> bool {
    instant(value, "startTime").is_none_or(|start| start <= now) && instant(value, "endTime").is_none_or(|end| now < end)
}

fn instant(value: &Value, name: &str) -> Option<Timestamp> {
    value.get(name)?.as_str()?.parse().ok()
}

/// When a scheduled action begins.
#[derive(Debug)]
pub(crate) enum Schedule {
    /// `at(2020-10-10T10:10:10Z)`
    At(Timestamp),
    /// `cron(0 */30 * * * *)`: seconds first, in UTC.
    Cron(Box<Cron>),
}

impl Schedule {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let inner = |name: &str| text.trim().strip_prefix(name)?.strip_suffix(')').map(str::trim);
        if let Some(time) = inner("at(") {
            return time.parse().map(Self::At).map_err(|error: jiff::Error| error.to_string());
        }
        let Some(expression) = inner("cron(") else { return Err("neither at(…) nor cron(…)".to_owned()) };
        let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Required).build();
        parser.parse(expression).map(|cron| Self::Cron(Box::new(cron))).map_err(|error| error.to_string())
    }

    /// When it last began.
    fn last(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(time) => (*time <= now).then_some(*time),
            Self::Cron(cron) => {
                let now = now.to_zoned(jiff::tz::TimeZone::UTC);
                cron.find_previous_occurrence(&now, true).ok().map(|time| time.timestamp())
            }
        }
    }
}

/// A target-tracking policy: as many instances as keep the busy share at the target.
struct Policy {
    target: f64,
    least: usize,
    most: usize,
}

/// The share of instances to give back in one look: quickly up, slowly down.
const STEP_DOWN: f64 = 0.1;

fn policy(document: &Document, now: Timestamp) -> Option<Policy> {
    let policies = document.attributes.get("targetTrackingPolicies")?.as_array()?;
    let policy = policies.iter().find(|policy| is_between(policy, now))?;
    let count = |name: &str| policy.get(name)?.as_u64().and_then(|count| usize::try_from(count).ok());
    let target = policy.get("metricTarget")?.as_f64().filter(|target| *target > 0.0)?;
    Some(Policy { target, least: count("minCapacity")?, most: count("maxCapacity")? })
}

impl Policy {
    fn next(&self, last: usize, busy: usize) -> usize {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of instances are small"
        )]
        let (wanted, slower) =
            ((busy as f64 / self.target).ceil() as usize, (last as f64 * (1.0 - STEP_DOWN)).floor() as usize);
        wanted.max(slower).clamp(self.least, self.most.max(self.least))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(attributes: Value) -> Document {
        Document::new(attributes.as_object().unwrap().clone())
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_scheduled_action_holds_from_its_last_time_until_another_begins() {
        let document = document(json!({ "target": 1, "scheduledActions": [
            { "name": "day", "startTime": "2026-01-01T00:00:00Z", "endTime": "2027-01-01T00:00:00Z", "target": 9,
              "scheduleExpression": "cron(0 0 8 * * *)" },
            { "name": "night", "startTime": "2026-01-01T00:00:00Z", "endTime": "2027-01-01T00:00:00Z", "target": 2,
              "scheduleExpression": "cron(0 0 20 * * *)" },
        ]}));
        assert_eq!(scheduled(&document, at("2026-05-05T12:00:00Z")), Some(9));
        assert_eq!(scheduled(&document, at("2026-05-05T21:00:00Z")), Some(2));
        assert_eq!(scheduled(&document, at("2027-05-05T12:00:00Z")), None);
        assert_eq!(scheduled(&document, at("2026-01-01T00:00:01Z")), None);
    }

    #[test]
    fn an_action_at_one_time_begins_then() {
        let document = document(json!({ "scheduledActions": [
            { "name": "once", "target": 5, "scheduleExpression": "at(2026-05-05T12:00:00Z)" },
        ]}));
        assert_eq!(scheduled(&document, at("2026-05-05T11:59:59Z")), None);
        assert_eq!(scheduled(&document, at("2026-05-05T12:00:00Z")), Some(5));
    }

    #[test]
    fn tracking_goes_up_at_once_and_down_by_steps_within_its_bounds() {
        let policy = Policy { target: 0.5, least: 1, most: 20 };
        assert_eq!(policy.next(1, 8), 16);
        assert_eq!(policy.next(16, 0), 14);
        assert_eq!(policy.next(1, 0), 1);
        assert_eq!(policy.next(1, 100), 20);
    }

    #[test]
    fn a_schedule_that_is_none_is_refused() {
        for text in ["", "cron(x)", "at(tomorrow)", "every day", "cron(* * * * *)"] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
