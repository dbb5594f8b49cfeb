//! Signing: bytes, and JWTs in compact form.
//!
//! | Rule | Source |
//! |---|---|
//! | `BASE64URL(header).BASE64URL(claims)` is what is signed | RFC 7515 §5.1 |
//! | ECDSA signatures are `r` and `s` side by side, not DER | RFC 7518 §3.4 |
//! | PSS with the hash's length as salt length | RFC 7518 §3.5 |
//! | `typ` says which kind of token it is, so that one kind cannot pass for another | RFC 8725 §3.11 |
//!
//! A header depends on key, algorithm and `typ` only, so the common ones are encoded once, when the key is loaded. A token
//! then costs three allocations: claims, signature, text.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::alg::Algorithm;
use crate::header::encode;
use crate::key::{Pair, SigningKey};

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("this key cannot sign with {0}")]
    Algorithm(Algorithm),
    #[error("the claims cannot be written as JSON")]
    Claims,
    #[error("the cryptographic library failed")]
    Library,
}

impl From<Unspecified> for SignError {
    fn from(_: Unspecified) -> Self {
        Self::Library
    }
}

impl SigningKey {
    /// The signature of `message`, in the form that JWS wants.
    pub fn sign(&self, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match (&self.pair, alg) {
            (Pair::Rsa(pair), Algorithm::RS256) => rsa(pair, &RSA_PKCS1_SHA256, message),
            (Pair::Rsa(pair), Algorithm::PS256) => rsa(pair, &RSA_PSS_SHA256, message),
            // `serves` ties each algorithm to its curve.
            (Pair::Ec(_, pair), _) if self.serves(alg) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            (Pair::Ed25519(pair), Algorithm::EdDSA) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
            _ => Err(SignError::Algorithm(alg)),
        }
    }

    /// A JWT in compact form with the header `alg`, `kid` and, if given, `typ`.
    pub fn sign_jwt(&self, alg: Algorithm, typ: Option<&str>, claims: &impl Serialize) -> Result<String, SignError> {
        // Before the work of writing the claims.
        if !self.serves(alg) {
            return Err(SignError::Algorithm(alg));
        }
        let built;
        let header = match self.headers.get(alg, typ) {
            Some(ready) => ready,
            None => {
                built = encode(alg, self.kid(), typ);
                built.as_str()
            }
        };
        let mut token = message(header, claims, self.signature_len())?;
        let signature = self.sign(alg, token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }

    /// In bytes; for the smaller curves the room of the largest.
    fn signature_len(&self) -> usize {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_modulus_len(),
            Pair::Ec(..) => 132,
            Pair::Ed25519(_) => 64,
        }
    }
}

/// What is signed of a JWT: header and claims (RFC 7515 §5.1). For keys whose private half is somewhere else; a dot and the signature make the token.
///
/// # Errors
/// Claims that are no JSON.
pub fn unsigned_jwt(alg: Algorithm, kid: &str, typ: Option<&str>, claims: &impl Serialize) -> Result<String, SignError> {
    // A signature has at most as many bytes as the longest RSA modulus that is read.
    message(&encode(alg, kid, typ), claims, 1024)
}

/// With room for a signature of so many bytes.
fn message(header: &str, claims: &impl Serialize, signature_len: usize) -> Result<String, SignError> {
    let mut json = Vec::with_capacity(512);
    serde_json::to_writer(&mut json, claims).map_err(|_| SignError::Claims)?;
    // base64url makes 4 characters of 3 bytes.
    let mut text = String::with_capacity(header.len() + (json.len() + signature_len) * 4 / 3 + 8);
    text.push_str(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(&json, &mut text);
    Ok(text)
}

fn rsa(pair: &RsaKeyPair, padding: &'static dyn RsaEncoding, message: &[u8]) -> Result<Vec<u8>, SignError> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), message, &mut signature)?;
    Ok(signature)
}
