//! A pool of reading connections. SQLite blocks its caller, so every read runs on a thread that may block.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Semaphore;

use super::READ_ONLY;
use super::startup::{is_corrupt, plan_once};
use super::store::{RECORDED, ROW, STORED, columns, find_set, read_head, read_level, read_recorded, read_row, read_stored, read_stream};
use crate::backend::{Filter, Newest, Reading, Select, Wanted};
use crate::check::StoredEvent;
use crate::counts;
use crate::digest::{Census, SetState};
use crate::error::ReadError;
use crate::recorded::{Head, KeptNote, Recorded};
use crate::relocate::Claim;
use crate::write::Row;
use chancery_tree::Hash;

#[derive(Clone)]
pub(crate) struct Reader {
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    most: usize,
    /// As many reads at once as there are connections; others wait without a thread.
    permits: Semaphore,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
}

impl Reader {
    pub fn new(path: PathBuf, connections: usize) -> Self {
        let most = connections.max(1);
        let pool = Pool { path, most, permits: Semaphore::new(most), state: Mutex::default(), returned: Condvar::new() };
        Self { pool: Arc::new(pool) }
    }

    pub fn pool(&self) -> counts::Pool {
        let most = self.pool.most;
        counts::Pool { most, in_use: most.saturating_sub(self.pool.permits.available_permits()), waiting: None }
    }

    /// Closes every connection of the pool, and lets none be opened while `work` runs.
    pub fn alone<R>(&self, work: impl FnOnce() -> R) -> R {
        let mut state = self.pool.lock();
        while state.lent > 0 {
            state = self.pool.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle.clear();
        work()
    }

    async fn read<R: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, ReadError> {
        let unavailable = |error: &dyn std::fmt::Display| ReadError::Unavailable(error.to_string());
        let _permit = self.pool.permits.acquire().await.map_err(|error| unavailable(&error))?;
        let pool = self.pool.clone();
        let joined = tokio::task::spawn_blocking(move || pool.with(query)).await;
        joined.map_err(|error| unavailable(&error))?.map_err(|error| unavailable(&error))
    }
}

impl Pool {
    /// Nothing between lock and unlock can leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> rusqlite::Result<R> {
        let idle = {
            let mut state = self.lock();
            state.lent += 1;
            state.idle.pop()
        };
        // Given back on every way out, a panic included: `alone` waits for it.
        let mut loan = Loan { pool: self, connection: idle };
        let connection = match loan.connection.take() {
            Some(connection) => connection,
            None => open(&self.path)?,
        };
        let result = query(loan.connection.insert(connection));
        if result.is_err() {
            loan.connection = None;
        }
        result
    }
}

struct Loan<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.lent -= 1;
        state.idle.extend(self.connection.take());
        self.pool.returned.notify_all();
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    connection.set_prepared_statement_cache_capacity(32);
    plan_once(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    // Rows that are read often come from the row cache; eight readers with the default of 2 MB each would be most of our memory.
    connection.pragma_update(None, "cache_size", -512)?;
    Ok(connection)
}

/// The set that a query reads: the inline one, or one by name. Part of the statement, so that it belongs to the same snapshot.
fn set_id(set: &Option<String>) -> &'static str {
    match set {
        None => "(SELECT inline_set FROM head WHERE ?1 IS NULL)",
        Some(_) => "(SELECT id FROM sets WHERE name = ?1)",
    }
}

pub(super) fn select_sql(set: &Option<String>, filter: &Filter, descending: bool) -> String {
    let (condition, order) = match filter {
        Filter::All => ("?5 IS NULL", "key"),
        Filter::Index { column: 0, .. } => ("i0 = ?5", "key"),
        Filter::Index { .. } => ("i1 = ?5", "key"),
        Filter::ExpiredBefore(_) => ("expires_at < CAST(?5 AS INTEGER)", "expires_at, key"),
    };
    let set = set_id(set);
    let (beyond, order) = match descending {
        false => (">", order.to_owned()),
        true => ("<", format!("{order} DESC")),
    };
    format!("SELECT {ROW} FROM rows WHERE set_id = {set} AND tbl = ?2 AND key {beyond} ?3 AND {condition} ORDER BY {order} LIMIT ?4")
}

impl Reading for Reader {
    async fn read_stream(&self, stream: String, from_version: u64) -> Result<Vec<Recorded>, ReadError> {
        self.read(move |connection| read_stream(connection, &stream, from_version)).await
    }

    async fn read_stream_page(&self, stream: String, from_version: u64, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        self.read(move |connection| {
            let sql = format!("SELECT {RECORDED} FROM events WHERE stream = ?1 AND version >= ?2 ORDER BY version LIMIT ?3");
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map(params![stream, from_version.cast_signed(), limit], read_recorded)?.collect()
        })
        .await
    }

    async fn read_streams(&self, streams: Vec<String>, most: u32) -> Result<Vec<Vec<Recorded>>, ReadError> {
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let sql = format!("SELECT {RECORDED} FROM events WHERE stream = ?1 ORDER BY version LIMIT ?2");
            let mut statement = snapshot.prepare_cached(&sql)?;
            streams.iter().map(|stream| statement.query_map(params![stream, most], read_recorded)?.collect()).collect()
        })
        .await
    }

    async fn read_at(&self, positions: Vec<u64>) -> Result<Vec<Recorded>, ReadError> {
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let mut statement = snapshot.prepare_cached(&format!("SELECT {RECORDED} FROM events WHERE position = ?1"))?;
            let mut events = Vec::with_capacity(positions.len());
            for position in positions {
                events.extend(statement.query_row([position.cast_signed()], read_recorded).optional()?);
            }
            events.sort_by_key(|event: &Recorded| event.position);
            Ok(events)
        })
        .await
    }

    async fn read_all(&self, from: u64, limit: u32) -> Result<(Vec<Recorded>, u64), ReadError> {
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let sql = format!("SELECT {RECORDED} FROM events WHERE position >= ?1 ORDER BY position LIMIT ?2");
            let mut statement = snapshot.prepare_cached(&sql)?;
            let events = statement.query_map(params![from.cast_signed(), limit], read_recorded)?.collect::<rusqlite::Result<_>>()?;
            Ok((events, read_head(&snapshot)?.size))
        })
        .await
    }

    async fn rows(&self, set: Option<String>, keys: Vec<(&'static str, String)>) -> Result<Vec<Option<Row>>, ReadError> {
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let sql = format!("SELECT {ROW} FROM rows WHERE set_id = {} AND tbl = ?2 AND key = ?3", set_id(&set));
            let mut statement = snapshot.prepare_cached(&sql)?;
            let row = |(table, key): &(&'static str, String)| {
                statement.query_row(params![set, table, key], |row| read_row(table, row)).optional()
            };
            keys.iter().map(row).collect()
        })
        .await
    }

    /// There is one process, and it keeps its cache: what is asked for here is not in it.
    async fn newest(&self, wanted: Vec<Wanted>) -> Result<Vec<Newest>, ReadError> {
        let rows = self.rows(None, wanted.into_iter().map(|own| (own.table, own.key)).collect()).await?;
        Ok(rows.into_iter().map(|row| row.map_or(Newest::Absent, |row| Newest::Row(Arc::new(row)))).collect())
    }

    async fn select(&self, select: Select) -> Result<Vec<Row>, ReadError> {
        self.read(move |connection| {
            let Select { set, table, filter, after_key, descending, limit } = select;
            let sql = select_sql(&set, &filter, descending);
            let value = match filter {
                Filter::All => None,
                Filter::Index { value, .. } => Some(value),
                Filter::ExpiredBefore(time) => Some(time.to_string()),
            };
            let mut statement = connection.prepare_cached(&sql)?;
            // Every key is greater than the empty text; the empty text itself is no key.
            let after = after_key.unwrap_or_default();
            statement.query_map(params![set, table, after, limit, value], |row| read_row(table, row))?.collect()
        })
        .await
    }

    async fn claim_owner(&self, kind: String, key: Vec<u8>) -> Result<Option<String>, ReadError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT owner FROM claims WHERE kind = ?1 AND key = ?2")?;
            statement.query_row(params![kind, key], |row| row.get(0)).optional()
        })
        .await
    }

    async fn claims_before(&self, kind: String, before: Vec<u8>, limit: u32) -> Result<Vec<Vec<u8>>, ReadError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT key FROM claims WHERE kind = ?1 AND key < ?2 ORDER BY key LIMIT ?3")?;
            statement.query_map(params![kind, before, limit], |row| row.get(0))?.collect()
        })
        .await
    }

    async fn head(&self) -> Result<Head, ReadError> {
        self.read(read_head).await
    }

    async fn level(&self) -> Result<u16, ReadError> {
        self.read(read_level).await
    }

    async fn node_levels(&self) -> Result<Vec<u16>, ReadError> {
        Ok(Vec::new())
    }

    async fn claims(&self, after: Option<(String, Vec<u8>)>, limit: u32) -> Result<Vec<Claim>, ReadError> {
        self.read(move |connection| {
            let (kind, key) = after.unwrap_or_default();
            let sql = "SELECT kind, key, owner FROM claims WHERE (kind, key) > (?1, ?2) ORDER BY kind, key LIMIT ?3";
            let claim = |row: &rusqlite::Row<'_>| Ok(Claim { kind: row.get(0)?, key: row.get(1)?, owner: row.get(2)? });
            connection.prepare_cached(sql)?.query_map(params![kind, key, limit], claim)?.collect()
        })
        .await
    }

    async fn note(&self) -> Result<Option<String>, ReadError> {
        self.read(|connection| connection.prepare_cached("SELECT note FROM head")?.query_row([], |row| row.get(0))).await
    }

    async fn kept_note(&self, at_most: u64) -> Result<Option<KeptNote>, ReadError> {
        self.read(move |connection| {
            let sql = "SELECT size, note, at FROM notes WHERE size <= ?1 ORDER BY size DESC LIMIT 1";
            let kept =
                |row: &rusqlite::Row<'_>| Ok(KeptNote { size: row.get::<_, i64>(0)?.cast_unsigned(), note: row.get(1)?, at: row.get(2)? });
            let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
            connection.prepare_cached(sql)?.query_row([at_most], kept).optional()
        })
        .await
    }

    async fn hashes(&self, level: u32, from: u64, count: u32) -> Result<Vec<Hash>, ReadError> {
        self.read(move |connection| {
            let Ok(first) = i64::try_from(from) else { return Ok(Vec::new()) };
            let end = first.saturating_add(i64::from(count));
            if level == 0 {
                let sql = "SELECT leaf_hash FROM events WHERE position >= ?1 AND position < ?2 ORDER BY position";
                return connection.prepare_cached(sql)?.query_map(params![first, end], |row| row.get(0))?.collect();
            }
            let sql = "SELECT hash FROM subtrees WHERE level = ?3 AND idx >= ?1 AND idx < ?2 ORDER BY idx";
            connection.prepare_cached(sql)?.query_map(params![first, end, level], |row| row.get(0))?.collect()
        })
        .await
    }

    async fn stored(&self, from: u64, limit: u32) -> Result<Vec<StoredEvent>, ReadError> {
        self.read(move |connection| {
            let sql = format!("SELECT {STORED} FROM events WHERE position >= ?1 ORDER BY position LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![from.cast_signed(), limit], read_stored)?;
            let mut events = Vec::new();
            for row in rows {
                match row {
                    Ok(event) => events.push(event),
                    // A page or a text that cannot be read belongs to the event that should come next.
                    Err(rusqlite::Error::SqliteFailure(code, why)) if !is_corrupt(code) => {
                        return Err(rusqlite::Error::SqliteFailure(code, why));
                    }
                    Err(error) => {
                        let position = events.last().map_or(from, |last: &StoredEvent| last.position + 1);
                        return Ok(Err(ReadError::Damaged { position, what: error.to_string() }));
                    }
                }
            }
            Ok(Ok(events))
        })
        .await?
    }

    async fn event_kinds(&self) -> Result<Vec<(String, u16)>, ReadError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT kind, schema FROM event_kinds ORDER BY kind, schema")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .await
    }

    async fn inline_set(&self) -> Result<(String, u64), ReadError> {
        self.read(|connection| {
            let sql = "SELECT name, inline_checkpoint FROM head JOIN sets ON sets.id = inline_set";
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
        })
        .await
    }

    async fn set_state(&self, set: Option<String>) -> Result<Option<SetState>, ReadError> {
        self.read(move |connection| Ok(find_set(connection, set.as_deref())?.map(|(_, state)| state))).await
    }

    async fn census(&self, set: Option<String>) -> Result<Option<Census>, ReadError> {
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let Some((id, state)) = find_set(&snapshot, set.as_deref())? else { return Ok(None) };
            let mut census = Census { state, tables: BTreeMap::new() };
            let sql = "SELECT tbl, key, version, body, i0, i1, expires_at FROM rows WHERE set_id = ?1";
            let mut statement = snapshot.prepare_cached(sql)?;
            let mut rows = statement.query([id])?;
            while let Some(row) = rows.next()? {
                census.count(&columns(row)?);
            }
            Ok(Some(census))
        })
        .await
    }
}
