//! Row sets: rebuilding the inline one under load, projecting beside it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chancery_ledger::Fold;
use chancery_ledger::error::SetError;
use chancery_ledger::recorded::{Freshness, Recorded};
use chancery_ledger::write::{Row, RowWrite};
use tokio::task::JoinSet;

use crate::fixture::*;
use crate::read::Stop;

/// The row of a stream is its version. Index columns show which fold made it.
fn fold() -> Fold {
    Arc::new(|stream: &str, events: &[Recorded]| {
        let mut folded = row(stream, events.last().map_or(0, |e| e.version));
        folded.index[0] = Some("rebuilt".into());
        Ok(vec![RowWrite::Upsert(folded)])
    })
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
        let rows = page.iter().flat_map(|e| fold()(&e.stream, std::slice::from_ref(e)).unwrap()).collect();
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
    for (set, name) in [("none", "report"), ("v1", "report"), ("report", "v1")] {
        assert!(matches!(ledger.replace_set(set, name).await, Err(SetError::Rejected(_))), "{set} {name}");
    }
    assert_eq!(version_of(&ledger, "s").await, Some(3));
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
