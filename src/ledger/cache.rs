//! Rows of the inline set in memory, bounded by bytes, so that a decision reads what was just written without a disk or another thread.
//!
//! | Rule | Why |
//! |---|---|
//! | the writer puts rows here after the commit and before the answer | whoever saw an answer finds its rows |
//! | a reader's fill is dropped if the writer touched the shard since the reader began | a stale row must not cover a newer one |
//! | an absent row is remembered too | "no consent yet" is asked as often as "consent" |
//! | what another node wrote is forgotten by the name of its stream | everything else stays; see `postgres/foreign.rs` |
//! | CLOCK: a row that was read since the hand passed stays | as good as LRU here, without a list to keep in order |
//!
//! A shard is chosen by the key alone, so that one look finds a key in every table.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

use crate::write::Row;

const SHARDS: usize = 64;
/// What an entry costs beside its texts and its body: the row itself, the slot, the index, and what the allocator rounds up.
const OVERHEAD: usize = 320;

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
    /// Places in `slots`, by the hash of the key.
    index: HashTable<usize>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    hand: usize,
}

struct Slot {
    hash: u64,
    held: Held,
    bytes: usize,
    referenced: bool,
}

enum Held {
    Row(Arc<Row>),
    Absent { table: &'static str, key: Box<str> },
}

impl Held {
    fn is(&self, table: &str, key: &str) -> bool {
        match self {
            Self::Row(row) => row.key == key && row.table == table,
            Self::Absent { table: own, key: absent } => **absent == *key && *own == table,
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Row(row) => &row.key,
            Self::Absent { key, .. } => key,
        }
    }

    fn row(&self) -> Option<&Arc<Row>> {
        match self {
            Self::Row(row) => Some(row),
            Self::Absent { .. } => None,
        }
    }

    fn cost(&self) -> usize {
        let texts = match self {
            Self::Row(row) => row.key.len() + row.body.len() + row.index.iter().flatten().map(String::len).sum::<usize>(),
            Self::Absent { key, .. } => key.len(),
        };
        OVERHEAD + texts
    }
}

/// The proof of when a read began; hand it back with what was read.
#[derive(Clone, Copy)]
pub(crate) struct Epoch(u64);

pub(crate) enum Lookup {
    /// The row, or that there is none.
    Hit(Option<Arc<Row>>),
    Miss(Epoch),
}

impl Cache {
    pub fn new(bytes: usize) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new(), shard_bytes: bytes / SHARDS }
    }

    pub fn get(&self, table: &'static str, key: &str) -> Lookup {
        match self.look(table, key) {
            (_, Some(row)) => Lookup::Hit(row),
            (epoch, None) => Lookup::Miss(epoch),
        }
    }

    /// For a read that must not be served from here: its epoch, and the row that need not be sent again if it is still the newest.
    pub fn known(&self, table: &'static str, key: &str) -> (Epoch, Option<Arc<Row>>) {
        let (epoch, row) = self.look(table, key);
        (epoch, row.flatten())
    }

    fn look(&self, table: &'static str, key: &str) -> (Epoch, Option<Option<Arc<Row>>>) {
        let (hash, mut shard) = self.shard(key);
        let epoch = Epoch(shard.epoch);
        let slot = shard.find(hash, table, key).and_then(|at| shard.slots[at].as_mut());
        let row = slot.map(|slot| {
            slot.referenced = true;
            slot.held.row().cloned()
        });
        (epoch, row)
    }

    /// What the writer committed: always the newest there is.
    pub fn put(&self, row: Arc<Row>) {
        let (hash, mut shard) = self.shard(&row.key);
        shard.epoch += 1;
        // On PostgreSQL a reader may have fetched what another node committed after us.
        let newer = |old: &Arc<Row>| old.version > row.version;
        if shard.find(hash, row.table, &row.key).is_some_and(|at| shard.row(at).is_some_and(newer)) {
            return;
        }
        shard.set(hash, Held::Row(row), self.shard_bytes);
    }

    /// The writer deleted the row.
    pub fn put_absent(&self, table: &'static str, key: &str) {
        let (hash, mut shard) = self.shard(key);
        shard.epoch += 1;
        shard.set(hash, Held::Absent { table, key: key.into() }, self.shard_bytes);
    }

    /// What a reader found in the database, if nothing was put into the shard since it began.
    pub fn fill(&self, table: &'static str, key: &str, row: Option<&Arc<Row>>, began: Epoch) {
        let (hash, mut shard) = self.shard(key);
        if shard.epoch != began.0 {
            return;
        }
        let held = match row {
            Some(row) => Held::Row(row.clone()),
            None => Held::Absent { table, key: key.into() },
        };
        shard.set(hash, held, self.shard_bytes);
    }

    /// Another node wrote this version of a stream: rows of that name that are older go, in every table, and reads under way do not
    /// bring them back.
    pub fn forget_older(&self, stream: &str, version: u64) {
        let (hash, mut shard) = self.shard(stream);
        shard.epoch += 1;
        let Shard { index, slots, .. } = &*shard;
        let is_old = |slot: &Slot| slot.held.key() == stream && slot.held.row().is_none_or(|row| row.version < version);
        let old: Vec<usize> = index.iter_hash(hash).copied().filter(|at| slots[*at].as_ref().is_some_and(is_old)).collect();
        old.into_iter().for_each(|at| shard.remove(at));
    }

    /// Forgets everything, reads under way included.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            *shard = Shard { epoch: shard.epoch + 1, ..Shard::default() };
        }
    }

    fn shard(&self, key: &str) -> (u64, MutexGuard<'_, Shard>) {
        let hash = self.hasher.hash_one(key);
        // The table inside takes the upper and the lowest bits; these are others.
        (hash, lock(&self.shards[(hash >> 40) as usize % SHARDS]))
    }
}

/// No code between lock and unlock can panic half-way through a change, so a poisoned shard is still whole.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&self, hash: u64, table: &str, key: &str) -> Option<usize> {
        self.index.find(hash, |at| self.slots[*at].as_ref().is_some_and(|slot| slot.held.is(table, key))).copied()
    }

    fn row(&self, at: usize) -> Option<&Arc<Row>> {
        self.slots[at].as_ref()?.held.row()
    }

    fn set(&mut self, hash: u64, held: Held, limit: usize) {
        let bytes = held.cost();
        let (table, key) = match &held {
            Held::Row(row) => (row.table, row.key.as_str()),
            Held::Absent { table, key } => (*table, &**key),
        };
        if let Some(at) = self.find(hash, table, key) {
            // The usual case: a row that changed, about as large as before. Index and place stay.
            if let Some(slot) = self.slots[at].as_mut().filter(|slot| self.bytes - slot.bytes + bytes <= limit) {
                self.bytes = self.bytes - slot.bytes + bytes;
                (slot.held, slot.bytes) = (held, bytes);
                return;
            }
            self.remove(at);
        }
        if bytes > limit {
            return;
        }
        while self.bytes + bytes > limit {
            self.evict();
        }
        let slot = Some(Slot { hash, held, bytes, referenced: false });
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
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |at| slots[*at].as_ref().map_or(0, |slot| slot.hash));
    }

    fn remove(&mut self, at: usize) {
        let Some(slot) = self.slots[at].take() else { return };
        self.bytes -= slot.bytes;
        self.free.push(at);
        if let Ok(entry) = self.index.find_entry(slot.hash, |own| *own == at) {
            entry.remove();
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn row(key: &str, version: u64, body: usize) -> Arc<Row> {
        Arc::new(Row { table: "t", key: key.into(), version, body: Bytes::from(vec![0; body]), index: [None, None], expires_at: None })
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
        cache.put(row("a", 2, 10));
        cache.fill("t", "a", Some(&row("a", 1, 10)), began);
        assert_eq!(version(&cache, "a"), Some(Some(2)));
        cache.clear();
        cache.fill("t", "a", Some(&row("a", 1, 10)), began);
        assert_eq!(version(&cache, "a"), None);
    }

    #[test]
    fn absence_is_remembered() {
        let cache = Cache::new(1 << 20);
        cache.put(row("a", 1, 10));
        cache.put_absent("t", "a");
        assert_eq!(version(&cache, "a"), Some(None));
    }

    #[test]
    fn what_another_node_wrote_goes_and_the_rest_stays() {
        let cache = Cache::new(1 << 20);
        let (_, none) = cache.known("t", "gone");
        assert!(none.is_none());
        let Lookup::Miss(began) = cache.get("t", "late") else { panic!("the cache is empty") };
        cache.put(row("a", 3, 10));
        cache.put(row("b", 1, 10));
        cache.put_absent("t", "c");
        cache.put(Arc::new(Row { table: "other", ..Row::clone(&row("a", 2, 10)) }));
        cache.forget_older("a", 3);
        assert_eq!(version(&cache, "a"), Some(Some(3)), "as new as what was written");
        assert!(matches!(cache.get("other", "a"), Lookup::Miss(_)), "older, in another table");
        cache.forget_older("a", 4);
        assert_eq!((version(&cache, "a"), version(&cache, "b"), version(&cache, "c")), (None, Some(Some(1)), Some(None)));
        cache.forget_older("c", 1);
        assert_eq!(version(&cache, "c"), None, "it is not absent any more");
        cache.forget_older("late", 1);
        cache.fill("t", "late", None, began);
        assert_eq!(version(&cache, "late"), None, "the read may have been too early");
    }

    #[test]
    fn bytes_are_bounded_and_rows_in_use_stay() {
        let cache = Cache::new(SHARDS * 8 * (OVERHEAD + 120));
        cache.put(row("hot", 1, 100));
        for i in 0..20_000 {
            let key = format!("{i:05}");
            cache.put(row(&key, 1, 100));
            assert_eq!(version(&cache, "hot"), Some(Some(1)), "after {i}");
            if i % 3 == 0 {
                cache.put(row(&key, 2, 110));
            }
        }
        for shard in &cache.shards {
            let shard = lock(shard);
            let held = shard.slots.iter().flatten().map(|s| s.bytes).sum::<usize>();
            assert!(shard.bytes == held && held <= cache.shard_bytes);
            assert_eq!(shard.index.len(), shard.slots.iter().flatten().count());
        }
        cache.put(row("huge", 1, 1 << 20));
        assert_eq!(version(&cache, "huge"), None);
        cache.put(row("hot", 2, 1 << 20));
        assert_eq!(version(&cache, "hot"), None, "what is not kept does not stay in its old form either");
    }
}
