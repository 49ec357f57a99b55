//! `/wisp/events`: what `wisp events` asks.

use http::{Method, Response};
use serde_json::json;

use super::{ResponseBody, asynchronous::delivery, decoded_path, inspect::json_response, query_value};
use crate::{
    delivery::{Filter, Status, describe},
    host::FunctionHost,
    platform_error::PlatformError,
};

/// Events of one answer, if the question does not say, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1_000;

/// | request | does |
/// |---|---|
/// | `GET /wisp/events?service=&function=&status=&dead=&after=&limit=` | lists, newest first |
/// | `GET /wisp/events/{request id}` | shows one with its payload and response |
/// | `POST /wisp/events/{request id}/redrive` | starts one dead letter over |
/// | `POST /wisp/events/redrive?service=&function=` | starts all of them over, or those of a function |
/// | `DELETE /wisp/events/{request id}` | forgets one dead letter |
/// | `DELETE /wisp/events?service=&function=` | forgets all of them, or those of a function |
pub(super) async fn handle(
    host: &FunctionHost,
    method: &Method,
    path: &[&str],
    query: Option<&str>,
) -> Result<Response<ResponseBody>, PlatformError> {
    let delivery = delivery(host)?;
    let path = decoded_path(path);
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    match (method, path.as_slice()) {
        (&Method::GET, []) => list(host, query).await,
        (&Method::GET, [id]) => {
            let event = delivery.event(id).await?.ok_or_else(|| no_event(id))?;
            Ok(json_response(&describe::wisp(&event, true)))
        }
        (&Method::POST, ["redrive"]) => counted("redriven", delivery.redrive(filter(query)?).await?),
        (&Method::POST, [id, "redrive"]) => one("redriven", delivery.redrive_one(id).await?, id),
        (&Method::DELETE, []) => counted("purged", delivery.purge(filter(query)?).await?),
        (&Method::DELETE, [id]) => one("purged", delivery.purge_one(id).await?, id),
        _ => Err(PlatformError::path_not_supported(method, &format!("/wisp/events/{}", path.join("/")))),
    }
}

async fn list(host: &FunctionHost, query: Option<&str>) -> Result<Response<ResponseBody>, PlatformError> {
    let mut filter = filter(query)?;
    filter.newest_first = true;
    filter.limit = number(query, "limit")?.map_or(LIMIT, |limit| usize::try_from(limit).unwrap_or(MOST).clamp(1, MOST));
    filter.after = number(query, "after")?;
    let page = delivery(host)?.list(filter).await?;
    let events: Vec<_> = page.events.iter().map(|event| describe::wisp(event, false)).collect();
    Ok(json_response(&json!({ "events": events, "next": page.next })))
}

fn filter(query: Option<&str>) -> Result<Filter, PlatformError> {
    let status = query_value(query, "status").map(|text| {
        Status::parse(&text).ok_or_else(|| {
            let known: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
            PlatformError::invalid_argument(format!("status '{text}' is none of {}", known.join(", ")))
        })
    });
    Ok(Filter {
        service: query_value(query, "service"),
        function: query_value(query, "function"),
        status: status.transpose()?,
        dead: query_value(query, "dead").is_some_and(|dead| dead == "true"),
        ..Filter::default()
    })
}

fn number(query: Option<&str>, name: &str) -> Result<Option<u64>, PlatformError> {
    let number = query_value(query, name)
        .map(|text| text.parse().map_err(|_| PlatformError::invalid_argument(format!("{name} '{text}' is no number"))));
    number.transpose()
}

fn counted(what: &str, count: usize) -> Result<Response<ResponseBody>, PlatformError> {
    Ok(json_response(&json!({ what: count })))
}

fn one(what: &str, done: bool, id: &str) -> Result<Response<ResponseBody>, PlatformError> {
    if done {
        return counted(what, 1);
    }
    Err(PlatformError::event_not_found(format!("there is no dead letter of request '{id}'")))
}

fn no_event(id: &str) -> PlatformError {
    PlatformError::event_not_found(format!(
        "there is no event of request '{id}': it is forgotten once it is handled, unless it is stateful or a dead letter"
    ))
}
