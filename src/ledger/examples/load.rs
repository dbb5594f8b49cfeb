//! How many appends of one event and one row a second of processor time carries, on SQLite in a temporary directory.
//!
//! `cargo run --release -p chancery-ledger --example load -- [concurrency] [appends] [scattered]`
//!
//! Names of streams grow with time, as they do when they are made of a UUIDv7; `scattered` ones dirty three times the pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chancery_ledger::recorded::Freshness;
use chancery_ledger::write::{Actor, Expected, NewEvent, Row, RowWrite, StreamWrite, Write};
use chancery_ledger::{Ledger, Options};
use tokio::time::Instant;
use uuid::Uuid;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let concurrency: u64 = arguments.next().map_or(Ok(64), |a| a.parse())?;
    let appends: u64 = arguments.next().map_or(Ok(200_000), |a| a.parse())?;
    let scattered = arguments.next().is_some_and(|a| a == "scattered");
    let directory = tempfile::tempdir()?;
    let ledger = Ledger::open_sqlite(directory.path().join("load.db"), Options::new(Arc::new(|| 1_800_000_000_000)))?;
    let (started, used) = (Instant::now(), cpu_seconds());
    let (next, reads) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..concurrency)
        .map(|_| {
            let (ledger, next, reads) = (ledger.clone(), next.clone(), reads.clone());
            tokio::spawn(async move {
                let (mut count, mut stream) = (0, String::new());
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= appends {
                        return Ok::<_, String>(());
                    }
                    // Every second append of a task goes on with the stream that the one before it began.
                    if count % 2 == 0 {
                        stream = match scattered {
                            true => format!("grant-{:020x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                            false => format!("grant-{n:020x}"),
                        };
                    }
                    count += 1;
                    let row = match count % 2 {
                        0 => ledger.row("grant", &stream, Freshness::Fresh).await.ok().flatten(),
                        _ => None,
                    };
                    reads.fetch_add(u64::from(row.is_some()), Ordering::Relaxed);
                    let version = row.map_or(0, |row| row.version);
                    ledger.append(write(n, stream.clone(), version)).await.map_err(|error| error.to_string())?;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let (elapsed, used) = (started.elapsed().as_secs_f64(), cpu_seconds() - used);
    let size = ledger.head().await?.size;
    println!(
        "{{\"concurrency\":{concurrency},\"events\":{size},\"seconds\":{elapsed:.2},\"cpu_seconds\":{used:.2},\"per_second\":{:.0},\"per_cpu_second\":{:.0},\"rows_seen\":{}}}",
        size as f64 / elapsed,
        size as f64 / used,
        reads.load(Ordering::Relaxed),
    );
    ledger.close().await;
    Ok(())
}

fn write(n: u64, stream: String, version: u64) -> Write {
    let row = Row {
        table: "grant",
        key: stream.clone(),
        version: version + 1,
        body: Bytes::from(vec![b'x'; 300]),
        index: [Some(format!("account-{:06}", n % 5_000)), None],
        expires_at: Some(1_800_000_000_000 + n as i64),
    };
    let event = NewEvent {
        id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(n)),
        kind: "TokenIssued",
        schema: 1,
        actor: Actor { kind: "client", id: "client-1".into() },
        correlation: format!("{n:032x}"),
        causation: None,
        subject: Some(format!("account-{:06}", n % 5_000)),
        data: Bytes::from(format!("{{\"scope\":\"{}\"}}", "s".repeat(200))),
        personal: None,
    };
    let streams = vec![StreamWrite { stream, expected: Expected::Version(version), events: vec![event] }];
    Write { streams, rows: vec![RowWrite::Upsert(row)], ..Write::default() }
}

/// User and system time of this process from `/proc/self/stat`, in hundredths of a second; 0 where there is no such file.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let times = after_name.split_whitespace().skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
