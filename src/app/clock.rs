//! Time: the only place that reads it. Everybody else gets milliseconds as a value, or a `Clock`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock, or one that tests move by hand. Clones show the same time.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now_ms` until it is moved.
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Milliseconds since the epoch.
    #[allow(clippy::disallowed_methods)] // this is the one reader
    pub fn now_ms(&self) -> i64 {
        match self {
            // A clock before 1970 or after the year 292 million is broken; the log's own times never go back anyway.
            Self::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock; the system's clock is not ours to move.
    pub fn advance(&self, ms: i64) {
        if let Self::Manual(now) = self {
            now.fetch_add(ms, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(5);
        clock.clone().advance(10);
        assert_eq!(clock.now_ms(), 15);
        assert!(Clock::System.now_ms() > 1_700_000_000_000);
    }
}
