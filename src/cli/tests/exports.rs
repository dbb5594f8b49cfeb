//! Exports, bundles and `audit verify`, on a log that the program itself wrote: what is whole is accepted, what was changed is named.

use std::fs;
use std::path::{Path, PathBuf};

use chancery_verify::export::{Asked, Export, Whole};
use chancery_verify::{Finding, bundle};
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::{app, audit, config};
use crate::app::App;
use crate::app::context::Context;

const FLIPS: usize = 200;

async fn starts(app: &App, count: usize) {
    let context = Context::of_server("server", "test".into());
    for _ in 0..count {
        app.record_start(&context).await.unwrap();
    }
}

async fn export(data: &Path, to: &Path) -> anyhow::Result<()> {
    audit::tiles::run(&audit::open(&config(data)).await?, to).await
}

fn verify(to: &Path, since: Option<Vec<u8>>) -> Result<Whole, Finding> {
    let asked = Asked { since, with_schemas: true, threads: 2, ..Asked::default() };
    chancery_verify::export::verify(&Export::new(to), &asked, |_, _| {})
}

fn names(folder: PathBuf) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_tiled_export_is_whole_grows_and_goes_on_where_it_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let (data, to) = (directory.path().join("data"), directory.path().join("to"));
    let app = app(&data).await;
    starts(&app, 300).await;
    export(&data, &to).await.unwrap();
    let first = verify(&to, None).unwrap();
    assert!(first.size > 300 && first.own_key);
    assert_eq!(names(to.join("tile/0")).len(), 2);
    let kept = fs::read(to.join("checkpoint")).unwrap();

    starts(&app, 300).await;
    export(&data, &to).await.unwrap();
    let second = verify(&to, Some(kept.clone())).unwrap();
    assert_eq!((second.since, second.size > 600), (Some(first.size), true));
    // What a wider tile holds is not there twice.
    assert_eq!(names(to.join("tile/entries")), ["000", "001", "002.p"]);
    assert_eq!(names(to.join("tile/entries/002.p")).len(), 1);

    // An interrupted run: some files are missing, and the checkpoint is still the old one.
    fs::remove_file(to.join("tile/entries/001")).unwrap();
    fs::write(to.join("checkpoint"), &kept).unwrap();
    export(&data, &to).await.unwrap();
    assert_eq!(verify(&to, None).unwrap().root, second.root);

    let other = directory.path().join("other");
    drop(self::app(&other).await);
    assert!(export(&other, &to).await.unwrap_err().to_string().contains("another log"));
    let tile = to.join("tile/0/000");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[100] ^= 1;
    fs::write(&tile, bytes).unwrap();
    assert!(export(&data, &to).await.unwrap_err().to_string().contains("do not hash to the root"));
    assert_eq!(verify(&to, None).unwrap_err().position, Some(3));
}

#[tokio::test]
async fn a_bundle_proves_a_position_a_grant_and_a_subject() {
    let directory = tempfile::tempdir().unwrap();
    let app = app(directory.path()).await;
    starts(&app, 20).await;
    let ask = crate::app::operator::Command::Token { scope: "admin".into(), seconds: 60 };
    let minted = app.operate(&Context::of_server("server", "test".into()), ask).await;
    let ledger = audit::open(&config(directory.path())).await.unwrap();
    let out = directory.path().join("bundle.json");
    let prove = |args: audit::prove::Args| {
        let (ledger, out) = (&ledger, out.clone());
        async move {
            audit::prove::run(ledger, &audit::prove::Args { out: out.clone(), ..args }).await?;
            Ok::<_, anyhow::Error>(bundle::verify(&fs::read(&out)?, &[], true).map_err(anyhow::Error::msg)?.positions)
        }
    };
    assert_eq!(prove(audit::prove::Args { position: Some(5), ..Default::default() }).await.unwrap(), [5]);
    assert!(prove(audit::prove::Args { position: Some(500), ..Default::default() }).await.is_err());
    let token = minted.unwrap()["access_token"].as_str().unwrap().to_owned();
    let digest = chancery_core::token::opaque::digest(&token).to_string();
    let by_digest = prove(audit::prove::Args { token: Some(digest), ..Default::default() }).await.unwrap();
    assert_eq!(by_digest.len(), 1);
    assert!(
        prove(audit::prove::Args { token: Some(token.clone()), ..Default::default() }).await.is_err(),
        "the token itself names nothing"
    );
    assert!(prove(audit::prove::Args { subject: Some("nobody".into()), ..Default::default() }).await.is_err());
    let mut changed = fs::read_to_string(&out).unwrap();
    changed = changed.replacen("\"position\": ", "\"position\": 1", 1);
    assert!(bundle::verify(changed.as_bytes(), &[], false).is_err());
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

/// Changes one bit of one value. `None` if the database itself refuses the change.
fn flip(connection: &Connection, place: (&str, &str, i64), numbers: &mut Numbers) -> Option<Value> {
    let (table, column, row) = place;
    let old: Value = connection.query_row(&format!("SELECT {column} FROM {table} WHERE rowid = ?1"), [row], |row| row.get(0)).unwrap();
    let mut bit = |bytes: &mut [u8]| {
        let at = numbers.below(bytes.len());
        bytes[at] ^= 1 << numbers.below(8);
    };
    let new = match &old {
        Value::Integer(number) => Value::Integer(number ^ 1 << numbers.below(8)),
        Value::Text(text) => {
            let mut bytes = text.clone().into_bytes();
            bit(&mut bytes);
            Value::Blob(bytes)
        }
        Value::Blob(bytes) => {
            let mut bytes = bytes.clone();
            bit(&mut bytes);
            Value::Blob(bytes)
        }
        _ => return None,
    };
    let cast = if matches!(old, Value::Text(_)) { "CAST(?1 AS TEXT)" } else { "?1" };
    connection.execute(&format!("UPDATE {table} SET {column} = {cast} WHERE rowid = ?2"), params![new, row]).ok().map(|_| old)
}

#[tokio::test]
async fn two_hundred_flipped_bits_in_database_rows_are_found_and_located() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let app = app(data).await;
    starts(&app, 1_500).await;
    app.ledger.close().await;
    drop(app);
    let connection = Connection::open(data.join("chancery.db")).unwrap();
    connection.execute_batch("DROP TRIGGER events_no_update").unwrap();
    let judge = || async {
        let ledger = audit::open(&config(data)).await?;
        audit::verify::run(&ledger, &audit::verify::Args::default()).await
    };
    judge().await.unwrap();
    let size: usize = connection.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap() as usize;
    let columns = ["leaf", "leaf", "leaf", "leaf_hash", "stream", "kind", "id", "version", "schema", "recorded_at", "position"];
    let (mut numbers, mut found, mut only_in_leaf) = (Numbers(7), 0, 0);
    while found < FLIPS {
        let row = numbers.below(size) as i64;
        let column = columns[numbers.below(columns.len())];
        let Some(old) = flip(&connection, ("events", column, row), &mut numbers) else { continue };
        let error = judge().await.expect_err(&format!("{column} of position {row}")).to_string();
        assert!(error.contains("position"), "{column} of position {row}: {error}");
        if column == "leaf" {
            assert!(error.contains(&format!("position {row}:")), "leaf of position {row}: {error}");
            only_in_leaf += 1;
        }
        restore(&connection, column, row, &old);
        found += 1;
    }
    for row in [1, 3, 5] {
        let old: Vec<u8> =
            connection.query_row("SELECT hash FROM subtrees WHERE level = 8 AND idx = ?1 - 1", [row], |row| row.get(0)).unwrap();
        let mut changed = old.clone();
        changed[31] ^= 1;
        let write =
            |hash: &[u8]| connection.execute("UPDATE subtrees SET hash = ?2 WHERE level = 8 AND idx = ?1 - 1", params![row, hash]).unwrap();
        write(&changed);
        let error = judge().await.unwrap_err().to_string();
        assert!(error.contains("position"), "{error}");
        write(&old);
    }
    judge().await.unwrap();
    println!("{found} of {FLIPS} flipped bits in rows of events were found, {only_in_leaf} of them in leaves, each at its position");
}

fn restore(connection: &Connection, column: &str, row: i64, old: &Value) {
    if column == "position" {
        // The row that was moved is the one whose leaf names this position.
        let moved = format!("%\"position\":{row},%");
        connection.execute("UPDATE events SET position = ?1 WHERE CAST(leaf AS TEXT) LIKE ?2", params![row, moved]).unwrap();
        return;
    }
    connection.execute(&format!("UPDATE events SET {column} = ?1 WHERE position = ?2"), params![old, row]).unwrap();
}
