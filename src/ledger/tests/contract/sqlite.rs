//! SQLite: the fixture, and what only a file has.

use chancery_ledger::error::OpenError;
use chancery_ledger::{Ledger, Options};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fixture::*;

pub struct Sqlite {
    pub directory: TempDir,
}

impl Sqlite {
    pub fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("chancery.db")
    }

    /// A connection behind the ledger's back.
    pub fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl Fixture for Sqlite {
    async fn new() -> Result<Self, String> {
        Ok(Self { directory: TempDir::new().map_err(|error| error.to_string())? })
    }

    async fn open(&self, options: Options) -> Result<Ledger, OpenError> {
        Ledger::open_sqlite(self.path(), options)
    }

    fn address(&self) -> String {
        self.path().display().to_string()
    }
}

#[tokio::test]
async fn a_second_process_is_locked_out_until_the_first_has_ended() {
    let fixture = Sqlite::new().await.unwrap();
    let first = fixture.ledger().await;
    assert!(matches!(fixture.open(options()).await, Err(OpenError::Locked(_))));
    first.close().await;
    let second = fixture.ledger().await;
    second.append(with_row("s", 0)).await.unwrap();
    second.close().await;
}

#[tokio::test]
async fn a_log_can_be_read_while_it_is_written() {
    let fixture = Sqlite::new().await.unwrap();
    assert!(Ledger::open_sqlite_readonly(fixture.path(), options()).is_err());
    let server = fixture.ledger().await;
    let reader = Ledger::open_sqlite_readonly(fixture.path(), options()).unwrap();
    for version in 0..3 {
        let committed = server.append(with_row("s", version)).await.unwrap();
        assert_eq!(reader.wait(version).await, committed.head);
        assert_eq!(version_of(&reader, "s").await, Some(version + 1), "no cache may stand in between");
    }
    assert!(reader.append(with_row("s", 3)).await.is_err());
    assert!(reader.begin_rebuild("v2").await.is_err());
    assert_whole(&reader).await;
    server.close().await;
    // And when no server runs.
    let alone = Ledger::open_sqlite_readonly(fixture.path(), options()).unwrap();
    assert_eq!(alone.head().await.unwrap().size, 3);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let fixture = Sqlite::new().await.unwrap();
    fixture.ledger().await.close().await;
    fixture.raw().pragma_update(None, "user_version", 7).unwrap();
    assert!(matches!(fixture.open(options()).await, Err(OpenError::TooNew { found: 7, known: 6 })));
    assert!(matches!(Ledger::open_sqlite_readonly(fixture.path(), options()), Err(OpenError::TooNew { found: 7, known: 6 })));
}

#[tokio::test]
async fn a_log_of_before_the_levels_is_of_the_first() {
    let fixture = Sqlite::new().await.unwrap();
    let ledger = fixture.ledger().await;
    ledger.append(with_row("s", 0)).await.unwrap();
    ledger.close().await;
    let back = "DROP TRIGGER head_archived; DROP TRIGGER events_no_update;
         CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'no'); END;
         ALTER TABLE head DROP COLUMN archived; ALTER TABLE head DROP COLUMN level; PRAGMA user_version = 4";
    fixture.raw().execute_batch(back).unwrap();
    let ledger = fixture.ledger().await;
    assert_eq!((ledger.level(), ledger.head().await.unwrap().size), (1, 1));
    ledger.append(with_row("s", 1)).await.unwrap();
}

#[tokio::test]
async fn events_cannot_be_changed_or_deleted() {
    let fixture = Sqlite::new().await.unwrap();
    let ledger = fixture.ledger().await;
    ledger.append(with_row("s", 0)).await.unwrap();
    for sql in ["UPDATE events SET kind = 'Other'", "DELETE FROM events"] {
        assert!(fixture.raw().execute(sql, []).is_err(), "{sql}");
    }
    // A leaf gives way to its hash before the end of the archive, and nowhere else.
    let moved = "UPDATE events SET leaf = leaf_hash";
    assert!(fixture.raw().execute(moved, []).is_err());
    assert!(fixture.raw().execute("UPDATE head SET archived = 2", []).is_err(), "beyond the log");
    // Replacing deletes too, but a trigger sees that only when told so.
    let replace =
        "INSERT OR REPLACE INTO events SELECT position, id, stream, version, 'Other', schema, recorded_at, leaf, leaf_hash FROM events";
    let raw = fixture.raw();
    raw.pragma_update(None, "recursive_triggers", true).unwrap();
    assert!(raw.execute(replace, []).is_err());
    assert_eq!(ledger.read_all(0, 10).await.unwrap()[0].kind, "Happened");
}
