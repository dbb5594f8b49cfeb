//! The start-up check: does the head belong to the events? Pure; a back end reads what `needed` names and hands it in.
//!
//! | Checked | Against |
//! |---|---|
//! | size, frontier and root of the head row | each other |
//! | the last 1,000 leaves, down to the start of a tile | their hashes, their columns, positions without a gap, time that never goes back |
//! | the frontier and root of the head | rebuilt from the stored subtrees and those leaves |
//! | `recorded_at` of the head | the last leaf |
//!
//! Out of scope: everything older, which is `audit verify`.

use uuid::Uuid;

use crate::error::OpenError;
use crate::leaf;
use crate::plan::HeadState;
use chancery_tree::frontier::Subtree;
use chancery_tree::{Frontier, Hash, TILE_LEVELS};

/// How many leaves are hashed again at each start.
pub const RECHECKED: u64 = 1000;

/// The head row as stored, before anything about it is believed.
#[derive(Clone, Debug)]
pub struct StoredHead {
    pub size: u64,
    pub frontier: Vec<u8>,
    pub root: Vec<u8>,
    pub recorded_at: i64,
    /// Of the catalogue.
    pub level: u16,
}

/// An event row as stored.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    pub position: u64,
    pub id: Uuid,
    pub stream: String,
    pub version: u64,
    pub kind: String,
    pub schema: u16,
    pub recorded_at: i64,
    pub leaf: Vec<u8>,
    pub leaf_hash: Vec<u8>,
}

/// What has to be read for the check of a log of some size.
#[derive(Debug, PartialEq, Eq)]
pub struct Needed {
    /// (level, index) of subtrees that together cover everything before `leaves_from`, in the order of the leaves.
    pub subtrees: Vec<(u32, u64)>,
    /// All events from this position on.
    pub leaves_from: u64,
}

pub fn needed(size: u64) -> Needed {
    let tile = 1 << TILE_LEVELS;
    let leaves_from = size.saturating_sub(RECHECKED) / tile * tile;
    let mut subtrees = Vec::new();
    let mut covered = 0;
    for level in (1..64 / TILE_LEVELS).rev().map(|n| n * TILE_LEVELS) {
        while leaves_from - covered >= 1 << level {
            subtrees.push((level, covered >> level));
            covered += 1 << level;
        }
    }
    Needed { subtrees, leaves_from }
}

/// `subtrees`: the hashes of `Needed::subtrees` in that order, `None` where one is missing. `events`: in the order of positions.
pub fn verify(head: &StoredHead, subtrees: &[Option<Hash>], events: &[StoredEvent]) -> Result<HeadState, OpenError> {
    let last = head.size.saturating_sub(1);
    let damaged = |position, what: &str| Err(OpenError::Damaged { position, what: what.into() });
    let Some(frontier) = Frontier::decode(head.size, &head.frontier) else {
        return damaged(last, "the head's frontier does not fit its size");
    };
    if frontier.root()[..] != head.root[..] {
        return damaged(last, "the head's root is not that of its frontier");
    }
    let needed = needed(head.size);
    let mut rebuilt = Frontier::default();
    for (at, (level, index)) in needed.subtrees.iter().enumerate() {
        let Some(Some(hash)) = subtrees.get(at) else { return damaged(index << level, "the hash of a complete tile is missing") };
        rebuilt.push_subtree(*level, *hash, &mut Vec::new());
    }
    let mut before = 0;
    for (at, event) in events.iter().enumerate() {
        let position = needed.leaves_from + at as u64;
        if event.position != position {
            return damaged(position, "the event is missing");
        }
        if position > last || head.size == 0 {
            return damaged(position, "the event lies beyond the head");
        }
        check_event(event)?;
        if event.recorded_at < before {
            return damaged(position, "the time goes back");
        }
        before = event.recorded_at;
        rebuilt.push(leaf::hash(&event.leaf), &mut Vec::new());
    }
    if rebuilt.size() != head.size {
        return damaged(rebuilt.size(), "the head counts more events than there are");
    }
    if rebuilt != frontier {
        return damaged(last, "the head's frontier is not that of the stored tiles and leaves");
    }
    if head.size > 0 && head.recorded_at != before {
        return damaged(last, "the head's time is not that of the last event");
    }
    // The check is about the log; what is folded from it has a check of its own.
    Ok(HeadState { frontier, recorded_at: head.recorded_at, level: head.level, rows: None })
}

/// A completed tile among the rechecked leaves must have the stored hash; the back end hands in what it has stored.
pub fn verify_tiles(events: &[StoredEvent], stored: &[Subtree]) -> Result<(), OpenError> {
    let tile = 1usize << TILE_LEVELS;
    for leaves in events.chunks_exact(tile) {
        let (mut tree, first) = (Frontier::default(), leaves[0].position);
        leaves.iter().for_each(|event| tree.push(leaf::hash(&event.leaf), &mut Vec::new()));
        let index = first >> TILE_LEVELS;
        if !stored.contains(&Subtree { level: TILE_LEVELS, index, hash: tree.root() }) {
            return Err(OpenError::Damaged { position: first, what: "the stored hash of the tile is not that of its leaves".into() });
        }
    }
    Ok(())
}

fn check_event(event: &StoredEvent) -> Result<(), OpenError> {
    let damaged = |what: &str| Err(OpenError::Damaged { position: event.position, what: what.into() });
    if leaf::hash(&event.leaf)[..] != event.leaf_hash[..] {
        return damaged("the leaf does not have its hash");
    }
    let Some(members) = leaf::members(&event.leaf) else { return damaged("the leaf is not an event") };
    let same = members.position == event.position
        && members.id == event.id
        && members.stream == event.stream
        && members.version == event.version
        && members.kind == event.kind
        && members.schema == event.schema
        && members.recorded_at == event.recorded_at;
    if !same {
        return damaged("a column differs from the leaf");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_bounded_whatever_the_size() {
        assert_eq!(needed(0), Needed { subtrees: vec![], leaves_from: 0 });
        assert_eq!(needed(1256), Needed { subtrees: vec![(8, 0)], leaves_from: 256 });
        let large = needed((3 << 16) + 1300);
        assert_eq!(large.subtrees, [(16, 0), (16, 1), (16, 2), (8, 768)]);
        let huge = needed(1 << 40);
        assert!(huge.subtrees.len() < 5 * 256, "{}", huge.subtrees.len());
    }

    #[test]
    fn an_empty_log_with_its_head_is_whole() {
        let root = Frontier::default().root().to_vec();
        let head = StoredHead { size: 0, frontier: vec![], root, recorded_at: 0, level: 0 };
        assert_eq!(verify(&head, &[], &[]).unwrap(), HeadState::default());
        assert!(verify(&StoredHead { size: 1, ..head }, &[], &[]).is_err());
    }
}
