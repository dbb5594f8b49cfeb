//! PostgreSQL: many nodes on one log.
//!
//! | Connection | Used by |
//! |---|---|
//! | one | the writer of this node: group commits (`writing`, `store`), row sets (`sets`) |
//! | `Options::readers` | all reads, through a pool (`reading`) |
//! | one | other nodes' commits (`listen`) |
//!
//! The lock on the head row orders the nodes. What a node acknowledged it remembers (`memory`), and stops if the database does not hold it.
//! Demand a synchronous standby where a failover must not lose commits; PgBouncer only in session mode, since roles and timeouts are
//! settings of the session. The schema is made by `migrate`, as the owner; the log is served as the role `chancery_serve`.

mod census;
pub(crate) mod connect;
mod foreign;
mod gather;
mod listen;
mod memory;
pub(crate) mod migrate;
mod reading;
pub(crate) mod said;
mod sets;
pub(crate) mod sql;
mod startup;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod writing;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::mpsc;

use self::connect::Target;
use self::listen::{Follow, Listener};
use self::memory::{Acknowledged, Memory};
pub use self::migrate::migrate;
pub(crate) use self::reading::PgReading;
use self::writing::PgWriting;
use crate::backend::Reading as _;
use crate::error::OpenError;
use crate::ledger::{Backend, Inner, Ledger};
use crate::options::Options;
use crate::shared::{Levels, Shared};
use crate::writer::Writer;

impl Ledger {
    /// Opens the log at `url` to read and write, beside any number of other nodes. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `NeedsMigration` and `TooNew` by the schema's level; `CatalogueTooNew` by the catalogue's; `RoleTooStrong` (with `Options::strict_role`) where the user of the URL could
    /// change events and cannot become `chancery_serve`; `Damaged` where head and tail do not belong together; else `Unavailable`.
    pub async fn open_postgres(url: &str, options: Options) -> Result<Self, OpenError> {
        let target = Target::parse(url).map_err(OpenError::Unavailable)?;
        let started = startup::start(&target, &options.inline_set, options.strict_role).await?;
        let (session, head) = (started.session, started.head.head());
        let levels = Levels { found: started.head.level, known: options.level };
        if levels.found > levels.known {
            return Err(OpenError::CatalogueTooNew { found: levels.found, known: levels.known });
        }
        let shared = Arc::new(Shared::new(options.cache_bytes, head, levels, options.archive.clone()));
        let memory = Memory::default();
        if let Some(last_leaf) = started.last_leaf {
            memory.acknowledge(Acknowledged { size: head.size, root: head.root, last_leaf });
        }
        let node = node_name();
        let pool = target.pool(session, options.readers, Some(memory.clone())).map_err(OpenError::Unavailable)?;
        let follow = Follow { target: target.clone(), session, memory: memory.clone(), shared: shared.clone(), node: node.clone() };
        let reading = PgReading::new(pool, memory.clone(), Some(Listener::start(follow)));
        let writing = PgWriting::new(target, session, memory, shared.clone(), node);
        let (sender, queue) = mpsc::channel(options.queue);
        tokio::spawn(Writer::new(writing, queue, shared.clone(), options.clock).run());
        let backend = Backend::Postgres(reading);
        Ok(Self::over(Inner { backend, shared, queue: Some(sender), deadline: options.deadline, sole_writer: false }))
    }

    /// Opens the log to read. Checks the schema's level only: an auditor wants to read a damaged log too.
    ///
    /// # Errors
    /// As `open_postgres`, without `RoleTooStrong` and `Damaged`.
    pub async fn open_postgres_readonly(url: &str, options: Options) -> Result<Self, OpenError> {
        let target = Target::parse(url).map_err(OpenError::Unavailable)?;
        let session = startup::look(&target).await?;
        let memory = Memory::default();
        let pool = target.pool(session, options.readers, None).map_err(OpenError::Unavailable)?;
        let reading = PgReading::new(pool, memory, None);
        let head = reading.head().await.map_err(|e| OpenError::Unavailable(e.to_string()))?;
        let found = reading.level().await.map_err(|e| OpenError::Unavailable(e.to_string()))?;
        let shared = Arc::new(Shared::new(0, head, Levels { found, known: u16::MAX }, options.archive));
        let backend = Backend::Postgres(reading);
        Ok(Self::over(Inner { backend, shared, queue: None, deadline: options.deadline, sole_writer: false }))
    }
}

/// Two processes with one name would each take the other's news for their own. The standard library seeds its hashers at random,
/// which is all that is needed here: the name guards nothing.
fn node_name() -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("{random:016x}")
}
