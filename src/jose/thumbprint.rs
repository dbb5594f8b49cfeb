//! The thumbprint of a public key: SHA-256 over its required members in a canonical form.
//!
//! | Rule | Source |
//! |---|---|
//! | required members only, names in lexicographic order, no white space | RFC 7638 §3, §3.3 |
//! | for OKP: `crv`, `kty`, `x` | RFC 8037 §2 |
//!
//! It names our own keys (`kid`) and binds tokens to a client's key (`cnf.jkt`).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// SHA-256 of the canonical JWK. `Display` is base64url without padding, 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// `canonical` is the JSON text of RFC 7638 §3.3.
    pub(crate) fn of(canonical: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, canonical.as_bytes()).as_ref()); // SHA-256 is 32 bytes long
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the base64url form; `None` unless it is the canonical text of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        // Checked first: the text comes from outside and has no bound of its own.
        if text.len() != 43 {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}
