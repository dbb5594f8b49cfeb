//! Signed notes: text, a blank line, signatures.
//!
//! | Rule | Source |
//! |---|---|
//! | UTF-8 without control characters but newline; the text ends with the last blank line | C2SP signed-note, format |
//! | `— <name> base64(key id ‖ signature)`, at least 16 of them are read | the same |
//! | signatures of unknown keys are ignored; one of a known key that does not verify spoils the note | the same, signatures |
//! | a cosignature carries a time, and signs it with the text | C2SP tlog-cosignature |

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::{KeyType, VerifierKey, is_name};

/// The largest note in bytes: room for a log, for sixteen witnesses, and for signatures of kinds that are larger.
pub const MOST: usize = 128 * 1024;

/// A text with signatures. Printed as the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Ends with a newline.
    text: String,
    signatures: Vec<Signature>,
}

/// One line below the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub name: String,
    pub key_id: [u8; 4],
    /// As the key's type wants it: 64 bytes, or 8 bytes of time and 64.
    pub bytes: Vec<u8>,
}

/// The bytes are not a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the note is larger than 128 KiB")]
    TooLarge,
    #[error("the note is not UTF-8, or has control characters")]
    Characters,
    #[error("the note has no blank line before its signatures")]
    NoSignatures,
    #[error("a signature line of the note is malformed")]
    SignatureLine,
}

/// Why a key does not vouch for a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    #[error("the note has no signature of this key")]
    Absent,
    #[error("the signature of this key does not verify")]
    Wrong,
}

/// What a key said by its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Seconds since the epoch, of a cosignature.
    pub witnessed_at: Option<u64>,
}

impl Note {
    /// A note without signatures yet.
    ///
    /// # Errors
    /// A text that does not end with a newline or has control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Malformed> {
        let text = text.into();
        if !text.ends_with('\n') || has_controls(&text) {
            return Err(Malformed::Characters);
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// What is signed, final newline included.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds the signature of a key over `signed_bytes`; for a cosignature the time has to stand before it.
    pub fn add(&mut self, key: &VerifierKey, bytes: Vec<u8>) {
        self.signatures.push(Signature { name: key.name().to_owned(), key_id: key.id(), bytes });
    }

    /// Adds what somebody else signed.
    pub fn push(&mut self, signature: Signature) {
        self.signatures.push(signature);
    }

    /// # Errors
    /// Whatever `Display` would not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MOST {
            return Err(Malformed::TooLarge);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| Malformed::Characters)?;
        if has_controls(note) {
            return Err(Malformed::Characters);
        }
        let end = note.rfind("\n\n").ok_or(Malformed::NoSignatures)?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(Malformed::NoSignatures)?;
        let signatures = lines.split('\n').map(|line| signature(line).ok_or(Malformed::SignatureLine)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Does this key vouch for the text? `verify` is Ed25519 (RFC 8032 §5.1.7): public key, message, signature.
    ///
    /// # Errors
    /// No signature of the key, or one that does not verify.
    pub fn verify(&self, key: &VerifierKey, verify: impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool) -> Result<Verified, Unverified> {
        let mut found = Err(Unverified::Absent);
        for signature in self.signatures.iter().filter(|one| one.name == key.name() && one.key_id == key.id()) {
            let (witnessed_at, own) = match (key.kind(), signature.bytes.split_first_chunk::<8>()) {
                (KeyType::Ed25519, _) => (None, &signature.bytes[..]),
                (KeyType::Cosignature, Some((time, rest))) => (Some(u64::from_be_bytes(*time)), rest),
                (KeyType::Cosignature, None) => return Err(Unverified::Wrong),
            };
            let message = signed_bytes(&self.text, witnessed_at);
            let own = own.try_into().map_err(|_| Unverified::Wrong)?;
            if !verify(key.public(), &message, own) {
                return Err(Unverified::Wrong);
            }
            found = Ok(Verified { witnessed_at });
        }
        found
    }
}

/// What an Ed25519 key signs: the text, or for a witness `cosignature/v1`, the time and the text.
pub fn signed_bytes(text: &str, witnessed_at: Option<u64>) -> Vec<u8> {
    match witnessed_at {
        None => text.as_bytes().to_vec(),
        Some(time) => format!("cosignature/v1\ntime {time}\n{text}").into_bytes(),
    }
}

fn has_controls(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 && byte != b'\n')
}

fn signature(line: &str) -> Option<Signature> {
    let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(bytes).ok()?;
    let (key_id, bytes) = bytes.split_first_chunk::<4>()?;
    (is_name(name) && !bytes.is_empty()).then(|| Signature { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|one| writeln!(f, "\u{2014} {} {}", one.name, STANDARD.encode([&one.key_id[..], &one.bytes].concat())))
    }
}

#[cfg(test)]
#[path = "note_tests.rs"]
mod tests;
