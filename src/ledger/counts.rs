//! What the writer did, in numbers: for whoever watches the server. Nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the sizes of a batch, in writes.
pub const BATCHES: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
/// Upper ends of the time of a commit, in microseconds.
pub const TIMES: [u64; 10] = [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];

/// Counts by upper end, the last beyond them all; and the sum of what was counted.
struct Counted<const N: usize> {
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Default for Counted<N> {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }
}

impl<const N: usize> Counted<N> {
    fn add(&self, ends: &[u64], value: u64) {
        let at = ends.iter().position(|end| value <= *end).unwrap_or(ends.len());
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn look(&self, ends: &'static [u64]) -> Histogram {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Histogram { ends, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// A histogram as it stood a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Upper ends; what is beyond the last is counted behind it.
    pub ends: &'static [u64],
    /// One more than there are ends. Not cumulative.
    pub counts: Vec<u64>,
    pub sum: u64,
}

/// Of one process, since its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Events that this process appended.
    pub events: u64,
    /// Appends that were answered with an error, lost races among them.
    pub refused: u64,
    /// Writes in each group commit.
    pub batches: Histogram,
    /// Time of each group commit in microseconds, the disk's included.
    pub times: Histogram,
}

#[derive(Default)]
pub(crate) struct Counters {
    events: AtomicU64,
    refused: AtomicU64,
    batches: Counted<{ BATCHES.len() + 1 }>,
    times: Counted<{ TIMES.len() + 1 }>,
}

impl Counters {
    pub fn committed(&self, writes: usize, events: usize, refused: usize, took: Duration) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        self.refused(refused);
        self.batches.add(&BATCHES, writes as u64);
        self.times.add(&TIMES, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn refused(&self, appends: usize) {
        self.refused.fetch_add(appends as u64, Ordering::Relaxed);
    }

    pub fn look(&self) -> Counts {
        Counts {
            events: self.events.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            batches: self.batches.look(&BATCHES),
            times: self.times.look(&TIMES),
        }
    }
}

/// Connections that read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    pub most: usize,
    pub in_use: usize,
    /// Reads that wait for a connection, where the pool knows.
    pub waiting: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_at_the_first_end_that_is_not_below_it() {
        let counters = Counters::default();
        counters.committed(1, 3, 0, Duration::from_micros(250));
        counters.committed(200, 500, 2, Duration::from_secs(9));
        counters.refused(1);
        let counts = counters.look();
        assert_eq!((counts.events, counts.refused), (503, 3));
        assert_eq!((counts.batches.counts.first(), counts.batches.counts.last(), counts.batches.sum), (Some(&1), Some(&1), 201));
        assert_eq!((counts.times.counts.first(), counts.times.counts.last(), counts.times.sum), (Some(&1), Some(&1), 9_000_250));
        assert_eq!(counts.times.counts.len(), TIMES.len() + 1);
    }
}
