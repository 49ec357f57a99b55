//! Batches: what comes within a time, up to a number and a size.

use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout_at};

use crate::config::Batching;

/// The next batch, with at least one item, unless the first is an error; `None` at the end of the stream. A batch ends with
/// an error, or when its items have `bytes` or more. What it has taken is lost if this is dropped.
pub(super) async fn next_batch<T, E, S>(
    items: &mut S,
    batching: Batching,
    bytes: usize,
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
    let mut taken = size(batch.last()?);
    while batch.len() < batching.records && taken < bytes {
        // The deadline is looked at after the stream was asked: a window of 0 still takes what is there.
        match timeout_at(until, items.next()).await {
            Ok(Some(Ok(item))) => {
                taken += size(&item);
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
    use std::time::Duration;

    use futures_util::stream;

    use super::*;

    const BATCHING: Batching = Batching { records: 3, window: Duration::ZERO };
    const BYTES: usize = 10;

    async fn batches(items: Vec<Result<&'static str, &'static str>>) -> Vec<(Vec<&'static str>, Option<&'static str>)> {
        let mut items = stream::iter(items);
        let mut batches = Vec::new();
        while let Some(batch) = next_batch(&mut items, BATCHING, BYTES, |text| text.len()).await {
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
        assert_eq!(next_batch(&mut items, BATCHING, BYTES, |text| text.len()).await, Some((vec!["a"], None)));
    }
}
