//! The tiles above the leaves: each hash in them is that of a full tile below (C2SP tlog-tiles).
//!
//! Hashes come in from the left and go up; whenever a tile is full, it is compared with what was exported, so that only one tile of each
//! level is held.

use chancery_tree::hash::{Hash, complete};
use chancery_tree::tile::{Content, TILE_WIDTH, Tile};

use crate::Finding;

/// Reads an exported tile of hashes.
pub(crate) trait Tiles {
    /// The bytes of a tile, or a sentence that says why there are none.
    fn hashes(&self, tile: Tile) -> Result<Vec<u8>, String>;
}

/// Hashes that wait for their tile to fill, from level 1 up.
#[derive(Default)]
pub(crate) struct Levels {
    waiting: Vec<Vec<Hash>>,
    full: Vec<u64>,
}

impl Levels {
    /// The hash of the next full tile of leaves.
    pub fn push(&mut self, hash: Hash, tiles: &impl Tiles) -> Result<(), Finding> {
        let (mut hash, mut level) = (hash, 0);
        loop {
            if self.waiting.len() == level {
                self.waiting.push(Vec::with_capacity(TILE_WIDTH as usize));
                self.full.push(0);
            }
            let waiting = &mut self.waiting[level];
            waiting.push(hash);
            if waiting.len() < TILE_WIDTH as usize {
                return Ok(());
            }
            compare(level, self.full[level], waiting, tiles)?;
            // A full tile is a power of two.
            let Some(above) = complete(waiting) else { return Ok(()) };
            waiting.clear();
            self.full[level] += 1;
            (hash, level) = (above, level + 1);
        }
    }

    /// The tiles that stay partial.
    pub fn finish(&self, tiles: &impl Tiles) -> Result<(), Finding> {
        let partial = self.waiting.iter().zip(&self.full).enumerate().filter(|(_, (waiting, _))| !waiting.is_empty());
        partial.into_iter().try_for_each(|(level, (waiting, full))| compare(level, *full, waiting, tiles))
    }
}

/// `level` counts from the first above the leaves.
fn compare(level: usize, index: u64, own: &[Hash], tiles: &impl Tiles) -> Result<(), Finding> {
    let level = level as u32 + 1;
    let width = u16::try_from(own.len()).unwrap_or(256);
    let tile = Tile { content: Content::Hashes(level), index, width };
    let leaves = TILE_WIDTH.pow(level);
    let first = (index * TILE_WIDTH).saturating_mul(leaves);
    let theirs = tiles.hashes(tile).map_err(|why| Finding::at(first, why))?;
    let (theirs, rest) = theirs.as_chunks::<32>();
    if theirs.len() != own.len() || !rest.is_empty() {
        return Err(Finding::at(first, format!("{tile} has another length than {} hashes", own.len())));
    }
    match own.iter().zip(theirs).position(|(own, theirs)| own != theirs) {
        None => Ok(()),
        Some(at) => Err(Finding::at(first + at as u64 * leaves, format!("{tile} has another hash than the {leaves} events from here on"))),
    }
}
