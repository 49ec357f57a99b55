//! Distributions of durations.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// Three significant digits: what is told apart is a thousandth of the value.
const DIGITS: u8 = 3;

/// The longest duration that is told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(3600);

/// Durations, from 1 ns to an hour, to three significant digits.
#[derive(Clone, Debug)]
pub struct Samples(Histogram<u64>);

impl Samples {
    /// None yet.
    pub fn new() -> Self {
        let longest = nanoseconds(LONGEST);
        // The bounds are constants that hdrhistogram takes; its own default would only resize as it goes.
        let histogram = Histogram::new_with_bounds(1, longest, DIGITS);
        #[allow(clippy::expect_used, reason = "bounds and digits are constants within hdrhistogram's range")]
        Self(histogram.expect("an hour of nanoseconds in three digits"))
    }

    /// Adds one.
    pub fn record(&mut self, duration: Duration) {
        self.0.saturating_record(nanoseconds(duration).max(1));
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration that a share of all, 0 to 1, does not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share))
    }

    /// Half of them are shorter.
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.0.min())
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// Their mean.
    pub fn mean(&self) -> Duration {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "means lie within the bounds")]
        Duration::from_nanos(self.0.mean() as u64)
    }

    /// How many lie in each of the intervals between the bounds, given in rising order; the first and the last also have
    /// what lies outside.
    pub fn between(&self, bounds: &[Duration]) -> Vec<u64> {
        let mut counts = vec![0; bounds.len().saturating_sub(1)];
        let last = counts.len().saturating_sub(1);
        for value in self.0.iter_recorded() {
            let at = Duration::from_nanos(value.value_iterated_to());
            let above = bounds.partition_point(|bound| *bound <= at);
            if let Some(count) = counts.get_mut(above.saturating_sub(1).min(last)) {
                *count += value.count_at_value();
            }
        }
        counts
    }
}

impl Default for Samples {
    fn default() -> Self {
        Self::new()
    }
}

/// All in nanoseconds.
impl Serialize for Samples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Samples", 7)?;
        fields.serialize_field("count", &self.count())?;
        fields.serialize_field("min_ns", &nanoseconds(self.min()))?;
        fields.serialize_field("mean_ns", &nanoseconds(self.mean()))?;
        fields.serialize_field("p50_ns", &nanoseconds(self.median()))?;
        fields.serialize_field("p90_ns", &nanoseconds(self.quantile(0.9)))?;
        fields.serialize_field("p99_ns", &nanoseconds(self.quantile(0.99)))?;
        fields.serialize_field("max_ns", &nanoseconds(self.max()))?;
        fields.end()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(microseconds: impl IntoIterator<Item = u64>) -> Samples {
        let mut samples = Samples::new();
        microseconds.into_iter().for_each(|value| samples.record(Duration::from_micros(value)));
        samples
    }

    #[test]
    fn quantiles_are_in_order_and_exact_to_a_thousandth() {
        let samples = of(1..=1000);
        let near =
            |duration: Duration, microseconds: f64| (duration.as_secs_f64() * 1e6 / microseconds - 1.0).abs() < 0.002;
        assert!(near(samples.median(), 500.0), "{:?}", samples.median());
        assert!(near(samples.quantile(0.99), 990.0));
        assert!(near(samples.max(), 1000.0));
        assert!(samples.median() <= samples.quantile(0.9) && samples.quantile(0.99) <= samples.max());
    }

    #[test]
    fn every_sample_is_in_one_interval() {
        let bounds = [10, 20, 40].map(Duration::from_micros);
        assert_eq!(of([1, 10, 15, 25, 1000]).between(&bounds), [3, 2]);
        assert_eq!(of([]).between(&bounds), [0, 0]);
    }

    #[test]
    fn what_is_out_of_bounds_counts_as_the_bound() {
        let samples = of([0, 1 << 60]);
        assert_eq!(samples.count(), 2);
        assert!(samples.max() >= LONGEST);
    }
}
