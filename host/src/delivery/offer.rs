//! Offers the record of a settled event to its destination: as an event of a function, as a message of one of `[sources]`,
//! or to a webhook.
//!
//! What wisp keeps itself (an event, a message of an embedded queue or topic) is made in one commit with the settlement. What
//! others keep is offered in turns of its own, once the settlement is durable, so it may be offered twice.

use std::time::Duration;

use super::{
    Shared,
    attempt::{Turn, Unresolved, keep, now_ms, resolve},
    conclude,
    destination::{Destination, DestinationKind},
    event::{Event, Submission},
    record::{record, record_within},
    storage::Change,
    webhook,
};
use crate::{
    catalog::Target,
    config::SourceConfig,
    host::FunctionHost,
    invoke::RequestId,
    trigger::{
        payload::Message,
        source::{Post, message_id},
    },
};

/// How many events may lead to one another by their destinations, so that two functions that are each other's destination
/// come to an end.
const LONGEST_CHAIN: u32 = 16;

/// What the envelope of a message has at most, the message itself left out.
const ENVELOPE: usize = 2 << 10;

/// Why a destination did not take a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It may take it later; it is asked a limited number of times.
    Temporary(String),
    /// It takes nothing for the moment: it is full, or away. It is asked as long as the record is young enough.
    Held(String),
    /// It never will.
    Permanent(String),
}

/// What a record became, to be kept in one step with the settlement of its event.
pub(super) enum Handed {
    /// An event of the function that is the destination.
    Event(Box<Submission>),
    /// A message of the embedded queue or topic.
    Post(Post),
}

/// Hands the record of an event that is being settled to a destination that is in this process; others have a turn of their
/// own, and so has this one if it cannot take the record now.
pub(super) fn at_once(
    shared: &Shared,
    host: &FunctionHost,
    event: &mut Event,
    destination: &Destination,
    now: u64,
) -> Option<Handed> {
    let handed = match &destination.kind {
        DestinationKind::Function { .. } => event_of(shared, host, event, destination, now),
        DestinationKind::Source { name, .. } => match host.view().sources.get(name) {
            Some(SourceConfig::Inbox(_)) => post(shared, host, event, destination, now),
            _ => return None,
        },
        DestinationKind::Webhook(_) | DestinationKind::Unknown => return None,
    };
    match handed {
        Ok(handed) => {
            conclude::delivered(event);
            Some(handed)
        }
        Err(Refusal::Held(message)) => {
            event.progress.destination_error = Some(message);
            None
        }
        Err(refusal) => {
            conclude::refused(event, refusal, now);
            None
        }
    }
}

/// The turn of an event that is settled and whose record is not delivered.
pub(super) async fn take_turn(shared: &Shared, mut event: Event, lane_pauses: u32) -> Turn {
    let offered = offer(shared, &event).await;
    let now = now_ms();
    let handed = match offered {
        Ok(handed) => {
            conclude::delivered(&mut event);
            handed
        }
        Err(Refusal::Held(message)) => {
            let max_age = shared.host.upgrade().map(|host| shared.policy(&host, &event.submission).max_event_age);
            let is_news = event.progress.destination_error.as_ref() != Some(&message);
            let held = conclude::held(&mut event, message, lane_pauses, max_age.unwrap_or(Duration::MAX), now);
            if let Some(pause) = held {
                if is_news {
                    shared.writer.note(vec![Change::Update(event.seq, Box::new(event.progress.clone()))]);
                }
                return Turn::Throttled(event, pause);
            }
            None
        }
        Err(refusal) => {
            conclude::refused(&mut event, refusal, now);
            None
        }
    };
    keep(shared, &event, handed).await;
    Turn::Done(event)
}

/// A function is the destination here only if it was not there when the event was settled, and somebody redrove it.
async fn offer(shared: &Shared, event: &Event) -> Result<Option<Handed>, Refusal> {
    let given = event.progress.destination.as_deref().unwrap_or_default();
    let destination = given.parse::<Destination>().map_err(Refusal::Permanent)?;
    let host = || shared.host.upgrade().ok_or_else(|| Refusal::Held("wisp is stopping".to_owned()));
    match &destination.kind {
        DestinationKind::Webhook(url) => {
            let record = record(event, &shared.identity, now_ms());
            webhook::post(url, &event.submission.request_id, record).await.map(|()| None)
        }
        DestinationKind::Function { .. } => event_of(shared, &host()?, event, &destination, now_ms()).map(Some),
        DestinationKind::Source { name, .. } => {
            let host = host()?;
            match host.view().sources.get(name) {
                Some(SourceConfig::Inbox(_)) => post(shared, &host, event, &destination, now_ms()).map(Some),
                _ => publish(shared, &host, event, &destination).await.map(|()| None),
            }
        }
        DestinationKind::Unknown => Err(Refusal::Permanent(format!("{given:?} is no destination"))),
    }
}

/// The record as an event of the function that is the destination.
fn event_of(
    shared: &Shared,
    host: &FunctionHost,
    event: &Event,
    destination: &Destination,
    now: u64,
) -> Result<Handed, Refusal> {
    let DestinationKind::Function { service, function, qualifier } = &destination.kind else {
        return Err(Refusal::Permanent(format!("{destination} is no function")));
    };
    let target = Target { service: service.as_deref(), function, qualifier };
    let depth = depth(event)?;
    let revision = resolve(host, &target).map_err(Unresolved::message).map_err(Refusal::Permanent)?;
    let mut submission = Submission {
        request_id: RequestId::new().as_str().to_owned(),
        service: revision.function.service.clone(),
        function: revision.function.name.clone(),
        qualifier: qualifier.as_str().into(),
        invocation_id: None,
        trace_parent: event.submission.trace_parent.clone(),
        received: now,
        depth,
        trigger: None,
        payload: record(event, &shared.identity, now),
    };
    if shared.policy(host, &submission).stateful {
        submission.invocation_id = Some(submission.request_id.clone());
    }
    Ok(Handed::Event(Box::new(submission)))
}

/// The record as a message of an embedded queue or topic.
fn post(
    shared: &Shared,
    host: &FunctionHost,
    event: &Event,
    destination: &Destination,
    now: u64,
) -> Result<Handed, Refusal> {
    let (name, source) = source_of(host, destination)?;
    let SourceConfig::Inbox(inbox) = &source else {
        return Err(Refusal::Permanent(format!("{name} keeps nothing here")));
    };
    let triggers = host.triggers().ok_or_else(|| Refusal::Held("the triggers are not started yet".to_owned()))?;
    let message = message(shared, host, event, name, now)?;
    triggers.post(name, inbox, message).map(Handed::Post)
}

/// The record as a message of a broker.
async fn publish(
    shared: &Shared,
    host: &FunctionHost,
    event: &Event,
    destination: &Destination,
) -> Result<(), Refusal> {
    let (name, source) = source_of(host, destination)?;
    let triggers = host.triggers().ok_or_else(|| Refusal::Held("the triggers are not started yet".to_owned()))?;
    let message = message(shared, host, event, name, now_ms())?;
    triggers.publish(name, &source, message).await
}

fn source_of<'a>(host: &FunctionHost, destination: &'a Destination) -> Result<(&'a str, SourceConfig), Refusal> {
    let (holds, name) =
        destination.source().ok_or_else(|| Refusal::Permanent(format!("{destination} is no source")))?;
    let source = host.view().sources.get(name).cloned();
    let source = source
        .ok_or_else(|| Refusal::Permanent(format!("there is no source '{name}' in wisp.toml; add [sources.{name}]")))?;
    holds.check(name, &source).map_err(Refusal::Permanent)?;
    Ok((name, source))
}

fn message(shared: &Shared, host: &FunctionHost, event: &Event, topic: &str, now: u64) -> Result<Message, Refusal> {
    let longest = host.limits().async_body.saturating_sub(ENVELOPE);
    let submission = &event.submission;
    // The same however often it is offered, but another one once the event was called again.
    let place = format!("{}:{}", submission.request_id, event.progress.ended.unwrap_or_default());
    Ok(Message {
        id: message_id(&place),
        topic: topic.to_owned(),
        body: record_within(event, &shared.identity, now, longest).to_vec(),
        tag: None,
        attributes: Default::default(),
        time: jiff::Timestamp::now(),
        depth: depth(event)?,
    })
}

/// That of the event which the record becomes.
fn depth(event: &Event) -> Result<u32, Refusal> {
    match event.submission.depth + 1 {
        depth if depth > LONGEST_CHAIN => Err(Refusal::Permanent(format!(
            "more than {LONGEST_CHAIN} events led to one another by their destinations"
        ))),
        depth => Ok(depth),
    }
}
