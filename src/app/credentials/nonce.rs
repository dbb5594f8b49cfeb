//! Nonces for proofs of the keys that credentials are bound to (OpenID4VCI §7).
//!
//! | Rule | Source |
//! |---|---|
//! | a nonce is a MAC over the time and over something random: nothing is kept, every node knows those of every other | OpenID4VCI §7.2 |
//! | it is good for one request, however many proofs that has: a claim in the append of what it brought | OpenID4VCI §13.8; our own |
//! | what was used is forgotten when the nonce is too old anyway | our own |

use std::sync::Arc;

use chancery_core::base64url;
use chancery_core::digest::Digest;

use crate::app::once::Once;
use crate::app::vault::{NamedKey, mac};
use crate::app::words::CREDENTIAL_NONCE;
use crate::app::{App, random, seconds};

/// Bytes of a nonce: the slot of time, entropy, and a MAC.
const SLOT: usize = 8;
const RANDOM: usize = 16;
const MAC: usize = 16;

/// Those of all nodes.
pub struct CredentialNonces(Arc<NamedKey>);

impl CredentialNonces {
    /// With a key that others make nonces of other kinds with: the label keeps them apart.
    pub fn new(key: Arc<NamedKey>) -> Self {
        Self(key)
    }

    fn of(&self, slot: u64, random: [u8; RANDOM]) -> String {
        let slot = slot.to_be_bytes();
        let whole = mac(&self.0, &[b"credential nonce", &slot, &random]);
        base64url::encode(&[&slot[..], &random, &whole[..MAC]].concat())
    }

    /// The slot in which it was made; `None` for a text that is not ours.
    fn slot_of(&self, nonce: &str) -> Option<u64> {
        let bytes = base64url::decode(nonce).filter(|bytes| bytes.len() == SLOT + RANDOM + MAC)?;
        let slot = u64::from_be_bytes(bytes.get(..SLOT)?.try_into().ok()?);
        let random = bytes.get(SLOT..SLOT + RANDOM)?.try_into().ok()?;
        Digest::of(self.of(slot, random).as_bytes()).matches(&Digest::of(nonce.as_bytes())).then_some(slot)
    }
}

impl App {
    /// A nonce for the next request.
    pub fn credential_nonce(&self) -> String {
        self.credential_nonces.of(self.slot(), random::bytes())
    }

    /// The claim of a nonce that is recent; `None`: it is old, or none of ours.
    pub(super) fn recent_nonce(&self, nonce: &str) -> Option<(Digest, Once)> {
        let (slot, now) = (self.credential_nonces.slot_of(nonce)?, self.slot());
        // The slot before, too: a wallet may be on the way with it.
        if !matches!(now.checked_sub(slot), Some(0 | 1)) {
            return None;
        }
        let length = i64::from(seconds(self.config.dpop.nonce_lifetime).0).max(1);
        let refused_from = i64::try_from(slot).unwrap_or(i64::MAX).saturating_add(2).saturating_mul(length);
        let digest = Digest::of(nonce.as_bytes());
        Some((digest, Once::new(&CREDENTIAL_NONCE, digest.0, refused_from)))
    }
}
