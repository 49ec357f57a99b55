//! Settings that both APIs have, and the rules of provisioning.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    call::Call,
    schema::{Field, Shape, field, invalid},
};
use crate::{
    control::{Attributes, Schedule},
    platform_error::PlatformError,
};

/// Instances that can be provisioned.
const TARGET: Shape = Shape::Integer(0, 10_000);

const PROVISION: &[Field] = &[
    field("target", TARGET),
    field("alwaysAllocateCPU", Shape::Boolean),
    field("alwaysAllocateGPU", Shape::Boolean),
    field("defaultTarget", TARGET),
    field(
        "scheduledActions",
        Shape::Objects(&[
            field("name", Shape::Text(128)),
            field("startTime", Shape::Text(64)),
            field("endTime", Shape::Text(64)),
            field("target", TARGET),
            field("scheduleExpression", Shape::Text(256)),
            field("timeZone", Shape::Text(64)),
        ]),
    ),
    field(
        "targetTrackingPolicies",
        Shape::Objects(&[
            field("name", Shape::Text(128)),
            field("startTime", Shape::Text(64)),
            field("endTime", Shape::Text(64)),
            field("metricType", Shape::Choice(&METRICS)),
            field("metricTarget", Shape::Number),
            field("minCapacity", TARGET),
            field("maxCapacity", TARGET),
            field("timeZone", Shape::Text(64)),
        ]),
    ),
];

/// Scaling of API 2023-03-30, which goes by other names but is the same thing.
const SCALING: &[Field] = &[
    field("minInstances", TARGET),
    field("enableOnDemandScaling", Shape::Boolean),
    field("enableMixMode", Shape::Boolean),
    field("requestDispatchPolicy", Shape::Text(64)),
    field("residentPoolId", Shape::Text(128)),
    field(
        "scheduledPolicies",
        Shape::Objects(&[
            field("name", Shape::Text(128)),
            field("startTime", Shape::Text(64)),
            field("endTime", Shape::Text(64)),
            field("target", TARGET),
            field("scheduleExpression", Shape::Text(256)),
            field("timeZone", Shape::Text(64)),
        ]),
    ),
    field(
        "horizontalScalingPolicies",
        Shape::Objects(&[
            field("name", Shape::Text(128)),
            field("startTime", Shape::Text(64)),
            field("endTime", Shape::Text(64)),
            field("metricType", Shape::Text(64)),
            field("metricTarget", Shape::Number),
            field("minInstances", TARGET),
            field("maxInstances", TARGET),
            field("timeZone", Shape::Text(64)),
        ]),
    ),
];

/// The measures of target tracking. wisp goes by how many of the instances are busy, whatever the name of the measure.
const METRICS: [&str; 4] =
    ["ProvisionedConcurrencyUtilization", "CPUUtilization", "GPUMemUtilization", "GPUSmUtilization"];

/// Scheduled actions, or policies, of one qualifier.
const MOST: usize = 100;

pub(super) const ON_DEMAND: &[Field] = &[field("maximumInstanceCount", Shape::Integer(0, 1_000_000))];

const DESTINATION: Shape = Shape::Object(&[field("destination", Shape::Text(512))]);

/// Attempts after the first, and seconds that an event may wait.
const ATTEMPTS: Shape = Shape::Integer(0, 8);
const AGE: Shape = Shape::Integer(1, 2_592_000);

const DESTINATIONS: Shape = Shape::Object(&[field("onSuccess", DESTINATION), field("onFailure", DESTINATION)]);

pub(super) const ASYNC_2016: &[Field] = &[
    field("destinationConfig", DESTINATIONS),
    field("maxAsyncEventAgeInSeconds", AGE),
    field("maxAsyncRetryAttempts", ATTEMPTS),
    field("statefulInvocation", Shape::Boolean),
];

pub(super) const ASYNC_2023: &[Field] = &[
    field("destinationConfig", DESTINATIONS),
    field("maxAsyncEventAgeInSeconds", AGE),
    field("maxAsyncRetryAttempts", ATTEMPTS),
    field("asyncTask", Shape::Boolean),
];

/// A provision config, checked: the messages are those of the real service.
pub(super) fn provision(call: &Call) -> Result<Attributes, PlatformError> {
    let attributes = call.attributes(PROVISION)?;
    let scheduled = list(&attributes, "scheduledActions");
    let tracked = list(&attributes, "targetTrackingPolicies");
    check_list("ScheduledActions", scheduled)?;
    check_list("TargetTrackingPolicies", tracked)?;
    scheduled.iter().try_for_each(check_schedule)?;
    tracked.iter().try_for_each(|policy| check_policy(policy, "minCapacity", "maxCapacity"))?;
    Ok(attributes)
}

/// A scaling config, checked.
pub(super) fn scaling(call: &Call) -> Result<Attributes, PlatformError> {
    let attributes = call.attributes(SCALING)?;
    let scheduled = list(&attributes, "scheduledPolicies");
    let tracked = list(&attributes, "horizontalScalingPolicies");
    check_list("ScheduledPolicies", scheduled)?;
    check_list("HorizontalScalingPolicies", tracked)?;
    scheduled.iter().try_for_each(check_schedule)?;
    tracked.iter().try_for_each(|policy| check_policy(policy, "minInstances", "maxInstances"))?;
    Ok(attributes)
}

fn check_schedule(action: &Value) -> Result<(), PlatformError> {
    let expression = action.get("scheduleExpression").and_then(Value::as_str).unwrap_or_default();
    if Schedule::parse(expression).is_ok() {
        return Ok(());
    }
    Err(PlatformError::invalid_argument(format!(
        "The ScheduleExpression should be atTime or cron expression (example: ['at(2020-10-10T10:10:10Z)', 'cron(0 */30 * * \
         * *)'], actual: '{expression}')"
    )))
}

fn list<'a>(attributes: &'a Attributes, name: &str) -> &'a [Value] {
    attributes.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn check_list(label: &str, items: &[Value]) -> Result<(), PlatformError> {
    if items.len() > MOST {
        let message = format!("{label} contains too many values (max: {MOST}, actual: {})", items.len());
        return Err(PlatformError::invalid_argument(message));
    }
    let mut names = BTreeSet::new();
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("name").is_empty() {
            return Err(PlatformError::invalid_argument(format!("{label}: Name is required")));
        }
        if !names.insert(text("name")) {
            let message = format!("Duplicate action name '{}' in {label} is not allowed", text("name"));
            return Err(PlatformError::invalid_argument(message));
        }
        check_time("StartTime", text("startTime"))?;
        check_time("EndTime", text("endTime"))?;
    }
    Ok(())
}

fn check_time(label: &str, text: &str) -> Result<(), PlatformError> {
    if text.is_empty() || (text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()) {
        return Ok(());
    }
    Err(PlatformError::invalid_argument(format!(
        "The {label} is not in UTC time format (example: '2020-10-10T10:10:10Z', actual: '{text}')"
    )))
}

fn check_policy(policy: &Value, least: &str, most: &str) -> Result<(), PlatformError> {
    let target = policy.get("metricTarget").cloned().unwrap_or(Value::Null);
    if !target.as_f64().is_some_and(|target| target > 0.0 && target <= 1.0) {
        return Err(invalid("TargetTrackingPolicies.MetricTarget", "more than 0, up to 1", &target));
    }
    let count = |name: &str| policy.get(name).and_then(Value::as_u64);
    match (count(least), count(most)) {
        (Some(least), Some(most)) if least <= most => Ok(()),
        _ => Err(PlatformError::invalid_argument(format!(
            "{least} and {most} of a policy are required, the first not above the second"
        ))),
    }
}

/// An `async-invoke-config` by its fields, checked.
pub(super) fn asynchronous(call: &Call, fields: &[Field]) -> Result<Attributes, PlatformError> {
    let attributes = call.attributes(fields)?;
    for side in ["onSuccess", "onFailure"] {
        let config = attributes.get("destinationConfig").and_then(|config| config.get(side));
        let destination = config.and_then(|config| config.get("destination"));
        if let Some(other) = destination.filter(|it| !it.as_str().is_some_and(is_destination)) {
            let allowed = "acs:<service>:… | http://… | https://… | <service>/<function>";
            return Err(invalid("DestinationConfig.Destination", allowed, other));
        }
    }
    Ok(attributes)
}

fn is_destination(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.')
    };
    let is_pair = || text.split_once('/').is_some_and(|(service, function)| is_name(service) && is_name(function));
    text.is_empty() || ["acs:", "http://", "https://"].iter().any(|start| text.starts_with(start)) || is_pair()
}
