//! The Merkle tree of the log, kept as its frontier: the hashes of the perfect subtrees, largest first.
//!
//! | Rule | Source |
//! |---|---|
//! | inner node = SHA-256(0x01 ‖ left ‖ right); the empty tree is SHA-256 of nothing | RFC 6962 §2.1 |
//! | a subtree of 2^8, 2^16, 2^24 ... leaves is kept when it is complete | C2SP tlog-tiles: a tile holds 256 hashes |
//!
//! Appending costs one hash on average and needs at most 64 nodes, whatever the size of the log.

use crate::hash::{Hash, empty_root, node_hash};
use crate::tile::TILE_LEVELS;

/// A complete subtree of 2^`level` leaves, the `index`-th of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    pub level: u32,
    pub index: u64,
    pub hash: Hash,
}

/// Enough of the tree to append to it and to know its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// One node for each bit that is set in `size`.
    nodes: Vec<Hash>,
}

impl Frontier {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; the subtrees of stored levels that it completes go to `completed`.
    pub fn push(&mut self, leaf_hash: Hash, completed: &mut Vec<Subtree>) {
        self.push_subtree(0, leaf_hash, completed);
    }

    /// Appends 2^`level` leaves at once. The size must be a multiple of 2^`level`.
    pub fn push_subtree(&mut self, level: u32, hash: Hash, completed: &mut Vec<Subtree>) {
        debug_assert!(self.size.trailing_zeros() >= level);
        let (mut at, mut hash) = (level, hash);
        while (self.size >> at) & 1 == 1 {
            // The bit is set, so the node is there.
            let Some(left) = self.nodes.pop() else { break };
            hash = node_hash(&left, &hash);
            at += 1;
            if at.is_multiple_of(TILE_LEVELS) {
                completed.push(Subtree { level: at, index: self.size >> at, hash });
            }
        }
        self.nodes.push(hash);
        self.size += 1 << level;
    }

    /// RFC 6962 §2.1 Merkle tree hash.
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.nodes.iter().rev();
        let Some(last) = smallest_first.next() else { return empty_root() };
        smallest_first.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The nodes, 32 bytes each, largest subtree first. The size is kept beside them.
    pub fn encode(&self) -> Vec<u8> {
        self.nodes.concat()
    }

    /// `None` if the bytes cannot be the frontier of a tree of this size.
    pub fn decode(size: u64, bytes: &[u8]) -> Option<Self> {
        let (nodes, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && nodes.len() == size.count_ones() as usize;
        fits.then(|| Self { size, nodes: nodes.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    use sha2::Sha256;

    use super::*;
    use crate::hash::leaf_hash;

    fn hex(hash: Hash) -> String {
        hash.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn tree(leaves: &[Vec<u8>]) -> (Frontier, Vec<Subtree>) {
        let (mut frontier, mut completed) = (Frontier::default(), Vec::new());
        leaves.iter().for_each(|l| frontier.push(leaf_hash(l), &mut completed));
        (frontier, completed)
    }

    /// RFC 6962 §2.1 word for word.
    fn naive(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => leaf_hash(one),
            many => {
                let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    /// The leaves and roots that the Certificate Transparency reference implementation tests with.
    #[test]
    fn rfc6962_2_1_known_answers() {
        let leaves: Vec<Vec<u8>> = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
            .iter()
            .map(|h| (0..h.len()).step_by(2).map(|i| u8::from_str_radix(&h[i..i + 2], 16).unwrap()).collect())
            .collect();
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        for (size, root) in roots.iter().enumerate() {
            assert_eq!(hex(tree(&leaves[..size]).0.root()), *root, "{size} leaves");
        }
    }

    #[test]
    fn complete_tiles_are_reported_once_and_rebuild_the_frontier() {
        let leaves: Vec<Vec<u8>> = (0u32..700).map(|i| i.to_be_bytes().to_vec()).collect();
        let (frontier, completed) = tree(&leaves);
        assert_eq!(completed.iter().map(|s| (s.level, s.index)).collect::<Vec<_>>(), [(8, 0), (8, 1)]);
        let mut again = Frontier::default();
        completed.iter().for_each(|s| again.push_subtree(s.level, s.hash, &mut Vec::new()));
        leaves[512..].iter().for_each(|l| again.push(leaf_hash(l), &mut Vec::new()));
        assert_eq!(again, frontier);
    }

    #[test]
    fn a_second_level_of_tiles() {
        let (mut frontier, mut completed) = (Frontier::default(), Vec::new());
        (0..256u64).for_each(|i| frontier.push_subtree(8, leaf_hash(&i.to_be_bytes()), &mut completed));
        assert_eq!(completed, [Subtree { level: 16, index: 0, hash: frontier.root() }]);
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_unrelated_code(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..300)) {
            let (frontier, _) = tree(&leaves);
            let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
            leaves.iter().for_each(|l| theirs.push(l.clone()));
            let root = theirs.root();
            prop_assert_eq!(&frontier.root()[..], &root.as_bytes()[..]);
            prop_assert_eq!(frontier.root(), naive(&leaves));
            let read = Frontier::decode(frontier.size(), &frontier.encode());
            prop_assert_eq!(read.as_ref(), Some(&frontier));
            prop_assert_eq!(Frontier::decode(frontier.size() + 1, &frontier.encode()).is_some(), (frontier.size() + 1).count_ones() == frontier.size().count_ones());
        }
    }
}
