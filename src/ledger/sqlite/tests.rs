//! The look-up after a lost COMMIT, on a real file with readers at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::*;
use crate::backend::{Reading as _, Writing as _};
use crate::write::{Actor, Expected, NewEvent, StreamWrite, Write};

fn store(path: &Path) -> (writer::Store, Reader) {
    let options = Options::new(Arc::new(|| 1));
    let lock = lock(path).unwrap();
    let mut connection = startup::open_writable(path, &options).unwrap();
    startup::migrate(&mut connection, &options).unwrap();
    let reader = Reader::new(path.to_owned(), 4);
    (writer::Store::new(connection, lock, path.to_owned(), reader.clone(), options), reader)
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
fn the_lock_ends_with_its_holder() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chancery.db");
    let held = lock(&path).unwrap();
    assert!(matches!(lock(&path), Err(OpenError::Locked(_))));
    drop(held);
    lock(&path).unwrap();
}
