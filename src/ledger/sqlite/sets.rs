//! Row sets: building one beside the inline set, flipping, projecting, dropping; and checkpoints that are kept.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::store::{find_set, inline_digest, inline_set, put_rows_counted, read_head, read_stream};
use crate::archive::Archive;
use crate::backend::{Fold, Task};
use crate::digest::{Digest, SetState};
use crate::error::SetError;
use crate::recorded::KeptNote;
use crate::write::RowWrite;

/// Each task is one transaction of the only writer, which is what the head lock means here.
pub(super) fn run(connection: &mut Connection, task: &Task, archive: &Archive) -> Result<u64, SetError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let outcome = match task {
        Task::BeginRebuild { set } => begin(&transaction, set),
        Task::Project { set, expected, checkpoint, rows } => project(&transaction, set, (*expected, *checkpoint), rows),
        Task::FinishRebuild { set, fold } => finish(&transaction, set, fold, archive),
        Task::ReplaceSet { set, name } => replace(&transaction, set, name),
        Task::DropSet { set, limit } => drop_some(&transaction, set, *limit),
        Task::KeepNote(kept) => keep_note(&transaction, kept),
    }?;
    transaction.commit().map_err(failed)?;
    Ok(outcome)
}

fn begin(transaction: &Transaction<'_>, set: &str) -> Result<u64, SetError> {
    if let Some((id, _)) = not_inline(transaction, set)? {
        transaction.execute("DELETE FROM rows WHERE set_id = ?1", [id]).map_err(failed)?;
        transaction.execute("DELETE FROM sets WHERE id = ?1", [id]).map_err(failed)?;
    }
    make(transaction, set)?;
    Ok(0)
}

fn project(transaction: &Transaction<'_>, set: &str, (expected, checkpoint): (u64, u64), rows: &[RowWrite]) -> Result<u64, SetError> {
    let (id, mut state) = match not_inline(transaction, set)? {
        Some(known) => known,
        None => (make(transaction, set)?, EMPTY),
    };
    if state.checkpoint != expected {
        return Err(SetError::CheckpointMoved { found: state.checkpoint });
    }
    put_rows_counted(transaction, id, rows, &mut state.digest).map_err(failed)?;
    save(transaction, id, SetState { checkpoint, ..state })?;
    Ok(checkpoint)
}

fn finish(transaction: &Transaction<'_>, set: &str, fold: &Fold, archive: &Archive) -> Result<u64, SetError> {
    let Some((id, mut state)) = not_inline(transaction, set)? else {
        return Err(SetError::Rejected(format!("there is no row set {set} to finish")));
    };
    let mut touched = transaction.prepare("SELECT DISTINCT stream FROM events WHERE position >= ?1").map_err(failed)?;
    let streams: rusqlite::Result<Vec<String>> =
        touched.query_map([state.checkpoint.cast_signed()], |row| row.get(0)).and_then(Iterator::collect);
    for stream in streams.map_err(failed)?.into_iter().filter(|stream| (fold.has_rows)(stream)) {
        let mut events = read_stream(transaction, &stream, 0).map_err(failed)?;
        archive.fill(&mut events).map_err(|e| SetError::Fold(e.to_string()))?;
        let rows = (fold.rows)(&stream, &events).map_err(SetError::Fold)?;
        put_rows_counted(transaction, id, &rows, &mut state.digest).map_err(failed)?;
    }
    let size = read_head(transaction).map_err(failed)?.size;
    let before = SetState { checkpoint: size, digest: inline_digest(transaction).map_err(failed)? };
    save(transaction, inline_set(transaction).map_err(failed)?, before)?;
    save(transaction, id, SetState { checkpoint: size, ..state })?;
    let flip = "UPDATE head SET inline_set = ?1, inline_checkpoint = size, inline_digest = ?2 WHERE one = 1";
    transaction.execute(flip, params![id, state.digest.map(|sum| sum.encode())]).map_err(failed)?;
    Ok(size)
}

fn replace(transaction: &Transaction<'_>, set: &str, name: &str) -> Result<u64, SetError> {
    let Some((id, state)) = find_set(transaction, Some(set)).map_err(failed)? else {
        return Err(SetError::Rejected(format!("there is no row set {set}")));
    };
    let rename = "UPDATE sets SET name = ?2 WHERE id = ?1";
    if let Some((old, _)) = not_inline(transaction, name)? {
        transaction.execute(rename, params![old, format!("{name}.gone")]).map_err(failed)?;
    }
    transaction.execute(rename, params![id, name]).map_err(failed)?;
    Ok(state.checkpoint)
}

fn drop_some(transaction: &Transaction<'_>, set: &str, limit: u32) -> Result<u64, SetError> {
    let Some((id, _)) = not_inline(transaction, set)? else { return Ok(0) };
    let delete = "DELETE FROM rows WHERE rowid IN (SELECT rowid FROM rows WHERE set_id = ?1 LIMIT ?2)";
    let deleted = transaction.execute(delete, params![id, limit]).map_err(failed)?;
    if deleted == limit as usize {
        return Ok(1);
    }
    transaction.execute("DELETE FROM sets WHERE id = ?1", [id]).map_err(failed)?;
    Ok(0)
}

fn keep_note(transaction: &Transaction<'_>, kept: &KeptNote) -> Result<u64, SetError> {
    let sql = "INSERT INTO notes (size, note, at) VALUES (?1, ?2, ?3) ON CONFLICT (size) DO UPDATE SET note = excluded.note";
    transaction.execute(sql, params![kept.size.cast_signed(), kept.note, kept.at]).map_err(failed)?;
    Ok(kept.size)
}

fn not_inline(transaction: &Transaction<'_>, set: &str) -> Result<Option<(i64, SetState)>, SetError> {
    let found = find_set(transaction, Some(set)).map_err(failed)?;
    let inline = inline_set(transaction).map_err(failed)?;
    match found {
        Some((id, _)) if id == inline => Err(SetError::Rejected(format!("{set} is the inline row set"))),
        other => Ok(other),
    }
}

/// What a set begins with.
const EMPTY: SetState = SetState { checkpoint: 0, digest: Some(Digest::EMPTY) };

fn make(transaction: &Transaction<'_>, set: &str) -> Result<i64, SetError> {
    let sql = "INSERT INTO sets (name, checkpoint, digest) VALUES (?1, 0, ?2)";
    transaction.execute(sql, params![set, Digest::EMPTY.encode()]).map_err(failed)?;
    Ok(transaction.last_insert_rowid())
}

fn save(transaction: &Transaction<'_>, id: i64, state: SetState) -> Result<(), SetError> {
    let digest = state.digest.map(|sum| sum.encode());
    let sql = "UPDATE sets SET checkpoint = ?2, digest = ?3 WHERE id = ?1";
    transaction.execute(sql, params![id, state.checkpoint.cast_signed(), digest]).map_err(failed)?;
    Ok(())
}

fn failed(error: rusqlite::Error) -> SetError {
    SetError::Unavailable(error.to_string())
}
