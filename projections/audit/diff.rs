//! What came, changed and ended between two moments.
//!
//! | Word | Means |
//! |---|---|
//! | came | its first event is in between |
//! | changed | it had begun before, and has events in between |
//! | ended | one of these events ended it: a thing can come and end in between |
//!
//! What runs out by time alone leaves no event and is not told: its end was announced when it began. One answer looks at a bounded number of
//! events; `next` says where to go on.

use std::collections::BTreeMap;

use chancery_ledger::Ledger;
use serde::Serialize;

use super::error::QueryError;
use super::moment::{Place, told};
use super::provenance::ends;
use crate::envelope::Envelope;

/// Events that one answer looks at.
pub const MOST: u64 = 10_000;
const PAGE: u32 = 1_000;
/// Types named of one stream.
const MOST_KINDS: usize = 20;

/// A stream with events in between.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    pub stream: String,
    /// First and last position in between.
    pub first: u64,
    pub last: u64,
    pub events: u64,
    /// Types in their order, at most twenty.
    pub types: Vec<String>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    pub from: serde_json::Value,
    pub to: serde_json::Value,
    /// How many events lie in between and were looked at.
    pub events: u64,
    pub came: Vec<Changed>,
    pub changed: Vec<Changed>,
    pub ended: Vec<Changed>,
    /// A position from which to ask again; absent when everything was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// What happened after `from`, up to and with `to`.
///
/// # Errors
/// A database that does not answer, or a leaf that cannot be read.
pub async fn between(ledger: &Ledger, from: Place, to: Place) -> Result<Diff, QueryError> {
    let until = to.size.min(from.size.saturating_add(MOST));
    let mut streams: BTreeMap<String, (Changed, bool, bool)> = BTreeMap::new();
    let mut at = from.size;
    while at < until {
        let most = u32::try_from(until - at).unwrap_or(PAGE).min(PAGE);
        let page = ledger.read_all(at, most).await?;
        if page.is_empty() {
            break;
        }
        at += page.len() as u64;
        for recorded in &page {
            let event = Envelope::read(recorded)?;
            let own = streams.entry(event.stream.clone()).or_insert_with(|| {
                let blank = Changed { stream: event.stream.clone(), first: event.position, last: 0, events: 0, types: Vec::new() };
                (blank, event.version == 1, false)
            });
            own.0.last = event.position;
            own.0.events += 1;
            if own.0.types.len() < MOST_KINDS && own.0.types.last() != Some(&event.kind) {
                own.0.types.push(event.kind.clone());
            }
            own.2 |= ends(&event);
        }
    }
    let mut diff = Diff {
        from: told(from),
        to: told(to),
        events: at - from.size.min(at),
        came: Vec::new(),
        changed: Vec::new(),
        ended: Vec::new(),
        next: (until < to.size).then(|| until.saturating_sub(1)),
    };
    let mut all: Vec<_> = streams.into_values().collect();
    all.sort_by_key(|(own, ..)| own.first);
    for (own, came, ended) in all {
        if ended {
            diff.ended.push(own.clone());
        }
        if came { diff.came.push(own) } else { diff.changed.push(own) }
    }
    Ok(diff)
}
