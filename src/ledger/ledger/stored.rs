//! What is stored, as it is stored: for whoever proves or checks it.

use chancery_tree::Hash;

use super::{Backend, Ledger};
use crate::archive;
use crate::backend::Reading as _;
use crate::check::StoredEvent;
use crate::counts::{Counts, Pool};
use crate::error::ReadError;
use crate::recorded::Recorded;

impl Ledger {
    /// Stored hashes of the tree: of leaves (`level` 0) or of complete subtrees of 2^8, 2^16 ... leaves, from an index on. Fewer than
    /// `count` where the tree ends.
    pub async fn hashes(&self, level: u32, from: u64, count: u32) -> Result<Vec<Hash>, ReadError> {
        read!(self, hashes(level, from, count))
    }

    /// Events with every column as it is stored, from a position on: for whoever checks them. A gap shows in their positions.
    pub async fn stored(&self, from: u64, limit: u32) -> Result<Vec<StoredEvent>, ReadError> {
        let mut events = read!(self, stored(from, limit))?;
        if events.iter().all(|event| archive::moved(&event.leaf).is_none()) {
            return Ok(events);
        }
        let archive = self.inner.shared.archive.clone();
        let filled = tokio::task::spawn_blocking(move || archive.fill_stored(&mut events).map(|()| events)).await;
        filled.map_err(|e| ReadError::Unavailable(e.to_string()))?
    }

    /// The events with the leaves that were moved to the archive.
    pub(super) async fn whole(&self, mut events: Vec<Recorded>) -> Result<Vec<Recorded>, ReadError> {
        if events.iter().all(|event| archive::moved(&event.leaf).is_none()) {
            return Ok(events);
        }
        let archive = self.inner.shared.archive.clone();
        let filled = tokio::task::spawn_blocking(move || archive.fill(&mut events).map(|()| events)).await;
        filled.map_err(|e| ReadError::Unavailable(e.to_string()))?
    }

    /// At most `most` events of each of these streams, from its first on, in one read: a log has many streams, and most are short.
    /// One list for each name, in the order of the names.
    pub async fn read_streams(&self, streams: Vec<String>, most: u32) -> Result<Vec<Vec<Recorded>>, ReadError> {
        let found = read!(self, read_streams(streams, most))?;
        let mut whole = Vec::with_capacity(found.len());
        for events in found {
            whole.push(self.whole(events).await?);
        }
        Ok(whole)
    }

    /// When the event at a position was recorded, in milliseconds since the epoch; also of one that is in the archive.
    pub async fn recorded_at(&self, position: u64) -> Result<Option<i64>, ReadError> {
        let events = read!(self, read_at(vec![position]))?;
        Ok(events.first().map(|event| event.recorded_at))
    }

    /// What the writer of this process did, in numbers.
    pub fn counts(&self) -> Counts {
        self.inner.shared.counts.look()
    }

    /// The connections that read.
    pub fn pool(&self) -> Pool {
        match &self.inner.backend {
            Backend::Sqlite(reader) => reader.pool(),
            Backend::Postgres(reader) => reader.pool(),
        }
    }
}
