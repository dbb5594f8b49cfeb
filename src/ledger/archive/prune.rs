//! Taking leaves out of a database whose archive was verified. Hashes, columns and indexes stay: proofs and look-ups go on.
//!
//! | Rule | Why |
//! |---|---|
//! | the head row first says from where on nothing may go, in the same transaction | the database itself refuses every other change of an event |
//! | as the owner of the database, never as the role that serves | who serves cannot change history |
//! | SQLite: the file is locked, so its server has to be stopped | one process |

use std::fs::File;

use rusqlite::{Connection, TransactionBehavior, params};
use tokio_postgres::Client;

use crate::error::OpenError;
use crate::options::Options;
use crate::postgres::connect::{Session, Target};
use crate::postgres::migrate;
use crate::postgres::said::said;
use crate::relocate::Place;
use crate::sqlite::{lock, startup};

/// Why leaves were not taken out. Those of earlier calls are.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the database: {0}")]
    Store(String),
}

/// A leaf that is still in the database.
#[derive(Clone, Debug)]
pub struct Kept {
    pub position: u64,
    pub stream: String,
    pub leaf: Vec<u8>,
}

/// A database, opened as its owner.
pub enum Pruner {
    Sqlite { connection: Box<Connection>, _lock: File },
    Postgres(Client),
}

impl Pruner {
    /// # Errors
    /// A server that has the file; a database that cannot be opened.
    pub async fn open(place: &Place, options: &Options) -> Result<Self, PruneError> {
        match place {
            Place::Sqlite(path) => {
                let lock = lock(path)?;
                let mut connection = startup::open_writable(path, options)?;
                startup::migrate(&mut connection, options)?;
                Ok(Self::Sqlite { connection: Box::new(connection), _lock: lock })
            }
            Place::Postgres(url) => {
                let unavailable = |e: tokio_postgres::Error| OpenError::Unavailable(said(&e));
                let target = Target::parse(url).map_err(OpenError::Unavailable)?;
                let client = target.session(Session::AsLoggedIn).await.map_err(unavailable)?;
                migrate::check(&client, false).await?;
                Ok(Self::Postgres(client))
            }
        }
    }

    /// At most `limit` leaves that are in the database, of positions from `from` to before `until`.
    ///
    /// # Errors
    /// A database that does not answer.
    pub async fn leaves(&mut self, from: u64, until: u64, limit: u32) -> Result<Vec<Kept>, PruneError> {
        match self {
            Self::Sqlite { connection, .. } => {
                let sql = "SELECT position, stream, leaf FROM events WHERE position >= ?1 AND position < ?2 AND length(leaf) <> 32
                           ORDER BY position LIMIT ?3";
                let mut statement = connection.prepare_cached(sql).map_err(failed)?;
                let kept = |row: &rusqlite::Row<'_>| {
                    Ok(Kept { position: row.get::<_, i64>(0)?.cast_unsigned(), stream: row.get(1)?, leaf: row.get(2)? })
                };
                let rows = statement.query_map(params![from.cast_signed(), until.cast_signed(), limit], kept).map_err(failed)?;
                rows.collect::<rusqlite::Result<_>>().map_err(failed)
            }
            Self::Postgres(client) => {
                let sql = "SELECT position, stream, leaf FROM chancery.events WHERE position >= $1 AND position < $2 AND octet_length(leaf) <> 32 \
                           ORDER BY position LIMIT $3";
                let rows = client.query(sql, &[&from.cast_signed(), &until.cast_signed(), &i64::from(limit)]).await.map_err(refused)?;
                let kept = |row: &tokio_postgres::Row| {
                    Ok(Kept { position: row.try_get::<_, i64>(0)?.cast_unsigned(), stream: row.try_get(1)?, leaf: row.try_get(2)? })
                };
                rows.iter().map(|row| kept(row).map_err(refused)).collect()
            }
        }
    }

    /// Takes leaves out, all in one transaction. `until`: the end of what was archived.
    ///
    /// # Errors
    /// A position that is not before `until`; a user who is not the owner; a database that does not answer.
    pub async fn prune(&mut self, positions: &[u64], until: u64) -> Result<(), PruneError> {
        match self {
            Self::Sqlite { connection, .. } => {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
                let mark = "UPDATE head SET archived = max(archived, ?1) WHERE one = 1";
                transaction.execute(mark, [until.cast_signed()]).map_err(failed)?;
                {
                    let mut take = transaction.prepare_cached("UPDATE events SET leaf = leaf_hash WHERE position = ?1").map_err(failed)?;
                    for position in positions {
                        take.execute([position.cast_signed()]).map_err(failed)?;
                    }
                }
                transaction.commit().map_err(failed)
            }
            Self::Postgres(client) => {
                let positions: Vec<i64> = positions.iter().map(|position| position.cast_signed()).collect();
                // Dropped without COMMIT it is rolled back.
                let transaction = client.transaction().await.map_err(refused)?;
                let mark = "UPDATE chancery.head SET archived = greatest(archived, $1) WHERE one = 1";
                transaction.execute(mark, &[&until.cast_signed()]).await.map_err(refused)?;
                let take = "UPDATE chancery.events SET leaf = leaf_hash WHERE position = ANY ($1)";
                transaction.execute(take, &[&positions]).await.map_err(refused)?;
                transaction.commit().await.map_err(refused)
            }
        }
    }

    /// Gives the space back to the system: SQLite writes its file anew, PostgreSQL frees it for what comes next.
    ///
    /// # Errors
    /// No room for the new file; a database that does not answer.
    pub async fn shrink(&mut self) -> Result<(), PruneError> {
        match self {
            Self::Sqlite { connection, .. } => connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").map_err(failed),
            // Each alone: VACUUM stands in no transaction, and several statements at once are one.
            Self::Postgres(client) => {
                client.batch_execute("SET statement_timeout = 0").await.map_err(refused)?;
                client.batch_execute("VACUUM chancery.events").await.map_err(refused)
            }
        }
    }
}

fn failed(error: rusqlite::Error) -> PruneError {
    PruneError::Store(error.to_string())
}

fn refused(error: tokio_postgres::Error) -> PruneError {
    PruneError::Store(said(&error))
}
