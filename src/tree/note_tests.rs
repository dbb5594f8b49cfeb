//! Notes against the examples of the specification and against unrelated code.

use ed25519_dalek::{Signer as _, SigningKey};
use signed_note::{Signer as _, StandardSigner, StandardVerifier, VerifierList};

use super::*;

fn ed25519(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(public);
    key.is_ok_and(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok())
}

fn signed(name: &str, seed: u8, text: &str) -> (Note, VerifierKey) {
    let secret = SigningKey::from_bytes(&[seed; 32]);
    let key = VerifierKey::new(name, KeyType::Ed25519, secret.verifying_key().to_bytes()).unwrap();
    let mut note = Note::new(text).unwrap();
    note.add(&key, secret.sign(&signed_bytes(text, None)).to_bytes().to_vec());
    (note, key)
}

#[test]
fn signed_note_the_example_verifies() {
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse().unwrap();
    let bytes = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let note = Note::parse(bytes.as_bytes()).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.verify(&key, ed25519), Ok(Verified { witnessed_at: None }));
    assert_eq!(note.to_string(), bytes);
}

#[test]
fn our_notes_and_keys_are_read_by_unrelated_code() {
    let (note, key) = signed("log.example/chancery", 7, "log.example/chancery\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&key.to_string()).unwrap())]);
    assert_eq!(theirs.verify(&known).unwrap().0.len(), 1);
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text().as_bytes()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size()), ("log.example/chancery", 0));
}

#[test]
fn notes_of_unrelated_code_verify_here() {
    let secret = [9; 32];
    let (_, key) = signed("log.example", 9, "x\n");
    // Their signing key as text: PRIVATE+KEY+<name>+<id>+base64(1 ‖ seed).
    let text = format!("PRIVATE+KEY+log.example+{:08x}+{}", u32::from_be_bytes(key.id()), STANDARD.encode([&[1][..], &secret].concat()));
    let signer = StandardSigner::new(&text).unwrap();
    assert_eq!(signer.key_id(), u32::from_be_bytes(key.id()));
    let mut theirs = signed_note::Note::new(b"one\n\ntwo\n", &[]).unwrap();
    theirs.add_sigs(&[&signer]).unwrap();
    let note = Note::parse(&theirs.to_bytes()).unwrap();
    assert_eq!(note.text(), "one\n\ntwo\n");
    assert!(note.verify(&key, ed25519).is_ok());
}

#[test]
fn signed_note_unknown_signatures_are_ignored_and_a_wrong_one_of_a_known_key_spoils_it() {
    let (mut note, key) = signed("a", 1, "text\n");
    let (other, stranger) = signed("b", 2, "text\n");
    assert_eq!(note.verify(&stranger, ed25519), Err(Unverified::Absent));
    note.push(other.signatures()[0].clone());
    assert!(note.verify(&key, ed25519).is_ok() && note.verify(&stranger, ed25519).is_ok());
    note.add(&key, vec![0; 64]);
    assert_eq!(note.verify(&key, ed25519), Err(Unverified::Wrong));
    let (of_other_text, _) = signed("a", 1, "text \n");
    let swapped = note.to_string().replace("text\n", "text \n");
    assert_eq!(Note::parse(swapped.as_bytes()).unwrap().verify(&key, ed25519), Err(Unverified::Wrong));
    assert!(of_other_text.verify(&key, ed25519).is_ok());
}

#[test]
fn tlog_cosignature_signs_the_time_with_the_text() {
    let secret = SigningKey::from_bytes(&[3; 32]);
    let key = VerifierKey::new("w.example", KeyType::Cosignature, secret.verifying_key().to_bytes()).unwrap();
    let mut note = Note::new("o\n1\nAAAA\n").unwrap();
    let signature = secret.sign(b"cosignature/v1\ntime 1679315147\no\n1\nAAAA\n").to_bytes();
    note.add(&key, [&1_679_315_147_u64.to_be_bytes()[..], &signature].concat());
    assert_eq!(note.verify(&key, ed25519), Ok(Verified { witnessed_at: Some(1_679_315_147) }));
    let mut late = Note::new("o\n1\nAAAA\n").unwrap();
    late.add(&key, [&1_679_315_148_u64.to_be_bytes()[..], &signature].concat());
    assert_eq!(late.verify(&key, ed25519), Err(Unverified::Wrong));
    late.add(&key, vec![1]);
    assert_eq!(late.verify(&key, ed25519), Err(Unverified::Wrong));
}

#[test]
fn signed_note_what_is_malformed_is_refused() {
    let (good, _) = signed("a", 1, "text\n");
    let good = good.to_string();
    let line = good.lines().last().unwrap();
    for (bytes, why) in [
        (Vec::new(), Malformed::NoSignatures),
        (b"text\n".to_vec(), Malformed::NoSignatures),
        (good.trim_end().as_bytes().to_vec(), Malformed::NoSignatures),
        (format!("{good}x\n").into_bytes(), Malformed::SignatureLine),
        (good.replace("\u{2014} a ", "- a ").into_bytes(), Malformed::SignatureLine),
        (good.replace("\u{2014} a ", "\u{2014} a+ ").into_bytes(), Malformed::SignatureLine),
        (b"text\n\n\xe2\x80\x94 a AAAA\n".to_vec(), Malformed::SignatureLine),
        (good.replace("text", "te\txt").into_bytes(), Malformed::Characters),
        (b"\xff\n\n".to_vec(), Malformed::Characters),
        (format!("{}\n\n{line}\n", "x".repeat(MOST)).into_bytes(), Malformed::TooLarge),
    ] {
        assert_eq!(Note::parse(&bytes), Err(why));
    }
    let sixteen = format!("{good}{}", format!("{line}\n").repeat(15));
    assert_eq!(Note::parse(sixteen.as_bytes()).unwrap().signatures().len(), 16);
    assert_eq!(Note::new("no newline"), Err(Malformed::Characters));
}
