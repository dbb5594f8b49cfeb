//! A witness between an honest log and one that is not.

use chancery_tree::{Frontier, Hash, Recipe, leaf_hash};
use tempfile::TempDir;

use super::request::AddCheckpoint;
use super::*;

const ORIGIN: &str = "log.example/oidc";

struct Log {
    key: SigningKey,
    leaves: Vec<Hash>,
}

impl Log {
    fn new(size: u8, salt: &str) -> Self {
        let leaves = (0..size).map(|at| leaf_hash(format!("{salt}{at}").as_bytes())).collect();
        Self { key: SigningKey::generate_ed25519().unwrap(), leaves }
    }

    fn vkey(&self) -> VerifierKey {
        VerifierKey::new(ORIGIN, KeyType::Ed25519, self.key.ed25519_public().unwrap()).unwrap()
    }

    fn root(&self, size: u64) -> Hash {
        let mut tree = Frontier::default();
        self.leaves[..size as usize].iter().for_each(|leaf| tree.push(*leaf, &mut Vec::new()));
        tree.root()
    }

    fn signed(&self, checkpoint: &Checkpoint) -> String {
        let mut note = Note::new(checkpoint.to_string()).unwrap();
        note.add(&self.vkey(), self.key.sign_ed25519(note.text().as_bytes()).unwrap().to_vec());
        note.to_string()
    }

    fn note(&self, size: u64) -> String {
        self.signed(&Checkpoint::new(ORIGIN, size, self.root(size)))
    }

    fn proof(&self, from: u64, to: u64) -> Vec<Hash> {
        let node = |node: chancery_tree::Node| {
            let mut tree = Frontier::default();
            let leaves = node.leaves();
            self.leaves[leaves.start as usize..leaves.end as usize].iter().for_each(|leaf| tree.push(*leaf, &mut Vec::new()));
            Some(tree.root())
        };
        Recipe::consistency(from, to).unwrap().build(node).unwrap()
    }

    fn asks(&self, old: u64, size: u64) -> String {
        AddCheckpoint::write(old, &self.proof(old.min(size), size), &self.note(size))
    }
}

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self, logs: &[&Log]) -> Witness {
        let key = SigningKey::generate_ed25519().unwrap();
        Witness::open("witness.example/w1", key, logs.iter().map(|log| log.vkey()).collect(), &self.state()).unwrap()
    }

    fn state(&self) -> std::path::PathBuf {
        self.0.path().join("state.json")
    }
}

/// The cosigned note, checked by code that is not ours as far as it goes, and by ours.
fn cosigned(witness: &Witness, note: &str, line: &str) -> u64 {
    assert!(line.starts_with("\u{2014} witness.example/w1 ") && line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
    let both = format!("{note}{line}");
    signed_note::Note::from_bytes(both.as_bytes()).unwrap();
    Note::parse(both.as_bytes()).unwrap().verify(witness.public(), ed25519::verify).unwrap().witnessed_at.unwrap()
}

#[test]
fn tlog_witness_an_honest_log_is_cosigned_as_it_grows() {
    let (place, log) = (Place::new(), Log::new(40, "a"));
    let witness = place.open(&[&log]);
    let mut old = 0;
    for (now, size) in [(100, 0), (101, 1), (102, 7), (103, 7), (104, 8), (105, 40)] {
        let line = witness.add_checkpoint(log.asks(old, size).as_bytes(), now).unwrap();
        assert_eq!(cosigned(&witness, &log.note(size), &line), now, "{old} to {size}");
        old = size;
    }
    let hash = "b25c8d5d9d3ff2d08b71bff1c6c7ae8b"; // not the hash of the origin
    assert_eq!(witness.checkpoint(hash), None);
    let hash: String = <sha2::Sha256 as sha2::Digest>::digest(ORIGIN).iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = Note::parse(witness.checkpoint(&hash).unwrap().as_bytes()).unwrap();
    assert_eq!(Checkpoint::parse(kept.text()).unwrap().size, 40);
    assert!(kept.verify(&log.vkey(), ed25519::verify).is_ok() && kept.verify(witness.public(), ed25519::verify).is_ok());
}

#[test]
fn tlog_witness_each_check_refuses_with_its_own_word() {
    let (place, log, stranger) = (Place::new(), Log::new(40, "a"), Log::new(40, "a"));
    let witness = place.open(&[&log]);
    let ask = |body: String| witness.add_checkpoint(body.as_bytes(), 1);
    witness.add_checkpoint(log.asks(0, 5).as_bytes(), 1).unwrap();
    let malformed = |outcome| matches!(outcome, Err(Refusal::Malformed(_)));
    assert!(malformed(ask(String::new())));
    assert!(malformed(ask(log.asks(5, 8).replacen("old 5", "old 05", 1))));
    assert!(malformed(ask(log.asks(5, 8).replacen("old 5\n", "old 5\nAAAA\n", 1))));
    assert!(malformed(ask(log.asks(5, 8).replacen("old 5\n", &format!("old 5\n{}", "A".repeat(43) + "=\n").repeat(64), 1))));
    assert!(malformed(ask(AddCheckpoint::write(9, &[], &log.note(8)))), "400: the old size is larger");
    let elsewhere = log.signed(&Checkpoint::new("other.example", 8, log.root(8)));
    assert_eq!(ask(AddCheckpoint::write(5, &log.proof(5, 8), &elsewhere)), Err(Refusal::UnknownLog));
    assert_eq!(ask(AddCheckpoint::write(5, &log.proof(5, 8), &stranger.note(8))), Err(Refusal::Untrusted));
    let forged = log.note(8).replacen('8', "9", 1);
    assert_eq!(ask(AddCheckpoint::write(5, &log.proof(5, 8), &forged)), Err(Refusal::Untrusted));
    for old in [0, 4, 6] {
        assert_eq!(ask(log.asks(old, 8)), Err(Refusal::Conflict(5)), "{old}");
    }
    let inconsistent = |outcome| matches!(outcome, Err(Refusal::Inconsistent(_)));
    assert!(inconsistent(ask(AddCheckpoint::write(5, &log.proof(4, 8), &log.note(8)))));
    assert!(inconsistent(ask(AddCheckpoint::write(5, &[], &log.note(8)))));
    // Still the one from before, after all of these.
    assert!(ask(log.asks(5, 8)).is_ok());
}

#[test]
fn tlog_witness_a_log_that_rewrites_its_history_is_found_out() {
    let (place, honest) = (Place::new(), Log::new(40, "a"));
    let other = Log { key: SigningKey::from_pkcs8_der(&honest.key.to_pkcs8_der().unwrap()).unwrap(), leaves: Log::new(40, "b").leaves };
    let witness = place.open(&[&honest]);
    witness.add_checkpoint(honest.asks(0, 20).as_bytes(), 1).unwrap();
    // The same size with another root; a longer tree with another beginning; and the log begun anew.
    for (old, size) in [(20, 20), (20, 40)] {
        let refused = witness.add_checkpoint(other.asks(old, size).as_bytes(), 2);
        assert!(matches!(refused, Err(Refusal::Inconsistent(_))), "{old} to {size}");
    }
    assert_eq!(witness.add_checkpoint(other.asks(0, 10).as_bytes(), 2), Err(Refusal::Conflict(20)));
    let empty = honest.signed(&Checkpoint::new(ORIGIN, 0, [1; 32]));
    let fresh = Place::new();
    let refused = fresh.open(&[&honest]).add_checkpoint(AddCheckpoint::write(0, &[], &empty).as_bytes(), 2);
    assert!(matches!(refused, Err(Refusal::Inconsistent(_))));
}

#[test]
fn a_witness_remembers_after_a_restart_and_does_not_start_without_its_memory() {
    let (place, log) = (Place::new(), Log::new(40, "a"));
    let witness = place.open(&[&log]);
    witness.add_checkpoint(log.asks(0, 20).as_bytes(), 1).unwrap();
    let key = SigningKey::generate_ed25519().unwrap();
    let second = Witness::open("witness.example/w1", key, vec![log.vkey()], &place.state());
    assert!(matches!(second, Err(NotStarted::State(StateError::Locked(_)))));
    drop(witness);
    let again = place.open(&[&log]);
    assert_eq!(again.add_checkpoint(log.asks(0, 20).as_bytes(), 2), Err(Refusal::Conflict(20)));
    again.add_checkpoint(log.asks(20, 40).as_bytes(), 2).unwrap();
    drop(again);
    let text = std::fs::read_to_string(place.state()).unwrap();
    for damaged in [&text[..text.len() / 2], &text.replace("\"size\": 40", "\"size\": 39"), ""] {
        std::fs::write(place.state(), damaged).unwrap();
        let key = SigningKey::generate_ed25519().unwrap();
        let refused = Witness::open("witness.example/w1", key, vec![log.vkey()], &place.state());
        assert!(matches!(refused, Err(NotStarted::State(StateError::Damaged(_)))), "{damaged:?}");
    }
}
