//! The reading half: a pool of connections, each answer one statement and so one snapshot.
//!
//! A read that finds its connection closed, as all are after the server was restarted, is run once more on a new one.

use std::sync::Arc;

use bytes::Bytes;
use deadpool_postgres::{Object, Pool, PoolError, TimeoutType};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row as PgRow};

use super::census::{SET_STATE, census, set_state};
use super::gather::Gather;
use super::listen::Listener;
use super::memory::Memory;
use super::said::said;
use super::sql::node_levels;
use super::startup::stored_event;
use super::writing::{level_of, within};
use crate::backend::{Filter, Newest, Reading, Select, Wanted};
use crate::check::StoredEvent;
use crate::counts;
use crate::digest::{Census, SetState};
use crate::error::ReadError;
use crate::recorded::{Head, KeptNote, Recorded};
use crate::relocate::Claim;
use crate::write::Row;
use chancery_tree::Hash;

const EVENT: &str = "position, stream, version, kind, recorded_at, leaf";
const ROW: &str = "key, version, body, i0, i1, expires_at";

/// The set that a read means: `$1` is its name, or NULL for the inline one.
const SET: &str = "(CASE WHEN $1::text IS NULL THEN (SELECT inline_set FROM chancery.head WHERE one = 1) \
     ELSE (SELECT id FROM chancery.sets WHERE name = $1::text) END)";

#[derive(Clone)]
pub(crate) struct PgReading {
    connections: Connections,
    gather: Gather,
    /// Stops when the last handle is gone. `None`: opened to read only.
    _listener: Option<Arc<Listener>>,
}

impl PgReading {
    /// Must be called within a runtime.
    pub(crate) fn new(pool: Pool, memory: Memory, listener: Option<Listener>) -> PgReading {
        let connections = Connections { pool, memory };
        PgReading { gather: Gather::start(&connections), connections, _listener: listener.map(Arc::new) }
    }

    pub(crate) fn pool(&self) -> counts::Pool {
        let status = self.connections.pool.status();
        counts::Pool { most: status.max_size, in_use: status.size.saturating_sub(status.available), waiting: Some(status.waiting) }
    }

    async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<PgRow>, ReadError> {
        self.connections.ask(sql, params).await
    }
}

/// The connections that read.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    memory: Memory,
}

impl Connections {
    async fn client(&self) -> Result<Object, ReadError> {
        self.memory.sound()?;
        let got = match self.pool.status().available {
            // Somebody has to try to connect; while it is known to be in vain, nobody does.
            0 => match self.memory.may_try() {
                Ok(()) => self.pool.get().await,
                Err(why) => return Err(ReadError::Unavailable(why)),
            },
            _ => self.pool.get().await,
        };
        match got {
            Ok(client) => Ok(client),
            // The check of a new connection may just have found the damage.
            Err(e) => {
                self.memory.sound()?;
                let (why, busy) = match e {
                    PoolError::Backend(e) => (said(&e), false),
                    PoolError::Timeout(TimeoutType::Wait) => ("all reading connections are in use".to_owned(), true),
                    other => (other.to_string(), false),
                };
                if !busy {
                    self.memory.down(&why);
                }
                Err(ReadError::Unavailable(why))
            }
        }
    }

    pub async fn ask(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<PgRow>, ReadError> {
        let mut again = true;
        loop {
            let client = self.client().await?;
            let answer = within(async {
                let statement = client.prepare_cached(sql).await?;
                client.query(&statement, params).await
            });
            match answer.await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(e)) if again && (e.is_closed() || client.is_closed()) => again = false,
                Ok(Err(e)) => return Err(ReadError::Unavailable(said(&e))),
                Err(late) => {
                    // A connection that does not answer must not go back to the pool.
                    drop(Object::take(client));
                    return Err(ReadError::Unavailable(late));
                }
            }
        }
    }
}

impl Reading for PgReading {
    async fn read_stream(&self, stream: String, from_version: u64) -> Result<Vec<Recorded>, ReadError> {
        let sql = format!("SELECT {EVENT} FROM chancery.events WHERE stream = $1 AND version >= $2 ORDER BY version");
        let rows = self.ask(&sql, &[&stream, &clamp(from_version)]).await?;
        rows.iter().map(|row| event(row, 0).map_err(unreadable)).collect()
    }

    async fn read_stream_page(&self, stream: String, from_version: u64, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        let sql = format!("SELECT {EVENT} FROM chancery.events WHERE stream = $1 AND version >= $2 ORDER BY version LIMIT $3");
        let rows = self.ask(&sql, &[&stream, &clamp(from_version), &i64::from(limit)]).await?;
        rows.iter().map(|row| event(row, 0).map_err(unreadable)).collect()
    }

    async fn read_streams(&self, streams: Vec<String>, most: u32) -> Result<Vec<Vec<Recorded>>, ReadError> {
        let sql = format!(
            "SELECT asked.n, found.* FROM unnest($1::text[]) WITH ORDINALITY AS asked (s, n) CROSS JOIN LATERAL \
             (SELECT {EVENT} FROM chancery.events WHERE stream = asked.s ORDER BY version LIMIT $2) AS found ORDER BY asked.n, found.version"
        );
        let mut found = vec![Vec::new(); streams.len()];
        for row in &self.ask(&sql, &[&streams, &i64::from(most)]).await? {
            let at = usize::try_from(row.try_get::<_, i64>(0).map_err(unreadable)? - 1).unwrap_or(usize::MAX);
            if let Some(own) = found.get_mut(at) {
                own.push(event(row, 1).map_err(unreadable)?);
            }
        }
        Ok(found)
    }

    async fn read_at(&self, positions: Vec<u64>) -> Result<Vec<Recorded>, ReadError> {
        let sql = format!("SELECT {EVENT} FROM chancery.events WHERE position = ANY($1) ORDER BY position");
        let positions: Vec<i64> = positions.into_iter().map(clamp).collect();
        let rows = self.ask(&sql, &[&positions]).await?;
        rows.iter().map(|row| event(row, 0).map_err(unreadable)).collect()
    }

    async fn read_all(&self, from: u64, limit: u32) -> Result<(Vec<Recorded>, u64), ReadError> {
        let sql = format!(
            "SELECT head.size, page.* FROM chancery.head LEFT JOIN LATERAL \
             (SELECT {EVENT} FROM chancery.events WHERE position >= $1 ORDER BY position LIMIT $2) AS page ON true ORDER BY page.position"
        );
        let rows = self.ask(&sql, &[&clamp(from), &i64::from(limit)]).await?;
        let mut events = Vec::with_capacity(rows.len());
        let mut size = 0;
        for row in &rows {
            size = row.try_get::<_, i64>(0).map_err(unreadable)?.cast_unsigned();
            if row.try_get::<_, Option<i64>>(1).map_err(unreadable)?.is_some() {
                events.push(event(row, 1).map_err(unreadable)?);
            }
        }
        Ok((events, size))
    }

    async fn rows(&self, set: Option<String>, keys: Vec<(&'static str, String)>) -> Result<Vec<Option<Row>>, ReadError> {
        let sql = format!(
            "SELECT asked.n, found.* FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS asked (t, k, n) CROSS JOIN LATERAL \
             (SELECT {ROW} FROM chancery.rows WHERE set_id = {SET} AND tbl = asked.t AND key = asked.k OFFSET 0) AS found"
        );
        let tables: Vec<&str> = keys.iter().map(|(table, _)| *table).collect();
        let names: Vec<&str> = keys.iter().map(|(_, key)| key.as_str()).collect();
        let found = self.ask(&sql, &[&set, &tables, &names]).await?;
        let mut rows = vec![None; keys.len()];
        for row in &found {
            let n = row.try_get::<_, i64>(0).map_err(unreadable)?;
            let at = usize::try_from(n - 1).unwrap_or(usize::MAX);
            if let (Some(place), Some((table, _))) = (rows.get_mut(at), keys.get(at)) {
                *place = Some(stored(row, 1, table).map_err(unreadable)?);
            }
        }
        Ok(rows)
    }

    async fn newest(&self, wanted: Vec<Wanted>) -> Result<Vec<Newest>, ReadError> {
        self.gather.newest(wanted).await
    }

    async fn select(&self, select: Select) -> Result<Vec<Row>, ReadError> {
        // Each filter is a statement of its own, so that each has a plan with its own index.
        // For a look-up column a range of one value: with `=` the order by key would be the primary key's too, and a plan made while the
        // table is empty may take that one and walk the whole table.
        let (filter, order) = match &select.filter {
            Filter::Index { column: 0, .. } if select.descending => {
                ("(i0, key) < ($4::text, $3) AND i0 >= $4::text AND $5::bigint IS NULL", "i0 DESC, key DESC")
            }
            Filter::Index { .. } if select.descending => {
                ("(i1, key) < ($4::text, $3) AND i1 >= $4::text AND $5::bigint IS NULL", "i1 DESC, key DESC")
            }
            Filter::All => ("key > $3 AND $4::text IS NULL AND $5::bigint IS NULL", "key"),
            Filter::Index { column: 0, .. } => ("(i0, key) > ($4::text, $3) AND i0 <= $4::text AND $5::bigint IS NULL", "i0, key"),
            Filter::Index { .. } => ("(i1, key) > ($4::text, $3) AND i1 <= $4::text AND $5::bigint IS NULL", "i1, key"),
            Filter::ExpiredBefore(_) => ("key > $3 AND $4::text IS NULL AND expires_at < $5::bigint", "expires_at, key"),
        };
        let (value, before) = match &select.filter {
            Filter::All => (None, None),
            Filter::Index { value, .. } => (Some(value), None),
            Filter::ExpiredBefore(before) => (None, Some(before)),
        };
        let sql = format!("SELECT {ROW} FROM chancery.rows WHERE set_id = {SET} AND tbl = $2 AND {filter} ORDER BY {order} LIMIT $6");
        // Every key is greater than the empty text; the empty text itself is no key.
        let after = select.after_key.unwrap_or_default();
        let found = self.ask(&sql, &[&select.set, &select.table, &after, &value, &before, &i64::from(select.limit)]).await?;
        found.iter().map(|row| stored(row, 0, select.table).map_err(unreadable)).collect()
    }

    async fn claim_owner(&self, kind: String, key: Vec<u8>) -> Result<Option<String>, ReadError> {
        let rows = self.ask("SELECT owner FROM chancery.claims WHERE kind = $1 AND key = $2", &[&kind, &key]).await?;
        rows.first().map(|row| row.try_get(0).map_err(unreadable)).transpose()
    }

    async fn claims_before(&self, kind: String, before: Vec<u8>, limit: u32) -> Result<Vec<Vec<u8>>, ReadError> {
        let sql = "SELECT key FROM chancery.claims WHERE kind = $1 AND key < $2 ORDER BY key LIMIT $3";
        let rows = self.ask(sql, &[&kind, &before, &i64::from(limit)]).await?;
        rows.iter().map(|row| row.try_get(0).map_err(unreadable)).collect()
    }

    async fn head(&self) -> Result<Head, ReadError> {
        let known = self.connections.memory.acknowledged();
        let rows = self.ask("SELECT size, root, recorded_at FROM chancery.head", &[]).await?;
        let head = rows.first().ok_or_else(|| ReadError::Damaged { position: 0, what: "there is no head row".into() })?;
        let head = head_of(head).map_err(unreadable)?;
        self.connections.memory.compare(known, head.size, &head.root)?;
        Ok(head)
    }

    async fn claims(&self, after: Option<(String, Vec<u8>)>, limit: u32) -> Result<Vec<Claim>, ReadError> {
        let (kind, key) = after.unwrap_or_default();
        let sql = "SELECT kind, key, owner FROM chancery.claims WHERE (kind, key) > ($1, $2) ORDER BY kind, key LIMIT $3";
        let rows = self.ask(sql, &[&kind, &key, &i64::from(limit)]).await?;
        let claim = |row: &PgRow| Ok(Claim { kind: row.try_get(0)?, key: row.try_get(1)?, owner: row.try_get(2)? });
        rows.iter().map(|row| claim(row).map_err(unreadable)).collect()
    }

    async fn level(&self) -> Result<u16, ReadError> {
        let rows = self.ask("SELECT level FROM chancery.head", &[]).await?;
        let level = rows.first().ok_or_else(|| ReadError::Damaged { position: 0, what: "there is no head row".into() })?;
        level_of(level.try_get(0).map_err(unreadable)?).map_err(|what| ReadError::Damaged { position: 0, what })
    }

    async fn node_levels(&self) -> Result<Vec<u16>, ReadError> {
        let rows = self.ask(&node_levels(), &[]).await?;
        let levels = rows.iter().map(|row| row.try_get::<_, i64>(0).map(|level| u16::try_from(level).unwrap_or(u16::MAX)));
        levels.collect::<Result<_, Error>>().map_err(unreadable)
    }

    async fn note(&self) -> Result<Option<String>, ReadError> {
        let rows = self.ask("SELECT note FROM chancery.head", &[]).await?;
        Ok(rows.first().map(|row| row.try_get::<_, Option<String>>(0).map_err(unreadable)).transpose()?.flatten())
    }

    async fn kept_note(&self, at_most: u64) -> Result<Option<KeptNote>, ReadError> {
        let sql = "SELECT size, note, at FROM chancery.notes WHERE size <= $1 ORDER BY size DESC LIMIT 1";
        let rows = self.ask(sql, &[&clamp(at_most)]).await?;
        let kept = |row: &PgRow| -> Result<_, Error> {
            Ok(KeptNote { size: row.try_get::<_, i64>(0)?.cast_unsigned(), note: row.try_get(1)?, at: row.try_get(2)? })
        };
        rows.first().map(|row| kept(row).map_err(unreadable)).transpose()
    }

    async fn hashes(&self, level: u32, from: u64, count: u32) -> Result<Vec<Hash>, ReadError> {
        let (first, end) = (clamp(from), clamp(from).saturating_add(i64::from(count)));
        let rows = match level {
            0 => {
                let sql = "SELECT leaf_hash FROM chancery.events WHERE position >= $1 AND position < $2 ORDER BY position";
                self.ask(sql, &[&first, &end]).await?
            }
            _ => {
                let sql = "SELECT hash FROM chancery.subtrees WHERE level = $3 AND idx >= $1 AND idx < $2 ORDER BY idx";
                self.ask(sql, &[&first, &end, &level.cast_signed()]).await?
            }
        };
        let short = |_| ReadError::Damaged { position: from << level, what: "a stored hash is not 32 bytes long".into() };
        let hash = |row: &PgRow| row.try_get::<_, &[u8]>(0).map_err(unreadable).and_then(|bytes| Hash::try_from(bytes).map_err(short));
        rows.iter().map(hash).collect()
    }

    async fn stored(&self, from: u64, limit: u32) -> Result<Vec<StoredEvent>, ReadError> {
        let sql = "SELECT position, id, stream, version, kind, schema, recorded_at, leaf, leaf_hash FROM chancery.events \
             WHERE position >= $1 ORDER BY position LIMIT $2";
        let rows = self.ask(sql, &[&clamp(from), &i64::from(limit)]).await?;
        rows.iter().map(|row| stored_event(row).map_err(unreadable)).collect()
    }

    async fn event_kinds(&self) -> Result<Vec<(String, u16)>, ReadError> {
        let rows = self.ask("SELECT kind, schema FROM chancery.event_kinds ORDER BY kind, schema", &[]).await?;
        let mut kinds = Vec::with_capacity(rows.len());
        for row in &rows {
            let schema = u16::try_from(row.try_get::<_, i32>(1).map_err(unreadable)?);
            let schema = schema.map_err(|_| ReadError::Damaged { position: 0, what: "event_kinds names an impossible schema".into() })?;
            kinds.push((row.try_get(0).map_err(unreadable)?, schema));
        }
        Ok(kinds)
    }

    async fn inline_set(&self) -> Result<(String, u64), ReadError> {
        let sql = "SELECT name, inline_checkpoint FROM chancery.head JOIN chancery.sets ON sets.id = head.inline_set";
        let rows = self.ask(sql, &[]).await?;
        let row = rows.first().ok_or_else(|| ReadError::Damaged { position: 0, what: "the head names no inline set".into() })?;
        Ok((row.try_get(0).map_err(unreadable)?, row.try_get::<_, i64>(1).map_err(unreadable)?.cast_unsigned()))
    }

    async fn set_state(&self, set: Option<String>) -> Result<Option<SetState>, ReadError> {
        let rows = self.ask(SET_STATE, &[&set]).await?;
        rows.first().map(|row| set_state(row).map(|(_, state)| state).map_err(unreadable)).transpose()
    }

    async fn census(&self, set: Option<String>) -> Result<Option<Census>, ReadError> {
        let client = self.connections.client().await?;
        let counted = census(&client, set).await;
        // Whatever the error was, the connection may be inside a transaction: closing it ends that.
        if counted.is_err() {
            drop(Object::take(client));
        }
        counted.map_err(unreadable)
    }
}

/// The columns of [`EVENT`] from column `at` on.
pub(crate) fn event(row: &PgRow, at: usize) -> Result<Recorded, Error> {
    Ok(Recorded {
        position: row.try_get::<_, i64>(at)?.cast_unsigned(),
        stream: row.try_get(at + 1)?,
        version: row.try_get::<_, i64>(at + 2)?.cast_unsigned(),
        kind: row.try_get(at + 3)?,
        recorded_at: row.try_get(at + 4)?,
        leaf: Bytes::from(row.try_get::<_, Vec<u8>>(at + 5)?),
    })
}

pub(super) fn stored(row: &PgRow, at: usize, table: &'static str) -> Result<Row, Error> {
    Ok(Row {
        table,
        key: row.try_get(at)?,
        version: row.try_get::<_, i64>(at + 1)?.cast_unsigned(),
        body: Bytes::from(row.try_get::<_, Vec<u8>>(at + 2)?),
        index: [row.try_get(at + 3)?, row.try_get(at + 4)?],
        expires_at: row.try_get(at + 5)?,
    })
}

/// `size, root, recorded_at`. A root of another length is all zeros, which no tree has.
pub(crate) fn head_of(row: &PgRow) -> Result<Head, Error> {
    let root = Hash::try_from(row.try_get::<_, &[u8]>(1)?).unwrap_or_default();
    Ok(Head { size: row.try_get::<_, i64>(0)?.cast_unsigned(), root, recorded_at: row.try_get(2)? })
}

/// Beyond 2^63 there is nothing.
fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unreadable(e: Error) -> ReadError {
    ReadError::Unavailable(said(&e))
}
