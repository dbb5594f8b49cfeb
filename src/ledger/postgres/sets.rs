//! Row sets beside the inline one: filled by rebuilds and projections, swapped in, dropped; and checkpoints that are kept.
//!
//! Locks are taken in one order, head before set, so that a swap and a projection cannot wait for each other.

use std::collections::HashMap;

use tokio_postgres::{Client, Error};

use super::census::columns;
use super::reading::event;
use super::said::said;
use super::sql::{DELETE_ROWS, LOCK_HEAD, ROWS_BEFORE, UPSERT_ROWS};
use super::store::RowColumns;
use super::writing::{PgWriting, head_state};
use crate::archive::Archive;
use crate::backend::{Fold, Task};
use crate::digest::Digest;
use crate::error::SetError;
use crate::recorded::KeptNote;
use crate::write::RowWrite;

/// Rows written by one statement of a rebuild's last step.
const CHUNK: usize = 1_000;

pub(super) async fn maintain(writing: &mut PgWriting, task: &Task) -> Result<u64, SetError> {
    let link = writing.link().await.map_err(SetError::Unavailable)?;
    let (client, archive) = (&link.client, writing.archive());
    let done = match task {
        Task::BeginRebuild { set } => begin(client, set).await,
        Task::Project { set, expected, checkpoint, rows } => {
            within_transaction(client, project(client, set, (*expected, *checkpoint), rows)).await
        }
        Task::FinishRebuild { set, fold } => within_transaction(client, finish(client, set, fold, &archive)).await,
        Task::ReplaceSet { set, name } => within_transaction(client, replace(client, set, name)).await,
        Task::DropSet { set, limit } => drop_set(client, set, *limit).await,
        Task::KeepNote(kept) => keep_note(client, kept).await,
    };
    // A connection that may be inside a transaction is closed, which ends it.
    if !matches!(done, Err(SetError::Unavailable(_))) {
        writing.put_back(link);
    }
    done
}

impl From<Error> for SetError {
    fn from(e: Error) -> SetError {
        SetError::Unavailable(said(&e))
    }
}

async fn within_transaction(client: &Client, work: impl Future<Output = Result<u64, SetError>>) -> Result<u64, SetError> {
    client.batch_execute("BEGIN").await?;
    let done = work.await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await?;
    done
}

/// A set as it is found.
struct Found {
    id: i32,
    checkpoint: u64,
    digest: Option<Digest>,
    is_inline: bool,
}

/// Locks the set's row.
async fn find(client: &Client, set: &str) -> Result<Option<Found>, SetError> {
    let sql = "SELECT id, checkpoint, digest FROM chancery.sets WHERE name = $1 FOR UPDATE";
    let Some(row) = client.query_opt(sql, &[&set]).await? else {
        return Ok(None);
    };
    // After the lock: whoever swaps holds it too.
    let inline: Option<i32> = client.query_one("SELECT inline_set FROM chancery.head", &[]).await?.try_get(0)?;
    let id = row.try_get(0)?;
    let digest = row.try_get::<_, Option<&[u8]>>(2)?.and_then(Digest::decode);
    Ok(Some(Found { id, checkpoint: row.try_get::<_, i64>(1)?.cast_unsigned(), digest, is_inline: inline == Some(id) }))
}

async fn make(client: &Client, set: &str) -> Result<i32, SetError> {
    let row = client
        .query_opt(
            "INSERT INTO chancery.sets (name, checkpoint, digest) VALUES ($1, 0, $2) ON CONFLICT (name) DO NOTHING RETURNING id",
            &[&set, &stored(Some(Digest::EMPTY))],
        )
        .await?;
    match row {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(SetError::Unavailable(format!("another node is making the row set {set}"))),
    }
}

/// As a column holds it.
fn stored(digest: Option<Digest>) -> Option<Vec<u8>> {
    digest.map(|sum| sum.encode().to_vec())
}

fn rejected(set: &str, what: &str) -> SetError {
    SetError::Rejected(format!("the row set {set} is the inline one and cannot be {what}"))
}

async fn begin(client: &Client, set: &str) -> Result<u64, SetError> {
    loop {
        match find(client, set).await? {
            Some(Found { is_inline: true, .. }) => return Err(rejected(set, "rebuilt in place")),
            Some(_) => while drop_set(client, set, 10_000).await? > 0 {},
            None => return make(client, set).await.map(|_| 0),
        }
    }
}

async fn replace(client: &Client, set: &str, name: &str) -> Result<u64, SetError> {
    let old = find(client, name).await?;
    let Some(found) = find(client, set).await? else {
        return Err(SetError::Rejected(format!("there is no row set {set}")));
    };
    let rename = "UPDATE chancery.sets SET name = $2 WHERE id = $1";
    match old {
        Some(Found { is_inline: true, .. }) => return Err(rejected(name, "put away")),
        Some(old) => drop(client.execute(rename, &[&old.id, &format!("{name}.gone")]).await?),
        None => {}
    }
    client.execute(rename, &[&found.id, &name]).await?;
    Ok(found.checkpoint)
}

async fn drop_set(client: &Client, set: &str, limit: u32) -> Result<u64, SetError> {
    let (id, inline) = match find(client, set).await? {
        None => return Ok(0),
        Some(found) => (found.id, found.is_inline),
    };
    if inline {
        return Err(rejected(set, "dropped"));
    }
    let some = "DELETE FROM chancery.rows WHERE ctid = ANY (ARRAY (SELECT ctid FROM chancery.rows WHERE set_id = $1 LIMIT $2))";
    client.execute(some, &[&id, &i64::from(limit)]).await?;
    let left: i64 = client.query_one("SELECT count(*) FROM chancery.rows WHERE set_id = $1", &[&id]).await?.try_get(0)?;
    if left == 0 {
        client.execute("DELETE FROM chancery.sets WHERE id = $1", &[&id]).await?;
    }
    Ok(left.cast_unsigned())
}

async fn keep_note(client: &Client, kept: &KeptNote) -> Result<u64, SetError> {
    let sql = "INSERT INTO chancery.notes (size, note, at) VALUES ($1, $2, $3) ON CONFLICT (size) DO UPDATE SET note = excluded.note";
    client.execute(sql, &[&kept.size.cast_signed(), &kept.note, &kept.at]).await?;
    Ok(kept.size)
}

async fn project(client: &Client, set: &str, (expected, checkpoint): (u64, u64), rows: &[RowWrite]) -> Result<u64, SetError> {
    let (id, found, mut digest) = match find(client, set).await? {
        Some(Found { is_inline: true, .. }) => return Err(rejected(set, "projected into")),
        Some(found) => (found.id, found.checkpoint, found.digest),
        None if expected == 0 => (make(client, set).await?, 0, Some(Digest::EMPTY)),
        None => (0, 0, None),
    };
    if found != expected {
        return Err(SetError::CheckpointMoved { found });
    }
    write_rows(client, id, rows, &mut digest).await?;
    let save = "UPDATE chancery.sets SET checkpoint = $2, digest = $3 WHERE id = $1";
    client.execute(save, &[&id, &checkpoint.cast_signed(), &stored(digest)]).await?;
    Ok(checkpoint)
}

async fn finish(client: &Client, set: &str, fold: &Fold, archive: &Archive) -> Result<u64, SetError> {
    let head = client.query_one(LOCK_HEAD, &[]).await?;
    let (head, old) = head_state(&head).map_err(SetError::Unavailable)?;
    let (id, checkpoint, mut digest) = match find(client, set).await? {
        Some(Found { is_inline: true, .. }) => return Err(rejected(set, "made inline")),
        Some(found) => (found.id, found.checkpoint, found.digest),
        None => return Err(SetError::Rejected(format!("there is no row set {set} to finish"))),
    };
    let late = client.query("SELECT DISTINCT stream FROM chancery.events WHERE position >= $1", &[&checkpoint.cast_signed()]).await?;
    let whole = client
        .prepare("SELECT position, stream, version, kind, recorded_at, leaf FROM chancery.events WHERE stream = $1 ORDER BY version")
        .await?;
    let mut rows = Vec::new();
    for stream in &late {
        let stream: &str = stream.try_get(0)?;
        if !(fold.has_rows)(stream) {
            continue;
        }
        let events = client.query(&whole, &[&stream]).await?;
        let mut events = events.iter().map(|row| event(row, 0)).collect::<Result<Vec<_>, Error>>()?;
        archive.fill(&mut events).map_err(|e| SetError::Fold(e.to_string()))?;
        rows.extend((fold.rows)(stream, &events).map_err(SetError::Fold)?);
        if rows.len() >= CHUNK {
            write_rows(client, id, &rows, &mut digest).await?;
            rows.clear();
        }
    }
    write_rows(client, id, &rows, &mut digest).await?;
    let size = head.size().cast_signed();
    let put_away = "UPDATE chancery.sets SET checkpoint = inline_checkpoint, digest = inline_digest FROM chancery.head WHERE id = $1";
    client.execute(put_away, &[&old]).await?;
    client.execute("UPDATE chancery.sets SET checkpoint = $2, digest = $3 WHERE id = $1", &[&id, &size, &stored(digest)]).await?;
    let flip = "UPDATE chancery.head SET inline_set = $1, inline_checkpoint = $2, inline_digest = $3";
    client.execute(flip, &[&id, &size, &stored(digest)]).await?;
    Ok(head.size())
}

async fn write_rows(client: &Client, set: i32, rows: &[RowWrite], digest: &mut Option<Digest>) -> Result<(), SetError> {
    let last = last_of_each(rows);
    for rows in last.chunks(CHUNK) {
        let c = RowColumns::of(rows.iter().copied());
        if let Some(sum) = digest {
            let (tables, keys) = ([&c.tables[..], &c.gone_tables].concat(), [&c.keys[..], &c.gone_keys].concat());
            for before in client.query(ROWS_BEFORE, &[&set, &tables, &keys]).await? {
                sum.take(&columns(&before)?.digest());
            }
            rows.iter().for_each(|row| {
                if let RowWrite::Upsert(row) = row {
                    sum.add(&Digest::of(row))
                }
            });
        }
        client.execute(UPSERT_ROWS, &[&set, &c.tables, &c.keys, &c.versions, &c.bodies, &c.i0, &c.i1, &c.expires_at]).await?;
        client.execute(DELETE_ROWS, &[&set, &c.gone_tables, &c.gone_keys]).await?;
    }
    Ok(())
}

/// One statement cannot write a row twice: of several writes of a row the last one counts.
fn last_of_each(rows: &[RowWrite]) -> Vec<&RowWrite> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::with_capacity(rows.len());
    let mut last = Vec::with_capacity(rows.len());
    for row in rows {
        let key = match row {
            RowWrite::Upsert(row) => (row.table, row.key.as_str()),
            RowWrite::Delete { table, key } => (*table, key.as_str()),
        };
        match places.get(&key) {
            Some(at) => last[*at] = row,
            None => {
                places.insert(key, last.len());
                last.push(row);
            }
        }
    }
    last
}
