//! Proofs against the words of RFC 6962, against its own verifier, and against unrelated code.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use proptest::prelude::*;
use sha2::Sha256;

use super::*;
use crate::hash::leaf_hash;

fn leaf(at: u64) -> Vec<u8> {
    format!("leaf {at}").into_bytes()
}

/// RFC 6962 §2.1 word for word.
fn naive(range: Range<u64>) -> Hash {
    match range.end - range.start {
        0 => empty_root(),
        1 => leaf_hash(&leaf(range.start)),
        _ => node_hash(&naive(range.start..split(&range)), &naive(split(&range)..range.end)),
    }
}

fn hashes(recipe: &Recipe) -> Vec<Hash> {
    recipe.build(|node| Some(naive(node.leaves()))).unwrap()
}

fn theirs(size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..size).for_each(|at| tree.push(leaf(at)));
    tree
}

#[test]
fn rfc6962_2_1_1_paths_are_those_of_unrelated_code() {
    for size in 1..40 {
        let (tree, root) = (theirs(size), naive(0..size));
        for position in 0..size {
            let path = hashes(&Recipe::inclusion(position, size).unwrap());
            let expected = tree.prove_inclusion(position as usize);
            assert_eq!(path.concat(), expected.as_bytes(), "{position} in {size}");
            assert!(verify_inclusion(position, size, &leaf_hash(&leaf(position)), &path, &root));
            let read = InclusionProof::<Sha256>::try_from_bytes(path.concat()).unwrap();
            assert!(tree.root().verify_inclusion(&leaf(position), position, &read).is_ok());
        }
        assert_eq!(Recipe::inclusion(size, size), None);
    }
}

#[test]
fn rfc6962_2_1_2_consistency_proofs_are_those_of_unrelated_code() {
    for to in 1..40 {
        let (tree, new) = (theirs(to), naive(0..to));
        for from in 0..=to {
            let proof = hashes(&Recipe::consistency(from, to).unwrap());
            let old = naive(0..from);
            assert!(verify_consistency(Tree { size: from, root: &old }, Tree { size: to, root: &new }, &proof), "{from} to {to}");
            if from > 0 && from < to {
                assert_eq!(proof.concat(), tree.prove_consistency((to - from) as usize).as_bytes(), "{from} to {to}");
                let read = ConsistencyProof::<Sha256>::try_from_bytes(proof.concat()).unwrap();
                assert!(tree.root().verify_consistency(&theirs(from).root(), &read).is_ok());
            }
        }
        assert_eq!(Recipe::consistency(to + 1, to), None);
    }
}

/// The audit paths and proofs that RFC 6962 §2.1.3 writes out for a tree of seven leaves.
#[test]
fn rfc6962_2_1_3_the_example() {
    let node = |level, index| Node { level, index };
    let parts = |recipe: Option<Recipe>| recipe.unwrap().parts;
    assert_eq!(parts(Recipe::inclusion(0, 7)), [vec![node(0, 1)], vec![node(1, 1)], vec![node(1, 2), node(0, 6)]]);
    assert_eq!(parts(Recipe::inclusion(3, 7)), [vec![node(0, 2)], vec![node(1, 0)], vec![node(1, 2), node(0, 6)]]);
    assert_eq!(parts(Recipe::inclusion(4, 7)), [vec![node(0, 5)], vec![node(0, 6)], vec![node(2, 0)]]);
    assert_eq!(parts(Recipe::inclusion(6, 7)), [vec![node(1, 2)], vec![node(2, 0)]]);
    assert_eq!(parts(Recipe::consistency(3, 7)), [vec![node(0, 2)], vec![node(0, 3)], vec![node(1, 0)], vec![node(1, 2), node(0, 6)]]);
    assert_eq!(parts(Recipe::consistency(4, 7)), [vec![node(1, 2), node(0, 6)]]);
    assert_eq!(parts(Recipe::consistency(6, 7)), [vec![node(1, 2)], vec![node(0, 6)], vec![node(2, 0)]]);
}

/// Two further programs that know nothing of this one accept the proofs.
#[test]
fn two_more_programs_accept_the_proofs() {
    let tlog = |hash: &Hash| tlog_tiles::Hash(*hash);
    let sigstore = |hash: &Hash| sigstore_types::Sha256Hash::new(*hash);
    for size in [1, 2, 7, 8, 255, 256, 257, 700] {
        let root = naive(0..size);
        for position in [0, size / 3, size / 2, size - 1] {
            let (own, path) = (leaf_hash(&leaf(position)), hashes(&Recipe::inclusion(position, size).unwrap()));
            assert_eq!(tlog(&own), tlog_tiles::record_hash(&leaf(position)));
            tlog_tiles::check_record(&path.iter().map(tlog).collect(), size, tlog(&root), position, tlog(&own)).unwrap();
            let path: Vec<_> = path.iter().map(sigstore).collect();
            sigstore_merkle::verify_inclusion_proof(&sigstore(&own), position, size, &path, &sigstore(&root)).unwrap();
        }
        for from in [1, size / 3 + 1, size / 2 + 1, size] {
            let (old, proof) = (naive(0..from), hashes(&Recipe::consistency(from, size).unwrap()));
            tlog_tiles::check_tree(&proof.iter().map(tlog).collect(), size, tlog(&root), from, tlog(&old)).unwrap();
            let proof: Vec<_> = proof.iter().map(sigstore).collect();
            sigstore_merkle::verify_consistency_proof(from, size, &proof, &sigstore(&old), &sigstore(&root)).unwrap();
        }
    }
}

#[test]
fn a_subtree_is_hashed_from_one_tile() {
    let node = Node { level: 11, index: 5 };
    assert_eq!(node.in_tiles(), (1, 40..48));
    let hashes: Vec<Hash> = (40..48).map(|at| naive(at << 8..(at + 1) << 8)).collect();
    assert_eq!(node.hash(&hashes), Some(naive(5 << 11..6 << 11)));
    assert_eq!(node.hash(&hashes[..4]), None);
}

#[test]
fn a_huge_tree_needs_few_subtrees() {
    let size = (1 << 45) - 1;
    assert!(Recipe::inclusion(12_345, size).unwrap().nodes().count() < 100);
    assert!(Recipe::consistency((1 << 44) + 17, size).unwrap().nodes().count() < 120);
}

proptest! {
    /// Whatever is changed in a proof, it no longer holds.
    #[test]
    fn a_changed_proof_does_not_hold(size in 2u64..300, seed: u64, byte in 0usize..32, bit in 0u32..8) {
        let position = seed % size;
        let (root, own) = (naive(0..size), leaf_hash(&leaf(position)));
        let path = hashes(&Recipe::inclusion(position, size).unwrap());
        let flip = |hash: &Hash| { let mut hash = *hash; hash[byte] ^= 1 << bit; hash };
        for at in 0..path.len() {
            let mut bad = path.clone();
            bad[at] = flip(&bad[at]);
            prop_assert!(!verify_inclusion(position, size, &own, &bad, &root));
        }
        prop_assert!(!verify_inclusion(position, size, &flip(&own), &path, &root));
        prop_assert!(!verify_inclusion(position, size, &own, &path, &flip(&root)));
        prop_assert!(!verify_inclusion(position, size, &own, &path[1..], &root));
        prop_assert!(!verify_inclusion((position + 1) % size, size, &own, &path, &root));
        let longer = [&path[..], &[root]].concat();
        prop_assert!(!verify_inclusion(position, size, &own, &longer, &root));

        let from = 1 + seed % (size - 1);
        let old = naive(0..from);
        let proof = hashes(&Recipe::consistency(from, size).unwrap());
        let holds = |old: &Hash, new: &Hash, proof: &[Hash]| {
            verify_consistency(Tree { size: from, root: old }, Tree { size, root: new }, proof)
        };
        prop_assert!(holds(&old, &root, &proof));
        for at in 0..proof.len() {
            let mut bad = proof.clone();
            bad[at] = flip(&bad[at]);
            prop_assert!(!holds(&old, &root, &bad));
        }
        prop_assert!(!holds(&flip(&old), &root, &proof) && !holds(&old, &flip(&root), &proof));
        prop_assert!(!holds(&old, &root, &proof[1..]) && !holds(&old, &root, &[&proof[..], &[root]].concat()));
    }
}
