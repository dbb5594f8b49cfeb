//! A database for one test, and short ways to say what is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use bytes::Bytes;
use chancery_ledger::error::{AppendError, OpenError};
use chancery_ledger::recorded::{Committed, Freshness, Recorded};
use chancery_ledger::write::{Actor, ClaimWrite, Expected, NewEvent, Row, RowWrite, StreamWrite, Write};
use chancery_ledger::{Ledger, Options, leaf};
use chancery_tree::Frontier;
use uuid::Uuid;

/// An empty database that lives as long as the fixture.
pub trait Fixture: Sized + Sync {
    /// `Err` says why it cannot be had on this machine.
    async fn new() -> Result<Self, String>;

    /// Opens the same database as often as asked, one after the other.
    async fn open(&self, options: Options) -> Result<Ledger, OpenError>;

    /// What another process needs to open it: see `crash`.
    fn address(&self) -> String;

    /// Until nothing is at work any more for a process that was killed.
    async fn settled(&self) {}

    async fn ledger(&self) -> Ledger {
        self.open(options()).await.expect("the database opens")
    }
}

/// A clock that stands at a known time and ticks with each look.
pub fn options() -> Options {
    let now = AtomicI64::new(1_800_000_000_000);
    Options::new(Arc::new(move || now.fetch_add(1, Ordering::Relaxed)))
}

/// Ids that differ across tests, tasks and processes.
pub fn id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let process = u128::from(std::process::id());
    Uuid::from_u128(process << 64 | u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

pub fn event(kind: &'static str) -> NewEvent {
    NewEvent {
        id: id(),
        kind,
        schema: 1,
        actor: Actor { kind: "test", id: "t".into() },
        correlation: "c".into(),
        causation: None,
        subject: None,
        data: Bytes::from_static(b"{}"),
        personal: None,
    }
}

pub fn sized_event(bytes: usize) -> NewEvent {
    let mut sized = event("Sized");
    sized.data = format!("{{\"x\":\"{}\"}}", "y".repeat(bytes - 8)).into();
    sized
}

/// `events` events for a stream that must have `version` of them.
pub fn at(stream: &str, version: u64, events: usize) -> StreamWrite {
    StreamWrite { stream: stream.into(), expected: Expected::Version(version), events: (0..events).map(|_| event("Happened")).collect() }
}

pub fn write(streams: impl IntoIterator<Item = StreamWrite>) -> Write {
    Write { streams: streams.into_iter().collect(), claims: vec![], rows: vec![], level: None }
}

pub fn row(key: &str, version: u64) -> Row {
    Row { table: "t", key: key.into(), version, body: Bytes::from(version.to_string()), index: [None, None], expires_at: None }
}

pub fn upsert(key: &str, version: u64) -> RowWrite {
    RowWrite::Upsert(row(key, version))
}

pub fn take(key: &str, owner: &str) -> ClaimWrite {
    ClaimWrite::Take { kind: "name", key: key.into(), owner: owner.into() }
}

pub fn release(key: &str) -> ClaimWrite {
    ClaimWrite::Release { kind: "name", key: key.into() }
}

/// An event and the row that follows from it.
pub fn with_row(stream: &str, version: u64) -> Write {
    Write { rows: vec![upsert(stream, version + 1)], ..write([at(stream, version, 1)]) }
}

pub async fn all(ledger: &Ledger) -> Vec<Recorded> {
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let page = ledger.read_all(events.len() as u64, 500).await.expect("the log is whole");
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// Size and root of the head are those of the leaves, computed from the first one on.
pub async fn assert_whole(ledger: &Ledger) -> Vec<Recorded> {
    let head = ledger.head().await.unwrap();
    let events = all(ledger).await;
    let mut tree = Frontier::default();
    for event in &events {
        tree.push(leaf::hash(&event.leaf), &mut Vec::new());
        let members = leaf::members(&event.leaf).expect("a leaf");
        assert_eq!((members.position, members.version), (event.position, event.version));
        assert_eq!((&members.stream, &members.kind), (&event.stream, &event.kind));
    }
    assert_eq!((head.size, head.root), (tree.size(), tree.root()));
    events
}

pub async fn version_of(ledger: &Ledger, key: &str) -> Option<u64> {
    ledger.row("t", key, Freshness::Fresh).await.unwrap().map(|row| row.version)
}

pub fn is_conflict(outcome: &Result<Committed, AppendError>) -> bool {
    matches!(outcome, Err(AppendError::VersionConflict { .. }))
}
