//! What only PostgreSQL has: migrations, roles, several nodes, outages. The contract that it shares with SQLite is tested elsewhere.

mod nodes;
mod outage;
mod schema;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chancery_test_postgres::{Cluster, Fsync};
use uuid::Uuid;

use crate::error::AppendError;
use crate::recorded::{Committed, Recorded};
use crate::write::{Actor, Expected, NewEvent, Row, RowWrite, StreamWrite, Write};
use crate::{Ledger, Options};

/// One cluster for all tests that do not stop it.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start_new(Fsync::Off).unwrap())
}

/// A fresh database with the schema.
pub(crate) async fn migrated() -> String {
    let url = cluster().database().unwrap();
    super::migrate(&url).await.unwrap();
    url
}

fn options() -> Options {
    Options::new(Arc::new(|| 1_700_000_000_000))
}

async fn node(url: &str) -> Ledger {
    Ledger::open_postgres(url, options()).await.unwrap()
}

/// The name of the database in its URL.
fn database(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// Unique among the processes of a test: each has its number.
fn event(process: u64) -> NewEvent {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NewEvent {
        id: Uuid::from_u64_pair(process, NEXT.fetch_add(1, Ordering::Relaxed)),
        kind: "Happened",
        schema: 1,
        actor: Actor { kind: "test", id: "t".into() },
        correlation: "c".into(),
        causation: None,
        subject: None,
        data: Bytes::from_static(b"{\"a\":1}"),
        personal: None,
    }
}

/// One event, and the stream's row if its version is known.
fn write(stream: &str, expected: Expected) -> Write {
    let rows = match expected {
        Expected::Version(before) => vec![RowWrite::Upsert(row(stream, before + 1))],
        Expected::Any => vec![],
    };
    Write { streams: vec![StreamWrite { stream: stream.into(), expected, events: vec![event(0)] }], rows, ..Write::default() }
}

fn row(key: &str, version: u64) -> Row {
    Row { table: "t", key: key.into(), version, body: Bytes::from(version.to_string()), index: [Some(key.into()), None], expires_at: None }
}

/// Every event of the log in order; fails on a gap.
async fn whole_log(ledger: &Ledger) -> Vec<Recorded> {
    let mut events = Vec::new();
    loop {
        let page = ledger.read_all(events.len() as u64, 1_000).await.unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

fn is_conflict(outcome: &Result<Committed, AppendError>) -> bool {
    matches!(outcome, Err(AppendError::VersionConflict { .. }))
}
