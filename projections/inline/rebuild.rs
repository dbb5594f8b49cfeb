//! Rebuilding the inline rows from the log, beside the live ones, and checking that both are equal.

use std::collections::BTreeSet;
use std::sync::Arc;

use chancery_ledger::Fold;
use chancery_ledger::Ledger;
use chancery_ledger::error::{ReadError, SetError};
use chancery_ledger::recorded::Freshness;
use chancery_ledger::write::RowWrite;

use super::rows;

const PAGE: u32 = 1000;

/// Why a rebuild or a check stopped.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error("{0}")]
    Fold(String),
}

/// A row that is not what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    pub key: String,
}

/// The fold as the ledger calls it.
pub fn fold() -> Fold {
    Arc::new(|stream, events| rows(stream, events).map_err(|e| e.to_string()))
}

/// Builds a new set beside the live one and flips to it. `progress` hears (events done, events in all).
///
/// # Errors
/// The first event that stops the fold, or a database that does not answer; the live set stays as it was.
pub async fn rebuild(ledger: &Ledger, set: &str, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<u64, RebuildError> {
    ledger.begin_rebuild(set).await?;
    let mut done = 0;
    loop {
        let size = ledger.head().await?.size;
        let events = ledger.read_all(done, PAGE).await?;
        if events.is_empty() {
            break;
        }
        let next = done + events.len() as u64;
        // Each touched stream is folded whole: rows are snapshots, so that the last one wins whatever the order.
        let streams: BTreeSet<_> = events.iter().map(|event| event.stream.clone()).collect();
        let mut writes: Vec<RowWrite> = Vec::new();
        for stream in streams {
            let history = ledger.read_stream(&stream, 1).await?;
            writes.extend(rows(&stream, &history).map_err(|e| RebuildError::Fold(e.to_string()))?);
        }
        ledger.write_rebuilt_rows(set, done, next, writes).await?;
        done = next;
        progress(done, size);
    }
    Ok(ledger.finish_rebuild(set, fold()).await?)
}

/// Folds every stream again and compares with the live rows. A row that housekeeping dropped is no difference.
///
/// # Errors
/// As for [`rebuild`].
pub async fn check(ledger: &Ledger, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Vec<Difference>, RebuildError> {
    let head = ledger.head().await?.size;
    let mut different = Vec::new();
    let mut seen = BTreeSet::new();
    let mut position = 0;
    while position < head {
        let events = ledger.read_all(position, PAGE).await?;
        if events.is_empty() {
            break;
        }
        position += events.len() as u64;
        for event in events {
            if event.version != 1 || !seen.insert(event.stream.clone()) {
                continue;
            }
            let history = ledger.read_stream(&event.stream, 1).await?;
            for write in rows(&event.stream, &history).map_err(|e| RebuildError::Fold(e.to_string()))? {
                let RowWrite::Upsert(folded) = write else { continue };
                let live = ledger.row(folded.table, &folded.key, Freshness::Fresh).await?;
                let moved = live.as_ref().is_some_and(|live| live.version > folded.version);
                if live.as_deref().is_some_and(|live| *live != folded) && !moved {
                    different.push(Difference { table: folded.table, key: folded.key });
                }
            }
        }
        progress(position, head);
    }
    Ok(different)
}
