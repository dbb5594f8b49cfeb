//! Attestations of clients, and the proofs that go with them: draft-ietf-oauth-attestation-based-client-auth-10 (ABCA), and what is known of 12.
//!
//! | Rule | Source |
//! |---|---|
//! | both are well-formed JWTs of their own `typ` | ABCA §4, §5.1 |
//! | `alg` is asymmetric and one of the caller's list; never `none` | ABCA §7.1 (3), §7.2 (3) |
//! | the attestation is signed with a key of an attester, the proof with the key in `cnf` of the attestation | ABCA §7.1 (4), §7.2 (4) |
//! | `cnf` has one public key as `jwk`; a private member is refused | ABCA §4, §7.1 (5) |
//! | `sub`, `exp` and (draft 12) `iat` are in the attestation, `aud`, `jti` and `iat` in the proof; `challenge` is a string if it is there | ABCA §4, §5.1 |
//!
//! Out of scope: what the claims must say (`chancery_core::client::attestation`).

use serde_json::Value;

use crate::alg::Algorithm;
use crate::jwk::PublicJwk;
use crate::jwks::Jwks;
use crate::jws;
use crate::jwt::RegisteredClaims;

/// Longest token that is read, in bytes.
pub const MAX_ATTESTATION: usize = 8 * 1024;
/// Longest `jti` and `challenge`, in bytes.
const MAX_WORD: usize = 512;

/// What an attester says of an instance of a client.
#[derive(Clone, Debug)]
pub struct Attestation {
    pub sub: String,
    pub iss: Option<String>,
    /// Empty when absent.
    pub aud: Vec<String>,
    /// Seconds since 1970, as the others.
    pub exp: i64,
    pub iat: i64,
    pub nbf: Option<i64>,
    /// Of the instance.
    pub key: PublicJwk,
}

/// A proof of the instance's key.
#[derive(Clone, Debug)]
pub struct Pop {
    pub aud: Vec<String>,
    pub jti: String,
    pub iat: i64,
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
    pub challenge: Option<String>,
}

/// Why one of them was refused. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    #[error("{0}")]
    Token(#[from] jws::JwsError),
    #[error("\"cnf\" has no public key as jwk")]
    Key,
    #[error("the claims cannot be read")]
    Claims,
    #[error("the claim \"{0}\" is missing, too long or of the wrong type")]
    Claim(&'static str),
}

const ATTESTATION: &str = "oauth-client-attestation+jwt";
const POP: &str = "oauth-client-attestation-pop+jwt";

/// Whom an attestation is about, before anything of it was checked.
pub fn unverified_subject(token: &str) -> Option<String> {
    let parsed = jws::parse_within(token, MAX_ATTESTATION).ok()?;
    RegisteredClaims::parse(parsed.unverified_payload()).ok()?.sub
}

/// Reads and verifies an attestation.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(token: &str, attester: &Jwks, allowed: &[Algorithm]) -> Result<Attestation, AttestationError> {
    let payload = jws::parse_typed(token, ATTESTATION, MAX_ATTESTATION)?.verify(attester, allowed)?.payload;
    let claims = RegisteredClaims::parse(&payload).map_err(|_| AttestationError::Claims)?;
    let jwk = claims.all.get("cnf").and_then(|cnf| cnf.get("jwk"));
    Ok(Attestation {
        key: jwk.and_then(|jwk| PublicJwk::from_value(jwk).ok()).ok_or(AttestationError::Key)?,
        sub: claims.sub.filter(|sub| !sub.is_empty()).ok_or(AttestationError::Claim("sub"))?,
        iss: claims.iss,
        aud: claims.aud,
        exp: claims.exp.ok_or(AttestationError::Claim("exp"))?.0,
        // Required from draft 12 on, optional before.
        iat: claims.iat.ok_or(AttestationError::Claim("iat"))?.0,
        nbf: claims.nbf.map(|date| date.0),
    })
}

/// Reads and verifies a proof of the key in an attestation.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify_pop(token: &str, key: &PublicJwk, allowed: &[Algorithm]) -> Result<Pop, AttestationError> {
    let payload = jws::parse_typed(token, POP, MAX_ATTESTATION)?.verify_with_key(key, allowed)?.payload;
    let claims = RegisteredClaims::parse(&payload).map_err(|_| AttestationError::Claims)?;
    let challenge = match claims.all.get("challenge") {
        None => None,
        Some(Value::String(text)) if text.len() <= MAX_WORD => Some(text.clone()),
        Some(_) => return Err(AttestationError::Claim("challenge")),
    };
    Ok(Pop {
        challenge,
        jti: claims.jti.filter(|jti| !jti.is_empty() && jti.len() <= MAX_WORD).ok_or(AttestationError::Claim("jti"))?,
        iat: claims.iat.ok_or(AttestationError::Claim("iat"))?.0,
        exp: claims.exp.map(|date| date.0),
        nbf: claims.nbf.map(|date| date.0),
        aud: claims.aud,
    })
}
