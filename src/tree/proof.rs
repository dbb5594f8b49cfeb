//! Proofs that an entry is in the tree, and that a tree is the beginning of a larger one.
//!
//! | Rule | Source |
//! |---|---|
//! | the audit path of an entry | RFC 6962 §2.1.1 |
//! | the consistency proof between two sizes | RFC 6962 §2.1.2 |
//! | how each is verified | RFC 9162 §2.1.3.2, §2.1.4.2 |
//!
//! A proof is made in two steps, so that nothing here reads: a [`Recipe`] names the complete subtrees that it needs, and hashes them
//! together once somebody has fetched those.

use std::ops::Range;

use crate::hash::{Hash, complete, empty_root, node_hash};
use crate::tile::TILE_LEVELS;

/// A complete subtree: the `index`-th of those with 2^`level` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    pub level: u32,
    pub index: u64,
}

impl Node {
    /// The level of the tiles (0, 1, 2 ...) that this subtree can be hashed from, and which hashes of that level it takes. Tiles hold
    /// only every eighth level of the tree; the range never leaves one tile.
    pub fn in_tiles(self) -> (u32, Range<u64>) {
        let height = self.level % TILE_LEVELS;
        (self.level / TILE_LEVELS, self.index << height..(self.index + 1) << height)
    }

    /// Its hash, out of the hashes that `in_tiles` names. `None` if their number is wrong.
    pub fn hash(self, hashes: &[Hash]) -> Option<Hash> {
        if hashes.len() == 1 << (self.level % TILE_LEVELS) { complete(hashes) } else { None }
    }

    /// The leaves below it.
    pub fn leaves(self) -> Range<u64> {
        self.index << self.level..(self.index + 1) << self.level
    }
}

/// What a proof is made of: each of its hashes is a run of complete subtrees, hashed together from the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    parts: Vec<Vec<Node>>,
}

impl Recipe {
    /// RFC 6962 §2.1.1. `None` if no such entry is in a tree of that size.
    pub fn inclusion(position: u64, size: u64) -> Option<Self> {
        if position >= size {
            return None;
        }
        let mut parts = Vec::new();
        let mut range = 0..size;
        while range.end - range.start > 1 {
            let middle = split(&range);
            let (inside, beside) =
                if position < middle { (range.start..middle, middle..range.end) } else { (middle..range.end, range.start..middle) };
            parts.push(nodes(beside));
            range = inside;
        }
        parts.reverse();
        Some(Self { parts })
    }

    /// RFC 6962 §2.1.2. Empty when one of the trees is empty or both are one; `None` if the first is larger.
    pub fn consistency(from: u64, to: u64) -> Option<Self> {
        if from > to {
            return None;
        }
        let mut parts = Vec::new();
        let mut range = 0..to;
        // RFC 6962 §2.1.2: whoever verifies knows the root of the first tree already, so it is left out when it is a subtree.
        let mut is_known = true;
        while from > 0 && from != range.end {
            let middle = split(&range);
            if from <= middle {
                parts.push(nodes(middle..range.end));
                range.end = middle;
            } else {
                parts.push(nodes(range.start..middle));
                (range.start, is_known) = (middle, false);
            }
        }
        if from > 0 && !is_known {
            parts.push(nodes(range));
        }
        parts.reverse();
        Some(Self { parts })
    }

    /// The root of a tree as one part; of the empty tree none.
    pub fn root(size: u64) -> Self {
        Self { parts: if size == 0 { Vec::new() } else { vec![nodes(0..size)] } }
    }

    /// Every complete subtree whose hash is needed: at most some hundreds, whatever the size.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        self.parts.iter().flatten().copied()
    }

    /// The hashes of the proof. `None` if `hash` does not know a subtree.
    pub fn build(&self, mut hash: impl FnMut(Node) -> Option<Hash>) -> Option<Vec<Hash>> {
        let mut part = |nodes: &Vec<Node>| {
            let mut right = None;
            for node in nodes.iter().rev() {
                let left = hash(*node)?;
                right = Some(right.map_or(left, |right| node_hash(&left, &right)));
            }
            right
        };
        self.parts.iter().map(&mut part).collect()
    }
}

/// The largest power of two smaller than the length, as a place in the range. The range has at least two leaves.
fn split(range: &Range<u64>) -> u64 {
    range.start + (1 << (range.end - range.start - 1).ilog2())
}

/// Complete subtrees that cover a range, largest first. The start is a multiple of the largest, as in every range of RFC 6962.
fn nodes(range: Range<u64>) -> Vec<Node> {
    let (mut at, mut nodes) = (range.start, Vec::new());
    while at < range.end {
        let level = (range.end - at).ilog2();
        nodes.push(Node { level, index: at >> level });
        at += 1 << level;
    }
    nodes
}

/// RFC 9162 §2.1.3.2. Constant time is not needed: everything here is public.
pub fn verify_inclusion(position: u64, size: u64, leaf_hash: &Hash, path: &[Hash], root: &Hash) -> bool {
    if position >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (position, size - 1, *leaf_hash);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(beside, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// A tree as a checkpoint tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree<'a> {
    pub size: u64,
    pub root: &'a Hash,
}

/// RFC 9162 §2.1.4.2: is the first tree the beginning of the second?
pub fn verify_consistency(first: Tree<'_>, second: Tree<'_>, proof: &[Hash]) -> bool {
    if first.size == second.size {
        return proof.is_empty() && first.root == second.root;
    }
    if first.size == 0 {
        // Every tree begins with the empty one.
        return proof.is_empty() && *first.root == empty_root();
    }
    if first.size > second.size {
        return false;
    }
    let known = first.size.is_power_of_two().then_some(first.root);
    let mut path = known.into_iter().chain(proof);
    let Some(begin) = path.next() else { return false };
    let (mut at, mut last) = (first.size - 1, second.size - 1);
    let shift = at.trailing_ones();
    (at, last) = (at >> shift, last >> shift);
    let (mut old, mut new) = (*begin, *begin);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (old, new) = (node_hash(beside, &old), node_hash(beside, &new));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old == *first.root && new == *second.root
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
