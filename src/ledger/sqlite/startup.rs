//! Opening the file: settings, schema, and the check of head and tail (`check`).

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, TransactionBehavior, params};

use super::store::{STORED, read_stored};
use super::{KNOWN_LEVEL, MIGRATIONS, unavailable};
use crate::check::{self, StoredEvent, StoredHead};
use crate::digest::Digest;
use crate::error::OpenError;
use crate::options::Options;
use crate::plan::HeadState;
use chancery_tree::frontier::Subtree;
use chancery_tree::{Frontier, Hash, TILE_LEVELS};

/// A writing connection. Used at the start and again after a failure.
pub(crate) fn open_writable(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    connect(path, options).map_err(|error| unavailable(path, &error))
}

fn connect(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    connection.set_prepared_statement_cache_capacity(64);
    plan_once(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // In KiB. Holds the upper pages of the indexes, which is what every commit touches.
    connection.pragma_update(None, "cache_size", -4_096)?;
    // Pages. A longer log means fewer copies of the same page into the file; readers find pages in it by an index.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    // A log that a burst has grown shrinks again.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if let Some(pages) = options.max_pages {
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    Ok(connection)
}

/// A statement is planned when it is prepared. Otherwise SQLite may look at the values that are bound, and plan a kept statement anew for
/// each of them: a tenth of what an append cost.
pub(super) fn plan_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// The level of the schema; 0 is an empty file.
pub(crate) fn level(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

pub(crate) fn migrate(connection: &mut Connection, options: &Options) -> Result<(), OpenError> {
    let found = level(connection).map_err(failed)?;
    if found > KNOWN_LEVEL {
        return Err(OpenError::TooNew { found, known: KNOWN_LEVEL });
    }
    if found == KNOWN_LEVEL {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for sql in &MIGRATIONS[found as usize..] {
        transaction.execute_batch(sql).map_err(failed)?;
    }
    if found == 0 {
        let empty = Frontier::default();
        transaction.execute("INSERT INTO sets (id, name, checkpoint) VALUES (1, ?1, 0)", [&options.inline_set]).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO head (one, size, frontier, root, recorded_at, inline_set, inline_checkpoint, inline_digest) VALUES (1, 0, ?1, ?2, 0, 1, 0, ?3)",
                params![empty.encode(), empty.root(), Digest::default().encode()],
            )
            .map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", KNOWN_LEVEL).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Refuses a log that is served from another database now.
pub(crate) fn refuse_moved(connection: &Connection) -> Result<(), OpenError> {
    let moved: Option<Option<String>> =
        connection.query_row("SELECT moved_to FROM head", [], |row| row.get(0)).optional().map_err(failed)?;
    moved.flatten().map_or(Ok(()), |to| Err(OpenError::Moved(to)))
}

/// Refuses a log whose head and tail do not belong together.
pub(crate) fn check(connection: &Connection) -> Result<HeadState, OpenError> {
    let head = stored_head(connection).map_err(failed)?;
    let Some(head) = head else {
        return Err(OpenError::Damaged { position: 0, what: "the head row is missing".into() });
    };
    let needed = check::needed(head.size);
    let mut subtrees = Vec::with_capacity(needed.subtrees.len());
    for (level, index) in &needed.subtrees {
        subtrees.push(stored_subtree(connection, *level, *index).map_err(failed)?);
    }
    let events = stored_events(connection, needed.leaves_from)?;
    let state = check::verify(&head, &subtrees, &events)?;
    check::verify_tiles(&events, &stored_tiles(connection, needed.leaves_from).map_err(failed)?)?;
    Ok(state)
}

fn failed(error: rusqlite::Error) -> OpenError {
    OpenError::Unavailable(error.to_string())
}

pub(crate) fn stored_head(connection: &Connection) -> rusqlite::Result<Option<StoredHead>> {
    let sql = "SELECT size, frontier, root, recorded_at, level FROM head WHERE one = 1";
    let head = connection.query_row(sql, [], |row| {
        let size = row.get::<_, i64>(0)?.cast_unsigned();
        Ok(StoredHead { size, frontier: row.get(1)?, root: row.get(2)?, recorded_at: row.get(3)?, level: row.get(4)? })
    });
    head.optional()
}

fn stored_subtree(connection: &Connection, level: u32, index: u64) -> rusqlite::Result<Option<Hash>> {
    let mut statement = connection.prepare_cached("SELECT hash FROM subtrees WHERE level = ?1 AND idx = ?2")?;
    let hash = statement.query_row(params![level, index.cast_signed()], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    // A hash of another length is as good as none.
    Ok(hash.and_then(|hash| hash.try_into().ok()))
}

fn stored_tiles(connection: &Connection, from: u64) -> rusqlite::Result<Vec<Subtree>> {
    let mut statement = connection.prepare("SELECT idx, hash FROM subtrees WHERE level = ?1 AND idx >= ?2")?;
    let rows = statement.query_map(params![TILE_LEVELS, (from >> TILE_LEVELS).cast_signed()], |row| {
        let hash = row.get::<_, Vec<u8>>(1)?.try_into().unwrap_or_default();
        Ok(Subtree { level: TILE_LEVELS, index: row.get::<_, i64>(0)?.cast_unsigned(), hash })
    });
    rows?.collect()
}

fn stored_events(connection: &Connection, from: u64) -> Result<Vec<StoredEvent>, OpenError> {
    let sql = format!("SELECT {STORED} FROM events WHERE position >= ?1 ORDER BY position");
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let rows = statement.query_map([from.cast_signed()], read_stored);
    let mut events = Vec::new();
    for row in rows.map_err(failed)? {
        // A page or a text that cannot be read belongs to the event that should come next.
        let position = from + events.len() as u64;
        events.push(row.map_err(|error| match error {
            rusqlite::Error::SqliteFailure(code, _) if !is_corrupt(code) => failed(error),
            _ => OpenError::Damaged { position, what: error.to_string() },
        })?);
    }
    Ok(events)
}

pub(super) fn is_corrupt(error: rusqlite::ffi::Error) -> bool {
    matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
}
