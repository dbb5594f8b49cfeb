//! Row sets: rebuilding the inline one under load, projecting beside it.

use std::sync::atomic::Ordering;

use chancery_ledger::digest::{Census, Digest};
use chancery_ledger::error::SetError;
use chancery_ledger::recorded::{Freshness, Recorded};
use chancery_ledger::write::{Row, RowWrite, Write};
use chancery_ledger::{Fold, Ledger};
use tokio::task::JoinSet;

use crate::fixture::*;
use crate::read::Stop;

/// The row of a stream is its version. Index columns show which fold made it.
fn fold() -> Fold {
    Fold::new(|_| true, folded)
}

fn folded(stream: &str, events: &[Recorded]) -> Result<Vec<RowWrite>, String> {
    let mut folded = row(stream, events.last().map_or(0, |e| e.version));
    folded.index[0] = Some("rebuilt".into());
    Ok(vec![RowWrite::Upsert(folded)])
}

/// The digest that moved along is that of the rows that are there.
async fn assert_counted(ledger: &Ledger, set: Option<&str>) -> Census {
    let census = ledger.census(set).await.unwrap().expect("the set is there");
    assert_eq!(census.state.digest, Some(census.digest()), "{set:?} {census:?}");
    census
}

pub async fn a_rebuild_under_load_flips_without_losing_a_row(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    for stream in 0..20 {
        ledger.append(with_row(&format!("s-{stream}"), 0)).await.unwrap();
    }
    let (stop, stopped) = Stop::new();
    let mut writers = JoinSet::new();
    for stream in 0..20 {
        let (ledger, stopped) = (ledger.clone(), stopped.clone());
        writers.spawn(async move {
            let mut version = 1;
            while version < 10 || !stopped.load(Ordering::Relaxed) {
                ledger.append(with_row(&format!("s-{stream}"), version)).await.unwrap();
                version += 1;
                let seen = version_of(&ledger, &format!("s-{stream}")).await;
                assert_eq!(seen, Some(version), "the row of an acknowledged append, before or after the flip");
            }
            version
        });
    }
    ledger.begin_rebuild("v2").await.unwrap();
    let mut done = 0;
    for _ in 0..3 {
        let page = ledger.read_all(done, 40).await.unwrap();
        let next = done + page.len() as u64;
        let rows = page.iter().flat_map(|e| folded(&e.stream, std::slice::from_ref(e)).unwrap()).collect();
        ledger.write_rebuilt_rows("v2", done, next, rows).await.unwrap();
        done = next;
    }
    assert_eq!(ledger.checkpoint("v2").await.unwrap(), Some(done));
    let wrong = ledger.write_rebuilt_rows("v2", 0, 1, vec![]).await;
    assert!(matches!(wrong, Err(SetError::CheckpointMoved { found }) if found == done));
    assert_eq!(ledger.inline_set().await.unwrap().0, "v1");

    let flipped_at = ledger.finish_rebuild("v2", fold()).await.unwrap();
    let (name, checkpoint) = ledger.inline_set().await.unwrap();
    assert_eq!(name, "v2");
    assert!(checkpoint >= flipped_at && flipped_at >= done);
    drop(stop);
    let versions = writers.join_all().await;
    assert_eq!(assert_counted(&ledger, None).await.tables["t"].rows, 20);
    assert_counted(&ledger, Some("v1")).await;
    // Once more, so that each row is of one fold, and compare with what the log says.
    ledger.begin_rebuild("v3").await.unwrap();
    let size = ledger.finish_rebuild("v3", fold()).await.unwrap();
    assert_eq!(ledger.inline_set().await.unwrap(), ("v3".to_owned(), size));
    let rows = ledger.rows_by("t", 0, "rebuilt", None, 100).await.unwrap();
    assert_eq!(rows.len(), 20);
    for (stream, version) in (0..20).zip(&versions) {
        let events = ledger.read_stream(&format!("s-{stream}"), 0).await.unwrap();
        let row = ledger.row("t", &format!("s-{stream}"), Freshness::Cached).await.unwrap().unwrap();
        assert_eq!(row.version, events.len() as u64);
        assert!(versions.contains(&row.version) && *version >= 10);
    }
    assert!(matches!(ledger.drop_set("v3").await, Err(SetError::Rejected(_))));
    assert!(matches!(ledger.begin_rebuild("v3").await, Err(SetError::Rejected(_))));
    assert_whole(&ledger).await;
    ledger.close().await;
    // A restart finds the flipped set.
    let again = fixture.ledger().await;
    assert_eq!(again.inline_set().await.unwrap().0, "v3");
    let fresh = again.append(with_row("after", 0)).await.unwrap();
    assert_eq!(again.inline_set().await.unwrap().1, fresh.head.size);
    again.close().await;
}

pub async fn a_projection_moves_rows_and_checkpoint_together(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    for version in 0..4 {
        ledger.append(with_row("s", version)).await.unwrap();
    }
    let head = ledger.head().await.unwrap();
    assert_eq!(ledger.checkpoint("report").await.unwrap(), None);
    ledger.project("report", 0, 2, vec![upsert("s", 100)]).await.unwrap();
    let late = ledger.project("report", 0, 3, vec![upsert("s", 200)]).await;
    assert!(matches!(late, Err(SetError::CheckpointMoved { found: 2 })));
    assert_eq!(ledger.projected("report", &[("t", "s"), ("t", "x")]).await.unwrap(), [Some(row("s", 100)), None]);
    ledger.project("report", 2, 4, vec![RowWrite::Delete { table: "t", key: "s".into() }, upsert("x", 1)]).await.unwrap();
    assert_eq!(ledger.projected_all("report", "t", None, 10).await.unwrap(), [row("x", 1)]);
    assert_eq!(ledger.checkpoint("report").await.unwrap(), Some(4));
    let listed = |n: u64| Row { index: [Some("listed".into()), Some(format!("odd-{}", n % 2))], ..row(&format!("l-{n}"), 1) };
    ledger.project("report", 4, 4, (0..5).map(|n| RowWrite::Upsert(listed(n))).collect()).await.unwrap();
    let keys = |rows: Vec<Row>| rows.into_iter().map(|row| row.key).collect::<Vec<_>>();
    assert_eq!(keys(ledger.projected_by("report", "t", (0, "listed"), Some("l-1"), 2).await.unwrap()), ["l-2", "l-3"]);
    assert_eq!(keys(ledger.projected_back("report", "t", (0, "listed"), "l-4", 2).await.unwrap()), ["l-3", "l-2"]);
    assert_eq!(keys(ledger.projected_back("report", "t", (1, "odd-0"), "m", 9).await.unwrap()), ["l-4", "l-2", "l-0"]);
    assert_eq!(keys(ledger.projected_back("report", "t", (0, "other"), "m", 9).await.unwrap()), [""; 0]);
    // The inline rows, the head and the inline set know nothing of it.
    assert_eq!(version_of(&ledger, "s").await, Some(4));
    assert_eq!(ledger.head().await.unwrap(), head);
    assert!(matches!(ledger.project("v1", 4, 4, vec![]).await, Err(SetError::Rejected(_))));
}

pub async fn a_set_takes_the_place_of_another(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    for version in 0..3 {
        ledger.append(with_row("s", version)).await.unwrap();
    }
    ledger.project("report", 0, 1, vec![upsert("old", 1)]).await.unwrap();
    ledger.project("aside", 0, 3, vec![upsert("new", 1)]).await.unwrap();
    ledger.replace_set("aside", "report").await.unwrap();
    assert_eq!(ledger.projected_all("report", "t", None, 10).await.unwrap(), [row("new", 1)]);
    assert_eq!(ledger.checkpoint("report").await.unwrap(), Some(3));
    for gone in ["aside", "report.gone"] {
        assert_eq!(ledger.checkpoint(gone).await.unwrap(), None, "{gone}");
    }
    // Whoever still writes for the old one learns it from the checkpoint.
    assert!(matches!(ledger.project("report", 1, 2, vec![]).await, Err(SetError::CheckpointMoved { found: 3 })));
    for (set, name) in [("none", "report"), ("report", "v1")] {
        assert!(matches!(ledger.replace_set(set, name).await, Err(SetError::Rejected(_))), "{set} {name}");
    }
    assert_eq!(version_of(&ledger, "s").await, Some(3));
}

pub async fn the_inline_set_takes_the_name_of_the_one_before(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    for version in 0..3 {
        ledger.append(with_row("s", version)).await.unwrap();
    }
    ledger.begin_rebuild("aside").await.unwrap();
    ledger.finish_rebuild("aside", fold()).await.unwrap();
    ledger.replace_set("aside", "v1").await.unwrap();
    assert_eq!(ledger.inline_set().await.unwrap(), ("v1".to_owned(), 3));
    for gone in ["aside", "v1.gone"] {
        assert_eq!(ledger.checkpoint(gone).await.unwrap(), None, "{gone}");
    }
    ledger.append(with_row("s", 3)).await.unwrap();
    assert_eq!(version_of(&ledger, "s").await, Some(4));
    assert_counted(&ledger, None).await;
}

pub async fn the_digest_of_a_set_moves_along_with_its_rows(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    assert_eq!(assert_counted(&ledger, None).await.tables.len(), 0);
    let mut writers = JoinSet::new();
    for stream in 0..10 {
        let ledger = ledger.clone();
        writers.spawn(async move {
            for version in 0..8 {
                ledger.append(with_row(&format!("s-{stream}"), version)).await.unwrap();
                // Of a row that goes and comes again, and of one that is deleted twice.
                let key = format!("s-{stream}");
                let gone = || RowWrite::Delete { table: "t", key: key.clone() };
                let rows = if version % 3 == 0 { vec![gone(), gone()] } else { vec![upsert("shared", version)] };
                ledger.append(Write { rows, ..Write::default() }).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let inline = assert_counted(&ledger, None).await;
    assert_eq!((inline.state.checkpoint, inline.tables["t"].rows), (80, 11));
    // Losers leave nothing behind.
    assert!(is_conflict(&ledger.append(with_row("s-0", 3)).await));
    assert_eq!(assert_counted(&ledger, None).await, inline);

    ledger.project("report", 0, 1, vec![upsert("a", 1), upsert("b", 1), upsert("a", 2)]).await.unwrap();
    let gone = RowWrite::Delete { table: "t", key: "b".into() };
    ledger.project("report", 1, 2, vec![gone, upsert("c", 1)]).await.unwrap();
    let report = assert_counted(&ledger, Some("report")).await;
    assert_eq!(report.tables["t"].rows, 2);
    let mut sum = Digest::default();
    [row("a", 2), row("c", 1)].iter().for_each(|row| sum.add(&Digest::of(row)));
    assert_eq!(report.digest(), sum);
    assert_eq!(ledger.census(Some("none")).await.unwrap(), None);
    ledger.close().await;
    // A restart goes on from the stored digest.
    let again = fixture.ledger().await;
    again.append(with_row("s-0", 8)).await.unwrap();
    assert_counted(&again, None).await;
    again.close().await;
}

pub async fn a_set_is_dropped_in_pieces(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let rows = (0..2_500).map(|n| upsert(&format!("{n}"), 1)).collect();
    ledger.project("report", 0, 0, rows).await.unwrap();
    ledger.drop_set("report").await.unwrap();
    assert_eq!(ledger.checkpoint("report").await.unwrap(), None);
    assert_eq!(ledger.projected_all("report", "t", None, 10).await.unwrap(), []);
    ledger.drop_set("report").await.unwrap();
    let nothing = ledger.finish_rebuild("report", fold()).await;
    assert!(matches!(nothing, Err(SetError::Rejected(_))));
}
