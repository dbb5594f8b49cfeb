//! The look-up after a lost COMMIT, on a real file with readers at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::*;
use crate::backend::{Filter, Reading as _, Writing as _};
use crate::write::{Actor, Expected, NewEvent, StreamWrite, Write};

fn store(path: &Path) -> (writer::Store, Reader) {
    let options = Options::new(Arc::new(|| 1));
    let lock = lock(path).unwrap();
    let mut connection = startup::open_writable(path, &options).unwrap();
    startup::migrate(&mut connection, &options).unwrap();
    let reader = Reader::new(path.to_owned(), 4);
    let shared = Arc::new(Shared::new(0, startup::check(&connection).unwrap().head(), crate::shared::Levels { found: 1, known: 1 }, None));
    (writer::Store::new(connection, lock, path.to_owned(), reader.clone(), options, shared), reader)
}

fn write(id: u128, stream: &str) -> Write {
    let event = NewEvent {
        id: Uuid::from_u128(id),
        kind: "Happened",
        schema: 1,
        actor: Actor { kind: "test", id: "t".into() },
        correlation: "c".into(),
        causation: None,
        subject: None,
        data: "{}".into(),
        personal: None,
    };
    Write { streams: vec![StreamWrite { stream: stream.into(), expected: Expected::Version(0), events: vec![event] }], ..Write::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_looked_up_with_every_connection_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, reader) = store(&directory.path().join("chancery.db"));
    let stop = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn({
        let (reader, stop) = (reader.clone(), stop.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                reader.read_all(0, 10).await.unwrap();
            }
        }
    });
    for round in 0..20u128 {
        let (there, absent) = (write(2 * round, &format!("s-{round}")), Uuid::from_u128(2 * round + 1));
        store.commit(&[&there], 1).await.unwrap();
        assert!(store.committed(&[Uuid::from_u128(2 * round)]).await.unwrap());
        assert!(!store.committed(&[absent]).await.unwrap());
        // Half a commit cannot be; if it is there nevertheless, nobody is told that it is whole.
        assert!(store.committed(&[Uuid::from_u128(2 * round), absent]).await.is_err());
    }
    stop.store(true, Ordering::Relaxed);
    reading.await.unwrap();
    assert_eq!(reader.head().await.unwrap().size, 20);
}

#[test]
fn every_look_up_walks_its_index_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chancery.db");
    drop(store(&path));
    let connection = Connection::open(&path).unwrap();
    startup::plan_once(&connection).unwrap();
    let by = |column| Filter::Index { column, value: String::new() };
    let filters = [(Filter::All, "rows_key"), (by(0), "rows_i0"), (by(1), "rows_i1"), (Filter::ExpiredBefore(0), "rows_expires")];
    let both = filters.into_iter().flat_map(|(filter, index)| [(filter.clone(), index, false), (filter, index, true)]);
    // Only look-ups go backwards.
    for (filter, index, descending) in both.filter(|(filter, _, descending)| !descending || matches!(filter, Filter::Index { .. })) {
        for set in [None, Some("report".to_owned())] {
            let explain = format!("EXPLAIN QUERY PLAN {}", reader::select_sql(&set, &filter, descending));
            let mut statement = connection.prepare(&explain).unwrap();
            let parameters = rusqlite::params_from_iter(vec![None::<String>; statement.parameter_count()]);
            let plan: Vec<String> = statement.query_map(parameters, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            let plan = plan.join("; ");
            assert!(plan.contains(&format!("USING INDEX {index} ")), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open_sqlite(directory.path().join("chancery.db"), Options::new(Arc::new(|| 1))).unwrap();
    ledger.append(write(1, "s")).await.unwrap();
    let modes: Vec<u32> =
        std::fs::read_dir(directory.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().permissions().mode() & 0o777).collect();
    assert_eq!(modes, [0o600; 4], "database, log, index of the log, lock");
    ledger.close().await;
}

#[test]
fn the_lock_ends_with_its_holder() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chancery.db");
    let held = lock(&path).unwrap();
    assert!(matches!(lock(&path), Err(OpenError::Locked(_))));
    drop(held);
    lock(&path).unwrap();
}
