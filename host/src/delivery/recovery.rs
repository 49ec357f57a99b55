//! What was open when the host last ended. It is read page by page while the host serves already, so an event that has just
//! come may be called before one that waited over a restart; among themselves, these keep their order.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    Shared,
    attempt::now_ms,
    conclude::conclude,
    dispatcher::Message,
    event::{Event, Status},
    settle::{Attempt, Outcome, Settlement, settle},
    storage::{Change, EventsError},
};

/// Events that are read at once.
const PAGE: usize = 1_000;

/// Pause before a page that could not be read is read again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Hands the dispatcher all open events with a number up to `last`.
pub(super) async fn recover(shared: Arc<Shared>, last: u64, messages: mpsc::UnboundedSender<Message>) {
    let mut after = 0;
    let mut recovered = 0;
    while after < last && !shared.is_ended() {
        let page = match shared.read(move |reader| reader.open(after, PAGE)).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "the open events cannot be read; trying again");
                tokio::time::sleep(READ_AGAIN).await;
                continue;
            }
        };
        let Some((newest, _)) = page.last() else { break };
        after = newest.seq;
        for (event, length) in page.into_iter().filter(|(event, _)| event.seq <= last) {
            recovered += 1;
            if let Err(error) = resume(&shared, event, length, &messages).await {
                tracing::warn!(%error, "an event that was interrupted could not be settled");
            }
        }
    }
    if recovered > 0 {
        tracing::info!(events = recovered, "events of the last run go on");
    }
}

async fn resume(
    shared: &Shared,
    mut event: Event,
    length: usize,
    messages: &mpsc::UnboundedSender<Message>,
) -> Result<(), EventsError> {
    let interrupted = matches!(event.status(), Status::Dequeued | Status::Running | Status::Stopping);
    if interrupted {
        let Some(host) = shared.host.upgrade() else { return Ok(()) };
        let policy = shared.policy(&host, &event.submission);
        let now = now_ms();
        let age = Duration::from_millis(now.saturating_sub(event.progress.since));
        let attempt = Attempt { failed: event.progress.failed, pauses: event.progress.pauses, age };
        event.progress.error = Some(super::INTERRUPTED.into());
        let settlement = settle(Outcome::Interrupted, attempt, &policy);
        if matches!(settlement, Settlement::Again(_)) {
            conclude(&mut event, settlement, &policy, now);
            shared.writer.note(vec![Change::Update(event.seq, Box::new(event.progress.clone()))]);
        } else {
            // It is settled with its payload, which the record has.
            let seq = event.seq;
            event.submission.payload = shared.read(move |reader| reader.payload(seq)).await?.unwrap_or_default();
            super::attempt::settle_and_keep(shared, &host, &mut event, settlement, &policy).await;
        }
    }
    if event.progress.is_open() {
        let key = (event.submission.service.clone(), event.submission.function.clone());
        let place = shared.places.grant(key, length);
        event.submission.payload = bytes::Bytes::new();
        let _ = messages.send(Message::Arrived(Box::new((event, place))));
    }
    Ok(())
}
