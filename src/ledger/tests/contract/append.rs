//! Appending: versions, assertions, claims, bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chancery_ledger::Options;
use chancery_ledger::error::AppendError;
use chancery_ledger::leaf::MAX_LEAF;
use chancery_ledger::recorded::Committed;
use chancery_ledger::write::{ClaimWrite, Expected, StreamWrite, Write};
use tokio::task::JoinSet;

use crate::fixture::*;

pub async fn of_many_writers_exactly_one_gets_each_version(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let mut writers = JoinSet::new();
    for _ in 0..16 {
        let ledger = ledger.clone();
        writers.spawn(async move {
            let mut won = Vec::new();
            for version in 0..60 {
                match ledger.append(with_row("contended", version)).await {
                    Ok(committed) => won.push(committed.placed[0].version),
                    Err(AppendError::VersionConflict { stream }) => assert_eq!(stream, "contended"),
                    Err(other) => panic!("{other}"),
                }
            }
            won
        });
    }
    let mut won = writers.join_all().await.concat();
    won.sort_unstable();
    assert_eq!(won, (1..=60).collect::<Vec<_>>());
    assert_eq!(assert_whole(&ledger).await.len(), 60);
    assert_eq!(version_of(&ledger, "contended").await, Some(60));
}

pub async fn many_streams_share_one_dense_order_and_the_root_is_that_of_the_leaves(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let mut writers = JoinSet::new();
    for writer in 0..32 {
        let ledger = ledger.clone();
        writers.spawn(async move {
            let mut positions = Vec::new();
            for version in 0..30 {
                let committed = ledger.append(with_row(&format!("s-{writer}"), version)).await.unwrap();
                assert!(committed.head.size > committed.placed[0].position);
                positions.push(committed.placed[0].position);
            }
            assert!(positions.is_sorted());
            positions
        });
    }
    let mut positions = writers.join_all().await.concat();
    positions.sort_unstable();
    assert_eq!(positions, (0..960).collect::<Vec<_>>());
    let events = assert_whole(&ledger).await;
    assert!(events.is_sorted_by_key(|e| e.recorded_at));
    assert_eq!(ledger.event_kinds().await.unwrap(), [("Happened".to_owned(), 1)]);
}

pub async fn an_assertion_without_events_wins_and_loses_like_a_write(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    ledger.append(write([at("account", 0, 1)])).await.unwrap();
    let asserted = ledger.append(write([at("account", 1, 0), at("grant", 0, 1)])).await.unwrap();
    assert_eq!(asserted.placed.len(), 1);
    assert!(is_conflict(&ledger.append(write([at("account", 0, 0), at("grant", 1, 1)])).await));
    // Assertions alone are answered too, and add nothing.
    assert_eq!(ledger.append(write([at("account", 1, 0)])).await.unwrap().placed, []);
    assert!(is_conflict(&ledger.append(write([at("account", 2, 0)])).await));
    assert!(is_conflict(&ledger.append(write([at("nobody", 1, 0)])).await));
    assert_eq!(ledger.head().await.unwrap().size, 2);
}

pub async fn a_revocation_beats_everything_decided_before_it(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    ledger.append(write([at("account", 0, 1)])).await.unwrap();
    let mut tokens = JoinSet::new();
    for grant in 0..100 {
        let ledger = ledger.clone();
        tokens.spawn(async move { ledger.append(write([at("account", 1, 0), at(&format!("grant-{grant}"), 0, 1)])).await });
    }
    let revoked = ledger.append(write([at("account", 1, 1)])).await.unwrap().placed[0].position;
    for outcome in tokens.join_all().await {
        match outcome {
            Ok(token) => assert!(token.placed[0].position < revoked),
            lost => assert!(is_conflict(&lost), "{lost:?}"),
        }
    }
    assert!(is_conflict(&ledger.append(write([at("account", 1, 0), at("late", 0, 1)])).await));
}

pub async fn a_claim_has_one_owner(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let mut takers = JoinSet::new();
    for taker in 0..40 {
        let (ledger, owner) = (ledger.clone(), format!("owner-{taker}"));
        takers.spawn(async move {
            let outcome = ledger.append(Write { claims: vec![take("alice", &owner)], ..write([at(&owner, 0, 1)]) }).await;
            outcome.map(|_| owner)
        });
    }
    let (won, lost): (Vec<_>, Vec<_>) = takers.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 39));
    assert!(lost.iter().all(|l| matches!(l, Err(AppendError::ClaimTaken { kind: "name" }))));
    assert_eq!(ledger.claim_owner("name", b"alice").await.unwrap(), won[0].clone().ok());
    assert_eq!(ledger.head().await.unwrap().size, 1);
    // The loser's stream has no events, so it can come again when the name is free.
    let owner = won[0].clone().unwrap();
    ledger.append(Write { claims: vec![release("alice")], ..write([at(&owner, 1, 1)]) }).await.unwrap();
    assert_eq!(ledger.claim_owner("name", b"alice").await.unwrap(), None);
    ledger.append(Write { claims: vec![take("alice", "x")], ..write([at("x", 0, 1)]) }).await.unwrap();
    assert_eq!(ledger.claim_owner("name", b"alice").await.unwrap().as_deref(), Some("x"));
    assert_eq!(ledger.claim_owner("e-mail", b"alice").await.unwrap(), None);
}

pub async fn claims_are_found_in_the_order_of_their_bytes(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let claim = |kind, key: &[u8]| ClaimWrite::Take { kind, key: key.to_vec(), owner: "x".into() };
    let keys: [&[u8]; 5] = [&[0, 2], &[0, 1, 255], &[0, 1], &[1], &[255, 0]];
    let claims = keys.iter().map(|key| claim("due", key)).chain([claim("name", &[0])]).collect();
    ledger.append(Write { claims, ..write([at("a", 0, 1)]) }).await.unwrap();
    let before = async |key: &[u8], limit| ledger.claims_before("due", key, limit).await.unwrap();
    assert_eq!(before(&[1], 10).await, [vec![0, 1], vec![0, 1, 255], vec![0, 2]]);
    assert_eq!(before(&[1], 2).await, [vec![0, 1], vec![0, 1, 255]]);
    assert_eq!((before(&[0, 1], 10).await.len(), before(&[255, 255], 10).await.len()), (0, 5));
}

pub async fn a_claim_can_be_moved_within_one_write(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    ledger.append(Write { claims: vec![take("old", "a")], ..write([at("a", 0, 1)]) }).await.unwrap();
    ledger.append(Write { claims: vec![release("old"), take("new", "a"), take("old", "b")], ..write([at("a", 1, 1)]) }).await.unwrap();
    assert_eq!(ledger.claim_owner("name", b"new").await.unwrap().as_deref(), Some("a"));
    assert_eq!(ledger.claim_owner("name", b"old").await.unwrap().as_deref(), Some("b"));
    let twice = ledger.append(Write { claims: vec![take("z", "a"), take("z", "a")], ..write([at("a", 2, 1)]) }).await;
    assert!(matches!(twice, Err(AppendError::ClaimTaken { .. })));
    assert_eq!(ledger.claim_owner("name", b"z").await.unwrap(), None);
}

pub async fn the_writes_of_one_batch_are_checked_against_each_other(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    // Polled together on one task, so most of them wait in the queue at once.
    let same = (0..100).map(|_| ledger.append(with_row("same", 0)));
    let outcomes = together(same).await;
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|o| is_conflict(o)).count(), 99);
    let chained = (1..=100).map(|version| ledger.append(with_row("same", version)));
    let outcomes = together(chained).await;
    assert!(outcomes.iter().all(Result::is_ok), "each follows the one before it in the queue");
    assert_eq!(version_of(&ledger, "same").await, Some(101));
    assert_eq!(assert_whole(&ledger).await.len(), 101);
}

pub async fn a_write_is_all_or_nothing(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    ledger.append(write([at("b", 0, 1)])).await.unwrap();
    let torn = Write { claims: vec![take("n", "a")], rows: vec![upsert("a", 1)], streams: vec![at("a", 0, 2), at("b", 0, 1)], level: None };
    assert!(is_conflict(&ledger.append(torn).await));
    assert_eq!(ledger.head().await.unwrap().size, 1);
    assert_eq!(version_of(&ledger, "a").await, None);
    assert_eq!(ledger.claim_owner("name", b"n").await.unwrap(), None);
    let whole =
        Write { claims: vec![take("n", "a")], rows: vec![upsert("a", 2)], streams: vec![at("a", 0, 2), at("b", 1, 1)], level: None };
    let placed = ledger.append(whole).await.unwrap().placed;
    assert_eq!(placed.iter().map(|p| (p.position, p.version)).collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 2)]);
    let any = StreamWrite { expected: Expected::Any, ..at("b", 0, 1) };
    assert_eq!(ledger.append(write([any])).await.unwrap().placed[0].version, 3);
}

pub async fn what_is_too_large_is_refused_alone(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let sized = |bytes| Write { streams: vec![StreamWrite { events: vec![sized_event(bytes)], ..at("s", 0, 0) }], ..Write::default() };
    let beside: Vec<_> = (0..20).map(|i| write([at(&format!("beside-{i}"), 0, 1)])).collect();
    let large = [sized(MAX_LEAF + 1), sized(MAX_LEAF), sized(MAX_LEAF - 50)];
    let outcomes = together(large.into_iter().chain(beside).map(|w| ledger.append(w))).await;
    for outcome in &outcomes[..3] {
        assert!(matches!(outcome, Err(AppendError::TooLarge { kind: "Sized" })), "{outcome:?}");
    }
    assert!(outcomes[3..].iter().all(Result::is_ok));
    ledger.append(sized(MAX_LEAF - 300)).await.unwrap();
    let heavy = StreamWrite { events: (0..30).map(|_| sized_event(50_000)).collect(), ..at("heavy", 0, 0) };
    assert!(matches!(ledger.append(write([heavy])).await, Err(AppendError::TooLarge { .. })));
    assert_eq!(assert_whole(&ledger).await.len(), 21);
}

pub async fn one_bad_write_of_a_batch_fails_alone(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let first = write([at("first", 0, 1)]);
    let known = first.streams[0].events[0].id;
    ledger.append(first).await.unwrap();
    let mut writes: Vec<Write> = (0..60).map(|i| with_row(&format!("s-{i}"), 0)).collect();
    // The id of an event must be unique; nothing but the database can know that it is not.
    writes[30].streams[0].events[0].id = known;
    let outcomes = together(writes.into_iter().map(|w| ledger.append(w))).await;
    for (at, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.is_ok(), at != 30, "{at}: {outcome:?}");
    }
    assert!(matches!(outcomes[30], Err(AppendError::Unavailable(_))));
    assert_eq!(version_of(&ledger, "s-30").await, None);
    assert_eq!(assert_whole(&ledger).await.len(), 60);
    assert_eq!(ledger.is_alive().await, Ok(()));
}

pub async fn time_never_goes_back(fixture: &impl Fixture) {
    let now = Arc::new(AtomicI64::new(5_000));
    let clock = now.clone();
    let ledger = fixture.open(Options::new(Arc::new(move || clock.load(Ordering::Relaxed)))).await.unwrap();
    let mut times = Vec::new();
    for (version, time) in [5_000, 4_000, 6_000].into_iter().enumerate() {
        now.store(time, Ordering::Relaxed);
        let committed = ledger.append(write([at("s", version as u64, 1)])).await.unwrap();
        assert_eq!(committed.head.recorded_at, committed.placed[0].recorded_at);
        times.push(committed.placed[0].recorded_at);
    }
    assert_eq!(times, [5_000, 5_000, 6_000]);
}

pub async fn beyond_the_queue_appends_are_refused_and_none_is_lost(fixture: &impl Fixture) {
    let ledger = fixture.open(Options { queue: 8, ..options() }).await.unwrap();
    let outcomes = together((0..400).map(|i| ledger.append(write([at(&format!("s-{i}"), 0, 1)])))).await;
    let done = outcomes.iter().filter(|o| o.is_ok()).count();
    let busy = outcomes.iter().filter(|o| matches!(o, Err(AppendError::Busy))).count();
    assert_eq!(done + busy, 400);
    assert!(done >= 8 && busy > 0, "{done} done, {busy} busy");
    assert_eq!(assert_whole(&ledger).await.len(), done);
}

/// Starts all in order on one task and waits for all.
async fn together(
    appends: impl Iterator<Item = impl Future<Output = Result<Committed, AppendError>>>,
) -> Vec<Result<Committed, AppendError>> {
    let mut waiting: Vec<_> = appends.map(|a| (Box::pin(a), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (append, outcome) in &mut waiting {
            if outcome.is_none() {
                match append.as_mut().poll(context) {
                    std::task::Poll::Ready(done) => *outcome = Some(done),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, outcome)| outcome).collect()
}
