//! How often somebody may ask: token buckets in bounded memory, and a count of what was refused.
//!
//! | Rule | Source |
//! |---|---|
//! | limits are per purpose, and per address, client or account | FEATURES.md §9 |
//! | a refusal says in how many seconds to come back | RFC 6585 §4 |
//! | what is refused is counted per source and minute, so that one event can tell it | DESIGN.md §4 |
//! | nobody can fill the memory: the table is bounded, and the fullest buckets, which limit least, go first | - |
//!
//! Limits are per node. Out of scope: which purposes are limited and how (configuration), the event (`app`).

use std::collections::BTreeMap;
use std::collections::hash_map::{HashMap, RandomState};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client_address::limit_group;

/// Milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What is limited: `login`, `token`, `registration` ...
pub type Purpose = &'static str;

/// Buckets kept in all (about 64 bytes each).
const BUCKETS: usize = 65_536;

/// Locks: requests of different callers rarely wait for each other.
const SHARDS: usize = 16;

/// Sources whose refusals are counted one by one in a minute; the rest is counted together.
const SOURCES: usize = 4096;

/// `burst` at once, then one each `refill_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub burst: u32,
    pub refill_ms: u64,
}

impl Limit {
    /// `count` per minute, all of them at once if so wanted.
    pub const fn per_minute(count: u32) -> Self {
        let count = if count == 0 { 1 } else { count };
        Self { burst: count, refill_ms: 60_000 / count as u64 }
    }

    /// Full buckets are the absent ones, so their size in milliseconds is all there is to keep.
    const fn capacity(self) -> u64 {
        self.refill_ms.saturating_mul(self.burst as u64)
    }
}

/// Who is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// An address; IPv6 counts by its /64.
    Address(IpAddr),
    /// A client or account.
    Name(&'a str),
}

/// Too often. Seconds to wait, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryAgain {
    pub seconds: u64,
}

/// Refusals of one source in one minute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedCount {
    /// Minutes since 1970.
    pub minute: u64,
    pub purpose: Purpose,
    /// The address group; `None` counts all beyond the first 4,096 sources of the minute.
    pub source: Option<IpAddr>,
    pub count: u64,
}

/// The buckets.
pub struct RateLimiter {
    clock: Clock,
    /// Keyed by a secret per process, so that nobody can aim at another's bucket or shard.
    hasher: RandomState,
    per_shard: usize,
    shards: [Mutex<HashMap<u64, Bucket>>; SHARDS],
    refused: Mutex<BTreeMap<RefusedBy, u64>>,
}

/// Minute, purpose and source of what was refused.
type RefusedBy = (u64, Purpose, Option<IpAddr>);

/// A bucket by its debt: the time at which it is full again.
#[derive(Clone, Copy)]
struct Bucket {
    full_at: u64,
}

impl RateLimiter {
    /// With the bound of 65,536 buckets.
    pub fn new(clock: Clock) -> Self {
        Self::with_bound(clock, BUCKETS)
    }

    /// With another bound on the number of buckets.
    pub fn with_bound(clock: Clock, buckets: usize) -> Self {
        let per_shard = buckets.div_ceil(SHARDS).max(1);
        Self { clock, hasher: RandomState::new(), per_shard, shards: Default::default(), refused: Mutex::default() }
    }

    /// Takes one from the bucket, or says when to come back.
    pub fn take(&self, purpose: Purpose, who: Who<'_>, limit: Limit) -> Result<(), TryAgain> {
        self.visit(purpose, who, limit, true)
    }

    /// Whether one is left, without taking it: for what costs only when it fails.
    pub fn peek(&self, purpose: Purpose, who: Who<'_>, limit: Limit) -> Result<(), TryAgain> {
        self.visit(purpose, who, limit, false)
    }

    /// Counts a refusal of this source, for [`Self::drain_refused`].
    pub fn count_refused(&self, purpose: Purpose, address: IpAddr) {
        let minute = (self.clock)() / 60_000;
        let mut refused = lock(&self.refused);
        let key = (minute, purpose, Some(limit_group(address)));
        let is_new = !refused.contains_key(&key);
        let key = if is_new && refused.len() >= SOURCES { (minute, purpose, None) } else { key };
        let count = refused.entry(key).or_default();
        *count = count.saturating_add(1);
    }

    /// Takes out what was refused in the minutes before `minute` (minutes since 1970): those are complete.
    pub fn drain_refused(&self, minute: u64) -> Vec<RefusedCount> {
        let mut refused = lock(&self.refused);
        let later = refused.split_off(&(minute, "", None));
        let counts = std::mem::replace(&mut *refused, later);
        counts.into_iter().map(|((minute, purpose, source), count)| RefusedCount { minute, purpose, source, count }).collect()
    }

    /// How many buckets are kept.
    pub fn buckets(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn visit(&self, purpose: Purpose, who: Who<'_>, limit: Limit, take: bool) -> Result<(), TryAgain> {
        let now = (self.clock)();
        let key = match who {
            Who::Address(address) => self.hasher.hash_one((purpose, 0u8, limit_group(address))),
            Who::Name(name) => self.hasher.hash_one((purpose, 1u8, name)),
        };
        let Some(shard) = self.shards.get(usize::try_from(key % SHARDS as u64).unwrap_or(0)) else { return Ok(()) };
        let mut buckets = lock(shard);
        // A clock that steps back must not lock anybody out for longer than a whole bucket.
        let full_at = buckets.get(&key).map_or(now, |bucket| bucket.full_at.clamp(now, now.saturating_add(limit.capacity())));
        let after = full_at.saturating_add(limit.refill_ms);
        let over = after.saturating_sub(now.saturating_add(limit.capacity()));
        if over > 0 {
            return Err(TryAgain { seconds: over.div_ceil(1000).max(1) });
        }
        if take {
            if buckets.len() >= self.per_shard && !buckets.contains_key(&key) {
                make_room(&mut buckets, now, self.per_shard);
            }
            buckets.insert(key, Bucket { full_at: after });
        }
        Ok(())
    }
}

/// Drops what is full again; if that is not an eighth, the fullest eighth. So the cost of a sweep is shared by many insertions.
fn make_room(buckets: &mut HashMap<u64, Bucket>, now: u64, bound: usize) {
    buckets.retain(|_, bucket| bucket.full_at > now);
    let keep = bound - bound.div_ceil(8);
    if buckets.len() <= keep {
        return;
    }
    let mut by_debt: Vec<(u64, u64)> = buckets.iter().map(|(key, bucket)| (bucket.full_at, *key)).collect();
    by_debt.sort_unstable();
    for (_, key) in by_debt.iter().take(buckets.len() - keep) {
        buckets.remove(key);
    }
}

/// A panic elsewhere leaves a table that is still whole: every change of it is one insertion or removal.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    const LIMIT: Limit = Limit { burst: 3, refill_ms: 2000 };

    fn limiter(bound: usize) -> (Arc<AtomicU64>, RateLimiter) {
        let time = Arc::new(AtomicU64::new(1_800_000_000_000));
        let clock = time.clone();
        (time, RateLimiter::with_bound(Arc::new(move || clock.load(Ordering::Relaxed)), bound))
    }

    fn address(last: u32) -> Who<'static> {
        Who::Address(IpAddr::from((0x0a00_0000 + last).to_be_bytes()))
    }

    #[test]
    fn rfc6585_4_a_burst_then_a_wait_in_seconds() {
        let (time, limiter) = limiter(100);
        for _ in 0..3 {
            assert_eq!(limiter.take("login", address(1), LIMIT), Ok(()));
        }
        assert_eq!(limiter.take("login", address(1), LIMIT), Err(TryAgain { seconds: 2 }));
        assert_eq!(limiter.peek("login", address(1), LIMIT), Err(TryAgain { seconds: 2 }));
        assert_eq!(limiter.take("token", address(1), LIMIT), Ok(()));
        assert_eq!(limiter.take("login", address(2), LIMIT), Ok(()));
        time.fetch_add(2000, Ordering::Relaxed);
        assert_eq!(limiter.peek("login", address(1), LIMIT), Ok(()));
        assert_eq!(limiter.take("login", address(1), LIMIT), Ok(()));
        assert_eq!(limiter.take("login", address(1), LIMIT), Err(TryAgain { seconds: 2 }));
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out() {
        let (time, limiter) = limiter(100);
        for _ in 0..3 {
            limiter.take("login", Who::Name("alice"), LIMIT).unwrap();
        }
        time.fetch_sub(3_600_000, Ordering::Relaxed);
        assert_eq!(limiter.take("login", Who::Name("alice"), LIMIT), Err(TryAgain { seconds: 2 }));
    }

    #[test]
    fn memory_is_bounded_and_the_most_limited_stay() {
        let (_, limiter) = limiter(1600);
        for _ in 0..3 {
            limiter.take("login", address(0), LIMIT).unwrap();
        }
        for other in 1..20_000 {
            limiter.take("login", address(other), LIMIT).unwrap();
        }
        assert!(limiter.buckets() <= 1600, "{}", limiter.buckets());
        assert!(limiter.take("login", address(0), LIMIT).is_err());
    }

    #[test]
    fn refusals_are_counted_per_source_and_minute() {
        let (time, limiter) = limiter(100);
        let minute = time.load(Ordering::Relaxed) / 60_000;
        let source = |text: &str| text.parse::<IpAddr>().unwrap();
        limiter.count_refused("login", source("2001:db8::1"));
        limiter.count_refused("login", source("2001:db8::2"));
        time.fetch_add(60_000, Ordering::Relaxed);
        limiter.count_refused("login", source("192.0.2.1"));
        assert_eq!(limiter.drain_refused(minute), []);
        let drained = limiter.drain_refused(minute + 1);
        assert_eq!(drained, [RefusedCount { minute, purpose: "login", source: Some(source("2001:db8::")), count: 2 }]);
        assert_eq!(limiter.drain_refused(minute + 2).len(), 1);
        for host in 0..10_000u32 {
            limiter.count_refused("login", IpAddr::from(host.to_be_bytes()));
        }
        let drained = limiter.drain_refused(minute + 2);
        assert_eq!(drained.len(), SOURCES + 1);
        assert_eq!(drained.iter().map(|refused| refused.count).sum::<u64>(), 10_000);
    }

    proptest! {
        #[test]
        fn no_more_than_burst_and_refill_pass(steps in proptest::collection::vec(0u64..5000, 1..80)) {
            let (time, limiter) = limiter(100);
            let start = time.load(Ordering::Relaxed);
            let mut passed = 0u64;
            for step in steps {
                passed += u64::from(limiter.take("x", Who::Name("a"), LIMIT).is_ok());
                prop_assert!(passed <= 3 + (time.load(Ordering::Relaxed) - start) / 2000);
                time.fetch_add(step, Ordering::Relaxed);
            }
        }
    }
}
