//! The database goes away and comes back; a node is killed. Nothing acknowledged is lost, nothing is there by half.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use chancery_test_postgres::{Cluster, Fsync, Stop};
use tokio::time::Instant;

use super::*;

/// Three events in two streams: a half of it would show.
fn three(task: u64, n: u64, process: u64) -> Write {
    let part = |stream: String, events| StreamWrite { stream, expected: Expected::Any, events };
    let first = part(format!("a-{task}-{n}"), vec![event(process), event(process)]);
    let second = part(format!("b-{task}-{n}"), vec![event(process)]);
    Write { streams: vec![first, second], rows: vec![RowWrite::Upsert(row(&format!("a-{task}-{n}"), 2))], ..Write::default() }
}

/// How many whole writes are in the log; fails on a half, a gap or a missing acknowledged one.
async fn check(log: &Ledger, acknowledged: &HashSet<String>) -> usize {
    let mut found: HashMap<String, Vec<u64>> = HashMap::new();
    for event in whole_log(log).await {
        let (part, name) = event.stream.split_once('-').unwrap();
        let place = found.entry(name.to_owned()).or_default();
        assert!(part == "a" || part == "b");
        place.push(event.position);
    }
    for (name, positions) in &found {
        assert_eq!(positions.len(), 3, "half of {name}");
        assert_eq!(positions[2], positions[0] + 2, "{name} is not in one piece");
        let row = log.row("t", &format!("a-{name}"), crate::recorded::Freshness::Fresh).await.unwrap();
        assert!(row.is_some(), "the row of {name}");
    }
    let lost: Vec<_> = acknowledged.iter().filter(|name| !found.contains_key(*name)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    found.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_dies_under_load_and_comes_back() {
    let cluster = Cluster::start_new(Fsync::On).unwrap();
    let url = cluster.database().unwrap();
    crate::postgres::migrate(&url).await.unwrap();
    let log = Ledger::open_postgres(&url, options()).await.unwrap();
    let acknowledged = Arc::new(Mutex::new(HashSet::new()));
    let refused = Arc::new(AtomicU64::new(0));
    let unknown = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for task in 0..32 {
        let (log, acknowledged, refused, unknown, stop) =
            (log.clone(), acknowledged.clone(), refused.clone(), unknown.clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            for n in 0.. {
                if stop.load(Ordering::Relaxed) > 0 {
                    break;
                }
                let began = Instant::now();
                match log.append(three(task, n, 0)).await {
                    Ok(_) => drop(acknowledged.lock().unwrap().insert(format!("{task}-{n}"))),
                    Err(AppendError::Unavailable(_)) => {
                        slowest = slowest.max(began.elapsed());
                        refused.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(AppendError::Unknown(_)) => drop(unknown.fetch_add(1, Ordering::Relaxed)),
                    Err(other) => panic!("{other}"),
                }
            }
            slowest
        }));
    }
    let count = || acknowledged.lock().unwrap().len();
    for how in [Stop::Immediate, Stop::Fast, Stop::Immediate] {
        let before = count();
        until(|| count() > before + 200).await;
        tokio::task::block_in_place(|| cluster.stop(how)).unwrap();
        let refusals = refused.load(Ordering::Relaxed);
        until(|| refused.load(Ordering::Relaxed) > refusals + 100).await;
        assert!(log.is_alive().await.is_err());
        assert!(log.head().await.is_err());
        tokio::task::block_in_place(|| cluster.start()).unwrap();
        let back = Instant::now();
        let before = count();
        until(|| count() > before + 50).await;
        println!("{how:?}: recovered {} ms after the database", back.elapsed().as_millis());
    }
    stop.store(1, Ordering::Relaxed);
    let mut slowest = Duration::ZERO;
    for task in tasks {
        slowest = slowest.max(task.await.unwrap());
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    let found = check(&log, &acknowledged).await;
    let (refused, unknown) = (refused.load(Ordering::Relaxed), unknown.load(Ordering::Relaxed));
    println!(
        "3 outages: {} acknowledged, {found} in the log, {refused} refused (slowest {slowest:?}), {unknown} unknown",
        acknowledged.len()
    );
    assert!(found as u64 <= acknowledged.len() as u64 + unknown, "a refused write is in the log");
    // A new node finds a sound log.
    Ledger::open_postgres(&url, options()).await.unwrap();
}

/// Awaits a state that other tasks bring about.
async fn until(reached: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.expect("it never came to that");
}

const ROUNDS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_killed_under_load() {
    let url = migrated().await;
    let mut acknowledged = HashSet::new();
    let mut open_ended = 0;
    for round in 1..=ROUNDS {
        let mut child = spawn_node(&url, round);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).filter_map(acknowledgement);
        // Another point in the middle of the load each time.
        let enough = 20 + (round * 7919 % 61) as usize;
        let mut got: HashSet<String> = lines.by_ref().take(enough).collect();
        child.kill().unwrap();
        got.extend(lines);
        child.wait().unwrap();
        assert!(got.len() >= enough, "round {round}: the node ended by itself");
        acknowledged.extend(got);
        let log = node(&url).await;
        open_ended = check(&log, &acknowledged).await - acknowledged.len();
    }
    println!("{ROUNDS} kills: {} acknowledged, all there; {open_ended} more whole, their answers lost with the node", acknowledged.len());
}

fn acknowledgement(line: String) -> Option<String> {
    // The test harness writes on the same line before the first one.
    line.rsplit_once("acknowledged ").map(|(_, name)| name.to_owned())
}

fn spawn_node(url: &str, round: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "postgres::tests::outage::node_to_kill", "--ignored", "--nocapture"]);
    command.env("CHANCERY_TEST_NODE", format!("{round} {url}")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The child process of the test above, not a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_node_is_killed_under_load"]
async fn node_to_kill() {
    let told = std::env::var("CHANCERY_TEST_NODE").unwrap();
    let (round, url) = told.split_once(' ').unwrap();
    let round: u64 = round.parse().unwrap();
    let log = node(url).await;
    for task in 0..16 {
        let log = log.clone();
        tokio::spawn(async move {
            for n in 0.. {
                log.append(three(round * 100 + task, n, round)).await.unwrap();
                let mut out = std::io::stdout().lock();
                let told = writeln!(out, "acknowledged {}-{n}", round * 100 + task).and_then(|()| out.flush());
                if told.is_err() {
                    return;
                }
            }
        });
    }
    // Ends by being killed; by itself if its parent was.
    tokio::time::sleep(Duration::from_secs(60)).await;
}
