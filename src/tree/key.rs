//! Keys that verify notes, as text: name, id, and the public half.
//!
//! | Rule | Source |
//! |---|---|
//! | `<name>+<id in hex>+<base64 of type ‖ public key>` | C2SP signed-note, verifier keys |
//! | id = SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4] | C2SP signed-note, signatures |
//! | type 0x01 signs the text; 0x04 signs `cosignature/v1`, a time and the text | C2SP signed-note; tlog-cosignature |

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// The text of the note.
    Ed25519,
    /// A witness: a time and the text of a checkpoint.
    Cosignature,
}

impl KeyType {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::Cosignature => 4,
        }
    }
}

/// A public Ed25519 key under a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    kind: KeyType,
    public: [u8; 32],
}

/// The text is not a key that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("a key is <name>+<id in hex>+<base64>")]
    Shape,
    #[error("the name of a key has no spaces and no plus, and is not empty")]
    Name,
    #[error("the key is not of Ed25519")]
    Type,
    #[error("the id of the key is not that of its name and public half")]
    Id,
}

/// C2SP signed-note: not empty, no Unicode space, no plus. Control characters could break the line.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

impl VerifierKey {
    /// # Errors
    /// `BadKey::Name`.
    pub fn new(name: impl Into<String>, kind: KeyType, public: [u8; 32]) -> Result<Self, BadKey> {
        let name = name.into();
        if is_name(&name) { Ok(Self { name, kind, public }) } else { Err(BadKey::Name) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> KeyType {
        self.kind
    }

    /// RFC 8032 §5.1.2.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Names the key in signatures; too short to be trusted for anything else.
    pub fn id(&self) -> [u8; 4] {
        let hash: [u8; 32] =
            Sha256::new().chain_update(&self.name).chain_update([b'\n', self.kind.byte()]).chain_update(self.public).finalize().into();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl FromStr for VerifierKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        // The name has no plus; base64 may.
        let (name, rest) = text.split_once('+').ok_or(BadKey::Shape)?;
        let (id, key) = rest.split_once('+').ok_or(BadKey::Shape)?;
        let key = STANDARD.decode(key).map_err(|_| BadKey::Shape)?;
        let (kind, public) = key.split_first().ok_or(BadKey::Shape)?;
        let kind = match kind {
            1 => KeyType::Ed25519,
            4 => KeyType::Cosignature,
            _ => return Err(BadKey::Type),
        };
        let key = Self::new(name, kind, public.try_into().map_err(|_| BadKey::Shape)?)?;
        if id == hex(key.id()) { Ok(key) } else { Err(BadKey::Id) }
    }
}

/// C2SP signed-note: fixed length, lower case.
fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = [self.kind.byte(); 33];
        key[1..].copy_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, hex(self.id()), STANDARD.encode(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn signed_note_the_example_key_reads_and_writes() {
        let key: VerifierKey = EXAMPLE.parse().unwrap();
        assert_eq!((key.name(), key.kind(), key.id()), ("example.com/foo", KeyType::Ed25519, [0x53, 0x0d, 0x90, 0x3a]));
        assert_eq!(key.to_string(), EXAMPLE);
        // The same key as a witness is another one.
        let witness = VerifierKey::new("example.com/foo", KeyType::Cosignature, *key.public()).unwrap();
        assert_ne!(witness.id(), key.id());
        assert_eq!(witness.to_string().parse(), Ok(witness));
    }

    #[test]
    fn signed_note_a_key_that_is_not_one_is_refused() {
        for (text, why) in [
            ("", BadKey::Shape),
            ("example.com/foo+530d903a", BadKey::Shape),
            ("example.com/foo+530d903a+AekyeRrm", BadKey::Shape),
            ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Name),
            ("a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Name),
            ("example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Id),
            ("example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Id),
            ("example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", BadKey::Type),
        ] {
            assert_eq!(text.parse::<VerifierKey>(), Err(why), "{text}");
        }
    }
}
