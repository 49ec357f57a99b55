//! `GET /wisp/logs`: the kept lines of one function or of all, and the ones that follow.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Response, header};
use tokio::sync::broadcast::error::RecvError;

use super::{ResponseBody, piecewise, query_value};
use crate::{
    host::FunctionHost,
    platform_error::PlatformError,
    telemetry::{LogFollower, LogLine},
};

/// Which lines are asked for.
#[derive(Clone)]
struct Filter {
    service: Option<String>,
    function: Option<String>,
}

impl Filter {
    fn takes(&self, line: &LogLine) -> bool {
        self.service.as_ref().is_none_or(|service| *service == *line.service)
            && self.function.as_ref().is_none_or(|function| *function == *line.function)
    }
}

pub(super) fn logs(host: &FunctionHost, query: Option<&str>) -> Result<Response<ResponseBody>, PlatformError> {
    let filter = Filter { service: query_value(query, "service"), function: query_value(query, "function") };
    let count = tail_count(query)?;
    // Subscribed before the kept lines are read: a line that comes in between is told twice rather than never.
    let follower = (query_value(query, "follow").as_deref() == Some("true")).then(|| host.follow_logs());
    let kept = stream::iter(kept_lines(host, &filter, count)).map(|line| as_json(&line));
    let mut response = match follower {
        Some(follower) => Response::new(piecewise(kept.chain(followed(follower, filter)))),
        None => Response::new(piecewise(kept)),
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn tail_count(query: Option<&str>) -> Result<usize, PlatformError> {
    let Some(text) = query_value(query, "tail") else { return Ok(usize::MAX) };
    text.parse()
        .map_err(|_| PlatformError::invalid_argument(format!("tail is set to '{text}': write a number of lines")))
}

fn kept_lines(host: &FunctionHost, filter: &Filter, count: usize) -> Vec<LogLine> {
    let catalog = host.catalog();
    let mut lines: Vec<_> = catalog
        .functions()
        .iter()
        // All qualifiers of a function write one log.
        .filter_map(|(_, _, routes)| routes.revisions().next())
        .flat_map(|revision| revision.log.lines())
        .collect();
    lines.retain(|line| filter.takes(line));
    lines.sort_by(|a, b| a.time.cmp(&b.time));
    lines.split_off(lines.len().saturating_sub(count))
}

fn followed(follower: LogFollower, filter: Filter) -> impl futures_util::Stream<Item = Bytes> {
    stream::unfold((follower, filter), |(mut follower, filter)| async move {
        loop {
            match follower.recv().await {
                Ok(line) if filter.takes(&line) => return Some((as_json(&line), (follower, filter))),
                // Too slow a reader misses lines; it does not slow the functions down.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

fn as_json(line: &LogLine) -> Bytes {
    let mut json = serde_json::to_vec(line).unwrap_or_default();
    json.push(b'\n');
    json.into()
}
