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

/// Year, month and day (UTC) of milliseconds since the epoch, after Howard Hinnant's algorithm: exact for every day.
fn civil(ms: i64) -> (i64, i64, i64) {
    let days = ms.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// `2026-11`: the name of a month's key.
pub fn month(ms: i64) -> String {
    let (year, month, _) = civil(ms);
    format!("{year:04}-{month:02}")
}

/// `2026-11-21`, in UTC.
pub fn day(ms: i64) -> String {
    let (year, month, day) = civil(ms);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-21T01:44:50.123Z` (RFC 3339).
pub fn rfc3339(ms: i64) -> String {
    let (year, month, day) = civil(ms);
    let rest = ms.rem_euclid(86_400_000);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_moments() {
        for (ms, name) in [(0, "1970-01"), (951_782_399_999, "2000-02"), (951_868_800_000, "2000-03"), (1_798_761_600_000, "2027-01")] {
            assert_eq!(month(ms), name);
        }
        assert_eq!(rfc3339(1_795_225_490_123), "2026-11-21T01:44:50.123Z");
        assert_eq!((day(951_782_399_999), day(951_868_800_000)), ("2000-02-28".to_owned(), "2000-03-01".to_owned()));
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(5);
        clock.clone().advance(10);
        assert_eq!(clock.now_ms(), 15);
        assert!(Clock::System.now_ms() > 1_700_000_000_000);
    }
}
