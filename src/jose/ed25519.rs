//! Ed25519 by itself, for signed notes: keys and signatures as plain bytes, without JSON around them.
//!
//! | Rule | Source |
//! |---|---|
//! | public key 32 bytes, signature 64 bytes; the message is signed as it stands | RFC 8032 §5.1.2, §5.1.6 |
//! | verification | RFC 8032 §5.1.7 |
//!
//! Out of scope: what is signed, and under which name (C2SP signed-note).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::key::{Pair, SigningKey};
use crate::signing::SignError;
use crate::{Algorithm, SigningKeyError};

/// The public half of an Ed25519 key.
pub type Public = [u8; 32];
pub type Signature = [u8; 64];

/// Does the signature hold?
pub fn verify(public: &Public, message: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

impl SigningKey {
    /// A fresh Ed25519 key.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn generate_ed25519() -> Result<Self, SigningKeyError> {
        Self::generate(Algorithm::EdDSA)
    }

    /// The public half; `None` for a key of another kind.
    pub fn ed25519_public(&self) -> Option<Public> {
        self.ed25519_pair()?.public_key().as_ref().try_into().ok()
    }

    /// The signature of a message.
    ///
    /// # Errors
    /// A key of another kind, or the cryptographic library failed.
    pub fn sign_ed25519(&self, message: &[u8]) -> Result<Signature, SignError> {
        let pair = self.ed25519_pair().ok_or(SignError::Algorithm(Algorithm::EdDSA))?;
        pair.try_sign(message)?.as_ref().try_into().map_err(|_| SignError::Library)
    }

    fn ed25519_pair(&self) -> Option<&Ed25519KeyPair> {
        match &self.pair {
            Pair::Ed25519(pair) => Some(pair),
            Pair::Rsa(_) | Pair::Ec(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, Verifier as _};

    use super::*;

    #[test]
    fn rfc8032_5_1_6_signatures_are_those_of_unrelated_code() {
        let key = SigningKey::generate_ed25519().unwrap();
        let public = key.ed25519_public().unwrap();
        let theirs = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
        for message in [&b""[..], b"a", &[7; 1000]] {
            let ours = key.sign_ed25519(message).unwrap();
            theirs.verify(message, &ed25519_dalek::Signature::from_bytes(&ours)).unwrap();
            assert!(verify(&public, message, &ours));
            assert!(!verify(&public, &[message, b"x"].concat(), &ours));
        }
        let theirs = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        assert!(verify(&theirs.verifying_key().to_bytes(), b"a", &theirs.sign(b"a").to_bytes()));
    }

    #[test]
    fn another_kind_of_key_signs_no_note() {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        assert_eq!(key.ed25519_public(), None);
        assert_eq!(key.sign_ed25519(b"a"), Err(SignError::Algorithm(Algorithm::EdDSA)));
    }
}
