//! The primitives of the vault: key derivation, authenticated encryption, MAC, unambiguous framing.
//!
//! | Rule | Source |
//! |---|---|
//! | AES-256-GCM with random 96-bit nonces, at most 2^32 for one key | NIST SP 800-38D §8.2.2, §8.3 |
//! | one key, one use: each use has a key derived with its own label | RFC 5869 §3.2 |
//! | several values are authenticated with their lengths, so that none can borrow bytes of its neighbour | - |

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use crate::app::random::Fill;

/// 32 secret bytes.
pub type Key = Zeroizing<[u8; 32]>;

pub const NONCE: usize = 12;
pub const TAG: usize = 16;

/// A key for one purpose. RFC 5869.
pub fn derive(secret: &[u8; 32], label: &str) -> Key {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = hkdf::Salt::new(hkdf::HKDF_SHA256, b"chancery").extract(secret);
    let info = [label.as_bytes()];
    // Both fail only for outputs of more than 255 hashes, or of another length than announced; both are 32 bytes here.
    let output = expanded.expand(&info, hkdf::HKDF_SHA256).expect("32 bytes are within 255 hashes");
    output.fill(&mut *key).expect("the length is that of HKDF_SHA256");
    key
}

/// A key ready to encrypt. Its schedule is wiped when dropped.
pub struct Cipher(LessSafeKey);

impl Cipher {
    pub fn new(key: &Key) -> Self {
        // Fails only for a key of another length.
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &**key).expect("AES-256 takes 32 bytes")))
    }

    /// Nonce, ciphertext and tag.
    pub fn encrypt(&self, fill: Fill, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(NONCE + plaintext.len() + TAG);
        self.encrypt_after(fill, aad, plaintext, &mut sealed);
        sealed
    }

    /// The same, behind what `sealed` holds already. With room for all in it, growing leaves no copy of the plaintext behind.
    pub fn encrypt_after(&self, fill: Fill, aad: &[u8], plaintext: &[u8], sealed: &mut Vec<u8>) {
        let mut nonce = [0; NONCE];
        fill(&mut nonce);
        sealed.reserve(NONCE + plaintext.len() + TAG);
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        sealed.extend_from_slice(plaintext);
        let text = &mut sealed[start..];
        // Fails only beyond 64 GiB, more than any caller can hold.
        let tag = self.0.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text).expect("below 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
    }

    /// `None`: another key, another `aad`, or changed bytes; these cannot be told apart.
    pub fn decrypt(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(NONCE)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// How many values, then each with its length before it.
pub fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::with_capacity(8 + parts.iter().map(|part| 8 + part.len()).sum::<usize>());
    all.extend_from_slice(&(parts.len() as u64).to_be_bytes());
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

/// HMAC-SHA256 over the framed values.
pub fn authenticate(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let tag = hmac::sign(key, &framed(parts));
    let mut mac = [0; 32];
    mac.copy_from_slice(tag.as_ref());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_keeps_borders() {
        let cases: [&[&[u8]]; 6] = [&[], &[b""], &[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""]];
        for (i, one) in cases.iter().enumerate() {
            for (j, other) in cases.iter().enumerate() {
                assert_eq!(framed(one) == framed(other), i == j);
            }
        }
    }

    #[test]
    fn rfc5869_3_2_labels_give_unrelated_keys() {
        let secret = [7; 32];
        assert_ne!(*derive(&secret, "a"), *derive(&secret, "b"));
        assert_ne!(*derive(&secret, "a"), secret);
        assert_eq!(*derive(&secret, "a"), *derive(&secret, "a"));
    }
}
