//! Rebuilding the inline rows from the log, beside the live ones.
//!
//! One walk: each page of events goes on from the rows that the pages before it left in the new set. Only a stream whose state has no row
//! is read whole.

use std::collections::BTreeMap;

use chancery_ledger::error::{ReadError, SetError};
use chancery_ledger::recorded::Recorded;
use chancery_ledger::write::{Row, RowWrite};
use chancery_ledger::{Fold, Ledger};

use super::after::Kind;
use super::{has_rows, rows};
use crate::envelope::Unreadable;

const PAGE: u32 = 1000;

/// Why a rebuild stopped.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    Fold(#[from] Unreadable),
}

/// The fold as the ledger calls it.
pub fn fold() -> Fold {
    Fold::new(has_rows, |stream, events| rows(stream, events).map_err(|e| e.to_string()))
}

/// Builds a new set beside the live one and flips to it. `progress` hears (events done, events in all).
///
/// # Errors
/// The first event that stops the fold, or a database that does not answer; the live set stays as it was.
pub async fn rebuild(ledger: &Ledger, set: &str, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<u64, RebuildError> {
    // What a broken-off rebuild left goes in small steps, so that appends go on.
    ledger.drop_set(set).await?;
    ledger.begin_rebuild(set).await?;
    let mut done = 0;
    loop {
        let size = ledger.head().await?.size;
        let events = ledger.read_all(done, PAGE).await?;
        if events.is_empty() {
            break;
        }
        let next = done + events.len() as u64;
        let writes = page(ledger, set, events).await?;
        ledger.write_rebuilt_rows(set, done, next, writes).await?;
        done = next;
        progress(done, size);
    }
    Ok(ledger.finish_rebuild(set, fold()).await?)
}

/// The rows that a page of events leads to, from those that are in the new set.
async fn page(ledger: &Ledger, set: &str, events: Vec<Recorded>) -> Result<Vec<RowWrite>, RebuildError> {
    let mut streams: BTreeMap<String, Vec<Recorded>> = BTreeMap::new();
    for event in events.into_iter().filter(|event| has_rows(&event.stream)) {
        match streams.get_mut(&event.stream) {
            Some(own) => own.push(event),
            None => drop(streams.insert(event.stream.clone(), vec![event])),
        }
    }
    let goes_on = |events: &[Recorded]| events.first().is_some_and(|first| first.version > 1);
    let known: Vec<(&'static str, &str)> = streams
        .iter()
        .filter(|(_, events)| goes_on(events))
        .filter_map(|(stream, _)| Kind::of(stream).map(|kind| (kind.table, stream.as_str())))
        .collect();
    let before = if known.is_empty() { Vec::new() } else { ledger.projected(set, &known).await? };
    let before: BTreeMap<String, Row> = before.into_iter().flatten().map(|row| (row.key.clone(), row)).collect();
    let mut writes = Vec::new();
    for (stream, events) in &streams {
        let row = before.get(stream);
        // A stream that was read whole may be further than the walk.
        let from = row.map_or(0, |row| events.partition_point(|event| event.version <= row.version));
        let gone_on = match Kind::of(stream) {
            Some(kind) => kind.rows(stream, row, events.get(from..).unwrap_or_default())?,
            None => None,
        };
        match gone_on {
            Some(own) => writes.extend(own),
            None => writes.extend(rows(stream, &ledger.read_stream(stream, 1).await?)?),
        }
    }
    Ok(writes)
}
