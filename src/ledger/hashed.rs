//! Tables by hash for what the writer looks at: the streams, rows and claims of a batch.
//!
//! A short function with a seed of its own for each table instead of the standard library's longer one: the keys are names that this
//! server made, or digests, so nobody outside chooses them to collide. Where strangers name the key, as in the cache, the standard
//! library's stays.

use foldhash::fast::RandomState;

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
pub(crate) type HashSet<K> = std::collections::HashSet<K, RandomState>;
