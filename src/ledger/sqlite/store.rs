//! SQL that more than one part needs: rows in, rows out, the head.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, params};
use uuid::Uuid;

use crate::check::StoredEvent;
use crate::digest::{Columns, Digest, SetState};
use crate::plan::HeadState;
use crate::recorded::{Head, Recorded};
use crate::write::{Row, RowWrite};

/// The columns of `read_recorded`, in its order.
pub(super) const RECORDED: &str = "position, stream, version, kind, recorded_at, leaf";

pub(super) fn read_recorded(row: &SqlRow<'_>) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        position: row.get::<_, i64>(0)?.cast_unsigned(),
        stream: row.get(1)?,
        version: row.get::<_, i64>(2)?.cast_unsigned(),
        kind: row.get(3)?,
        recorded_at: row.get(4)?,
        leaf: Bytes::from(row.get::<_, Vec<u8>>(5)?),
    })
}

/// The columns of `read_stored`, in its order: all there are.
pub(super) const STORED: &str = "position, id, stream, version, kind, schema, recorded_at, leaf, leaf_hash";

pub(super) fn read_stored(row: &SqlRow<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        position: row.get::<_, i64>(0)?.cast_unsigned(),
        id: Uuid::from_slice(&row.get::<_, Vec<u8>>(1)?).unwrap_or_default(),
        stream: row.get(2)?,
        version: row.get::<_, i64>(3)?.cast_unsigned(),
        kind: row.get(4)?,
        schema: row.get(5)?,
        recorded_at: row.get(6)?,
        leaf: row.get(7)?,
        leaf_hash: row.get(8)?,
    })
}

pub(super) fn read_stream(connection: &Connection, stream: &str, from_version: u64) -> rusqlite::Result<Vec<Recorded>> {
    let sql = format!("SELECT {RECORDED} FROM events WHERE stream = ?1 AND version >= ?2 ORDER BY version");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params![stream, from_version.cast_signed()], read_recorded)?.collect()
}

pub(crate) fn read_head(connection: &Connection) -> rusqlite::Result<Head> {
    let mut statement = connection.prepare_cached("SELECT size, root, recorded_at FROM head")?;
    statement.query_row([], |row| Ok(Head { size: row.get::<_, i64>(0)?.cast_unsigned(), root: row.get(1)?, recorded_at: row.get(2)? }))
}

/// Level of the catalogue.
pub(crate) fn read_level(connection: &Connection) -> rusqlite::Result<u16> {
    connection.prepare_cached("SELECT level FROM head")?.query_row([], |row| row.get(0))
}

/// The columns of `read_row`, in its order.
pub(super) const ROW: &str = "key, version, body, i0, i1, expires_at";

pub(super) fn read_row(table: &'static str, row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        table,
        key: row.get(0)?,
        version: row.get::<_, i64>(1)?.cast_unsigned(),
        body: Bytes::from(row.get::<_, Vec<u8>>(2)?),
        index: [row.get(3)?, row.get(4)?],
        expires_at: row.get(5)?,
    })
}

pub(super) fn put_rows<'a>(connection: &Connection, set: i64, rows: impl IntoIterator<Item = &'a RowWrite>) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO rows (set_id, tbl, key, version, body, i0, i1, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (set_id, tbl, key) DO UPDATE
         SET version = excluded.version, body = excluded.body, i0 = excluded.i0, i1 = excluded.i1, expires_at = excluded.expires_at",
    )?;
    // Most rows that change are found by the same values as before: then the indexes of those are not touched.
    let mut change = connection.prepare_cached(
        "UPDATE rows SET version = ?4, body = ?5, expires_at = ?8 WHERE set_id = ?1 AND tbl = ?2 AND key = ?3 AND i0 IS ?6 AND i1 IS ?7",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM rows WHERE set_id = ?1 AND tbl = ?2 AND key = ?3")?;
    for row in rows {
        match row {
            RowWrite::Upsert(row) => {
                let [i0, i1] = &row.index;
                let version = row.version.cast_signed();
                let values = params![set, row.table, row.key, version, &row.body[..], i0, i1, row.expires_at];
                if row.version > 1 && change.execute(values)? == 1 {
                    continue;
                }
                upsert.execute(values)?
            }
            RowWrite::Delete { table, key } => delete.execute(params![set, table, key])?,
        };
    }
    Ok(())
}

pub(crate) fn put_head(connection: &Connection, head: &HeadState, root: &[u8; 32], note: Option<&str>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE head SET size = ?1, frontier = ?2, root = ?3, recorded_at = ?4, inline_checkpoint = ?1, note = coalesce(?5, note),
         inline_digest = ?6, level = ?7 WHERE one = 1",
    )?;
    statement.execute(params![
        head.size().cast_signed(),
        head.frontier.encode(),
        root,
        head.recorded_at,
        note,
        head.rows.map(|sum| sum.encode()),
        head.level
    ])?;
    Ok(())
}

/// Number of the inline set.
pub(super) fn inline_set(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT inline_set FROM head")?.query_row([], |row| row.get(0))
}

/// Digest of the inline rows; `None` where nobody knows it.
pub(super) fn inline_digest(connection: &Connection) -> rusqlite::Result<Option<Digest>> {
    let stored: Option<Vec<u8>> = connection.prepare_cached("SELECT inline_digest FROM head")?.query_row([], |row| row.get(0))?;
    Ok(stored.and_then(|stored| Digest::decode(&stored)))
}

/// Number and state of a set, `None` being the inline one.
pub(super) fn find_set(connection: &Connection, name: Option<&str>) -> rusqlite::Result<Option<(i64, SetState)>> {
    let sql = "SELECT id, CASE id WHEN inline_set THEN inline_checkpoint ELSE checkpoint END,
               CASE id WHEN inline_set THEN inline_digest ELSE digest END
               FROM sets, head WHERE CASE WHEN ?1 IS NULL THEN id = inline_set ELSE name = ?1 END";
    let state = |row: &SqlRow<'_>| {
        let digest = row.get::<_, Option<Vec<u8>>>(2)?.and_then(|stored| Digest::decode(&stored));
        Ok((row.get(0)?, SetState { checkpoint: row.get::<_, i64>(1)?.cast_unsigned(), digest }))
    };
    connection.prepare_cached(sql)?.query_row([name], state).optional()
}

/// The digest of a row that is there.
pub(super) fn row_digest(connection: &Connection, set: i64, table: &str, key: &str) -> rusqlite::Result<Option<Digest>> {
    let sql = "SELECT tbl, key, version, body, i0, i1, expires_at FROM rows WHERE set_id = ?1 AND tbl = ?2 AND key = ?3";
    connection.prepare_cached(sql)?.query_row(params![set, table, key], |row| Ok(columns(row)?.digest())).optional()
}

/// `tbl, key, version, body, i0, i1, expires_at`, borrowed from the statement.
pub(super) fn columns<'a>(row: &'a SqlRow<'_>) -> rusqlite::Result<Columns<'a>> {
    let optional = |at| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_str_or_null()?);
    Ok(Columns {
        table: row.get_ref(0)?.as_str()?,
        key: row.get_ref(1)?.as_str()?,
        version: row.get::<_, i64>(2)?.cast_unsigned(),
        body: row.get_ref(3)?.as_blob()?,
        index: [optional(4)?, optional(5)?],
        expires_at: row.get(6)?,
    })
}

/// Puts rows one after the other and moves the digest of their set along.
pub(super) fn put_rows_counted(connection: &Connection, set: i64, rows: &[RowWrite], sum: &mut Option<Digest>) -> rusqlite::Result<()> {
    let Some(sum) = sum else { return put_rows(connection, set, rows) };
    for row in rows {
        let (table, key) = match row {
            RowWrite::Upsert(row) => (row.table, row.key.as_str()),
            RowWrite::Delete { table, key } => (*table, key.as_str()),
        };
        if let Some(before) = row_digest(connection, set, table, key)? {
            sum.take(&before);
        }
        if let RowWrite::Upsert(row) = row {
            sum.add(&Digest::of(row));
        }
        put_rows(connection, set, [row])?;
    }
    Ok(())
}
