//! What an append costs, durable, on SQLite and PostgreSQL, alone and in groups of 16 and 256.
//!
//! PostgreSQL is a throw-away cluster of this run with fsync on; without its Debian package only SQLite is measured, and it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chancery_ledger::write::{Actor, Expected, NewEvent, Row, RowWrite, StreamWrite, Write};
use chancery_ledger::{Ledger, Options, postgres};
use chancery_test_postgres::{Cluster, Fsync};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

fn write(number: u64) -> Write {
    let stream = format!("grant-{number:020x}");
    let event = NewEvent {
        id: Uuid::from_u128(u128::from(number) << 64 | 1),
        kind: "Measured",
        schema: 1,
        actor: Actor { kind: "bench", id: String::new() },
        correlation: String::new(),
        causation: None,
        subject: None,
        data: Bytes::from(format!("{{\"note\":\"{}\"}}", "x".repeat(300))),
        personal: None,
    };
    let row =
        Row { table: "grant", key: stream.clone(), version: 1, body: Bytes::from(vec![b'x'; 400]), index: [None, None], expires_at: None };
    Write {
        streams: vec![StreamWrite { stream, expected: Expected::Version(0), events: vec![event] }],
        rows: vec![RowWrite::Upsert(row)],
        ..Write::default()
    }
}

fn measure(criterion: &mut Criterion, name: &str, runtime: &Runtime, ledger: &Ledger) {
    let next = Arc::new(AtomicU64::new(1));
    let mut group = criterion.benchmark_group(format!("append on {name}"));
    group.sample_size(10).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    for at_once in [1_u64, 16, 256] {
        group.throughput(Throughput::Elements(at_once));
        group.bench_with_input(BenchmarkId::from_parameter(at_once), &at_once, |bench, at_once| {
            bench.to_async(runtime).iter(|| async {
                let mut tasks = JoinSet::new();
                for _ in 0..*at_once {
                    let (ledger, number) = (ledger.clone(), next.fetch_add(1, Ordering::Relaxed));
                    tasks.spawn(async move { ledger.append(write(number)).await });
                }
                while let Some(done) = tasks.join_next().await {
                    done.expect("a task that ends").expect("an append that is durable");
                }
            });
        });
    }
    group.finish();
}

fn append(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let options = || Options::new(Arc::new(|| 1_800_000_000_000));
    let directory = tempfile::tempdir().expect("a directory");
    let sqlite = runtime.block_on(async { Ledger::open_sqlite(directory.path().join("bench.db"), options()) }).expect("SQLite opens");
    measure(criterion, "SQLite", &runtime, &sqlite);
    match Cluster::start_new(Fsync::On) {
        Ok(cluster) => {
            let url = cluster.database().expect("a database");
            let ledger = runtime.block_on(async {
                postgres::migrate(&url).await?;
                Ledger::open_postgres(&url, options()).await
            });
            measure(criterion, "PostgreSQL", &runtime, &ledger.expect("PostgreSQL opens"));
        }
        Err(error) => eprintln!("PostgreSQL is not measured: {error}"),
    }
}

criterion_group!(benches, append);
criterion_main!(benches);
