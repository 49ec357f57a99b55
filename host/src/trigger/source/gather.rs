//! Batches: what comes within a time, up to a number and a size.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

/// How much is delivered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The most messages of a batch, 1 or more.
    pub records: usize,
    /// The most bytes of their bodies; one message alone may have more.
    pub bytes: usize,
    /// How long to wait for more once the first is there; 0 takes what has come already.
    pub window: Duration,
}

/// The next batch, with at least one item; `None` at the end of the stream. An error ends a batch, and is its last item.
/// Nothing is lost if this is dropped, except what it had already taken.
pub(super) async fn next_batch<T, E, S>(
    items: &mut S,
    batching: Batching,
    size: impl Fn(&T) -> usize,
) -> Option<(Vec<T>, Option<E>)>
where
    S: Stream<Item = Result<T, E>> + Unpin,
{
    let mut batch = Vec::new();
    match items.next().await? {
        Ok(first) => batch.push(first),
        Err(error) => return Some((batch, Some(error))),
    }
    let until = Instant::now() + batching.window;
    let mut bytes = size(batch.last()?);
    while batch.len() < batching.records && bytes < batching.bytes {
        // The deadline is looked at after the stream was asked: a window of 0 still takes what is there.
        match timeout_at(until, items.next()).await {
            Ok(Some(Ok(item))) => {
                bytes += size(&item);
                batch.push(item);
            }
            Ok(Some(Err(error))) => return Some((batch, Some(error))),
            Ok(None) | Err(_) => break,
        }
    }
    Some((batch, None))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const BATCHING: Batching = Batching { records: 3, bytes: 10, window: Duration::ZERO };

    async fn batches(items: Vec<Result<&'static str, &'static str>>) -> Vec<(Vec<&'static str>, Option<&'static str>)> {
        let mut items = stream::iter(items);
        let mut batches = Vec::new();
        while let Some(batch) = next_batch(&mut items, BATCHING, |text| text.len()).await {
            batches.push(batch);
        }
        batches
    }

    #[tokio::test]
    async fn a_batch_is_full_by_number_or_by_size() {
        let numbered = batches(["a", "b", "c", "d"].map(Ok).into()).await;
        assert_eq!(numbered, [(vec!["a", "b", "c"], None), (vec!["d"], None)]);
        let sized = batches(["12345", "123456", "1"].map(Ok).into()).await;
        assert_eq!(sized, [(vec!["12345", "123456"], None), (vec!["1"], None)]);
    }

    #[tokio::test]
    async fn an_error_comes_after_what_came_before_it() {
        let failed = batches(vec![Ok("a"), Err("lost"), Ok("b")]).await;
        assert_eq!(failed, [(vec!["a"], Some("lost")), (vec!["b"], None)]);
        assert_eq!(batches(vec![Err("lost")]).await, [(vec![], Some("lost"))]);
    }

    #[tokio::test]
    async fn a_window_of_nothing_waits_for_the_first_only() {
        let mut items = stream::iter([Ok::<_, ()>("a")]).chain(stream::pending());
        assert_eq!(next_batch(&mut items, BATCHING, |text| text.len()).await, Some((vec!["a"], None)));
    }
}
