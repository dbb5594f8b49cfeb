//! How much is fetched because strangers ask for it: shares of each client, or of each host, and of all together.
//!
//! | Rule | Source |
//! |---|---|
//! | a request names an address that its client registered, and anybody may send such requests: without a share of its own one client has us fetch without end | RFC 9101 §10.4.1 |
//! | so many in a while for one client, and for all of them (`rate_limits.request_uri_fetches`) | RFC 9101 §10.4.1, our own |
//! | the same for each host of documents that clients are (`rate_limits.client_documents`): whoever names one need not be anybody | CIMD §8.6, our own |
//! | few at the same time for one of them, whose server may be slow on purpose | RFC 9101 §10.4.1, our own |
//! | what is kept is bounded; where there is no room nothing is fetched | our own |
//!
//! Shares are of this node. Out of scope: what may be reached, and how long and large an answer may be (`http::guarded`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::Rate;

/// Under way at the same time for one owner: a client, or a host.
const MOST_OF_OWNER: u32 = 4;
/// And for all.
const MOST: u32 = 64;
/// Owners that are remembered.
const MOST_OWNERS: usize = 10_000;

/// The shares of this node.
#[derive(Default)]
pub struct FetchShares(Mutex<Shares>);

#[derive(Default)]
struct Shares {
    all: Share,
    owners: HashMap<String, Share>,
}

/// A bucket by the time at which it is full again, in milliseconds, and what is under way.
#[derive(Clone, Copy, Default)]
struct Share {
    full_at: i64,
    under_way: u32,
}

impl Share {
    /// The share after one more; `None` when it is used up.
    fn after(self, rate: Option<Rate>, most: u32, now: i64) -> Option<Self> {
        if self.under_way >= most {
            return None;
        }
        let under_way = self.under_way + 1;
        let Some(rate) = rate else { return Some(Self { under_way, ..self }) };
        let window = i64::try_from(rate.window.as_millis()).unwrap_or(i64::MAX);
        let full_at = self.full_at.max(now).saturating_add((window / i64::from(rate.count.max(1))).max(1));
        (full_at <= now.saturating_add(window)).then_some(Self { full_at, under_way })
    }

    /// A clock that was set back must not shut anybody out for longer than a window.
    fn bound(&mut self, rate: Option<Rate>, now: i64) {
        let window = rate.map_or(0, |rate| i64::try_from(rate.window.as_millis()).unwrap_or(i64::MAX));
        self.full_at = self.full_at.min(now.saturating_add(window));
    }

    fn is_idle(&self, now: i64) -> bool {
        self.under_way == 0 && self.full_at <= now
    }
}

/// A fetch under way; over when it is dropped.
pub struct Fetching<'a> {
    own: &'a FetchShares,
    owner: String,
}

impl FetchShares {
    /// Begins a fetch for a client or a host, at `now` in milliseconds; `None` when its share or everybody's is used up.
    pub fn begin(&self, owner: &str, of_owner: Option<Rate>, of_all: Option<Rate>, now: i64) -> Option<Fetching<'_>> {
        let mut shares = self.lock();
        shares.all.bound(of_all, now);
        if let Some(share) = shares.owners.get_mut(owner) {
            share.bound(of_owner, now);
        }
        let before = shares.owners.get(owner).copied();
        if before.is_none() && shares.owners.len() >= MOST_OWNERS {
            shares.owners.retain(|_, share| !share.is_idle(now));
            if shares.owners.len() >= MOST_OWNERS {
                return None;
            }
        }
        // Both or none: who has used up its own takes nothing of the others.
        let own = before.unwrap_or_default().after(of_owner, MOST_OF_OWNER, now)?;
        shares.all = shares.all.after(of_all, MOST, now)?;
        shares.owners.insert(owner.to_owned(), own);
        drop(shares);
        Some(Fetching { own: self, owner: owner.to_owned() })
    }

    /// A panic elsewhere leaves counts that are still whole.
    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        let mut shares = self.own.lock();
        shares.all.under_way = shares.all.under_way.saturating_sub(1);
        if let Some(share) = shares.owners.get_mut(&self.owner) {
            share.under_way = share.under_way.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Option<Rate> = Some(Rate { count: 3, window: Duration::from_secs(60) });

    fn passes(own: &FetchShares, name: &str, rate: (Option<Rate>, Option<Rate>), now: i64) -> bool {
        own.begin(name, rate.0, rate.1, now).is_some()
    }

    #[test]
    fn rfc9101_10_4_1_a_client_has_its_share_and_all_have_one_together() {
        let own = FetchShares::default();
        for _ in 0..3 {
            assert!(passes(&own, "a", (RATE, None), 0));
        }
        assert!(!passes(&own, "a", (RATE, None), 0) && passes(&own, "b", (RATE, None), 0));
        assert!(!passes(&own, "a", (RATE, None), 19_999) && passes(&own, "a", (RATE, None), 20_000), "one each twenty seconds");
        let own = FetchShares::default();
        for name in ["a", "b", "c"] {
            assert!(passes(&own, name, (None, RATE), 0));
        }
        assert!(!passes(&own, "d", (None, RATE), 0) && passes(&own, "d", (None, RATE), 20_000));
    }

    #[test]
    fn who_is_refused_takes_nothing_of_the_others() {
        let own = FetchShares::default();
        for _ in 0..50 {
            passes(&own, "a", (RATE, Some(Rate { count: 5, ..RATE.unwrap() })), 0);
        }
        assert!(passes(&own, "b", (RATE, Some(Rate { count: 5, ..RATE.unwrap() })), 0));
    }

    #[test]
    fn rfc9101_10_4_1_a_slow_server_holds_few_of_us() {
        let own = FetchShares::default();
        let held: Vec<_> = (0..10).filter_map(|_| own.begin("slow", None, None, 0)).collect();
        assert_eq!(held.len(), MOST_OF_OWNER as usize);
        let others: Vec<_> = (0..100).filter_map(|n| own.begin(&format!("c{n}"), None, None, 0)).collect();
        assert_eq!(held.len() + others.len(), MOST as usize);
        drop((held, others));
        assert!(passes(&own, "slow", (None, None), 0) && own.lock().all.under_way == 0);
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_clock_that_steps_back_shuts_nobody_out() {
        let own = FetchShares::default();
        for n in 0..MOST_OWNERS {
            assert!(passes(&own, &format!("c{n}"), (RATE, None), 0));
        }
        assert!(!passes(&own, "late", (RATE, None), 0), "no room");
        assert!(passes(&own, "late", (RATE, None), 20_000) && own.lock().owners.len() == 1);
        for _ in 0..2 {
            assert!(passes(&own, "late", (RATE, None), 20_000));
        }
        assert!(!passes(&own, "late", (RATE, None), -3_600_000) && passes(&own, "late", (RATE, None), -3_600_000 + 20_000));
    }
}
