//! The writing connection: group commits, and finding out about one that ended in an error.
//!
//! | After | Then |
//! |---|---|
//! | a statement that is refused | roll back; the writer runs the batch one by one |
//! | a full disk, an I/O error, a read-only file before COMMIT | roll back; nothing is written; the next commit tries again |
//! | any error of COMMIT | close *every* connection, so that SQLite recovers the log file from the disk, then look the events up |
//!
//! Head and stream versions are kept in memory, since the lock file makes this the only writer. Both are forgotten after a failure.

use std::fs::File;
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use uuid::Uuid;

use super::{Reader, sets, startup, store};
use crate::backend::{Done, Failure, Task, Writing};
use crate::error::SetError;
use crate::hashed::{HashMap, HashSet};
use crate::options::Options;
use crate::plan::{self, HeadState, Plan, PlannedEvent, Seen};
use crate::recorded::Recorded;
use crate::shared::Shared;
use crate::write::Write;
use chancery_tree::Frontier;

/// Streams whose versions are remembered, in each of two generations; about 100 bytes each. One that is forgotten costs one step in an index.
const REMEMBERED: usize = 4_096;

pub(super) struct Store {
    /// `None` after a failure that the connection may not have survived.
    connection: Option<Connection>,
    memory: Option<Memory>,
    /// The last commit failed, so the next one must show that the file takes writes.
    failing: bool,
    path: PathBuf,
    reader: Reader,
    options: Options,
    shared: Arc<Shared>,
    _lock: File,
}

/// What the file says, as long as nothing failed.
struct Memory {
    head: HeadState,
    inline_set: i64,
    versions: Versions,
    kinds: HashSet<(String, u16)>,
}

impl Store {
    pub fn new(connection: Connection, lock: File, path: PathBuf, reader: Reader, options: Options, shared: Arc<Shared>) -> Self {
        Self { connection: Some(connection), memory: None, failing: false, path, reader, options, shared, _lock: lock }
    }

    fn try_commit(&mut self, batch: &[&Write], now: i64) -> Result<Done, Failure> {
        if self.connection.is_none() {
            let opened = startup::open_writable(&self.path, &self.options);
            self.connection = Some(opened.map_err(|error| Failure::Unavailable(error.to_string()))?);
        }
        let Some(connection) = &self.connection else { return Err(Failure::Unavailable("no connection".into())) };
        run(connection, "BEGIN IMMEDIATE").map_err(classify)?;
        let memory = match &mut self.memory {
            Some(memory) => memory,
            none => none.insert(Memory::load(connection)?),
        };
        // Another program may have opened the file while this one had closed it after a failure.
        self.shared.learn_level(memory.head.level).map_err(Failure::Unavailable)?;
        let seen = see(connection, memory, batch).map_err(classify)?;
        let plan = plan::plan(batch, &memory.head, seen, now);
        let done = Done::of(&plan, &self.shared)?;
        if plan.is_empty() && !self.failing {
            run(connection, "ROLLBACK").map_err(classify)?;
            return Ok(done);
        }
        store_plan(connection, memory, &plan, &done).map_err(classify)?;
        if let Err(error) = run(connection, "COMMIT") {
            return Err(Failure::Unknown { why: error.to_string(), attempted: done });
        }
        for event in &plan.events {
            memory.versions.insert(event.stream, event.version);
            if !memory.knows_kind(event.kind, event.schema) {
                memory.kinds.insert((event.kind.into(), event.schema));
            }
        }
        memory.head = plan.head;
        self.shared.tail.extend(plan.events.into_iter().map(recorded).collect());
        Ok(done)
    }

    /// Whatever the failure was, nothing that was remembered counts any more.
    fn recover(&mut self, failure: &Failure) {
        self.memory = None;
        self.shared.tail.clear();
        self.failing = true;
        let Some(connection) = &self.connection else { return };
        let usable = !matches!(failure, Failure::Unknown { .. }) && (connection.is_autocommit() || run(connection, "ROLLBACK").is_ok());
        if !usable {
            self.connection = None;
        }
    }

    fn try_committed(&mut self, ids: &[Uuid]) -> Result<bool, Failure> {
        self.connection = None;
        self.memory = None;
        let (path, options) = (&self.path, &self.options);
        // The index of the log file lies in memory that all connections share. Only when the last is closed does the next one
        // read the file itself, and sees what a restart would see.
        let (connection, found) = self.reader.alone(|| {
            let connection = startup::open_writable(path, options).map_err(|error| Failure::Unavailable(error.to_string()))?;
            let found = find(&connection, ids).map_err(classify)?;
            // Found may mean: in the system's memory, after a sync that failed and will not be repeated by itself. Copying
            // the log into the file writes the pages anew and syncs them.
            if found > 0 {
                checkpoint(&connection)?;
            }
            Ok::<_, Failure>((connection, found))
        })?;
        self.connection = Some(connection);
        match found {
            0 => Ok(false),
            all if all == ids.len() => Ok(true),
            some => Err(Failure::Unavailable(format!("{some} of {} events of one commit are in the log", ids.len()))),
        }
    }
}

impl Writing for Store {
    async fn commit(&mut self, batch: &[&Write], now: i64) -> Result<Done, Failure> {
        let outcome = self.try_commit(batch, now);
        match &outcome {
            Ok(_) => self.failing = false,
            Err(failure) => self.recover(failure),
        }
        outcome
    }

    async fn committed(&mut self, ids: &[Uuid]) -> Result<bool, Failure> {
        self.try_committed(ids)
    }

    async fn maintain(&mut self, task: &Task) -> Result<u64, SetError> {
        if self.connection.is_none() {
            let opened = startup::open_writable(&self.path, &self.options);
            self.connection = Some(opened.map_err(|error| SetError::Unavailable(error.to_string()))?);
        }
        let Some(connection) = &mut self.connection else { return Err(SetError::Unavailable("no connection".into())) };
        let outcome = sets::run(connection, task, &self.shared.archive);
        // The inline set may be another one now; a COMMIT may have failed.
        if outcome.is_err() || matches!(task, Task::FinishRebuild { .. }) {
            self.memory = None;
        }
        if outcome.is_err() && !connection.is_autocommit() {
            self.connection = None;
        }
        outcome
    }

    /// The thread is the writer's own, so it may sleep.
    fn pause(&self, attempt: u32) -> impl Future<Output = ()> + Send {
        thread::sleep(Duration::from_millis(50 << attempt.min(5)));
        ready(())
    }
}

impl Memory {
    fn load(connection: &Connection) -> Result<Self, Failure> {
        let damaged = || Failure::Unavailable("the head row is damaged".into());
        let head = startup::stored_head(connection).map_err(classify)?.ok_or_else(damaged)?;
        let frontier = Frontier::decode(head.size, &head.frontier).filter(|f| f.root()[..] == head.root[..]).ok_or_else(damaged)?;
        Ok(Self {
            head: HeadState {
                frontier,
                recorded_at: head.recorded_at,
                level: head.level,
                rows: store::inline_digest(connection).map_err(classify)?,
            },
            inline_set: store::inline_set(connection).map_err(classify)?,
            versions: Versions::default(),
            kinds: kinds(connection).map_err(classify)?,
        })
    }

    fn knows_kind(&self, kind: &str, schema: u16) -> bool {
        // A few dozen entries at most, but a set of owned pairs cannot be asked with borrowed ones.
        self.kinds.iter().any(|(k, s)| k == kind && *s == schema)
    }
}

/// Stream versions in two generations: when the young one is full it becomes the old one, and the old one is dropped.
#[derive(Default)]
struct Versions {
    young: HashMap<String, u64>,
    old: HashMap<String, u64>,
}

impl Versions {
    fn get(&self, stream: &str) -> Option<u64> {
        self.young.get(stream).or_else(|| self.old.get(stream)).copied()
    }

    fn insert(&mut self, stream: &str, version: u64) {
        if let Some(known) = self.young.get_mut(stream) {
            *known = version;
            return;
        }
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream.into(), version);
    }
}

fn see<'a>(connection: &Connection, memory: &Memory, batch: &[&'a Write]) -> rusqlite::Result<Seen<'a>> {
    let touched = plan::touched(batch);
    let mut seen = Seen::default();
    seen.versions.reserve(touched.streams.len());
    for stream in touched.streams {
        let version = match memory.versions.get(stream) {
            Some(version) => version,
            None => stream_version(connection, stream)?,
        };
        seen.versions.insert(stream, version);
    }
    let mut statement = connection.prepare_cached("SELECT 1 FROM claims WHERE kind = ?1 AND key = ?2")?;
    for claim in touched.claims {
        if statement.exists(params![claim.0, claim.1])? {
            seen.taken.insert(claim);
        }
    }
    if memory.head.rows.is_some() {
        for (table, key) in touched.rows {
            seen.rows.extend(store::row_digest(connection, memory.inline_set, table, key)?.map(|sum| ((table, key), sum)));
        }
    }
    Ok(seen)
}

fn stream_version(connection: &Connection, stream: &str) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT version FROM events WHERE stream = ?1 ORDER BY version DESC LIMIT 1")?;
    let version = statement.query_row([stream], |row| row.get::<_, i64>(0)).optional()?;
    Ok(version.unwrap_or(0).cast_unsigned())
}

fn store_plan(connection: &Connection, memory: &Memory, plan: &Plan<'_>, done: &Done) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO events (position, id, stream, version, kind, schema, recorded_at, leaf, leaf_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut kind = connection.prepare_cached("INSERT OR IGNORE INTO event_kinds (kind, schema) VALUES (?1, ?2)")?;
    for event in &plan.events {
        insert.execute(params![
            event.position.cast_signed(),
            &event.id.as_bytes()[..],
            event.stream,
            event.version.cast_signed(),
            event.kind,
            event.schema,
            event.recorded_at,
            &event.leaf[..],
            &event.leaf_hash[..],
        ])?;
        if !memory.knows_kind(event.kind, event.schema) {
            kind.execute(params![event.kind, event.schema])?;
        }
    }
    for subtree in &plan.subtrees {
        let mut statement = connection.prepare_cached("INSERT INTO subtrees (level, idx, hash) VALUES (?1, ?2, ?3)")?;
        statement.execute(params![subtree.level, subtree.index.cast_signed(), subtree.hash])?;
    }
    let mut take = connection.prepare_cached("INSERT OR REPLACE INTO claims (kind, key, owner) VALUES (?1, ?2, ?3)")?;
    let mut release = connection.prepare_cached("DELETE FROM claims WHERE kind = ?1 AND key = ?2")?;
    for claim in &plan.claims {
        match claim.owner {
            Some(owner) => take.execute(params![claim.kind, claim.key, owner])?,
            None => release.execute(params![claim.kind, claim.key])?,
        };
    }
    store::put_rows(connection, memory.inline_set, plan.rows.iter().copied())?;
    store::put_head(connection, &plan.head, &done.head.root, done.note.as_deref())
}

/// A stored event, as a reader would find it.
fn recorded(event: PlannedEvent<'_>) -> Recorded {
    Recorded {
        position: event.position,
        stream: event.stream.to_owned(),
        version: event.version,
        kind: event.kind.to_owned(),
        recorded_at: event.recorded_at,
        leaf: event.leaf,
    }
}

fn kinds(connection: &Connection) -> rusqlite::Result<HashSet<(String, u16)>> {
    let mut statement = connection.prepare_cached("SELECT kind, schema FROM event_kinds")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn find(connection: &Connection, ids: &[Uuid]) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM events WHERE id = ?1")?;
    let mut found = 0;
    for id in ids {
        found += usize::from(statement.exists([&id.as_bytes()[..]])?);
    }
    Ok(found)
}

/// Everything in the log file goes into the database file and is synced.
fn checkpoint(connection: &Connection) -> Result<(), Failure> {
    let counts = connection
        .query_row("PRAGMA wal_checkpoint(FULL)", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
    match counts.map_err(classify)? {
        (0, logged, copied) if logged == copied => Ok(()),
        _ => Err(Failure::Unavailable("another process reads the log; it cannot be made durable yet".into())),
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// Errors of the machine concern the whole batch; everything else may be the fault of one write.
fn classify(error: rusqlite::Error) -> Failure {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase,
        ) => Failure::Unavailable(text),
        _ => Failure::Refused(text),
    }
}
