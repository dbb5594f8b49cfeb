//! Moving a log that was changed: it does not move, and the position is named.

use std::path::Path;

use chancery_ledger::Ledger;
use chancery_ledger::recorded::KeptNote;
use chancery_ledger::relocate::{MoveError, Place, Relocation};

use crate::fixture::*;
use crate::sqlite::Sqlite;

async fn moved(from: &Path, to: &Path) -> Result<u64, MoveError> {
    let (from, to) = (Place::Sqlite(from.to_owned()), Place::Sqlite(to.to_owned()));
    let mut relocation = Relocation::begin(&from, &to, options()).await?;
    let head = relocation.copy(&mut |_, _| ()).await?;
    assert!(relocation.close_source(&head).await?);
    relocation.finish().await
}

async fn grown() -> Sqlite {
    let fixture = Sqlite::new().await.unwrap();
    let ledger = fixture.ledger().await;
    for version in 0..3 {
        ledger.append(write([at("s", version * 100, 100)])).await.unwrap();
    }
    ledger.append(chancery_ledger::write::Write { claims: vec![take("a", "x"), take("b", "y")], ..write([]) }).await.unwrap();
    ledger.keep_note(KeptNote { size: 200, note: "seen".into(), at: 1 }).await.unwrap();
    ledger.close().await;
    fixture
}

#[tokio::test]
async fn a_whole_log_moves_and_is_the_same() {
    let (fixture, place) = (grown().await, tempfile::tempdir().unwrap());
    let new = place.path().join("new.db");
    let before = Ledger::open_sqlite_readonly(fixture.path(), options()).unwrap();
    assert_eq!(moved(&fixture.path(), &new).await.unwrap(), 2);
    let after = Ledger::open_sqlite(&new, options()).unwrap();
    assert_eq!(after.head().await.unwrap(), before.head().await.unwrap());
    assert_eq!(all(&after).await, all(&before).await);
    assert_eq!(after.hashes(8, 0, 9).await.unwrap(), before.hashes(8, 0, 9).await.unwrap());
    assert_eq!(after.kept_note(u64::MAX).await.unwrap().unwrap().note, "seen");
    assert_eq!(after.claims(None, 9).await.unwrap(), before.claims(None, 9).await.unwrap());
    assert_eq!(after.inline_set().await.unwrap(), ("moved".to_owned(), 0), "read models are made anew");
    after.append(write([at("s", 300, 1)])).await.unwrap();
    assert_whole(&after).await;
    let closed = fixture.open(options()).await.err().unwrap();
    assert!(closed.to_string().contains("has moved to sqlite"), "{closed}");
}

#[tokio::test]
async fn a_changed_log_does_not_move_and_the_position_is_named() {
    for (position, change) in [
        (Some(7), "UPDATE events SET leaf = CAST(replace(CAST(leaf AS TEXT), 'Happened', 'Happenes') AS BLOB) WHERE position = 7"),
        (Some(8), "UPDATE events SET leaf_hash = zeroblob(32) WHERE position = 8"),
        (Some(9), "UPDATE events SET stream = 'other' WHERE position = 9"),
        (Some(10), "UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 10"),
        (Some(11), "UPDATE events SET leaf = CAST('x' AS BLOB) WHERE position = 11"),
        (Some(12), "DELETE FROM events WHERE position = 12"),
        (None, "UPDATE head SET root = zeroblob(32)"),
    ] {
        let (fixture, place) = (grown().await, tempfile::tempdir().unwrap());
        fixture.raw().execute_batch("DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete;").unwrap();
        fixture.raw().execute_batch(change).unwrap();
        let new = place.path().join("new.db");
        let refused = moved(&fixture.path(), &new).await.unwrap_err();
        match position {
            Some(position) => assert!(refused.to_string().contains(&format!("position {position}")), "{change}: {refused}"),
            None => assert!(matches!(refused, MoveError::OtherRoot), "{refused}"),
        }
        // The old side is open.
        let moved_to: Option<String> = fixture.raw().query_row("SELECT moved_to FROM head", [], |row| row.get(0)).unwrap();
        assert_eq!(moved_to, None);
    }
}

#[tokio::test]
async fn what_another_log_staged_is_found_out() {
    let (fixture, other, place) = (grown().await, grown().await, tempfile::tempdir().unwrap());
    let new = place.path().join("new.db");
    let begin =
        async |from: &Path| Relocation::begin(&Place::Sqlite(from.to_owned()), &Place::Sqlite(new.clone()), options()).await.unwrap();
    let mut first = begin(&other.path()).await;
    first.copy(&mut |_, _| ()).await.unwrap();
    drop(first);
    let refused = begin(&fixture.path()).await.copy(&mut |_, _| ()).await.unwrap_err();
    assert!(matches!(refused, MoveError::Other(0)), "{refused}");
    assert!(Ledger::open_sqlite(&new, options()).is_err(), "events beyond the head");
}
