//! SQLite on either side of a move. Blocks: a command that moves a log does nothing else.

use std::fs::File;
use std::path::Path;

use chancery_tree::Hash;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{Ending, MoveError, NO_ROWS, Staged};
use crate::options::Options;
use crate::sqlite::{lock, private, startup, store};

/// The new side.
pub(super) struct Target {
    connection: Connection,
    _lock: File,
}

impl Target {
    /// Makes the file, or opens what an earlier run left; also says how many events are staged.
    pub fn open(path: &Path, options: &Options) -> Result<(Self, u64), MoveError> {
        let lock = lock(path)?;
        drop(private(path)?);
        let mut connection = startup::open_writable(path, options)?;
        startup::migrate(&mut connection, &Options { inline_set: NO_ROWS.into(), ..options.clone() })?;
        if store::read_head(&connection).map_err(failed)?.size > 0 {
            return Err(MoveError::NotEmpty);
        }
        let staged: i64 = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).map_err(failed)?;
        Ok((Self { connection, _lock: lock }, staged.cast_unsigned()))
    }

    pub fn leaf_hashes(&self, from: u64, count: usize) -> Result<Vec<Hash>, MoveError> {
        let sql = "SELECT leaf_hash FROM events WHERE position >= ?1 ORDER BY position LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map(params![from.cast_signed(), count as i64], |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    pub fn stage(&mut self, events: &[Staged]) -> Result<(), MoveError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        {
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO events (position, id, stream, version, kind, schema, recorded_at, leaf, leaf_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )
                .map_err(failed)?;
            for event in events {
                let own = &event.members;
                let (id, leaf) = (&own.id.as_bytes()[..], &event.leaf[..]);
                let (position, version) = (own.position.cast_signed(), own.version.cast_signed());
                let row = params![position, id, own.stream, version, own.kind, own.schema, own.recorded_at, leaf, event.leaf_hash];
                insert.execute(row).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    pub fn finish(&mut self, ending: &Ending) -> Result<(), MoveError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        write(&transaction, ending).map_err(failed)?;
        transaction.commit().map_err(failed)
    }
}

fn write(connection: &Connection, ending: &Ending) -> rusqlite::Result<()> {
    for subtree in &ending.subtrees {
        let mut insert = connection.prepare_cached("INSERT INTO subtrees (level, idx, hash) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![subtree.level, subtree.index.cast_signed(), subtree.hash])?;
    }
    for (kind, schema) in &ending.kinds {
        connection.prepare_cached("INSERT INTO event_kinds (kind, schema) VALUES (?1, ?2)")?.execute(params![kind, schema])?;
    }
    for claim in &ending.claims {
        let mut insert = connection.prepare_cached("INSERT INTO claims (kind, key, owner) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![claim.kind, claim.key, claim.owner])?;
    }
    for kept in &ending.notes {
        let mut insert = connection.prepare_cached("INSERT INTO notes (size, note, at) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![kept.size.cast_signed(), kept.note, kept.at])?;
    }
    store::put_head(connection, &ending.head, &ending.head.frontier.root(), ending.note.as_deref())?;
    // Nothing is folded yet.
    connection.execute("UPDATE head SET inline_checkpoint = 0 WHERE one = 1", []).map(drop)
}

/// The old side. Held until the end, so that no server starts on it.
pub(super) struct Closing {
    connection: Connection,
    _lock: File,
}

impl Closing {
    pub fn open(path: &Path, options: &Options) -> Result<Self, MoveError> {
        let lock = lock(path)?;
        let mut connection = startup::open_writable(path, options)?;
        startup::migrate(&mut connection, options)?;
        Ok(Self { connection, _lock: lock })
    }

    pub fn close(&mut self, size: u64, to: &str) -> Result<bool, MoveError> {
        let moved: Option<String> =
            self.connection.query_row("SELECT moved_to FROM head", [], |row| row.get(0)).optional().map_err(failed)?.flatten();
        match moved {
            // By an earlier run that broke off.
            Some(moved) if moved == to => Ok(true),
            Some(moved) => Err(MoveError::Moved(moved)),
            None => {
                let sql = "UPDATE head SET moved_to = ?1 WHERE one = 1 AND size = ?2";
                Ok(self.connection.execute(sql, params![to, size.cast_signed()]).map_err(failed)? == 1)
            }
        }
    }
}

fn failed(error: rusqlite::Error) -> MoveError {
    MoveError::Store(error.to_string())
}
