//! The heart of the group commit: which writes of a batch win, and what exactly is to be stored. Pure.
//!
//! | Rule | Source |
//! |---|---|
//! | positions are dense and are the leaf indexes | DESIGN.md §1 rule 3, §3 |
//! | every expected version is compared with the state before the write; no events = an assertion | DESIGN.md §1 rule 4 |
//! | the writes of a batch are also checked against each other, in order; a loser drops out alone | DESIGN.md §3 group commit |
//! | `recorded_at` = max(previous, now), so that it never goes back | DESIGN.md §3 |
//! | within a write a claim that is released first can be taken | - |
//! | a leaf over 60 KiB refuses its write | `leaf::MAX_LEAF` |
//!
//! A back end locks the head, fetches what `touched` names, calls `plan`, stores the plan in bulk and commits.

use bytes::Bytes;
use uuid::Uuid;

use crate::digest::Digest;
use crate::error::AppendError;
use crate::hashed::{HashMap, HashSet};
use crate::leaf::{self, Place};
use crate::recorded::{Head, Placed};
use crate::write::{ClaimWrite, Expected, RowWrite, Write};
use chancery_tree::frontier::Subtree;
use chancery_tree::{Frontier, Hash};

/// The end of the log as the head row keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadState {
    pub frontier: Frontier,
    pub recorded_at: i64,
    /// Of the inline rows; `None` where nobody knows it.
    pub rows: Option<Digest>,
    /// Of the catalogue.
    pub level: u16,
}

impl HeadState {
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub fn head(&self) -> Head {
        Head { size: self.size(), root: self.frontier.root(), recorded_at: self.recorded_at }
    }
}

/// Table and key of an inline row.
pub type RowKey<'a> = (&'static str, &'a str);

/// Kind and key of a claim.
pub type ClaimKey<'a> = (&'static str, &'a [u8]);

/// What a batch needs to know before it can be planned, each once.
#[derive(Debug, Default)]
pub struct Touched<'a> {
    pub streams: Vec<&'a str>,
    pub claims: Vec<ClaimKey<'a>>,
    /// Rows that may be there already; one of a stream that begins is not.
    pub rows: Vec<RowKey<'a>>,
}

/// What the store holds of `Touched`. Absent streams have version 0, absent claims are free.
#[derive(Debug, Default)]
pub struct Seen<'a> {
    pub versions: HashMap<&'a str, u64>,
    pub taken: HashSet<ClaimKey<'a>>,
    /// Digests of the touched rows that are there.
    pub rows: HashMap<RowKey<'a>, Digest>,
}

#[derive(Clone, Debug)]
pub struct PlannedEvent<'a> {
    pub position: u64,
    pub id: Uuid,
    pub stream: &'a str,
    pub version: u64,
    pub kind: &'static str,
    pub schema: u16,
    pub recorded_at: i64,
    pub leaf: Bytes,
    pub leaf_hash: Hash,
}

/// The final state of a claim that the batch changed: an owner, or free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimChange<'a> {
    pub kind: &'static str,
    pub key: &'a [u8],
    pub owner: Option<&'a str>,
}

/// What one group commit stores.
#[derive(Debug)]
pub struct Plan<'a> {
    /// One per write, in the order of the batch.
    pub outcomes: Vec<Result<Vec<Placed>, AppendError>>,
    pub events: Vec<PlannedEvent<'a>>,
    /// Each (table, key) once: the last write wins.
    pub rows: Vec<&'a RowWrite>,
    /// Each (kind, key) once.
    pub claims: Vec<ClaimChange<'a>>,
    pub head: HeadState,
    pub subtrees: Vec<Subtree>,
}

impl Plan<'_> {
    /// Nothing to store: all writes lost or only asserted versions.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.rows.is_empty() && self.claims.is_empty()
    }
}

pub fn touched<'a>(batch: &[&'a Write]) -> Touched<'a> {
    let (mut streams, mut claims, mut rows) = (HashSet::default(), HashSet::default(), HashSet::default());
    let mut touched = Touched::default();
    for write in batch {
        for stream in &write.streams {
            if streams.insert(stream.stream.as_str()) {
                touched.streams.push(&stream.stream);
            }
        }
        for claim in &write.claims {
            if claims.insert(claim_key(claim)) {
                touched.claims.push(claim_key(claim));
            }
        }
        for row in &write.rows {
            let key = row_key(row);
            let begins = write.streams.iter().any(|own| own.stream == key.1 && own.expected == Expected::Version(0));
            if !begins && rows.insert(key) {
                touched.rows.push(key);
            }
        }
    }
    touched
}

pub fn plan<'a>(batch: &[&'a Write], before: &HeadState, seen: Seen<'a>, now: i64) -> Plan<'a> {
    let mut planner = Planner {
        seen,
        rows: HashMap::default(),
        claims: HashMap::default(),
        plan: Plan {
            outcomes: Vec::with_capacity(batch.len()),
            events: Vec::new(),
            rows: Vec::new(),
            claims: Vec::new(),
            head: before.clone(),
            subtrees: Vec::new(),
        },
        recorded_at: before.recorded_at.max(now),
    };
    for write in batch {
        let outcome = planner.admit(write);
        planner.plan.outcomes.push(outcome);
    }
    planner.sum_up();
    planner.plan
}

struct Planner<'a> {
    /// Kept up to date as writes win, so that the next one is checked against them too.
    seen: Seen<'a>,
    rows: HashMap<(&'static str, &'a str), usize>,
    claims: HashMap<ClaimKey<'a>, usize>,
    plan: Plan<'a>,
    recorded_at: i64,
}

impl<'a> Planner<'a> {
    /// All checks come before the first change, so that a loser leaves nothing behind.
    fn admit(&mut self, write: &'a Write) -> Result<Vec<Placed>, AppendError> {
        self.check_versions(write)?;
        self.check_claims(write)?;
        let events = self.place(write)?;
        let placed = events
            .iter()
            .map(|e| Placed { position: e.position, version: e.version, recorded_at: e.recorded_at, leaf_hash: e.leaf_hash })
            .collect();
        for event in &events {
            self.seen.versions.insert(event.stream, event.version);
            self.plan.head.frontier.push(event.leaf_hash, &mut self.plan.subtrees);
            self.plan.head.recorded_at = event.recorded_at;
        }
        self.plan.events.extend(events);
        self.plan.head.level = write.level.unwrap_or(0).max(self.plan.head.level);
        write.claims.iter().for_each(|claim| self.change_claim(claim));
        write.rows.iter().for_each(|row| self.put_row(row));
        Ok(placed)
    }

    fn check_versions(&self, write: &Write) -> Result<(), AppendError> {
        for stream in &write.streams {
            let Expected::Version(expected) = stream.expected else { continue };
            if self.version(&stream.stream) != expected {
                return Err(AppendError::VersionConflict { stream: stream.stream.clone() });
            }
        }
        Ok(())
    }

    fn check_claims(&self, write: &Write) -> Result<(), AppendError> {
        for (at, claim) in write.claims.iter().enumerate() {
            let ClaimWrite::Take { kind, .. } = claim else { continue };
            // What this write did to the same claim before counts more than what others did.
            let earlier = write.claims[..at].iter().rfind(|c| claim_key(c) == claim_key(claim));
            let taken = match earlier {
                Some(ClaimWrite::Take { .. }) => true,
                Some(ClaimWrite::Release { .. }) => false,
                None => self.seen.taken.contains(&claim_key(claim)),
            };
            if taken {
                return Err(AppendError::ClaimTaken { kind });
            }
        }
        Ok(())
    }

    /// The events with their places and leaves. Changes nothing: a later event of the same write may be too large.
    fn place(&self, write: &'a Write) -> Result<Vec<PlannedEvent<'a>>, AppendError> {
        let mut events: Vec<PlannedEvent<'a>> = Vec::with_capacity(write.streams.iter().map(|s| s.events.len()).sum());
        for stream in &write.streams {
            // A stream may stand in one write twice; the second part follows the first.
            let before = events.iter().rfind(|e| e.stream == stream.stream).map(|e| e.version);
            let first = before.unwrap_or_else(|| self.version(&stream.stream)) + 1;
            for (version, event) in (first..).zip(&stream.events) {
                let position = self.plan.head.size() + events.len() as u64;
                let leaf = leaf::encode(event, &stream.stream, Place { position, version, recorded_at: self.recorded_at });
                if leaf.len() > leaf::MAX_LEAF {
                    return Err(AppendError::TooLarge { kind: event.kind });
                }
                events.push(PlannedEvent {
                    position,
                    id: event.id,
                    stream: &stream.stream,
                    version,
                    kind: event.kind,
                    schema: event.schema,
                    recorded_at: self.recorded_at,
                    leaf_hash: leaf::hash(&leaf),
                    leaf: leaf.into(),
                });
            }
        }
        Ok(events)
    }

    fn version(&self, stream: &str) -> u64 {
        self.seen.versions.get(stream).copied().unwrap_or(0)
    }

    fn change_claim(&mut self, claim: &'a ClaimWrite) {
        let (kind, key) = claim_key(claim);
        let owner = match claim {
            ClaimWrite::Take { owner, .. } => Some(owner.as_str()),
            ClaimWrite::Release { .. } => None,
        };
        match owner {
            Some(_) => self.seen.taken.insert((kind, key)),
            None => self.seen.taken.remove(&(kind, key)),
        };
        let at = *self.claims.entry((kind, key)).or_insert(self.plan.claims.len());
        let change = ClaimChange { kind, key, owner };
        match self.plan.claims.get_mut(at) {
            Some(earlier) => *earlier = change,
            None => self.plan.claims.push(change),
        }
    }

    fn put_row(&mut self, row: &'a RowWrite) {
        let at = *self.rows.entry(row_key(row)).or_insert(self.plan.rows.len());
        match self.plan.rows.get_mut(at) {
            Some(earlier) => *earlier = row,
            None => self.plan.rows.push(row),
        }
    }

    /// The digest of the inline rows after the batch: what is overwritten goes out, what is written comes in.
    fn sum_up(&mut self) {
        let Some(sum) = &mut self.plan.head.rows else { return };
        for row in &self.plan.rows {
            if let Some(before) = self.seen.rows.get(&row_key(row)) {
                sum.take(before);
            }
            if let RowWrite::Upsert(row) = row {
                sum.add(&Digest::of(row));
            }
        }
    }
}

fn row_key(row: &RowWrite) -> RowKey<'_> {
    match row {
        RowWrite::Upsert(row) => (row.table, row.key.as_str()),
        RowWrite::Delete { table, key } => (table, key.as_str()),
    }
}

fn claim_key(claim: &ClaimWrite) -> ClaimKey<'_> {
    match claim {
        ClaimWrite::Take { kind, key, .. } | ClaimWrite::Release { kind, key } => (kind, key),
    }
}

#[cfg(test)]
mod tests;
