//! Stateful asynchronous invocations: `stateful-async-invocations` of 2016-08-15, `async-tasks` of 2023-03-30.

use serde_json::{Map, Value};

use super::{
    asynchronous::delivery,
    call::{Answer, Call},
    schema,
};
use crate::{
    delivery::{Event, Filter, StatefulKey, Status, StopError, describe},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// Invocations of one answer, unless the caller says otherwise, and at most.
const LIMIT: usize = 20;
const LIMIT_2016: usize = 50;
const MOST: usize = 100;

/// Whose invocations are meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function<'a> {
    /// Empty for a function of FC 3.0.
    pub(super) service: &'a str,
    pub(super) name: &'a str,
    /// Empty: whatever qualifier they were asked for by.
    pub(super) qualifier: &'a str,
}

impl<'a> Function<'a> {
    fn key(self, id: &'a str) -> StatefulKey<'a> {
        StatefulKey { service: self.service, function: self.name, id }
    }
}

/// `…/stateful-async-invocations[/{id}]` of 2016-08-15; `None` if there is no such operation.
pub(super) async fn invocations(
    host: &FunctionHost,
    call: &Call,
    function: Function<'_>,
    rest: &[&str],
) -> Result<Option<Answer>, PlatformError> {
    let not_found = |id: &str| {
        let message = format!("stateful async invocation '{id}' of function '{}' does not exist", function.name);
        PlatformError::not_found("StatefulAsyncInvocationNotFound", message)
    };
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let filter = filter(call, function, "invocationIdPrefix", LIMIT_2016)?;
            let with_payload = filter.payloads;
            // No invocations are no list: the clients expect none.
            list(host, filter, "invocations", false, |event| describe::fc2(event, with_payload)).await.map(Some)
        }
        ("GET", [id]) => {
            let event = delivery(host)?.stateful(function.key(id)).await?.ok_or_else(|| not_found(id))?;
            Ok(Some(Answer::ok(describe::fc2(&event, true))))
        }
        ("PUT", [id]) => stop(host, function.key(id), || not_found(id)).await.map(Some),
        _ => Ok(None),
    }
}

/// `…/async-tasks[/{id}[/stop]]` of 2023-03-30; `None` if there is no such operation.
pub(super) async fn tasks(
    host: &FunctionHost,
    call: &Call,
    function: Function<'_>,
    rest: &[&str],
) -> Result<Option<Answer>, PlatformError> {
    let (region, account) = (&*host.server().region, &*host.server().account_id);
    let not_found =
        |id: &str| PlatformError::not_found("AsyncTaskNotFound", format!("async task '{id}' does not exist"));
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let filter = filter(call, function, "prefix", LIMIT)?;
            let with_payload = filter.payloads;
            let show = |event: &Event| describe::fc3(event, region, account, with_payload);
            list(host, filter, "tasks", true, show).await.map(Some)
        }
        ("GET", [id]) => {
            let event = delivery(host)?.stateful(function.key(id)).await?.ok_or_else(|| not_found(id))?;
            Ok(Some(Answer::ok(describe::fc3(&event, region, account, true))))
        }
        ("PUT", [id, "stop"]) => stop(host, function.key(id), || not_found(id)).await.map(Some),
        _ => Ok(None),
    }
}

fn filter(call: &Call, function: Function<'_>, prefix: &str, limit: usize) -> Result<Filter, PlatformError> {
    let status = call.parameter("status").map(|text| {
        let known: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
        Status::parse(text).ok_or_else(|| schema::invalid("Status", &known.join(" | "), &text.into()))
    });
    let number = |name: &str| {
        let number = call.parameter(name).map(|text| {
            text.parse::<u64>().map_err(|_| schema::invalid(name, "a number", &text.into()))
        });
        number.transpose()
    };
    let limit = match number("limit")? {
        None => limit,
        Some(limit) => usize::try_from(limit).ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(|| {
            schema::invalid("Limit", &format!("1 to {MOST}"), &limit.into())
        })?,
    };
    Ok(Filter {
        service: Some(function.service.to_owned()),
        function: Some(function.name.to_owned()),
        qualifier: (!function.qualifier.is_empty()).then(|| function.qualifier.to_owned()),
        status: status.transpose()?,
        stateful: true,
        id_prefix: call.parameter(prefix).map(str::to_owned),
        started_begin: number("startedTimeBegin")?,
        started_end: number("startedTimeEnd")?,
        newest_first: call.parameter("sortOrderByTime") != Some("asc"),
        after: number("nextToken")?,
        limit,
        payloads: call.parameter("includePayload") == Some("true"),
        ..Filter::default()
    })
}

async fn list(
    host: &FunctionHost,
    filter: Filter,
    name: &str,
    even_empty: bool,
    show: impl Fn(&Event) -> Value,
) -> Result<Answer, PlatformError> {
    let page = delivery(host)?.list(filter).await?;
    let mut body = Map::new();
    if even_empty || !page.events.is_empty() {
        body.insert(name.to_owned(), page.events.iter().map(show).collect());
    }
    if let Some(next) = page.next {
        body.insert("nextToken".to_owned(), next.to_string().into());
    }
    Ok(Answer::ok(Value::Object(body)))
}

async fn stop(
    host: &FunctionHost,
    key: StatefulKey<'_>,
    not_found: impl FnOnce() -> PlatformError,
) -> Result<Answer, PlatformError> {
    match delivery(host)?.stop(key).await {
        Ok(()) => Ok(Answer::nothing()),
        Err(StopError::NotFound) => Err(not_found()),
        Err(error @ StopError::Finished(_)) => Err(PlatformError::invalid_argument(error.to_string())),
        Err(StopError::Events(error)) => Err(error.into()),
    }
}
