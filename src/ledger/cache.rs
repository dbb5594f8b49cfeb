//! Rows of the inline set in memory, bounded by bytes, so that a decision reads what was just written without a disk or another thread.
//!
//! | Rule | Why |
//! |---|---|
//! | the writer puts rows here after the commit and before the answer | whoever saw an answer finds its rows |
//! | a reader's fill is dropped if the writer touched the shard since the reader began | a stale row must not cover a newer one |
//! | an absent row is remembered too | "no consent yet" is asked as often as "consent" |
//! | CLOCK: a row that was read since the hand passed stays | as good as LRU here, without a list to keep in order |

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::write::Row;

const SHARDS: usize = 64;
/// What an entry costs beside its bytes: slot, map entry, allocations. Measured roughly, rounded up.
const OVERHEAD: usize = 256;

pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    shard_bytes: usize,
}

#[derive(Default)]
struct Shard {
    /// Rises with each put of the writer. A fill carries the epoch of its start.
    epoch: u64,
    bytes: usize,
    tables: Vec<(&'static str, HashMap<Arc<str>, usize>)>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    hand: usize,
}

struct Slot {
    table: &'static str,
    key: Arc<str>,
    row: Option<Row>,
    bytes: usize,
    referenced: bool,
}

/// The proof of when a read began; hand it back with what was read.
#[derive(Clone, Copy)]
pub(crate) struct Epoch(u64);

pub(crate) enum Lookup {
    /// The row, or that there is none.
    Hit(Option<Row>),
    Miss(Epoch),
}

impl Cache {
    pub fn new(bytes: usize) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new(), shard_bytes: bytes / SHARDS }
    }

    pub fn get(&self, table: &'static str, key: &str) -> Lookup {
        let mut shard = self.shard(table, key);
        let Some(at) = shard.find(table, key) else { return Lookup::Miss(Epoch(shard.epoch)) };
        match &mut shard.slots[at] {
            Some(slot) => {
                slot.referenced = true;
                Lookup::Hit(slot.row.clone())
            }
            None => Lookup::Miss(Epoch(shard.epoch)),
        }
    }

    /// The epoch for a read that must not be served from here.
    pub fn epoch(&self, table: &'static str, key: &str) -> Epoch {
        Epoch(self.shard(table, key).epoch)
    }

    /// What the writer committed: always the newest there is.
    pub fn put(&self, table: &'static str, key: &str, row: Option<&Row>) {
        let mut shard = self.shard(table, key);
        shard.epoch += 1;
        // On PostgreSQL a reader may have fetched what another node committed after us.
        if let (Some(new), Some(Some(old))) = (row, shard.find(table, key).map(|at| shard.row(at)))
            && old.version > new.version
        {
            return;
        }
        shard.set(table, key, row.cloned(), self.shard_bytes);
    }

    /// What a reader found in the database, if nothing was put into the shard since it began.
    pub fn fill(&self, table: &'static str, key: &str, row: Option<&Row>, began: Epoch) {
        let mut shard = self.shard(table, key);
        if shard.epoch == began.0 {
            shard.set(table, key, row.cloned(), self.shard_bytes);
        }
    }

    /// Forgets everything, reads under way included.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            *shard = Shard { epoch: shard.epoch + 1, ..Shard::default() };
        }
    }

    fn shard(&self, table: &'static str, key: &str) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one((table, key));
        lock(&self.shards[hash as usize % SHARDS])
    }
}

/// No code between lock and unlock can panic half-way through a change, so a poisoned shard is still whole.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&self, table: &'static str, key: &str) -> Option<usize> {
        let (_, keys) = self.tables.iter().find(|(name, _)| *name == table)?;
        keys.get(key).copied()
    }

    fn row(&self, at: usize) -> Option<&Row> {
        self.slots[at].as_ref()?.row.as_ref()
    }

    fn set(&mut self, table: &'static str, key: &str, row: Option<Row>, limit: usize) {
        let bytes = OVERHEAD + key.len() + row.as_ref().map_or(0, cost);
        if let Some(at) = self.find(table, key) {
            self.remove(at);
        }
        if bytes > limit {
            return;
        }
        while self.bytes + bytes > limit {
            self.evict();
        }
        let key: Arc<str> = key.into();
        let slot = Some(Slot { table, key: key.clone(), row, bytes, referenced: false });
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.bytes += bytes;
        let known = self.tables.iter().position(|(name, _)| *name == table);
        let known = known.unwrap_or_else(|| {
            self.tables.push((table, HashMap::new()));
            self.tables.len() - 1
        });
        self.tables[known].1.insert(key, at);
    }

    fn remove(&mut self, at: usize) {
        let Some(slot) = self.slots[at].take() else { return };
        self.bytes -= slot.bytes;
        self.free.push(at);
        if let Some((_, keys)) = self.tables.iter_mut().find(|(name, _)| *name == slot.table) {
            keys.remove(&slot.key);
        }
    }

    /// Moves the hand to the next row that was not read since it last passed. Called only while `bytes` > 0, so it ends.
    fn evict(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.slots.len();
            match &mut self.slots[self.hand] {
                Some(slot) if slot.referenced => slot.referenced = false,
                Some(_) => return self.remove(self.hand),
                None => {}
            }
        }
    }
}

fn cost(row: &Row) -> usize {
    row.key.len() + row.body.len() + row.index.iter().flatten().map(String::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn row(key: &str, version: u64, body: usize) -> Row {
        Row { table: "t", key: key.into(), version, body: Bytes::from(vec![0; body]), index: [None, None], expires_at: None }
    }

    fn version(cache: &Cache, key: &str) -> Option<Option<u64>> {
        match cache.get("t", key) {
            Lookup::Hit(row) => Some(row.map(|r| r.version)),
            Lookup::Miss(_) => None,
        }
    }

    #[test]
    fn a_fill_that_began_before_a_put_is_dropped() {
        let cache = Cache::new(1 << 20);
        let Lookup::Miss(began) = cache.get("t", "a") else { panic!("the cache is empty") };
        cache.put("t", "a", Some(&row("a", 2, 10)));
        cache.fill("t", "a", Some(&row("a", 1, 10)), began);
        assert_eq!(version(&cache, "a"), Some(Some(2)));
        cache.clear();
        cache.fill("t", "a", Some(&row("a", 1, 10)), began);
        assert_eq!(version(&cache, "a"), None);
    }

    #[test]
    fn absence_is_remembered() {
        let cache = Cache::new(1 << 20);
        cache.put("t", "a", Some(&row("a", 1, 10)));
        cache.put("t", "a", None);
        assert_eq!(version(&cache, "a"), Some(None));
    }

    #[test]
    fn bytes_are_bounded_and_rows_in_use_stay() {
        let cache = Cache::new(SHARDS * 8 * (OVERHEAD + 120));
        cache.put("t", "hot", Some(&row("hot", 1, 100)));
        for i in 0..20_000 {
            let key = format!("{i:05}");
            cache.put("t", &key, Some(&row(&key, 1, 100)));
            assert_eq!(version(&cache, "hot"), Some(Some(1)), "after {i}");
        }
        for shard in &cache.shards {
            let shard = lock(shard);
            let held = shard.slots.iter().flatten().map(|s| s.bytes).sum::<usize>();
            assert!(shard.bytes == held && held <= cache.shard_bytes);
            assert_eq!(shard.tables.iter().map(|(_, k)| k.len()).sum::<usize>(), shard.slots.iter().flatten().count());
        }
        cache.put("t", "huge", Some(&row("huge", 1, 1 << 20)));
        assert_eq!(version(&cache, "huge"), None);
    }
}
