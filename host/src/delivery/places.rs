//! Places in the queue: how many events there may be, and how much of them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::config::EventsConfig;

/// Service and function.
pub(super) type FunctionKey = (Arc<str>, Arc<str>);

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// The function's own bound.
    #[error(
        "{limit} events of function '{function}' are waiting or running, which is `events.function_queue_length`; try again later"
    )]
    Function {
        /// The function.
        function: String,
        /// How many it may have.
        limit: usize,
    },
    /// The bound of all functions.
    #[error("{0} events are waiting or running, which is `events.queue_length`; try again later")]
    All(usize),
    /// The bound of their payloads.
    #[error(
        "the events that wait or run have {0} bytes together, and `events.queue_size` has no room for this one; try again later"
    )]
    Size(u64),
}

/// Hands out places. A cheap handle.
#[derive(Clone)]
pub(super) struct Places(Arc<Shared>);

struct Shared {
    limits: Limits,
    taken: Mutex<Taken>,
}

struct Limits {
    function: usize,
    all: usize,
    bytes: u64,
}

#[derive(Default)]
struct Taken {
    functions: HashMap<FunctionKey, usize>,
    all: usize,
    bytes: u64,
}

/// A place in the queue; given back when dropped.
pub(crate) struct Place {
    places: Places,
    function: FunctionKey,
    bytes: u64,
}

impl Places {
    pub(super) fn new(config: &EventsConfig) -> Self {
        let limits =
            Limits { function: config.function_queue_length, all: config.queue_length, bytes: config.queue_size };
        Self(Arc::new(Shared { limits, taken: Mutex::default() }))
    }

    /// A place for a new event.
    pub(super) fn take(&self, function: FunctionKey, bytes: usize) -> Result<Place, QueueFull> {
        let (limits, bytes) = (&self.0.limits, bytes as u64);
        let taken = self.0.taken.lock();
        if taken.all >= limits.all {
            return Err(QueueFull::All(limits.all));
        }
        if taken.bytes + bytes > limits.bytes {
            return Err(QueueFull::Size(taken.bytes));
        }
        let of_function = taken.functions.get(&function).copied().unwrap_or_default();
        if of_function >= limits.function {
            return Err(QueueFull::Function { function: function.1.to_string(), limit: limits.function });
        }
        Ok(self.granted(taken, function, bytes))
    }

    /// A place for an event that is accepted already: it came before a restart, or as the destination of another.
    pub(super) fn grant(&self, function: FunctionKey, bytes: usize) -> Place {
        self.granted(self.0.taken.lock(), function, bytes as u64)
    }

    fn granted(&self, mut taken: parking_lot::MutexGuard<'_, Taken>, function: FunctionKey, bytes: u64) -> Place {
        taken.all += 1;
        taken.bytes += bytes;
        *taken.functions.entry(function.clone()).or_default() += 1;
        drop(taken);
        Place { places: self.clone(), function, bytes }
    }

    /// How many are taken of each function.
    pub(super) fn taken(&self) -> Vec<(FunctionKey, usize)> {
        self.0.taken.lock().functions.iter().map(|(function, count)| (function.clone(), *count)).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock();
        taken.all -= 1;
        taken.bytes -= self.bytes;
        if let Some(count) = taken.functions.get_mut(&self.function) {
            *count -= 1;
            if *count == 0 {
                taken.functions.remove(&self.function);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn places(function: usize, all: usize, bytes: u64) -> Places {
        Places::new(&EventsConfig {
            function_queue_length: function,
            queue_length: all,
            queue_size: bytes,
            function_concurrency: NonZeroUsize::MIN,
            concurrency: NonZeroUsize::MIN,
            retention: std::time::Duration::ZERO,
            dead_letters: 0,
        })
    }

    fn key(function: &str) -> FunctionKey {
        ("s".into(), function.into())
    }

    #[test]
    fn each_bound_holds_and_a_dropped_place_is_free_again() {
        let places = places(2, 3, 100);
        let first = places.take(key("f"), 10).ok().unwrap();
        let _second = places.take(key("f"), 10).ok().unwrap();
        assert_eq!(places.take(key("f"), 10).err(), Some(QueueFull::Function { function: "f".into(), limit: 2 }));
        assert_eq!(places.take(key("g"), 81).err(), Some(QueueFull::Size(20)));
        let _third = places.take(key("g"), 80).ok().unwrap();
        assert_eq!(places.take(key("h"), 0).err(), Some(QueueFull::All(3)));
        drop(first);
        assert!(places.take(key("f"), 0).is_ok());
        assert!(places.take(key("f"), 11).is_err());
    }

    #[test]
    fn what_is_accepted_already_has_its_place_in_a_full_queue_too() {
        let places = places(1, 1, 1);
        let _granted = [places.grant(key("f"), 10), places.grant(key("f"), 10)];
        assert_eq!(places.taken(), [(key("f"), 2)]);
        assert!(places.take(key("g"), 0).is_err());
    }
}
