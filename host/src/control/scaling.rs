//! Kept instances: what is provisioned for a qualifier, by a fixed target, by the clock and by how busy its instances are.
//! One task looks at all of it every second and tells the pools.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use croner::{
    Cron,
    parser::{CronParser, Seconds},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde_json::Value;

use super::{record::number, scope::ScopeState, settings::Setting};
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
        Self { most: on_demand.into_iter().chain(Self::reserved(state, function)).min() }
    }

    /// The concurrency that is reserved for a function: its qualifiers share it.
    pub(crate) fn reserved(state: &ScopeState, function: &str) -> Option<usize> {
        let document = state.setting(Kind::Concurrency, function, LATEST)?;
        number(&document.value.attributes, "reservedConcurrency").and_then(|number| usize::try_from(number).ok())
    }
}

/// How often packages that nobody has are looked for, and how old they must be: a request may be building one.
const GARBAGE_INTERVAL: Duration = Duration::from_secs(600);
const GARBAGE_AGE: Duration = Duration::from_secs(3600);

/// Looks at all targets for as long as the host is there.
pub(crate) async fn run(host: WeakHost) {
    let mut targets: HashMap<(Kind, Qualified), Target> = HashMap::new();
    let mut interval = tokio::time::interval(INTERVAL);
    let mut collected = Instant::now();
    loop {
        interval.tick().await;
        let Some(host) = host.upgrade() else { return };
        for kind in [Kind::Provision, Kind::Scaling] {
            apply_all(&host, kind, &host.settings(kind), &mut targets);
        }
        if collected.elapsed() >= GARBAGE_INTERVAL {
            collected = Instant::now();
            if let Err(error) = host.collect_old_packages(GARBAGE_AGE).await {
                tracing::warn!("old code packages are not removed: {error:#}");
            }
        }
    }
}

/// A function under a qualifier.
type Qualified = (ScopeId, String, String);

fn apply_all(host: &FunctionHost, kind: Kind, settings: &[Setting], targets: &mut HashMap<(Kind, Qualified), Target>) {
    let mut seen = HashSet::new();
    for setting in settings {
        let name = (kind, (setting.id.clone(), setting.function.clone(), setting.qualifier.clone()));
        let target = targets.entry(name.clone()).or_insert_with(|| Target::of(setting));
        if target.revision != setting.document.revision {
            *target = Target::of(setting);
        }
        apply(host, setting, target);
        seen.insert(name);
    }
    targets.retain(|name, _| name.0 != kind || seen.contains(name));
}

fn apply(host: &FunctionHost, setting: &Setting, target: &mut Target) {
    let revisions = revisions(host, setting);
    let instances = revisions.iter().map(|revision| revision.pool.instances());
    let (live, idle) = instances.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let floor = target.next(Timestamp::now(), live.saturating_sub(idle));
    // An alias with two versions keeps the instances of its main one.
    if let Some(revision) = revisions.first() {
        revision.pool.set_floor(floor);
    }
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

/// What one setting asks for, parsed once.
struct Target {
    /// The commit that it is of.
    revision: i64,
    fixed: usize,
    actions: Vec<Action>,
    policies: Vec<Policy>,
    /// What tracking came to at the last look.
    last: usize,
}

impl Target {
    fn of(setting: &Setting) -> Self {
        let document = &setting.document.value;
        let list = |names: [&str; 2]| {
            let found = names.into_iter().find_map(|name| document.attributes.get(name)?.as_array());
            found.map_or(&[][..], Vec::as_slice)
        };
        // The two APIs have different names for the same things.
        let fixed = ["target", "minInstances"].into_iter().find_map(|name| number(&document.attributes, name));
        let fixed = usize::try_from(fixed.unwrap_or(0)).unwrap_or(usize::MAX);
        Self {
            revision: setting.document.revision,
            fixed,
            actions: list(["scheduledActions", "scheduledPolicies"]).iter().filter_map(Action::parse).collect(),
            policies: list(["targetTrackingPolicies", "horizontalScalingPolicies"])
                .iter()
                .filter_map(Policy::parse)
                .collect(),
            last: fixed,
        }
    }

    /// How many instances are to be kept, when so many are busy.
    fn next(&mut self, now: Timestamp, busy: usize) -> usize {
        let scheduled = self.actions.iter_mut().filter_map(|action| Some((action.began(now)?, action.target)));
        let scheduled = scheduled.max_by_key(|(time, _)| *time).map_or(self.fixed, |(_, target)| target);
        let policy = self.policies.iter().find(|policy| policy.window.contains(now));
        self.last = policy.map_or(scheduled, |policy| policy.next(self.last, busy));
        self.last
    }
}

/// From when until when something holds.
struct Window {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Window {
    fn parse(value: &Value) -> Self {
        let instant = |name: &str| value.get(name)?.as_str()?.parse().ok();
        Self { start: instant("startTime"), end: instant("endTime") }
    }

    fn contains(&self, now: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now < end)
    }
}

/// A scheduled action: from each of its times on, its target holds, until another action begins.
struct Action {
    window: Window,
    schedule: Schedule,
    target: usize,
    /// When it last began, and until when that is known to stay so: looking for it may search through years.
    known: Option<(Option<Timestamp>, Option<Timestamp>)>,
}

impl Action {
    fn parse(value: &Value) -> Option<Self> {
        let schedule = Schedule::parse(value.get("scheduleExpression")?.as_str()?).ok()?;
        let target = usize::try_from(value.get("target")?.as_u64()?).ok()?;
        Some(Self { window: Window::parse(value), schedule, target, known: None })
    }

    /// When it last began, if it holds now. What would have begun before the action itself did not.
    fn began(&mut self, now: Timestamp) -> Option<Timestamp> {
        if !self.window.contains(now) {
            return None;
        }
        let is_known = self.known.is_some_and(|(_, until)| until.is_none_or(|until| now < until));
        if !is_known {
            self.known = Some((self.schedule.last(now), self.schedule.next(now)));
        }
        let (last, _) = self.known?;
        last.filter(|last| self.window.start.is_none_or(|start| *last >= start))
    }
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
        let parser = CronParser::builder().seconds(Seconds::Required).build();
        let cron = parser.parse(expression).map_err(|error| error.to_string())?;
        // One that never comes, such as February 30th, would be looked for through years, again and again.
        cron.find_next_occurrence(&utc(Timestamp::now()), false).map_err(|error| error.to_string())?;
        Ok(Self::Cron(Box::new(cron)))
    }

    /// When it last began.
    fn last(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(time) => (*time <= now).then_some(*time),
            Self::Cron(cron) => cron.find_previous_occurrence(&utc(now), true).ok().map(|time| time.timestamp()),
        }
    }

    /// When it begins again.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(time) => (*time > now).then_some(*time),
            Self::Cron(cron) => cron.find_next_occurrence(&utc(now), false).ok().map(|time| time.timestamp()),
        }
    }
}

fn utc(time: Timestamp) -> Zoned {
    time.to_zoned(TimeZone::UTC)
}

/// A target-tracking policy: as many instances as keep the busy share at the target.
struct Policy {
    window: Window,
    target: f64,
    least: usize,
    most: usize,
}

/// The share of instances to give back in one look: quickly up, slowly down.
const STEP_DOWN: f64 = 0.1;

impl Policy {
    fn parse(value: &Value) -> Option<Self> {
        let count = |names: [&str; 2]| {
            let found = names.into_iter().find_map(|name| value.get(name)?.as_u64());
            found.and_then(|count| usize::try_from(count).ok())
        };
        Some(Self {
            window: Window::parse(value),
            target: value.get("metricTarget")?.as_f64().filter(|target| *target > 0.0)?,
            least: count(["minCapacity", "minInstances"])?,
            most: count(["maxCapacity", "maxInstances"])?,
        })
    }

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
    use crate::control::{Document, Stored};

    fn target(attributes: Value) -> Target {
        let document = Document::new(attributes.as_object().unwrap().clone());
        Target::of(&Setting {
            id: ScopeId::Service("s".into()),
            function: "f".into(),
            qualifier: "LATEST".into(),
            document: Stored { revision: 1, value: document },
        })
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_scheduled_action_holds_from_its_last_time_until_another_begins() {
        let mut target = target(json!({ "target": 1, "scheduledActions": [
            { "name": "day", "startTime": "2026-01-01T00:00:00Z", "endTime": "2027-01-01T00:00:00Z", "target": 9,
              "scheduleExpression": "cron(0 0 8 * * *)" },
            { "name": "night", "startTime": "2026-01-01T00:00:00Z", "endTime": "2027-01-01T00:00:00Z", "target": 2,
              "scheduleExpression": "cron(0 0 20 * * *)" },
        ]}));
        assert_eq!(target.next(at("2026-05-05T12:00:00Z"), 0), 9);
        assert_eq!(target.next(at("2026-05-05T21:00:00Z"), 0), 2);
        assert_eq!(target.next(at("2027-05-05T12:00:00Z"), 0), 1);
    }

    #[test]
    fn an_action_at_one_time_begins_then() {
        let mut target = target(json!({ "scheduledActions": [
            { "name": "once", "target": 5, "scheduleExpression": "at(2026-05-05T12:00:00Z)" },
        ]}));
        assert_eq!(target.next(at("2026-05-05T11:59:59Z"), 0), 0);
        assert_eq!(target.next(at("2026-05-05T12:00:00Z"), 0), 5);
    }

    #[test]
    fn tracking_goes_up_at_once_and_down_by_steps_within_its_bounds() {
        let window = Window { start: None, end: None };
        let policy = Policy { window, target: 0.5, least: 1, most: 20 };
        assert_eq!(policy.next(1, 8), 16);
        assert_eq!(policy.next(16, 0), 14);
        assert_eq!(policy.next(1, 0), 1);
        assert_eq!(policy.next(1, 100), 20);
    }

    #[test]
    fn what_would_have_begun_before_an_action_itself_did_not() {
        let mut target = target(json!({ "target": 1, "scheduledActions": [
            { "name": "day", "startTime": "2026-01-01T09:00:00Z", "target": 9, "scheduleExpression": "cron(0 0 8 * * *)" },
        ]}));
        assert_eq!(target.next(at("2026-01-01T10:00:00Z"), 0), 1);
        assert_eq!(target.next(at("2026-01-02T08:00:00Z"), 0), 9);
    }

    #[test]
    fn a_schedule_that_is_none_is_refused() {
        for text in ["", "cron(x)", "cron(0 0 0 30 2 *)", "at(tomorrow)", "every day", "cron(* * * * *)"] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
