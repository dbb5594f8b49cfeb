//! A log that was tampered with does not open, and the refusal names the position.

use chancery_ledger::error::{OpenError, ReadError};
use rusqlite::params;

use crate::fixture::*;
use crate::sqlite::Sqlite;

const EVENTS: u64 = 1_400;

async fn filled() -> Sqlite {
    let fixture = Sqlite::new().await.unwrap();
    let ledger = fixture.ledger().await;
    for batch in 0..EVENTS / 100 {
        ledger.append(write([at("s", batch * 100, 100)])).await.unwrap();
    }
    ledger.close().await;
    fixture.raw().execute_batch("DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete;").unwrap();
    fixture
}

/// Runs one statement, tries to open, and puts everything back.
async fn opened_after(fixture: &Sqlite, sql: &str) -> Result<(), OpenError> {
    let copy = Sqlite::new().await.unwrap();
    fixture.raw().execute("VACUUM INTO ?1", [copy.path().display().to_string()]).unwrap();
    assert_ne!(copy.raw().execute(sql, []).unwrap(), 0, "{sql}");
    let opened = copy.open(options()).await;
    if let Ok(ledger) = &opened {
        ledger.close().await;
    }
    opened.map(drop)
}

fn flipped(column: &str, byte: usize) -> String {
    // SQLite has no exclusive or: (a | b) - (a & b).
    let before = format!("substr({column}, 1, {})", byte - 1);
    let after = format!("substr({column}, {})", byte + 1);
    let hex = format!("CASE substr(hex(substr({column}, {byte}, 1)), 2, 1) WHEN '0' THEN '1' ELSE '0' END");
    let flipped = format!("unhex(substr(hex(substr({column}, {byte}, 1)), 1, 1) || {hex})");
    format!("{column} = CAST({before} || {flipped} || {after} AS BLOB)")
}

#[tokio::test]
async fn an_untouched_copy_opens() {
    let fixture = filled().await;
    opened_after(&fixture, "UPDATE head SET size = size").await.unwrap();
}

#[tokio::test]
async fn a_flipped_byte_names_its_position() {
    let fixture = filled().await;
    let last = EVENTS - 1;
    let leaf = |position: u64, byte| format!("UPDATE events SET {} WHERE position = {position}", flipped("leaf", byte));
    let cases = [
        (format!("UPDATE head SET {}", flipped("root", 5)), last),
        (format!("UPDATE head SET {}", flipped("frontier", 40)), last),
        ("UPDATE head SET size = size - 1".into(), last - 1),
        ("UPDATE head SET size = size + 1".into(), last + 1),
        ("UPDATE head SET recorded_at = recorded_at + 1".into(), last),
        (leaf(last, 1), last),
        (leaf(last, 200), last),
        (leaf(EVENTS - 1000, 30), EVENTS - 1000),
        (leaf(900, 100), 900),
        (format!("UPDATE events SET {} WHERE position = 777", flipped("leaf_hash", 32)), 777),
        ("UPDATE events SET kind = 'Other' WHERE position = 1000".into(), 1000),
        ("UPDATE events SET stream = 'x' WHERE position = 1001".into(), 1001),
        ("UPDATE events SET version = 99999 WHERE position = 1002".into(), 1002),
        ("UPDATE events SET recorded_at = 0 WHERE position = 1003".into(), 1003),
        ("UPDATE events SET schema = 2 WHERE position = 1004".into(), 1004),
        ("UPDATE events SET id = x'00000000000000000000000000000000' WHERE position = 1005".into(), 1005),
        ("DELETE FROM events WHERE position = 1006".into(), 1006),
        (format!("DELETE FROM events WHERE position = {last}"), last),
        (format!("UPDATE subtrees SET {} WHERE idx = 2", flipped("hash", 1)), 512),
        // A tile that covers what is older than the last thousand: the frontier cannot be rebuilt from it.
        (format!("UPDATE subtrees SET {} WHERE idx = 0", flipped("hash", 1)), last),
        ("DELETE FROM subtrees WHERE idx = 0".into(), 0),
        ("DELETE FROM head".into(), 0),
    ];
    for (sql, expected) in cases {
        match opened_after(&fixture, &sql).await {
            Err(OpenError::Damaged { position, .. }) => assert_eq!(position, expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

/// Leaf, hash and column changed together still do not fit the tree.
#[tokio::test]
async fn a_forged_leaf_with_its_hash_does_not_fit_the_tree() {
    let fixture = filled().await;
    let raw = fixture.raw();
    let sql = "SELECT leaf FROM events WHERE position = 1390";
    let leaf: Vec<u8> = raw.query_row(sql, [], |row| row.get(0)).unwrap();
    let forged = String::from_utf8(leaf).unwrap().replace("Happened", "Imagined").into_bytes();
    let hash = chancery_ledger::leaf::hash(&forged);
    let update = "UPDATE events SET kind = 'Imagined', leaf = ?1, leaf_hash = ?2 WHERE position = 1390";
    raw.execute(update, params![forged, hash]).unwrap();
    drop(raw);
    assert!(matches!(fixture.open(options()).await, Err(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn a_reader_stops_at_a_gap() {
    let fixture = filled().await;
    let ledger = fixture.ledger().await;
    fixture.raw().execute("DELETE FROM events WHERE position = 40", []).unwrap();
    assert!(matches!(ledger.read_all(30, 20).await, Err(ReadError::Damaged { position: 40, .. })));
    assert!(matches!(ledger.read_all(40, 20).await, Err(ReadError::Damaged { position: 40, .. })));
    assert_eq!(ledger.read_all(41, 20).await.unwrap().len(), 20);
    fixture.raw().execute("DELETE FROM events WHERE position >= 1390", []).unwrap();
    assert!(matches!(ledger.read_all(1_390, 20).await, Err(ReadError::Damaged { position: 1_390, .. })));
}
