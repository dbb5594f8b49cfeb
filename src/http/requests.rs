//! How many requests were answered, by route, method and status.
//!
//! | Rule | Why |
//! |---|---|
//! | a route is the pattern in the table of paths, a method one that is known | what callers choose makes no new series |
//! | no address, no client, no account | metrics are read by people who may not read the log |

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Requests of one route, method and status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    pub count: u64,
    /// Microseconds until the answer's head, altogether.
    pub micros: u64,
}

/// Route, method, status.
type Key = (Option<Arc<str>>, &'static str, u16);

/// Shared by the layer that counts and the route that tells.
#[derive(Default)]
pub struct Requests {
    answered: Mutex<BTreeMap<Key, Answered>>,
    under_way: AtomicI64,
}

impl Requests {
    /// A request begins; it is under way until this is dropped.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// A request of a route was answered; `None`: of a path that is not in the table.
    pub fn answered(&self, route: Option<Arc<str>>, method: &'static str, status: u16, took: Duration) {
        let mut all = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry((route, method, status)).or_default();
        own.count += 1;
        own.micros = own.micros.saturating_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// As it stands now.
    pub fn look(&self) -> (Vec<(Key, Answered)>, i64) {
        let all = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        (all.iter().map(|(key, own)| (key.clone(), *own)).collect(), self.under_way.load(Ordering::Relaxed))
    }
}

/// See [`Requests::begin`]. A caller who goes away ends it too.
pub struct UnderWay(Arc<Requests>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
