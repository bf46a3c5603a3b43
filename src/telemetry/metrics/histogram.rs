//! A histogram with fixed buckets: three atomic additions an observation, and no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::telemetry::metrics::text::{Text, seconds};

/// How a histogram's numbers are spelled.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, shown as seconds.
    Time,
    /// Whole things.
    Count,
}

/// Upper bounds for times, in nanoseconds: 50 µs to 10 s.
pub const TIMES: &[u64] = &[
    50_000,
    100_000,
    200_000,
    300_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    25_000_000,
    100_000_000,
    500_000_000,
    2_000_000_000,
    10_000_000_000,
];

/// Upper bounds for the size of a batch.
pub const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000];

/// See the room's head.
#[derive(Debug)]
pub struct Histogram {
    unit: Unit,
    bounds: &'static [u64],
    /// One more than there are bounds: the last takes what is above all.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one. `bounds` rise; each is the largest value of its bucket.
    pub fn new(unit: Unit, bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { unit, bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Adds one value, in the unit of the bounds.
    pub fn observe(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Adds one time.
    pub fn time(&self, took: Duration) {
        self.observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Writes it as `name`.
    pub fn write(&self, text: &mut Text, name: &str, help: &str) {
        text.head(name, "histogram", help);
        let spell = |value: u64| match self.unit {
            Unit::Time => seconds(value),
            Unit::Count => value.to_string(),
        };
        let ends = self.bounds.iter().map(|bound| spell(*bound)).chain(["+Inf".to_owned()]);
        let mut count: u64 = 0;
        for (bucket, end) in self.buckets.iter().zip(ends) {
            count = count.wrapping_add(bucket.load(Ordering::Relaxed));
            text.sample(&format!("{name}_bucket"), &[("le", &end)], count);
        }
        text.sample(&format!("{name}_sum"), &[], spell(self.sum.load(Ordering::Relaxed)));
        // Of the buckets, not of a number beside them: the two may not differ.
        text.sample(&format!("{name}_count"), &[], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(Unit::Count, &[1, 4, 16]);
        for value in [0, 1, 2, 4, 5, 16, 17, 1_000] {
            histogram.observe(value);
        }
        let mut text = Text::default();
        histogram.write(&mut text, "x", "Sizes.");
        assert_eq!(
            text.into_string(),
            "# HELP x Sizes.\n# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_bucket{le=\"4\"} 4\nx_bucket{le=\"16\"} 6\n\
             x_bucket{le=\"+Inf\"} 8\nx_sum 1045\nx_count 8\n"
        );
    }

    #[test]
    fn times_are_told_in_seconds() {
        let histogram = Histogram::new(Unit::Time, &[50_000, 1_000_000_000]);
        histogram.time(Duration::from_micros(50));
        histogram.time(Duration::from_millis(1_500));
        let mut text = Text::default();
        histogram.write(&mut text, "x", "Times.");
        let text = text.into_string();
        for line in
            ["x_bucket{le=\"0.00005\"} 1", "x_bucket{le=\"1\"} 1", "x_bucket{le=\"+Inf\"} 2", "x_sum 1.50005"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn bounds_rise() {
        for bounds in [TIMES, SIZES] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
