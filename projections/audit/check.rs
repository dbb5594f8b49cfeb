//! Holding the audit index against the log.
//!
//! Where its pages begin depends on when they were written, so what is compared is what they say: each (table, value, position) is one
//! entry of a digest. What the index has not reached yet is no difference. Only a table whose digests differ is held in memory.

use std::collections::{BTreeMap, BTreeSet};

use chancery_ledger::Ledger;
use chancery_ledger::digest::{Digest, Tally};
use chancery_ledger::write::Row;

use super::{Digests, PAGE, SET, TABLES, TOKENS, lists};
use crate::compare::{CheckError, Difference, Report};

type Tallies = BTreeMap<String, Tally>;
/// Positions by value.
type Values = BTreeMap<String, BTreeSet<u64>>;

/// Reads the log up to the checkpoint of the index again and compares. `None`: there is no index yet. `progress` hears (events done,
/// events in all).
///
/// # Errors
/// A leaf that is no event, a row that cannot be read, or a database that does not answer.
pub async fn check(ledger: &Ledger, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Option<Report>, CheckError> {
    let Some(census) = ledger.census(Some(SET)).await? else { return Ok(None) };
    let end = census.state.checkpoint;
    let mut folded = Tallies::new();
    of_log(ledger, end, progress, &mut |table, value, position| count(&mut folded, table, value, position)).await?;
    let mut stored = Tallies::new();
    of_index(ledger, &every_table(), end, &mut |table, value, position| count(&mut stored, table, value, position)).await?;
    let mut report = Report::new(&census, &folded, &stored);
    let wrong: Vec<&'static str> =
        every_table().into_iter().filter(|table| report.tables.iter().any(|own| own.table == *table && !own.is_equal())).collect();
    for table in wrong {
        report.different.extend(name(ledger, table, end).await?);
    }
    let strange = census.tables.keys().filter(|table| !every_table().contains(&table.as_str()));
    report.different.extend(strange.map(|table| Difference { table: table.clone(), key: "*".into(), what: "is no table of this program" }));
    Ok(Some(report))
}

fn every_table() -> Vec<&'static str> {
    TABLES.into_iter().chain([TOKENS]).collect()
}

fn count(tallies: &mut Tallies, table: &'static str, value: &str, position: u64) {
    let entry = Row { table, key: value.to_owned(), version: position, body: Default::default(), index: [None, None], expires_at: None };
    tallies.entry(table.to_owned()).or_default().add(&Digest::of(&entry));
}

type Each<'a> = dyn FnMut(&'static str, &str, u64) + Send + 'a;

async fn of_log(ledger: &Ledger, end: u64, progress: &mut (dyn FnMut(u64, u64) + Send), each: &mut Each<'_>) -> Result<(), CheckError> {
    let mut at = 0;
    while at < end {
        let most = u32::try_from(end - at).unwrap_or(PAGE).min(PAGE);
        let page = ledger.read_all(at, most).await?;
        at += page.len() as u64;
        let (own, digests) = lists(&page)?;
        for ((table, value), positions) in own {
            positions.into_iter().for_each(|position| each(table, &value, position));
        }
        for (digest, positions) in digests {
            positions.into_iter().for_each(|position| each(TOKENS, &digest, position));
        }
        progress(at, end);
    }
    Ok(())
}

/// What stands in pages that begin before `end`; a page that was added meanwhile begins there.
async fn of_index(ledger: &Ledger, tables: &[&'static str], end: u64, each: &mut Each<'_>) -> Result<(), CheckError> {
    for table in tables {
        let mut after: Option<String> = None;
        loop {
            let rows = ledger.projected_all(SET, table, after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            for row in rows.iter().filter(|row| row.key.get(..16).and_then(|first| first.parse().ok()).is_none_or(|first: u64| first < end))
            {
                if *table == TOKENS {
                    for (digest, positions) in serde_json::from_slice::<Digests>(&row.body)? {
                        positions.into_iter().for_each(|position| each(table, &digest, position));
                    }
                    continue;
                }
                let value = row.index[0].as_deref().unwrap_or_default();
                serde_json::from_slice::<Vec<u64>>(&row.body)?.into_iter().for_each(|position| each(table, value, position));
            }
        }
    }
    Ok(())
}

/// The values of a table whose positions are not the log's.
async fn name(ledger: &Ledger, table: &'static str, end: u64) -> Result<Vec<Difference>, CheckError> {
    let (mut folded, mut stored) = (Values::new(), Values::new());
    let mut twice = BTreeSet::new();
    of_log(ledger, end, &mut |_, _| {}, &mut |found, value, position| {
        if found == table {
            folded.entry(value.to_owned()).or_default().insert(position);
        }
    })
    .await?;
    of_index(ledger, &[table], end, &mut |_, value, position| {
        if !stored.entry(value.to_owned()).or_default().insert(position) {
            twice.insert(value.to_owned());
        }
    })
    .await?;
    let names: BTreeSet<&String> = folded.keys().chain(stored.keys()).collect();
    let wrong = names.into_iter().filter(|value| folded.get(*value) != stored.get(*value) || twice.contains(*value));
    Ok(wrong.map(|value| Difference { table: table.to_owned(), key: value.clone(), what: "is not what the log says" }).collect())
}
