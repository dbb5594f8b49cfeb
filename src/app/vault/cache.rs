//! Opened data keys in memory: bounded, short-lived, and never longer than the key in the store.
//!
//! | Rule | Why |
//! |---|---|
//! | at most `CAPACITY` keys | memory |
//! | at most `AGE_MS` old | a key that another node destroyed must go here too |
//! | a load that overlaps a destruction is not kept | it may have read the key just before |
//! | a destruction that failed leaves its names uncached | it may still happen |
//! | with an account's key go the keys wrapped under it | they cannot be opened any more |

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::key::{DataKey, DataKeyId, KeyKind};

pub const CAPACITY: usize = 8_192;
pub const AGE_MS: i64 = 60_000;

#[derive(Default)]
pub struct Cache(Mutex<Inner>);

/// Two generations: a full young one replaces the old one, which forgets what nobody asked for meanwhile.
#[derive(Default)]
struct Inner {
    young: HashMap<DataKeyId, Slot>,
    old: HashMap<DataKeyId, Slot>,
    doomed: HashSet<DataKeyId>,
    destructions: u64,
}

#[derive(Clone)]
struct Slot {
    key: Arc<DataKey>,
    account: Option<String>,
    loaded_at: i64,
}

/// Taken before a load; says whether anything was destroyed since.
#[derive(Clone, Copy)]
pub struct Ticket(u64);

impl Cache {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No code panics while holding it, and a map of keys is whole after any single step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ticket(&self) -> Ticket {
        Ticket(self.inner().destructions)
    }

    pub fn get(&self, id: &DataKeyId, now: i64) -> Option<Arc<DataKey>> {
        let mut inner = self.inner();
        let slot = match inner.young.get(id) {
            Some(slot) => slot.clone(),
            None => {
                let slot = inner.old.remove(id)?;
                inner.insert(id.clone(), slot.clone());
                slot
            }
        };
        if !(0..AGE_MS).contains(&now.saturating_sub(slot.loaded_at)) {
            inner.young.remove(id);
            return None;
        }
        Some(slot.key)
    }

    /// Keeps a key that was loaded after `ticket`, unless something was destroyed meanwhile.
    pub fn keep(&self, ticket: Ticket, key: &Arc<DataKey>, account: Option<String>, now: i64) {
        let mut inner = self.inner();
        if inner.destructions == ticket.0 && !inner.doomed.contains(key.id()) {
            inner.insert(key.id().clone(), Slot { key: Arc::clone(key), account, loaded_at: now });
        }
    }

    /// Forgets the keys and keeps them out until `destroyed`.
    pub fn doom(&self, ids: &[DataKeyId]) {
        let mut inner = self.inner();
        inner.forget(ids);
        inner.doomed.extend(ids.iter().cloned());
    }

    /// The store has destroyed them: no load can find them any more.
    pub fn destroyed(&self, ids: &[DataKeyId]) {
        let mut inner = self.inner();
        inner.forget(ids);
        for id in ids {
            inner.doomed.remove(id);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        let inner = self.inner();
        inner.young.len() + inner.old.len()
    }
}

impl Inner {
    fn insert(&mut self, id: DataKeyId, slot: Slot) {
        if self.young.len() >= CAPACITY / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, slot);
    }

    fn forget(&mut self, ids: &[DataKeyId]) {
        self.destructions += 1;
        let accounts: HashSet<&str> = ids.iter().filter(|id| id.kind == KeyKind::Account).map(|id| id.id.as_str()).collect();
        for map in [&mut self.young, &mut self.old] {
            for id in ids {
                map.remove(id);
            }
            if !accounts.is_empty() {
                map.retain(|_, slot| !slot.account.as_deref().is_some_and(|account| accounts.contains(account)));
            }
        }
    }
}
