//! Killed in the middle of load, again and again: what was acknowledged is there, what was not is there whole or not at all.
//!
//! The victim is this test program itself, started on the one test `victim` with the address in its environment. It tells what was
//! acknowledged on a pipe. Its writes touch two streams, a row and a claim each.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use chancery_ledger::error::OpenError;
use chancery_ledger::recorded::Freshness;
use chancery_ledger::write::Write;
use chancery_ledger::{Ledger, Options};
use tokio::task::JoinSet;

use crate::fixture::*;

const ROUNDS: u32 = 50;
const ADDRESS: &str = "CHANCERY_TEST_VICTIM";
const ROUND: &str = "CHANCERY_TEST_ROUND";
const TASKS: usize = 12;

async fn open(address: &str, options: Options) -> Result<Ledger, OpenError> {
    match address.starts_with("postgres:") {
        true => Ledger::open_postgres(address, options).await,
        false => Ledger::open_sqlite(address, options),
    }
}

pub async fn killed_under_load_nothing_acknowledged_is_lost(fixture: &impl Fixture) {
    let mut acknowledged = 0;
    let mut unacknowledged = 0;
    for round in 0..ROUNDS {
        let acks = run_victim(&fixture.address(), round);
        fixture.settled().await;
        let ledger = fixture.ledger().await;
        let committed = assert_round(&ledger, round, &acks).await;
        acknowledged += acks.len();
        unacknowledged += committed - acks.len();
        ledger.close().await;
    }
    let ledger = fixture.ledger().await;
    let size = assert_whole(&ledger).await.len();
    eprintln!(
        "{ROUNDS} kills: {acknowledged} appends acknowledged and found, {unacknowledged} found whole without an answer, {size} events"
    );
    assert_eq!(size, 3 * (acknowledged + unacknowledged));
    assert!(acknowledged > ROUNDS as usize);
}

/// Starts the victim, reads some acknowledgements, kills it, and reads what was still in the pipe.
fn run_victim(address: &str, round: u32) -> Vec<String> {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--ignored", "--nocapture"])
        .env(ADDRESS, address)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Numbers that scatter, the same in each run.
    let scattered = round.wrapping_mul(2_654_435_761) >> 8;
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acks = Vec::new();
    while acks.len() < 1 + scattered as usize % 150 {
        let line = lines.next().expect("the victim lives until it is killed");
        acks.extend(line.strip_prefix("ack ").map(str::to_owned));
    }
    // Into the middle of what follows: this is what the test is about, so no signal to wait for.
    std::thread::sleep(std::time::Duration::from_micros(u64::from(scattered % 3_000)));
    victim.kill().unwrap();
    victim.wait().unwrap();
    // The last line may be torn; a torn acknowledgement was never received.
    acks.extend(lines.filter_map(|line| line.strip_prefix("ack ").filter(|ack| ack.ends_with('.')).map(str::to_owned)));
    acks
}

/// Returns how many writes of the round are in the log.
async fn assert_round(ledger: &Ledger, round: u32, acks: &[String]) -> usize {
    let mut events: HashMap<String, usize> = HashMap::new();
    for task in 0..TASKS {
        let (first, second) = (format!("r{round}-t{task}-a"), format!("r{round}-t{task}-b"));
        let (firsts, seconds) = (ledger.read_stream(&first, 0).await.unwrap(), ledger.read_stream(&second, 0).await.unwrap());
        // Two events and one: torn in the middle, the numbers would not fit.
        assert_eq!(firsts.len(), 2 * seconds.len(), "round {round}: half a write");
        let row = ledger.row("t", &first, Freshness::Fresh).await.unwrap();
        assert_eq!(row.map_or(0, |row| row.version), firsts.len() as u64, "round {round}: the row and its stream");
        for write in 0..seconds.len() {
            let name = format!("{first}-{write}.");
            assert_eq!(ledger.claim_owner("name", name.as_bytes()).await.unwrap().as_deref(), Some(first.as_str()));
            events.insert(name, write);
        }
        let beyond = format!("{first}-{}.", seconds.len());
        assert_eq!(ledger.claim_owner("name", beyond.as_bytes()).await.unwrap(), None, "round {round}: a claim without its events");
    }
    for ack in acks {
        assert!(events.contains_key(ack), "round {round}: {ack} was acknowledged and is lost");
    }
    events.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test above, to be killed"]
async fn victim() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let round = std::env::var(ROUND).unwrap();
    let ledger = open(&address, options()).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (ledger, first, second) = (ledger.clone(), format!("r{round}-t{task}-a"), format!("r{round}-t{task}-b"));
        tasks.spawn(async move {
            for count in 0.. {
                let name = format!("{first}-{count}.");
                let write = Write {
                    streams: vec![at(&first, 2 * count, 2), at(&second, count, 1)],
                    claims: vec![take(&name, &first)],
                    rows: vec![upsert(&first, 2 * count + 2)],
                    level: None,
                };
                ledger.append(write).await.unwrap();
                writeln!(std::io::stdout().lock(), "ack {name}").unwrap();
            }
        });
    }
    tasks.join_all().await;
}
