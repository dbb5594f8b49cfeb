//! States that were read from their rows before: the same version need not be parsed again.
//!
//! The row decides, always: it is fetched first, and only its version opens this cache. So a state here can be absent, never stale.

use std::any::Any;
use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

/// Locks.
const SHARDS: usize = 16;
/// States kept in one shard. A full shard is emptied: what is in use comes back with its next read.
const PER_SHARD: usize = 128;

type State = Arc<dyn Any + Send + Sync>;
/// The names of streams that are in the log: nobody outside chooses them to collide.
type Shard = HashMap<String, (u64, State), RandomState>;

/// Parsed states by stream and version.
#[derive(Default)]
pub struct Decoded {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl Decoded {
    /// The state of exactly this version, if it was parsed before.
    pub fn get<S: Any + Send + Sync>(&self, stream: &str, version: u64) -> Option<Arc<S>> {
        let state = {
            let shard = self.shard(stream).lock().unwrap_or_else(PoisonError::into_inner);
            let (own, state) = shard.get(stream)?;
            if *own != version {
                return None;
            }
            state.clone()
        };
        state.downcast().ok()
    }

    /// Keeps a state.
    pub fn put<S: Any + Send + Sync>(&self, stream: &str, version: u64, state: &Arc<S>) {
        let mut shard = self.shard(stream).lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= PER_SHARD && !shard.contains_key(stream) {
            shard.clear();
        }
        shard.insert(stream.to_owned(), (version, state.clone()));
    }

    fn shard(&self, stream: &str) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(stream) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_version_and_type_is_found() {
        let cache = Decoded::default();
        cache.put("a", 3, &Arc::new(5_u32));
        assert_eq!(cache.get::<u32>("a", 3).as_deref(), Some(&5));
        assert_eq!(cache.get::<u32>("a", 4), None);
        assert_eq!(cache.get::<u64>("a", 3), None);
        cache.put("a", 4, &Arc::new(6_u32));
        assert_eq!(cache.get::<u32>("a", 3), None);
    }

    #[test]
    fn it_is_bounded() {
        let cache = Decoded::default();
        for index in 0..100_000_u32 {
            cache.put(&index.to_string(), 1, &Arc::new(index));
        }
        let kept: usize = cache.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= SHARDS * PER_SHARD);
    }
}
