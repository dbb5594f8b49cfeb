//! The two hashes that a tree is made of, and the root of one that is empty.

use sha2::{Digest as _, Sha256};

pub type Hash = [u8; 32];

/// RFC 6962 §2.1: SHA-256(0x00 ‖ leaf). The 0x00 keeps a leaf from being passed off as an inner node.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// RFC 6962 §2.1: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    Sha256::digest(input).into()
}

/// RFC 6962 §2.1: the root of the empty tree is SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Sha256::digest(b"").into()
}

/// The root over hashes of complete subtrees of one height: `None` unless their number is a power of two.
pub fn complete(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6962_2_1_the_hash_of_the_empty_leaf() {
        let expected = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(leaf_hash(b"").iter().map(|b| format!("{b:02x}")).collect::<String>(), expected);
    }

    #[test]
    fn only_a_power_of_two_is_complete() {
        let hashes: Vec<Hash> = (0u8..8).map(|i| leaf_hash(&[i])).collect();
        assert_eq!(complete(&hashes[..1]), Some(hashes[0]));
        let half = |at: usize| node_hash(&node_hash(&hashes[at], &hashes[at + 1]), &node_hash(&hashes[at + 2], &hashes[at + 3]));
        assert_eq!(complete(&hashes), Some(node_hash(&half(0), &half(4))));
        assert_eq!((complete(&[]), complete(&hashes[..6])), (None, None));
    }
}
