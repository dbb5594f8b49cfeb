//! Signed heads: one for each commit, in its transaction; kept ones; and the stored hashes that proofs are made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chancery_ledger::error::AppendError;
use chancery_ledger::recorded::{Head, KeptNote};
use chancery_ledger::{Notary, leaf};
use chancery_tree::Frontier;
use tokio::task::JoinSet;

use crate::fixture::*;

/// Not a signature, but as bound to size and root as one.
fn signed(head: &Head) -> String {
    format!("{} {:02x?}", head.size, head.root)
}

pub async fn a_commit_carries_its_head_signed_and_a_restart_sees_the_last(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let unsigned = ledger.append(with_row("before", 0)).await.unwrap();
    assert_eq!((unsigned.note, ledger.note().await.unwrap()), (None, None));
    let signatures = Arc::new(AtomicUsize::new(0));
    let count = signatures.clone();
    let notary: Notary = Arc::new(move |head| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(signed(head).into())
    });
    ledger.set_notary(notary);
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let ledger = ledger.clone();
        writers.spawn(async move { ledger.append(with_row(&format!("s-{writer}"), 0)).await.unwrap() });
    }
    for committed in writers.join_all().await {
        assert_eq!(committed.note.as_deref(), Some(signed(&committed.head).as_str()), "each answer holds the note of its own commit");
    }
    assert!(signatures.load(Ordering::SeqCst) <= 64, "one signature for a batch, not for a write");
    let head = ledger.head().await.unwrap();
    assert_eq!(ledger.note().await.unwrap().as_deref(), Some(signed(&head).as_str()));
    // A look at versions commits nothing and signs nothing new.
    ledger.append(write([at("s-0", 1, 0)])).await.unwrap();
    assert_eq!(ledger.note().await.unwrap().as_deref(), Some(signed(&head).as_str()));
    ledger.close().await;
    let again = fixture.ledger().await;
    assert_eq!(again.note().await.unwrap().as_deref(), Some(signed(&head).as_str()));
}

pub async fn what_cannot_be_signed_is_not_committed(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let broken = Arc::new(AtomicBool::new(true));
    let state = broken.clone();
    ledger.set_notary(Arc::new(move |head| match state.load(Ordering::SeqCst) {
        true => Err("no signature today".into()),
        false => Ok(signed(head).into()),
    }));
    let refused = ledger.append(with_row("s", 0)).await.unwrap_err();
    assert!(matches!(&refused, AppendError::Unavailable(why) if why.contains("no signature")), "{refused}");
    assert_eq!((assert_whole(&ledger).await.len(), version_of(&ledger, "s").await), (0, None));
    broken.store(false, Ordering::SeqCst);
    let committed = ledger.append(with_row("s", 0)).await.unwrap();
    assert_eq!(committed.note.as_deref(), Some(signed(&committed.head).as_str()));
    assert_whole(&ledger).await;
}

pub async fn checkpoints_that_others_have_seen_are_kept(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    let kept = |size: u64, note: &str, at| KeptNote { size, note: note.into(), at };
    assert_eq!(ledger.kept_note(u64::MAX).await.unwrap(), None);
    ledger.keep_note(kept(3, "three", 1)).await.unwrap();
    ledger.keep_note(kept(9, "nine", 2)).await.unwrap();
    ledger.keep_note(kept(9, "nine, cosigned", 3)).await.unwrap();
    assert_eq!(ledger.kept_note(u64::MAX).await.unwrap(), Some(kept(9, "nine, cosigned", 2)));
    assert_eq!(ledger.kept_note(8).await.unwrap(), Some(kept(3, "three", 1)));
    assert_eq!(ledger.kept_note(2).await.unwrap(), None);
}

pub async fn stored_hashes_are_those_of_the_leaves(fixture: &impl Fixture) {
    let ledger = fixture.ledger().await;
    for round in 0..5 {
        ledger.append(write([at("s", round * 120, 120)])).await.unwrap();
    }
    let events = assert_whole(&ledger).await;
    let leaves: Vec<_> = events.iter().map(|event| leaf::hash(&event.leaf)).collect();
    assert_eq!(ledger.hashes(0, 0, 1000).await.unwrap(), leaves);
    assert_eq!(ledger.hashes(0, 255, 3).await.unwrap(), leaves[255..258]);
    assert_eq!(ledger.hashes(0, 600, 1).await.unwrap(), Vec::<[u8; 32]>::new());
    assert_eq!(ledger.hashes(0, u64::MAX, 8).await.unwrap(), Vec::<[u8; 32]>::new());
    let (mut tree, mut tiles) = (Frontier::default(), Vec::new());
    leaves.iter().for_each(|hash| tree.push(*hash, &mut tiles));
    let tiles: Vec<_> = tiles.iter().map(|tile| tile.hash).collect();
    assert_eq!(tiles.len(), 2);
    assert_eq!(ledger.hashes(8, 0, 256).await.unwrap(), tiles);
    assert_eq!(ledger.hashes(8, 1, 256).await.unwrap(), tiles[1..]);
    assert_eq!(ledger.hashes(16, 0, 1).await.unwrap(), Vec::<[u8; 32]>::new());
}
