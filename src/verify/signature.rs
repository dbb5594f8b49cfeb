//! Checkpoints and the keys that vouch for them.
//!
//! | Rule | Source |
//! |---|---|
//! | a checkpoint counts only with a signature of a key that is trusted | C2SP signed-note |
//! | the key is one that the log itself names, not retired before the checkpoint | ADR 0023 |
//! | without a key from outside, the log vouches for itself: that proves less, and the report says so | our own |

use std::fs;
use std::path::Path;

use chancery_tree::key::KeyType;
use chancery_tree::note::Unverified;
use chancery_tree::{Checkpoint, Note, VerifierKey};

use crate::Finding;
use crate::fold::LogKey;

/// A checkpoint whose text was read, with its signatures.
pub struct Signed {
    pub note: Note,
    pub checkpoint: Checkpoint,
}

/// Reads a signed checkpoint. Says nothing yet of its signatures.
///
/// # Errors
/// What is malformed.
pub fn read(bytes: &[u8]) -> Result<Signed, Finding> {
    let malformed = |why: &dyn std::fmt::Display| Finding::general(format!("the checkpoint cannot be read: {why}"));
    let note = Note::parse(bytes).map_err(|why| malformed(&why))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|why| malformed(&why))?;
    Ok(Signed { note, checkpoint })
}

/// RFC 8032 §5.1.7, strict: no key of small order, no second encoding of a signature.
pub fn ed25519(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(public);
    key.is_ok_and(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok())
}

/// Keys of a file: one verifier key per line, lines that begin with `#` are remarks.
///
/// # Errors
/// A file that cannot be read, a line that is no key, or no key at all.
pub fn keys(path: &Path) -> Result<Vec<VerifierKey>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse_keys(&text).map_err(|why| format!("{}: {why}", path.display()))
}

/// # Errors
/// A line that is no key, or no key at all.
pub fn parse_keys(text: &str) -> Result<Vec<VerifierKey>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(|line| line.parse().map_err(|why| format!("{why}"))).collect::<Result<Vec<_>, String>>()?;
    if keys.is_empty() { Err("there is no key in it".into()) } else { Ok(keys) }
}

/// Which of these keys vouches for the checkpoint. A witness alone does not: it saw the text and knows nothing of the log.
///
/// # Errors
/// None does, or the signature of one is wrong.
pub fn signed_by(signed: &Signed, keys: &[VerifierKey]) -> Result<VerifierKey, Finding> {
    let mut found = None;
    for key in keys {
        match signed.note.verify(key, ed25519) {
            Ok(_) if key.kind() == KeyType::Ed25519 && key.name() == signed.checkpoint.origin => found = found.or(Some(key)),
            Ok(_) | Err(Unverified::Absent) => {}
            Err(Unverified::Wrong) => {
                return Err(Finding::general(format!(
                    "the signature of the key {key} on the checkpoint of {} events does not verify",
                    signed.checkpoint.size
                )));
            }
        }
    }
    found.cloned().ok_or_else(|| {
        Finding::general(format!(
            "no key vouches for the checkpoint of {} events: none of {} has signed it",
            signed.checkpoint.size,
            keys.len()
        ))
    })
}

/// Keys that the log says could sign a tree of this size.
pub fn own_keys(history: &[LogKey], size: u64) -> Vec<VerifierKey> {
    let could = |key: &&LogKey| key.created < size && key.retired.is_none_or(|retired| retired >= size);
    history.iter().filter(could).filter_map(|key| key.vkey.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_keys_is_read() {
        let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        assert_eq!(parse_keys(&format!("# the log\n\n  {key}\n")).unwrap()[0].to_string(), key);
        assert!(parse_keys("# nothing\n").is_err() && parse_keys("nonsense\n").is_err());
    }

    /// ADR 0023: at each size a checkpoint is signed by a key that was created before it and not retired before it.
    #[test]
    fn a_key_signs_between_its_creation_and_its_end() {
        let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let history = [LogKey { vkey: vkey.into(), created: 1, retired: Some(5) }];
        let could = |size| !own_keys(&history, size).is_empty();
        assert_eq!([1, 2, 5, 6].map(could), [false, true, true, false]);
    }
}
