//! Several nodes on one database.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::recorded::Freshness;

const TASKS: u64 = 16;
const ROUNDS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_at_once_exactly_one_wins_each_version() {
    let url = migrated().await;
    let nodes = [node(&url).await, node(&url).await];
    let follower = tokio::spawn(follow(node(&url).await, ROUNDS * 5));
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let log = nodes[task as usize % 2].clone();
        tasks.push(tokio::spawn(async move {
            let (mut won, mut lost) = (0u64, 0u64);
            for version in 0..ROUNDS {
                // All tasks of both nodes want the same version of the same stream; four streams.
                let outcome = log.append(write(&format!("s{}", version % 4), Expected::Version(version / 4))).await;
                assert!(outcome.is_ok() || is_conflict(&outcome), "{outcome:?}");
                won += u64::from(outcome.is_ok());
                lost += u64::from(outcome.is_err());
                if outcome.is_ok() {
                    let quiet = format!("own-{task}-{version}");
                    log.append(write(&quiet, Expected::Version(0))).await.unwrap();
                }
                // Nobody runs ahead: the version exists before the next is tried.
                while log.read_stream(&format!("s{}", version % 4), version / 4 + 1).await.unwrap().is_empty() {
                    tokio::task::yield_now().await;
                }
            }
            (won, lost)
        }));
    }
    let (mut won, mut lost) = (0, 0);
    for task in tasks {
        let (w, l) = task.await.unwrap();
        won += w;
        lost += l;
    }
    assert_eq!((won, lost), (ROUNDS, ROUNDS * TASKS - ROUNDS));
    for log in nodes.iter() {
        log.append(write("end", Expected::Any)).await.unwrap();
    }
    let events = whole_log(&nodes[0]).await;
    assert_eq!(events.len() as u64, ROUNDS * 2 + 2);
    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        let version = versions.entry(&event.stream).or_default();
        *version += 1;
        assert_eq!(event.version, *version, "{}", event.stream);
    }
    follower.abort();
    node(&url).await;
    println!("two nodes, {TASKS} writers: {won} won, {lost} lost, {} events, dense", events.len());
}

/// A reader of a third node that wakes by `wait` never sees a gap.
async fn follow(log: Ledger, until: u64) {
    let mut seen = 0;
    while seen < until {
        log.wait(seen).await;
        seen += log.read_all(seen, 100).await.unwrap().len() as u64;
    }
}

async fn node_that_knows(level: u16, url: &str) -> Ledger {
    Ledger::open_postgres(url, Options { level, ..options() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_nodes_overlap_until_the_level_is_raised() {
    let url = migrated().await;
    let (old, new) = (node_that_knows(1, &url).await, node_that_knows(2, &url).await);
    assert_eq!(new.node_levels().await.unwrap(), Vec::<u16>::new(), "who has not written yet is not seen");
    for version in 0..4 {
        let log = if version % 2 == 0 { &old } else { &new };
        log.append(write("s", Expected::Version(version))).await.unwrap();
    }
    let mut seen = new.node_levels().await.unwrap();
    seen.sort_unstable();
    assert_eq!((seen, old.level(), new.level()), (vec![1, 2], 1, 1));
    let follower = node_that_knows(2, &url).await;
    new.append(Write { level: Some(2), ..write("s", Expected::Version(4)) }).await.unwrap();
    assert_eq!(new.level(), 2);
    // The old node: nothing is written, and nothing is answered from rows.
    let refused = old.append(write("s", Expected::Version(5))).await.unwrap_err();
    assert!(matches!(&refused, AppendError::Unavailable(why) if why.contains("level 2") && why.contains("level 1")), "{refused}");
    for freshness in [Freshness::Cached, Freshness::Fresh] {
        assert!(old.row("t", "s", freshness).await.is_err());
    }
    assert!(old.is_alive().await.is_err());
    // A node that only listens learns of it too, before it sees the event.
    follower.wait(4).await;
    assert_eq!(follower.level(), 2);
    new.append(write("s", Expected::Version(5))).await.unwrap();
    assert_eq!(whole_log(&new).await.len(), 6);
    old.close().await;
    drop(old);
    let gone = tokio::time::timeout(Duration::from_secs(5), async {
        while new.node_levels().await.unwrap().contains(&1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    gone.await.expect("a node that has ended is not seen");
}

#[tokio::test]
async fn an_append_of_another_node_wakes_who_waits_and_its_rows_leave_the_cache() {
    let url = migrated().await;
    let (here, there) = (node(&url).await, node(&url).await);
    assert_eq!(here.row("t", "s", Freshness::Cached).await.unwrap(), None, "and the absence is remembered");
    let waiting = tokio::spawn({
        let here = here.clone();
        async move { here.wait(0).await }
    });
    there.append(write("s", Expected::Version(0))).await.unwrap();
    assert_eq!(here.row("t", "s", Freshness::Fresh).await.unwrap().as_deref(), Some(&row("s", 1)));
    let head = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(head.size, 1);
    assert_eq!(here.row("t", "s", Freshness::Cached).await.unwrap().as_deref(), Some(&row("s", 1)));
    // A decision on a stale row loses, then wins on a fresh one.
    there.append(write("s", Expected::Version(1))).await.unwrap();
    assert!(is_conflict(&here.append(write("s", Expected::Version(1))).await));
    here.append(write("s", Expected::Version(2))).await.unwrap();
}

/// What this node knows of other streams stays, whether it learns of the commit as a listener or under its own head lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_another_node_costs_only_the_rows_that_it_changed() {
    let url = migrated().await;
    let (here, there) = (node(&url).await, node(&url).await);
    for stream in ["changes", "stays"] {
        here.append(write(stream, Expected::Version(0))).await.unwrap();
        assert!(here.remembers("t", stream));
    }
    // The listener's first act is to empty the cache: after this it has begun.
    there.append(write("first", Expected::Any)).await.unwrap();
    here.wait(2).await;
    for stream in ["changes", "stays"] {
        here.row("t", stream, Freshness::Fresh).await.unwrap();
    }
    for version in 1..5 {
        let head = there.append(write("changes", Expected::Version(version))).await.unwrap().head;
        match version % 2 {
            0 => drop(here.wait(head.size - 1).await),
            _ => drop(here.append(write(&format!("own-{version}"), Expected::Any)).await.unwrap()),
        }
        assert!(here.remembers("t", "stays"), "after version {version}");
        let cached = here.row("t", "changes", Freshness::Cached).await.unwrap().unwrap();
        assert_eq!(cached.version, version + 1, "what was announced is not older in the cache");
    }
    // Two nodes write one row in turn: neither keeps the other's old one.
    for version in (5..25).step_by(2) {
        here.append(write("changes", Expected::Version(version))).await.unwrap();
        there.append(write("changes", Expected::Version(version + 1))).await.unwrap();
        let fresh = here.row("t", "changes", Freshness::Fresh).await.unwrap().unwrap();
        assert_eq!(fresh.version, version + 2);
    }
}
