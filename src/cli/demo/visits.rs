//! Who is at the example application: kept in memory, found by a cookie.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::oidc::{Login, Pending};

/// Visits kept; beyond, some older one is forgotten.
const MOST: usize = 1000;

/// One browser.
#[derive(Clone, Default)]
pub struct Visit {
    /// A login that was begun and has not come back.
    pub pending: Option<Pending>,
    pub login: Option<Login>,
    /// `error` and `error_description` of what went wrong last, shown once.
    pub problem: Option<(String, String)>,
}

#[derive(Default)]
pub struct Visits(Mutex<BTreeMap<String, Visit>>);

impl Visits {
    pub fn get(&self, id: &str) -> Option<Visit> {
        self.lock().get(id).cloned()
    }

    pub fn put(&self, id: &str, visit: Visit) {
        let mut visits = self.lock();
        if visits.len() >= MOST {
            visits.pop_first();
        }
        visits.insert(id.to_owned(), visit);
    }

    pub fn take(&self, id: &str) -> Option<Visit> {
        self.lock().remove(id)
    }

    /// A map is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Visit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
