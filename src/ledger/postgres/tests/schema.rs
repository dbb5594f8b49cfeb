//! The schema's levels, the role that serves, and what a commit stores.

use std::time::Duration;

use chancery_test_postgres::{Cluster, Fsync, GUEST};

use super::*;
use crate::backend::Writing as _;
use crate::error::OpenError;
use crate::plan;
use crate::postgres::connect::{Session, Target};
use crate::postgres::memory::Memory;
use crate::postgres::migrate;
use crate::postgres::writing::PgWriting;
use crate::recorded::Freshness;
use crate::shared::Shared;
use crate::write::ClaimWrite;

#[tokio::test]
async fn migrating_twice_and_at_once_changes_nothing() {
    let url = cluster().database().unwrap();
    let (first, second) = tokio::join!(migrate(&url), migrate(&url));
    first.unwrap();
    second.unwrap();
    migrate(&url).await.unwrap();
    assert_eq!(node(&url).await.known_head().size, 0);
    let levels = cluster().psql_in(database(&url), "SELECT count(*) FROM chancery.migrations").unwrap();
    assert_eq!(levels.trim(), "6");
}

#[tokio::test]
async fn another_level_of_the_schema_is_refused() {
    let url = cluster().database().unwrap();
    let refused = Ledger::open_postgres(&url, options()).await.err().unwrap();
    assert!(matches!(refused, OpenError::NeedsMigration { found: 0, known: 6 }), "{refused}");
    migrate(&url).await.unwrap();
    cluster().psql_in(database(&url), "INSERT INTO chancery.migrations (level) VALUES (99)").unwrap();
    let refused = Ledger::open_postgres(&url, options()).await.err().unwrap();
    assert!(matches!(refused, OpenError::TooNew { found: 99, known: 6 }), "{refused}");
    assert!(matches!(migrate(&url).await, Err(OpenError::TooNew { .. })));
}

#[tokio::test]
async fn a_log_of_before_the_levels_is_of_the_first() {
    let url = migrated().await;
    let log = node(&url).await;
    log.append(write("s", Expected::Version(0))).await.unwrap();
    log.close().await;
    let back = "DROP TRIGGER head_archived ON chancery.head; DROP FUNCTION chancery.refuse_archived; \
         DROP TRIGGER events_change_once ON chancery.events; DROP FUNCTION chancery.refuse_other_change; \
         ALTER TABLE chancery.head DROP COLUMN archived, DROP COLUMN level; DELETE FROM chancery.migrations WHERE level >= 5";
    cluster().psql_in(database(&url), back).unwrap();
    assert!(matches!(Ledger::open_postgres(&url, options()).await, Err(OpenError::NeedsMigration { found: 4, known: 6 })));
    migrate(&url).await.unwrap();
    let log = node(&url).await;
    assert_eq!((log.level(), log.head().await.unwrap().size), (1, 1));
}

/// Roles belong to the cluster, so this test has one to itself.
#[tokio::test]
async fn a_user_serves_by_grant_and_not_with_rights_on_history() {
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    migrate(&url).await.unwrap();
    let guest = cluster.url(GUEST, database(&url));
    let refused = Ledger::open_postgres(&guest, options()).await.err().unwrap();
    assert!(refused.to_string().contains("GRANT chancery_serve"), "{refused}");

    let strong = format!("GRANT USAGE ON SCHEMA chancery TO {GUEST}; GRANT ALL ON ALL TABLES IN SCHEMA chancery TO {GUEST}");
    cluster.psql_in(database(&url), &strong).unwrap();
    let refused = Ledger::open_postgres(&guest, options()).await.err().unwrap();
    assert!(matches!(refused, OpenError::RoleTooStrong), "{refused}");
    let lenient = Options { strict_role: false, ..options() };
    Ledger::open_postgres(&guest, lenient).await.unwrap().append(write("s", Expected::Any)).await.unwrap();

    // As a member it steps down to the role that serves, whatever else it may do itself.
    cluster.psql(&format!("GRANT chancery_serve TO {GUEST}")).unwrap();
    let node = node(&guest).await;
    node.append(write("s", Expected::Any)).await.unwrap();
    assert_eq!(node.head().await.unwrap().size, 2);
}

#[tokio::test]
async fn nobody_changes_history() {
    let url = migrated().await;
    node(&url).await.append(write("s", Expected::Any)).await.unwrap();
    let target = Target::parse(&url).unwrap();
    for session in [Session::Serve, Session::AsLoggedIn] {
        let client = target.session(session).await.unwrap();
        for change in [
            "UPDATE chancery.events SET kind = 'x'",
            "UPDATE chancery.events SET leaf = leaf_hash",
            "DELETE FROM chancery.events",
            "TRUNCATE chancery.events",
        ] {
            let refused = client.batch_execute(change).await.err().unwrap();
            assert_eq!(refused.code().unwrap().code(), "42501", "{session:?} {change}");
        }
    }
    let replica = "SET session_replication_role = replica; DELETE FROM chancery.events";
    let refused = cluster().psql_in(database(&url), replica).unwrap_err();
    assert!(refused.to_string().contains("never changed"), "{refused}");
}

#[tokio::test]
async fn a_commit_stores_events_rows_claims_and_tiles() {
    let url = migrated().await;
    let log = node(&url).await;
    let mut first = write("a", Expected::Version(0));
    first.streams[0].events = (0..300).map(|_| event(0)).collect();
    first.rows = vec![RowWrite::Upsert(Row { expires_at: Some(5), ..row("a", 300) }), RowWrite::Upsert(row("b", 1))];
    first.claims = vec![ClaimWrite::Take { kind: "name", key: vec![0, 1], owner: "a".into() }];
    let committed = log.append(first).await.unwrap();
    assert_eq!((committed.placed[299].position, committed.placed[299].version, committed.head.size), (299, 300, 300));

    let mut second = write("b", Expected::Version(0));
    second.streams.push(StreamWrite { stream: "a".into(), expected: Expected::Version(300), events: vec![] });
    second.rows = vec![RowWrite::Delete { table: "t", key: "b".into() }];
    second.claims = vec![
        ClaimWrite::Release { kind: "name", key: vec![0, 1] },
        ClaimWrite::Take { kind: "name", key: vec![0, 1], owner: "b".into() },
        ClaimWrite::Take { kind: "other", key: vec![], owner: "b".into() },
    ];
    log.append(second).await.unwrap();
    let taken = Write { claims: vec![ClaimWrite::Take { kind: "name", key: vec![0, 1], owner: "c".into() }], ..Write::default() };
    assert!(matches!(log.append(taken).await, Err(AppendError::ClaimTaken { kind: "name" })));
    assert!(is_conflict(&log.append(write("a", Expected::Version(299))).await));

    // Another node checks head, tiles and leaves at its start, and reads the same.
    let other = node(&url).await;
    assert_eq!(other.claim_owner("name", &[0, 1]).await.unwrap().as_deref(), Some("b"));
    assert_eq!(other.event_kinds().await.unwrap(), [("Happened".to_owned(), 1)]);
    assert_eq!(other.read_stream("a", 299).await.unwrap().len(), 2);
    assert_eq!(whole_log(&other).await.len(), 301);
    let rows = other.rows(&[("t", "b"), ("t", "a"), ("t", "none")], Freshness::Fresh).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| row.as_deref().cloned()).collect();
    assert_eq!(rows, [None, Some(Row { expires_at: Some(5), ..row("a", 300) }), None]);
    assert_eq!(other.rows_by("t", 0, "a", None, 9).await.unwrap().len(), 1);
    assert_eq!(other.rows_expired("t", 6, 9).await.unwrap().len(), 1);
    assert!(other.rows_expired("t", 5, 9).await.unwrap().is_empty());
    assert_eq!(other.inline_set().await.unwrap(), ("v1".to_owned(), 301));
}

#[tokio::test]
async fn a_write_that_cannot_be_stored_fails_alone() {
    let log = node(&migrated().await).await;
    let appends: Vec<_> = (0..64)
        .map(|i| {
            // PostgreSQL has no text with a zero byte.
            let stream = if i == 30 { "bad\0".to_owned() } else { format!("s{i}") };
            let log = log.clone();
            tokio::spawn(async move { log.append(write(&stream, Expected::Version(0))).await })
        })
        .collect();
    let mut refused = 0;
    for append in appends {
        refused += usize::from(append.await.unwrap().is_err());
    }
    assert_eq!(refused, 1);
    assert_eq!(whole_log(&log).await.len(), 63);
    log.is_alive().await.unwrap();
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_looked_up_by_its_ids() {
    let url = migrated().await;
    let target = Target::parse(&url).unwrap();
    let head = node(&url).await.known_head();
    let shared = Arc::new(Shared::new(0, head, crate::shared::Levels { found: 1, known: 1 }, None));
    let mut writing = PgWriting::new(target, Session::Serve, Memory::default(), shared, "n".into());
    let (there, not_there) = (write("s", Expected::Version(0)), write("s", Expected::Version(1)));
    let ids = |w: &Write| w.streams[0].events.iter().map(|e| e.id).collect::<Vec<_>>();
    writing.commit(&[&there], 5).await.unwrap();
    assert!(writing.committed(&ids(&there)).await.unwrap());
    assert!(!writing.committed(&ids(&not_there)).await.unwrap());
    let both = [ids(&there), ids(&not_there)].concat();
    assert!(writing.committed(&both).await.is_err(), "half a commit cannot be");
    assert!(plan::touched(&[]).streams.is_empty());
}

#[tokio::test]
async fn a_database_that_went_back_stops_the_node() {
    let url = migrated().await;
    let log = node(&url).await;
    log.append(write("s", Expected::Version(0))).await.unwrap();
    let saved = "CREATE TABLE saved AS SELECT * FROM chancery.head";
    cluster().psql_in(database(&url), saved).unwrap();
    log.append(write("s", Expected::Version(1))).await.unwrap();
    // As after a failover to a standby that had not got the last commit, to which another node then wrote.
    let lose = "ALTER TABLE chancery.events DISABLE TRIGGER USER; DELETE FROM chancery.events WHERE position = 1; \
         ALTER TABLE chancery.events ENABLE ALWAYS TRIGGER events_never_change; \
         UPDATE chancery.head SET size = saved.size, root = saved.root, frontier = saved.frontier, inline_checkpoint = 1 FROM saved";
    cluster().psql_in(database(&url), lose).unwrap();
    let other = node(&url).await;
    other.append(write("s", Expected::Version(1))).await.unwrap();
    other.append(write("s", Expected::Version(2))).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    cluster().psql_in(database(&url), cut).unwrap();

    let refused = log.append(write("s", Expected::Any)).await.err().unwrap();
    let damaged = tokio::time::timeout(Duration::from_secs(5), async {
        // The first answer may still be the cut connection.
        while !matches!(log.head().await, Err(crate::error::ReadError::Damaged { position: 1, .. })) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    damaged.await.unwrap_or_else(|_| panic!("{refused}"));
    assert!(log.append(write("s", Expected::Any)).await.is_err());
    assert_eq!(other.head().await.unwrap().size, 3, "the other node never acknowledged what was lost");
}
