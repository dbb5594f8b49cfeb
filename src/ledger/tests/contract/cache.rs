//! The row cache under a race of readers with the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use chancery_ledger::Options;
use chancery_ledger::recorded::Freshness;
use tokio::task::JoinSet;

use crate::fixture::*;
use crate::read::Stop;

const KEYS: usize = 160;

/// With a cache that holds everything, and with one of a single row per shard, so that rows are thrown out and filled again all the time.
pub async fn nobody_reads_a_row_older_than_an_acknowledged_one(fixture: &impl Fixture) {
    for cache_bytes in [64 << 20, 64 * 400] {
        let ledger = fixture.open(Options { cache_bytes, ..options() }).await.unwrap();
        let acknowledged: Arc<Vec<AtomicU64>> = Arc::new((0..KEYS).map(|_| AtomicU64::new(0)).collect());
        // The key written last: a reader that was too slow would fill it with what it was before.
        let latest = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = Stop::new();
        let mut readers = JoinSet::new();
        for reader in 0..4 {
            let (ledger, acknowledged, stopped, latest) = (ledger.clone(), acknowledged.clone(), stopped.clone(), latest.clone());
            readers.spawn(async move {
                let mut reads = 0;
                while !stopped.load(Ordering::Relaxed) {
                    reads += 1;
                    let ahead = [0, 1, 2, 3, 4, 8][(reads + reader) % 6];
                    let key = (latest.load(Ordering::Relaxed) + ahead) % KEYS;
                    let least = acknowledged[key].load(Ordering::SeqCst);
                    let name = format!("{cache_bytes}-{key}");
                    let row = ledger.row("t", &name, Freshness::Fresh).await.unwrap();
                    let seen = row.map_or(0, |row| row.version);
                    assert!(seen >= least, "{name}: version {seen} after {least} was acknowledged");
                    if reads % 50 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                reads
            });
        }
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let (ledger, acknowledged, latest) = (ledger.clone(), acknowledged.clone(), latest.clone());
            writers.spawn(async move {
                for version in 0..12 {
                    for key in (writer..KEYS).step_by(4) {
                        ledger.append(with_row(&format!("{cache_bytes}-{key}"), version)).await.unwrap();
                        acknowledged[key].store(version + 1, Ordering::SeqCst);
                        latest.store(key, Ordering::Relaxed);
                    }
                }
            });
        }
        writers.join_all().await;
        drop(stop);
        assert!(readers.join_all().await.iter().all(|reads| *reads > 100));
        ledger.close().await;
    }
}
