//! What is stored, as it is stored: for whoever proves or checks it.

use chancery_tree::Hash;

use super::{Backend, Ledger};
use crate::backend::Reading as _;
use crate::check::StoredEvent;
use crate::error::ReadError;

impl Ledger {
    /// Stored hashes of the tree: of leaves (`level` 0) or of complete subtrees of 2^8, 2^16 ... leaves, from an index on. Fewer than
    /// `count` where the tree ends.
    pub async fn hashes(&self, level: u32, from: u64, count: u32) -> Result<Vec<Hash>, ReadError> {
        read!(self, hashes(level, from, count))
    }

    /// Events with every column as it is stored, from a position on: for whoever checks them. A gap shows in their positions.
    pub async fn stored(&self, from: u64, limit: u32) -> Result<Vec<StoredEvent>, ReadError> {
        read!(self, stored(from, limit))
    }
}
