//! How a ledger is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::recorded::{Head, Note};

/// Milliseconds since the epoch. The ledger never reads the system's clock itself.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Signs heads. The shell makes it, which holds the key; the ledger knows neither the key nor the name of the log.
pub type Notary = Arc<dyn Fn(&Head) -> Result<Note, String> + Send + Sync>;

#[derive(Clone)]
pub struct Options {
    pub clock: Clock,
    /// Name of the inline row set if the log has none yet; afterwards the log's own answer counts (`Ledger::inline_set`).
    pub inline_set: String,
    /// Bound of the row cache.
    pub cache_bytes: usize,
    /// How long an append may take, waiting included.
    pub deadline: Duration,
    /// How many appends may wait; one more is `Busy`.
    pub queue: usize,
    /// Connections that read.
    pub readers: usize,
    /// SQLite: the file may not grow beyond this many pages of 4 KiB. An operator's quota, and how tests make a full disk.
    pub max_pages: Option<u32>,
    /// Level of the catalogue that this program knows. A log of a higher one is refused, now and whenever it gets there.
    pub level: u16,
    /// Directory with leaves that were moved out of the database.
    pub archive: Option<PathBuf>,
    /// PostgreSQL: refuse to serve as a role that could change events.
    pub strict_role: bool,
}

impl Options {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            inline_set: "v1".into(),
            cache_bytes: 64 << 20,
            deadline: Duration::from_secs(10),
            queue: 4096,
            readers: 8,
            max_pages: None,
            level: 1,
            archive: None,
            strict_role: true,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("inline_set", &self.inline_set).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
