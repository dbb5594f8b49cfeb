//! Proofs of the log for others: checkpoint, inclusion, consistency, tiles. Made of stored hashes; no leaf is hashed again.
//!
//! | Rule | Source |
//! |---|---|
//! | the latest checkpoint is that of a known commit | docs/adr/0023 |
//! | audit path, consistency proof | RFC 6962 §2.1.1, §2.1.2 |
//! | nothing lies beyond the latest checkpoint: no proof, no tile | C2SP tlog-tiles |
//! | entries are for auditors, and each look at them is an event | docs/adr/0023 |
//!
//! A proof reads at most two ranges of each level of tiles, whatever the size of the log.
//!
//! Out of scope: signing (`notary`), who may ask (`http`).

use std::collections::BTreeMap;

use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, AuditQueried, EvidenceEvent};
use chancery_ledger::Note;
use chancery_tree::tile::Content;
use chancery_tree::{Checkpoint, Hash, Node, Recipe, TILE_LEVELS, TILE_WIDTH, Tile, bundle};

use super::App;
use super::context::Context;
use super::work::{Seal, Stop, Work, decide, unreadable};

/// A checkpoint with its signatures.
#[derive(Clone)]
pub struct Signed {
    pub note: Note,
    pub checkpoint: Checkpoint,
}

/// That an entry is in a tree.
pub struct Inclusion {
    pub position: u64,
    pub leaf_hash: Hash,
    /// From the leaf's neighbour up.
    pub hashes: Vec<Hash>,
    pub size: u64,
    /// The checkpoint of the tree, where it is the latest one.
    pub signed: Option<Signed>,
}

/// That a tree is the beginning of another.
pub struct Consistency {
    pub from: u64,
    pub to: u64,
    pub hashes: Vec<Hash>,
    /// The checkpoint of the larger tree, where it is the latest one.
    pub signed: Option<Signed>,
}

/// A size that the log does not have yet is a mistake of the caller, and says what there is.
fn beyond(size: u64) -> OAuthError {
    OAuthError::invalid_request("beyond the checkpoint").saying(format!("The latest checkpoint has {size} entries."))
}

impl App {
    /// The latest checkpoint; with cosignatures where witnesses gave some for this size.
    ///
    /// # Errors
    /// `temporarily_unavailable`; `not_found` in a log that nobody has signed.
    pub async fn latest_checkpoint(&self) -> Result<Signed, OAuthError> {
        let note = self.ledger.note().await.map_err(unreadable)?;
        let note = note.ok_or_else(|| OAuthError::not_found("the log is not signed").saying("There is no checkpoint yet."))?;
        let broken = |why: &dyn std::fmt::Display| OAuthError::server_error(format!("the stored checkpoint: {why}"));
        let text = chancery_tree::Note::parse(note.as_bytes()).map_err(|e| broken(&e))?;
        let checkpoint = Checkpoint::parse(text.text()).map_err(|e| broken(&e))?;
        let kept = self.ledger.kept_note(checkpoint.size).await.map_err(unreadable)?;
        let cosigned = kept.filter(|kept| kept.size == checkpoint.size).map(|kept| kept.note.into());
        Ok(Signed { note: cosigned.unwrap_or(note), checkpoint })
    }

    /// The newest checkpoint that went to places outside, with the signatures of the witnesses among them. It may be some rounds old.
    ///
    /// # Errors
    /// `temporarily_unavailable`; `not_found` where nothing was anchored yet.
    pub async fn anchored_checkpoint(&self) -> Result<String, OAuthError> {
        let kept = self.ledger.kept_note(u64::MAX).await.map_err(unreadable)?;
        let none = || OAuthError::not_found("nothing anchored").saying("No checkpoint has gone to a place outside yet.");
        kept.map(|kept| kept.note).ok_or_else(none)
    }

    /// Proves that the entry at a position is in the tree of a size; of the latest checkpoint when none is given.
    ///
    /// # Errors
    /// `not_found` for a position that the tree does not have, `invalid_request` for a size beyond the latest checkpoint.
    pub async fn prove_inclusion(&self, position: u64, size: Option<u64>) -> Result<Inclusion, OAuthError> {
        let latest = self.latest_checkpoint().await?;
        let size = size.unwrap_or(latest.checkpoint.size);
        if size > latest.checkpoint.size {
            return Err(beyond(latest.checkpoint.size));
        }
        let none = || OAuthError::not_found("no such position").saying(format!("A log of {size} entries has no position {position}."));
        let recipe = Recipe::inclusion(position, size).ok_or_else(none)?;
        let hashes = self.cook(&recipe).await?;
        let leaf_hash = self.ledger.hashes(0, position, 1).await.map_err(unreadable)?.pop().ok_or_else(missing)?;
        Ok(Inclusion { position, leaf_hash, hashes, size, signed: Some(latest).filter(|own| own.checkpoint.size == size) })
    }

    /// Proves that the tree of one size is the beginning of that of another; of the latest checkpoint when none is given.
    ///
    /// # Errors
    /// `invalid_request` for sizes that are in the wrong order or beyond the latest checkpoint.
    pub async fn prove_consistency(&self, from: u64, to: Option<u64>) -> Result<Consistency, OAuthError> {
        let latest = self.latest_checkpoint().await?;
        let to = to.unwrap_or(latest.checkpoint.size);
        if to > latest.checkpoint.size {
            return Err(beyond(latest.checkpoint.size));
        }
        let order = || OAuthError::invalid_request("from > to").saying("from is larger than to.");
        let recipe = Recipe::consistency(from, to).ok_or_else(order)?;
        let hashes = self.cook(&recipe).await?;
        Ok(Consistency { from, to, hashes, signed: Some(latest).filter(|own| own.checkpoint.size == to) })
    }

    /// The root of the tree when it had so many entries.
    ///
    /// # Errors
    /// `temporarily_unavailable`; a size beyond what is stored is a fault.
    pub(super) async fn root_at(&self, size: u64) -> Result<Hash, OAuthError> {
        self.cook(&Recipe::root(size)).await?.first().copied().ok_or_else(missing)
    }

    /// The hashes of a tile; `None` where the latest checkpoint does not reach.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn hash_tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, OAuthError> {
        let Content::Hashes(level) = tile.content else { return Ok(None) };
        if !self.has_tile(tile).await? {
            return Ok(None);
        }
        let hashes = self.ledger.hashes(level * TILE_LEVELS, tile.first(), tile.width.into()).await.map_err(unreadable)?;
        if hashes.len() != usize::from(tile.width) {
            return Err(missing());
        }
        Ok(Some(hashes.concat()))
    }

    /// The entries of a tile, for an auditor, which is an event; `None` where the latest checkpoint does not reach.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn entry_bundle(&self, context: &Context, tile: Tile) -> Result<Option<Vec<u8>>, OAuthError> {
        if tile.content != Content::Entries || !self.has_tile(tile).await? {
            return Ok(None);
        }
        decide!(self, context, |work| self.record_bundle(work, tile))?;
        let events = self.ledger.read_all(tile.first(), tile.width.into()).await.map_err(unreadable)?;
        let mut bytes = Vec::with_capacity(events.iter().map(|event| event.leaf.len() + 2).sum());
        let all_fit = events.iter().all(|event| bundle::push(&mut bytes, &event.leaf));
        if !all_fit || events.len() != usize::from(tile.width) {
            return Err(missing());
        }
        Ok(Some(bytes))
    }

    async fn record_bundle(&self, mut work: Work<'_>, tile: Tile) -> Result<(), Stop> {
        let event = AuditQueried { question: format!("entries from={} count={}", tile.first(), tile.width), at: self.now() };
        work.record_evidence(evidence::ANONYMOUS, vec![EvidenceEvent::from(event).into()], &Seal::default())?;
        work.commit().await.map(drop)
    }

    async fn has_tile(&self, tile: Tile) -> Result<bool, OAuthError> {
        let latest = self.latest_checkpoint().await?.checkpoint.size;
        Ok(Tile::of(tile.content, tile.index, latest).is_some_and(|own| tile.width <= own.width))
    }

    /// Fetches what a proof is made of, each tile once, and makes it.
    async fn cook(&self, recipe: &Recipe) -> Result<Vec<Hash>, OAuthError> {
        // The range of hashes that is needed of each tile, by level and index of the tile.
        let mut needed: BTreeMap<(u32, u64), (u64, u64)> = BTreeMap::new();
        for node in recipe.nodes() {
            let (level, range) = node.in_tiles();
            let own = needed.entry((level, range.start / TILE_WIDTH)).or_insert((range.start, range.end));
            *own = (own.0.min(range.start), own.1.max(range.end));
        }
        let mut found: BTreeMap<(u32, u64), (u64, Vec<Hash>)> = BTreeMap::new();
        for ((level, tile), (start, end)) in needed {
            let count = u32::try_from(end - start).map_err(|_| missing())?;
            let hashes = self.ledger.hashes(level * TILE_LEVELS, start, count).await.map_err(unreadable)?;
            found.insert((level, tile), (start, hashes));
        }
        let hash = |node: Node| {
            let (level, range) = node.in_tiles();
            let (start, hashes) = found.get(&(level, range.start / TILE_WIDTH))?;
            let at = |index: u64| usize::try_from(index - start).ok();
            node.hash(hashes.get(at(range.start)?..at(range.end)?)?)
        };
        recipe.build(hash).ok_or_else(missing)
    }
}

/// The log holds fewer hashes than its head says.
fn missing() -> OAuthError {
    OAuthError::server_error("a stored hash or entry of the log is missing: run chancery audit verify")
}
