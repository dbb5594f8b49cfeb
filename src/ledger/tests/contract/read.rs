//! Reading and following.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chancery_ledger::recorded::Freshness;
use chancery_ledger::write::{Row, RowWrite, Write};
use tokio::task::JoinSet;

use crate::fixture::*;

pub async fn a_reader_that_follows_sees_no_gap_and_no_reorder(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let mut readers = JoinSet::new();
    for _ in 0..2 {
        let ledger = ledger.clone();
        readers.spawn(async move {
            let (mut next, mut time) = (0, 0);
            while next < 1_500 {
                let head = ledger.wait(next).await;
                assert!(head.size > next);
                // `read_all` itself refuses a gap.
                for event in ledger.read_all(next, 64).await.unwrap() {
                    assert_eq!(event.position, next);
                    assert!(event.recorded_at >= time);
                    (next, time) = (next + 1, event.recorded_at);
                }
            }
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..15 {
        let ledger = ledger.clone();
        writers.spawn(async move {
            for version in 0..50 {
                ledger.append(write([at(&format!("s-{writer}"), 2 * version, 2)])).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    readers.join_all().await;
}

pub async fn a_stream_is_read_from_a_version_on(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    for version in 0..5 {
        ledger.append(write([at("s", version, 1), at(&format!("other-{version}"), 0, 1)])).await.unwrap();
    }
    let versions = |events: Vec<chancery_ledger::recorded::Recorded>| events.iter().map(|e| e.version).collect::<Vec<_>>();
    assert_eq!(versions(ledger.read_stream("s", 0).await.unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(versions(ledger.read_stream("s", 4).await.unwrap()), [4, 5]);
    assert_eq!(versions(ledger.read_stream("s", 6).await.unwrap()), [0; 0]);
    assert_eq!(versions(ledger.read_stream_page("s", 2, 3).await.unwrap()), [2, 3, 4]);
    assert_eq!(versions(ledger.read_stream_page("s", 5, 3).await.unwrap()), [5]);
    assert_eq!(ledger.read_stream_page("none", 1, 3).await.unwrap(), []);
    assert_eq!(ledger.read_stream("none", 0).await.unwrap(), []);
    assert_eq!(ledger.read_all(10, 5).await.unwrap(), []);
    assert_eq!(ledger.read_all(8, 5).await.unwrap().len(), 2);
}

pub async fn events_are_read_at_their_positions_in_order(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    for version in 0..5 {
        ledger.append(write([at("s", version, 1)])).await.unwrap();
    }
    let positions = |events: Vec<chancery_ledger::recorded::Recorded>| events.iter().map(|e| e.position).collect::<Vec<_>>();
    assert_eq!(positions(ledger.read_at(&[3, 0, 9]).await.unwrap()), [0, 3]);
    assert_eq!(ledger.read_at(&[4]).await.unwrap(), ledger.read_all(4, 1).await.unwrap());
    assert_eq!(ledger.read_at(&[]).await.unwrap(), []);
}

pub async fn a_restart_changes_nothing(fixture: &impl Fixture) {
    let before = fixture.ledger().await;
    for version in 0..300 {
        before.append(Write { claims: vec![take(&version.to_string(), "s")], ..with_row("s", version) }).await.unwrap();
    }
    let head = before.head().await.unwrap();
    // Also what the process has in memory.
    let told = all(&before).await;
    before.close().await;
    assert!(before.append(with_row("s", 300)).await.is_err());

    let after = fixture.ledger().await;
    assert_eq!(all(&after).await, told);
    assert_eq!(after.head().await.unwrap(), head);
    assert_eq!(after.known_head(), head);
    assert_eq!(version_of(&after, "s").await, Some(300));
    assert!(is_conflict(&after.append(with_row("s", 299)).await));
    assert!(after.append(Write { claims: vec![take("7", "x")], ..with_row("s", 300) }).await.is_err());
    assert_eq!(after.append(with_row("s", 300)).await.unwrap().placed[0].position, 300);
    assert_eq!(after.inline_set().await.unwrap(), ("v1".to_owned(), 301));
    assert_whole(&after).await;
    after.close().await;
}

pub async fn rows_are_found_by_key_column_and_expiry(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let make = |n: u64| Row {
        body: Bytes::from(vec![0, 255, n as u8]),
        index: [Some(format!("half-{}", n % 2)), (n < 3).then(|| "low".to_owned())],
        expires_at: (n != 9).then_some(1_000 - n as i64),
        ..row(&format!("k-{n}"), 1)
    };
    for n in 0..10 {
        let rows = vec![RowWrite::Upsert(make(n)), RowWrite::Upsert(Row { table: "other", ..make(n) })];
        ledger.append(Write { rows, ..write([at(&format!("k-{n}"), 0, 1)]) }).await.unwrap();
    }
    let keys = |rows: Vec<Row>| rows.into_iter().map(|r| r.key).collect::<Vec<_>>();
    let asked = [("t", "k-3"), ("t", "none"), ("other", "k-1")];
    for freshness in [Freshness::Cached, Freshness::Fresh] {
        let found = ledger.rows(&asked, freshness).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| row.as_deref().cloned()).collect();
        assert_eq!(found, [Some(make(3)), None, Some(Row { table: "other", ..make(1) })]);
    }
    assert_eq!(keys(ledger.rows_all("t", None, 3).await.unwrap()), ["k-0", "k-1", "k-2"]);
    assert_eq!(keys(ledger.rows_all("t", Some("k-7"), 30).await.unwrap()), ["k-8", "k-9"]);
    assert_eq!(keys(ledger.rows_by("t", 0, "half-1", None, 3).await.unwrap()), ["k-1", "k-3", "k-5"]);
    assert_eq!(keys(ledger.rows_by("t", 0, "half-1", Some("k-5"), 3).await.unwrap()), ["k-7", "k-9"]);
    assert_eq!(ledger.rows_by("t", 1, "low", None, 9).await.unwrap(), [make(0), make(1), make(2)]);
    assert_eq!(ledger.rows_by("t", 1, "high", None, 9).await.unwrap(), []);
    assert_eq!(keys(ledger.rows_expired("t", 995, 2).await.unwrap()), ["k-8", "k-7"]);
    assert_eq!(keys(ledger.rows_expired("t", 995, 20).await.unwrap()), ["k-8", "k-7", "k-6"]);

    let gone = vec![RowWrite::Delete { table: "t", key: "k-8".into() }, upsert("k-7", 2)];
    ledger.append(Write { rows: gone, ..write([at("k-7", 1, 1)]) }).await.unwrap();
    assert_eq!(version_of(&ledger, "k-8").await, None);
    assert_eq!(ledger.row("t", "k-7", Freshness::Cached).await.unwrap().as_deref(), Some(&row("k-7", 2)));
    assert_eq!(keys(ledger.rows_by("t", 0, "half-1", None, 9).await.unwrap()), ["k-1", "k-3", "k-5", "k-9"]);

    // One that is found by the same values as before, and one that is not.
    let later = Row { version: 2, body: Bytes::from_static(b"later"), expires_at: Some(5_000), ..make(1) };
    let moved = Row { version: 2, index: [make(2).index[0].clone(), Some("high".into())], ..make(2) };
    let rows = vec![RowWrite::Upsert(later.clone()), RowWrite::Upsert(moved.clone())];
    ledger.append(Write { rows, ..write([at("k-1", 1, 1), at("k-2", 1, 1)]) }).await.unwrap();
    assert_eq!(ledger.rows_by("t", 1, "low", None, 9).await.unwrap(), [make(0), later.clone()]);
    assert_eq!(ledger.rows_by("t", 1, "high", None, 9).await.unwrap(), [moved]);
    assert_eq!(keys(ledger.rows_expired("t", 1_000, 20).await.unwrap()), ["k-6", "k-5", "k-4", "k-3", "k-2"]);
    assert_eq!(ledger.rows_expired("t", 5_001, 20).await.unwrap().last(), Some(&later));
}

/// Tells a background loop to stop when the test is done with it.
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn new() -> (Self, Arc<AtomicBool>) {
        let flag = Arc::new(AtomicBool::new(false));
        (Self(flag.clone()), flag)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
