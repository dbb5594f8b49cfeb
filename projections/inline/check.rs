//! Holding the live inline rows against the log.
//!
//! | Step | Cost |
//! |---|---|
//! | the live rows are counted as of one moment, table by table | one scan |
//! | every stream is folded again up to that moment, and its row added to the digest of its table | the whole log, no memory |
//! | where the digests of a table differ, its rows are compared one by one | that table alone |
//!
//! A row that housekeeping dropped is no difference: it is over, and the log says until when such rows were dropped.

use std::collections::BTreeMap;

use chancery_core::server::{self, ExpiredSwept};
use chancery_ledger::Ledger;
use chancery_ledger::digest::{Digest, Tally};
use chancery_ledger::recorded::{Freshness, Recorded};
use chancery_ledger::write::{Row, RowWrite};

use super::{has_rows, rows};
use crate::compare::{CheckError, Difference, Report};
use crate::envelope::{Envelope, Unreadable};

const PAGE: u32 = 1000;
/// Streams in one read.
const STREAMS: usize = 250;
/// A stream with so many events is read alone.
const LONG: u32 = 100;

/// Folds everything again and compares with the live rows. `progress` hears (events done, events in all). The log may grow meanwhile.
///
/// # Errors
/// The first event that stops the fold, or a database that does not answer.
pub async fn check(ledger: &Ledger, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Report, CheckError> {
    let census = ledger.census(None).await?.ok_or_else(|| missing("there is no inline set"))?;
    let end = census.state.checkpoint;
    let swept = swept(ledger).await?;
    let mut folded: BTreeMap<String, Tally> = BTreeMap::new();
    let mut walk = Walk { position: 0, end };
    while let Some(streams) = walk.next(ledger).await? {
        for row in not_dropped(ledger, &swept, rows_at(ledger, streams, end).await?).await? {
            folded.entry(row.table.to_owned()).or_default().add(&Digest::of(&row));
        }
        progress(walk.position, end);
    }
    let mut report = Report::new(&census, &folded, &census.tables);
    let wrong: Vec<String> = report.tables.iter().filter(|own| !own.is_equal()).map(|own| own.table.clone()).collect();
    if !wrong.is_empty() {
        report.different = name(ledger, &wrong, end, &swept).await?;
    }
    Ok(report)
}

/// The first events of streams, page by page.
struct Walk {
    position: u64,
    end: u64,
}

impl Walk {
    async fn next(&mut self, ledger: &Ledger) -> Result<Option<Vec<String>>, CheckError> {
        let most = u32::try_from(self.end.saturating_sub(self.position)).unwrap_or(PAGE).min(PAGE);
        if most == 0 {
            return Ok(None);
        }
        let events = ledger.read_all(self.position, most).await?;
        self.position += events.len() as u64;
        let begins = events.into_iter().filter(|event| event.version == 1 && has_rows(&event.stream));
        Ok(Some(begins.map(|event| event.stream).collect()))
    }
}

/// The rows of streams when the log had `end` events. Many are read at once: most are short, and each read has its price.
async fn rows_at(ledger: &Ledger, streams: Vec<String>, end: u64) -> Result<Vec<Row>, CheckError> {
    let mut rows = Vec::with_capacity(streams.len());
    for streams in streams.chunks(STREAMS) {
        let histories = ledger.read_streams(streams.to_vec(), LONG).await?;
        for (stream, mut history) in streams.iter().zip(histories) {
            if history.len() == LONG as usize {
                history = ledger.read_stream(stream, 1).await?;
            }
            history.retain(|event| event.position < end);
            rows.extend(folded(stream, &history)?);
        }
    }
    Ok(rows)
}

fn folded(stream: &str, history: &[Recorded]) -> Result<Option<Row>, CheckError> {
    Ok(rows(stream, history)?.into_iter().find_map(|write| match write {
        RowWrite::Upsert(row) => Some(row),
        RowWrite::Delete { .. } => None,
    }))
}

/// Until when rows of each table were dropped.
async fn swept(ledger: &Ledger) -> Result<BTreeMap<String, i64>, CheckError> {
    let mut swept: BTreeMap<String, i64> = BTreeMap::new();
    for recorded in ledger.read_stream(server::STREAM, 1).await? {
        if recorded.kind != "ExpiredSwept" {
            continue;
        }
        let envelope = Envelope::read(&recorded)?;
        let event: ExpiredSwept =
            serde_json::from_value(envelope.data).map_err(|e| Unreadable { position: recorded.position, why: e.to_string() })?;
        let until = swept.entry(event.table).or_default();
        *until = event.until.0.max(*until);
    }
    Ok(swept)
}

/// Those that were not dropped; looked up all at once.
async fn not_dropped(ledger: &Ledger, swept: &BTreeMap<String, i64>, rows: Vec<Row>) -> Result<Vec<Row>, CheckError> {
    let is_due = |row: &Row| row.expires_at.zip(swept.get(row.table)).is_some_and(|(expires_at, until)| expires_at < *until);
    let (due, mut kept): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_due);
    for due in due.chunks(STREAMS) {
        let keys: Vec<_> = due.iter().map(|row| (row.table, row.key.as_str())).collect();
        let live = ledger.rows(&keys, Freshness::Fresh).await?;
        kept.extend(due.iter().zip(live).filter(|(_, live)| live.is_some()).map(|(row, _)| row.clone()));
    }
    Ok(kept)
}

async fn was_dropped(ledger: &Ledger, swept: &BTreeMap<String, i64>, row: &Row) -> Result<bool, CheckError> {
    let is_due = row.expires_at.zip(swept.get(row.table)).is_some_and(|(expires_at, until)| expires_at < *until);
    Ok(is_due && ledger.row(row.table, &row.key, Freshness::Fresh).await?.is_none())
}

/// Compares the rows of some tables one by one.
async fn name(ledger: &Ledger, tables: &[String], end: u64, swept: &BTreeMap<String, i64>) -> Result<Vec<Difference>, CheckError> {
    let mut different = Vec::new();
    let mut differ = |table: &str, key: &str, what| different.push(Difference { table: table.to_owned(), key: key.to_owned(), what });
    for table in tables {
        let Some(table) = super::after::Kind::of(table).map(|kind| kind.table).filter(|known| known == table) else {
            differ(table, "*", "is no table of this program");
            continue;
        };
        let mut after: Option<String> = None;
        loop {
            let page = ledger.rows_all(table, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for live in page {
                let mut history = ledger.read_stream(&live.key, 1).await?;
                history.retain(|event| event.version <= live.version);
                match folded(&live.key, &history)? {
                    None => differ(table, &live.key, "is not in the log"),
                    Some(own) if own != live => differ(table, &live.key, "is not what the log says"),
                    Some(_) => {}
                }
            }
        }
    }
    let mut walk = Walk { position: 0, end };
    while let Some(streams) = walk.next(ledger).await? {
        for row in rows_at(ledger, streams, end).await?.into_iter().filter(|row| tables.iter().any(|table| table == row.table)) {
            let is_there = ledger.row(row.table, &row.key, Freshness::Fresh).await?.is_some();
            if !is_there && !was_dropped(ledger, swept, &row).await? {
                differ(row.table, &row.key, "is missing");
            }
        }
    }
    Ok(different)
}

fn missing(why: &str) -> CheckError {
    CheckError::Fold(Unreadable { position: 0, why: why.to_owned() })
}
