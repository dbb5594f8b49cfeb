//! Keys as the rest of the program holds them. None of them has Debug, and none gives its bytes away outside the vault.

use aws_lc_rs::{digest, hmac};

use super::crypto::{Cipher, Key, authenticate, derive};

/// Whose personal data a data key protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    Account,
    Interaction,
    Client,
    /// What has no subject, by month: `2026-11`.
    Epoch,
}

impl KeyKind {
    pub const ALL: [Self; 4] = [Self::Account, Self::Interaction, Self::Client, Self::Epoch];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Interaction => "interaction",
            Self::Client => "client",
            Self::Epoch => "epoch",
        }
    }
}

/// The name of a data key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKeyId {
    pub kind: KeyKind,
    pub id: String,
}

impl DataKeyId {
    pub fn new(kind: KeyKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// A key that encrypts personal data. Destroying it erases them.
pub struct DataKey {
    pub(super) id: DataKeyId,
    pub(super) secret: Key,
    pub(super) cipher: Cipher,
    pub(super) hint: [u8; 4],
}

impl DataKey {
    pub(super) fn new(id: DataKeyId, secret: Key) -> Self {
        let mut hint = [0; 4];
        hint.copy_from_slice(&derive(&secret, "hint v1")[..4]);
        Self { cipher: Cipher::new(&derive(&secret, "seal v1")), id, secret, hint }
    }

    pub fn id(&self) -> &DataKeyId {
        &self.id
    }

    /// What the key-created event carries: whoever holds a key can show that it is this one, and nothing else follows from it.
    pub fn commitment(&self) -> [u8; 32] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"chancery data key commitment v1\0");
        hash.update(&*derive(&self.secret, "commitment v1"));
        let mut commitment = [0; 32];
        commitment.copy_from_slice(hash.finish().as_ref());
        commitment
    }
}

/// What a server key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// MAC in refresh tokens.
    RefreshToken,
    /// Salt of pairwise subjects.
    PairwiseSalt,
    /// Uniqueness of e-mail addresses.
    BlindIndex,
    /// `sid` for each client.
    Sid,
    /// Cursors of lists.
    Cursor,
    /// Nonces of DPoP proofs.
    DpopNonce,
}

impl Purpose {
    pub const ALL: [Self; 6] = [Self::RefreshToken, Self::PairwiseSalt, Self::BlindIndex, Self::Sid, Self::Cursor, Self::DpopNonce];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh-token",
            Self::PairwiseSalt => "pairwise-salt",
            Self::BlindIndex => "blind-index",
            Self::Sid => "sid",
            Self::Cursor => "cursor",
            Self::DpopNonce => "dpop-nonce",
        }
    }
}

/// A server key for MACs.
pub struct NamedKey {
    id: String,
    key: hmac::Key,
}

impl NamedKey {
    pub(super) fn new(purpose: Purpose, secret: &Key) -> Self {
        let id = derive(secret, "id v1")[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*derive(secret, purpose.as_str()));
        Self { id, key }
    }

    /// Tells it from the key of another vault, or from a later one of the same purpose. 16 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// HMAC-SHA256 over several values, each with its length, so that ("ab", "c") and ("a", "bc") differ.
///
/// Compare in constant time.
pub fn mac(key: &NamedKey, parts: &[&[u8]]) -> [u8; 32] {
    authenticate(&key.key, parts)
}
