//! The vault in one SQLite file, owned by one thread.
//!
//! | Setting | Why |
//! |---|---|
//! | slots, overwritten in place | `secure_delete` leaves copies of what SQLite moved before it was deleted: see the schema |
//! | `secure_delete = ON` | what is deleted or freed is overwritten with zeros |
//! | `journal_mode = TRUNCATE`, no WAL | a WAL keeps old pages until a checkpoint; the journal is emptied by each commit |
//! | `synchronous = FULL` | an acknowledged key survives the power cut; the journal's truncation is synced too |
//! | `temp_store = MEMORY` | no key in a temporary file |
//! | mode 0600 | SQLite gives its journal the mode of the file |

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::{mpsc, oneshot};

use super::{Entry, Replacement, VaultStoreError};

const LEVEL: i64 = 1;
const INIT: &str = include_str!("../../../schema/vault/sqlite/0001_init.sql");
/// Jobs that wait for the thread; a caller beyond waits for its place.
const QUEUE: usize = 1_024;
/// Writes that share one commit.
const GROUP: usize = 256;
const SELECT: &str = "SELECT kind, id, wrapped, created_at, expires_at FROM entries JOIN slots USING (place)";

#[derive(Clone)]
pub(super) struct Sqlite {
    jobs: mpsc::Sender<Job>,
}

enum Job {
    Write(Change, Answer<u64>),
    Read(Box<dyn FnOnce(&Connection) + Send>),
}

type Answer<T> = oneshot::Sender<Result<T, VaultStoreError>>;

enum Change {
    Put(Vec<Entry>),
    Replace(Vec<Replacement>),
    Destroy { kind: String, ids: Vec<String> },
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Sqlite, VaultStoreError> {
        let connection = connect(path)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let path = path.to_owned();
        let owner = std::thread::Builder::new().name("vault".to_owned());
        owner.spawn(move || Owner { path, connection: Some(connection) }.run(queue)).map_err(|e| unavailable(&e))?;
        Ok(Sqlite { jobs })
    }

    pub(super) async fn put(&self, entries: Vec<Entry>) -> Result<(), VaultStoreError> {
        self.write(Change::Put(entries)).await.map(drop)
    }

    pub(super) async fn replace(&self, replacements: Vec<Replacement>) -> Result<(), VaultStoreError> {
        self.write(Change::Replace(replacements)).await.map(drop)
    }

    pub(super) async fn destroy(&self, kind: &str, ids: &[String]) -> Result<u64, VaultStoreError> {
        self.write(Change::Destroy { kind: kind.to_owned(), ids: ids.to_vec() }).await
    }

    pub(super) async fn get(&self, kind: &str, id: &str) -> Result<Option<Entry>, VaultStoreError> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.read(move |c| {
            c.prepare_cached(&format!("{SELECT} WHERE kind = ?1 AND id = ?2"))?.query_row(params![kind, id], entry).optional()
        })
        .await
    }

    pub(super) async fn kinds(&self) -> Result<Vec<String>, VaultStoreError> {
        self.read(|c| c.prepare_cached("SELECT DISTINCT kind FROM entries ORDER BY kind")?.query_map([], |row| row.get(0))?.collect()).await
    }

    pub(super) async fn list(&self, kind: &str, after_id: Option<&str>, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        let (kind, after) = (kind.to_owned(), after_id.map(str::to_owned));
        self.read(move |c| {
            c.prepare_cached(&format!("{SELECT} WHERE kind = ?1 AND (?2 IS NULL OR id > ?2) ORDER BY id LIMIT ?3"))?
                .query_map(params![kind, after, limit], entry)?
                .collect()
        })
        .await
    }

    pub(super) async fn expired(&self, kind: &str, before: i64, limit: u32) -> Result<Vec<Entry>, VaultStoreError> {
        let kind = kind.to_owned();
        self.read(move |c| {
            c.prepare_cached(&format!("{SELECT} WHERE kind = ?1 AND expires_at < ?2 ORDER BY expires_at, id LIMIT ?3"))?
                .query_map(params![kind, before, limit], entry)?
                .collect()
        })
        .await
    }

    pub(super) async fn count(&self) -> Result<u64, VaultStoreError> {
        self.read(|c| c.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)).await
    }

    async fn write(&self, change: Change) -> Result<u64, VaultStoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Write(change, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, VaultStoreError> {
        let (answer, answered) = oneshot::channel();
        // Whoever asked may have gone away meanwhile.
        let job = Box::new(move |connection: &Connection| drop(answer.send(query(connection).map_err(|e| unavailable(&e)))));
        self.jobs.send(Job::Read(job)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// The thread's side.
struct Owner {
    path: PathBuf,
    /// `None` after a fault that left the connection in doubt; opened again for the next job.
    connection: Option<Connection>,
}

impl Owner {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let mut writes = Vec::new();
            let mut next = Some(first);
            // Reads run at once: each was sent before its neighbours' writes were acknowledged, so either order is true.
            while let Some(job) = next {
                match (job, self.connection()) {
                    (Job::Read(read), Ok(connection)) => read(connection),
                    // Its sender is dropped, which the reader learns as `Unavailable`.
                    (Job::Read(_), Err(_)) => {}
                    (Job::Write(change, answer), _) => writes.push((change, answer)),
                }
                next = if writes.len() < GROUP { queue.try_recv().ok() } else { None };
            }
            if !writes.is_empty() {
                self.commit(writes);
            }
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, VaultStoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Runs the writes in one transaction, each in a savepoint of its own, so that a duplicate fails alone.
    fn commit(&mut self, writes: Vec<(Change, Answer<u64>)>) {
        let (changes, answers): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let outcome = self.connection().and_then(|connection| run_group(connection, &changes));
        match outcome {
            Ok(results) => {
                for (answer, result) in answers.into_iter().zip(results) {
                    let _ = answer.send(result);
                }
            }
            Err(e) => {
                // A fault in COMMIT leaves it open what SQLite holds in memory: start again from the file.
                self.connection = None;
                for answer in answers {
                    let _ = answer.send(Err(e.clone()));
                }
            }
        }
    }
}

type Results = Vec<Result<u64, VaultStoreError>>;

fn run_group(connection: &mut Connection, changes: &[Change]) -> Result<Results, VaultStoreError> {
    let failed = |e: rusqlite::Error| unavailable(&e);
    let mut group = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let mut results = Vec::with_capacity(changes.len());
    for change in changes {
        let savepoint = group.savepoint().map_err(failed)?;
        let result = match change {
            Change::Put(entries) => put(&savepoint, entries),
            Change::Replace(replacements) => replace(&savepoint, replacements),
            Change::Destroy { kind, ids } => destroy(&savepoint, kind, ids),
        };
        match result {
            Ok(_) => savepoint.commit().map_err(failed)?,
            Err(VaultStoreError::Unavailable(_)) => return result.map(|_| results),
            // Dropping the savepoint rolls back to it.
            Err(_) => drop(savepoint),
        }
        results.push(result);
    }
    group.commit().map_err(failed)?;
    Ok(results)
}

fn put(connection: &Connection, entries: &[Entry]) -> Result<u64, VaultStoreError> {
    let sql = "INSERT INTO entries (kind, id, place, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare_cached(sql).map_err(|e| unavailable(&e))?;
    for e in entries {
        let place = fill_slot(connection, &e.wrapped).map_err(|e| unavailable(&e))?;
        insert.execute(params![e.kind, e.id, place, e.created_at, e.expires_at]).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => VaultStoreError::AlreadyExists { kind: e.kind.clone(), id: e.id.clone() },
            _ => unavailable(&error),
        })?;
    }
    Ok(entries.len() as u64)
}

fn replace(connection: &Connection, replacements: &[Replacement]) -> Result<u64, VaultStoreError> {
    let sql = "SELECT place FROM entries JOIN slots USING (place) WHERE kind = ?1 AND id = ?2 AND wrapped = ?3";
    let mut find = connection.prepare_cached(sql).map_err(|e| unavailable(&e))?;
    for r in replacements {
        let place: Option<i64> = find.query_row(params![r.kind, r.id, r.old], |row| row.get(0)).optional().map_err(|e| unavailable(&e))?;
        let Some(place) = place else {
            return Err(VaultStoreError::Changed { kind: r.kind.clone(), id: r.id.clone() });
        };
        refill(connection, place, r).map_err(|e| unavailable(&e))?;
    }
    Ok(replacements.len() as u64)
}

fn destroy(connection: &Connection, kind: &str, ids: &[String]) -> Result<u64, VaultStoreError> {
    let sql = "DELETE FROM entries WHERE kind = ?1 AND id = ?2 RETURNING place";
    let mut delete = connection.prepare_cached(sql).map_err(|e| unavailable(&e))?;
    let mut destroyed = 0;
    for id in ids {
        let place: Option<i64> = delete.query_row(params![kind, id], |row| row.get(0)).optional().map_err(|e| unavailable(&e))?;
        if let Some(place) = place {
            empty_slot(connection, place).map_err(|e| unavailable(&e))?;
            destroyed += 1;
        }
    }
    Ok(destroyed)
}

/// Puts bytes into a free slot of their length, or appends one.
fn fill_slot(connection: &Connection, wrapped: &[u8]) -> rusqlite::Result<i64> {
    let size = wrapped.len() as i64;
    let mut find = connection.prepare_cached("SELECT place FROM free WHERE size = ?1 LIMIT 1")?;
    let Some(place) = find.query_row([size], |row| row.get::<_, i64>(0)).optional()? else {
        connection.prepare_cached("INSERT INTO slots (wrapped) VALUES (?1)")?.execute([wrapped])?;
        return Ok(connection.last_insert_rowid());
    };
    connection.prepare_cached("DELETE FROM free WHERE size = ?1 AND place = ?2")?.execute([size, place])?;
    overwrite_slot(connection, place, wrapped)?;
    Ok(place)
}

/// Zeros in place of the bytes. The slot keeps its length, so that SQLite overwrites the cell where it is.
fn empty_slot(connection: &Connection, place: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE slots SET wrapped = zeroblob(length(wrapped)) WHERE place = ?1";
    connection.prepare_cached(sql)?.execute([place])?;
    let sql = "INSERT INTO free (size, place) SELECT length(wrapped), place FROM slots WHERE place = ?1";
    connection.prepare_cached(sql)?.execute([place])?;
    Ok(())
}

/// Only with bytes of the slot's length.
fn overwrite_slot(connection: &Connection, place: i64, wrapped: &[u8]) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE slots SET wrapped = ?2 WHERE place = ?1")?.execute(params![place, wrapped]).map(drop)
}

fn refill(connection: &Connection, place: i64, r: &Replacement) -> rusqlite::Result<()> {
    if r.old.len() == r.new.len() {
        return overwrite_slot(connection, place, &r.new);
    }
    empty_slot(connection, place)?;
    let place = fill_slot(connection, &r.new)?;
    connection.prepare_cached("UPDATE entries SET place = ?3 WHERE kind = ?1 AND id = ?2")?.execute(params![r.kind, r.id, place]).map(drop)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry { kind: row.get(0)?, id: row.get(1)?, wrapped: row.get(2)?, created_at: row.get(3)?, expires_at: row.get(4)? })
}

fn connect(path: &Path) -> Result<Connection, VaultStoreError> {
    let at = |e: &dyn std::fmt::Display| VaultStoreError::Unavailable(format!("{}: {e}", path.display()));
    // Made by us and not by SQLite, so that it is never readable by others, not even for a moment.
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(|e| at(&e))?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(|e| at(&e))?;
    drop(file);
    let connection = Connection::open(path).map_err(|e| at(&e))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(|e| at(&e))?;
    let settings = "PRAGMA secure_delete = ON; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;";
    connection.execute_batch(settings).map_err(|e| at(&e))?;
    let level: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| at(&e))?;
    match level {
        LEVEL => {}
        0 => connection.execute_batch(&format!("BEGIN IMMEDIATE; {INIT} PRAGMA user_version = {LEVEL}; COMMIT;")).map_err(|e| at(&e))?,
        newer => return Err(at(&format!("the vault's schema is level {newer}; this program knows level {LEVEL}: use a newer program"))),
    }
    Ok(connection)
}

fn unavailable(e: &dyn std::fmt::Display) -> VaultStoreError {
    VaultStoreError::Unavailable(e.to_string())
}

fn gone() -> VaultStoreError {
    VaultStoreError::Unavailable("the vault could not be opened again after a fault".to_owned())
}
