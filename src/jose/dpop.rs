//! DPoP proofs: a JWT that brings its own key (RFC 9449 §4).
//!
//! | Rule | Source |
//! |---|---|
//! | one well-formed JWT with `typ` `dpop+jwt` | RFC 9449 §4.3 (2), (4) |
//! | `alg` is asymmetric and one of the caller's list; never `none` | RFC 9449 §4.3 (5) |
//! | `jwk` is one public key; a private member is refused | RFC 9449 §4.3 (7) |
//! | the signature is by that key | RFC 9449 §4.3 (6) |
//! | `jti`, `htm`, `htu`, `iat` are there; `ath` and `nonce` are strings if they are | RFC 9449 §4.2, §4.3 (3) |
//!
//! Here the key in the header is believed on purpose: whoever presents the proof names the key that it proves, and the caller compares
//! its thumbprint with the one that matters.
//!
//! Out of scope: what the claims must say (the caller knows the request, the time and the nonces).

use serde_json::Value;

use crate::alg::Algorithm;
use crate::jwk::PublicJwk;
use crate::jws;
use crate::jwt::RegisteredClaims;
use crate::thumbprint::Thumbprint;

/// Longest proof that is read, in bytes: an RSA key of 8192 bits and its signature need 3 KiB.
pub const MAX_PROOF: usize = 8 * 1024;
/// Longest `jti` and `nonce`, in bytes.
const MAX_WORD: usize = 512;

/// A proof whose signature is right.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What it is signed with.
    pub alg: Algorithm,
    /// Of the key that made it.
    pub thumbprint: Thumbprint,
    pub jti: String,
    pub htm: String,
    pub htu: String,
    /// Seconds since 1970.
    pub iat: i64,
    pub ath: Option<String>,
    pub nonce: Option<String>,
}

/// Why a proof was refused. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("{0}")]
    Token(#[from] jws::JwsError),
    #[error("\"typ\" is not dpop+jwt")]
    Type,
    #[error("\"jwk\" is missing, unfit, or not a public key")]
    Key,
    #[error("the claims cannot be read")]
    Claims,
    #[error("the claim \"{0}\" is missing, too long or of the wrong type")]
    Claim(&'static str),
}

/// Reads and verifies a proof.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(proof: &str, allowed: &[Algorithm]) -> Result<Proof, ProofError> {
    let parsed = jws::parse_within(proof, MAX_PROOF)?;
    // First, so that no other token of the client passes for a proof (RFC 8725 §3.11).
    if !parsed.header().is_typ("dpop+jwt") {
        return Err(ProofError::Type);
    }
    let key = parsed.header().member("jwk").and_then(|jwk| PublicJwk::from_value(jwk).ok()).ok_or(ProofError::Key)?;
    let alg = parsed.header().alg();
    let payload = parsed.verify_with_key(&key, allowed)?.payload;
    let claims = RegisteredClaims::parse(&payload).map_err(|_| ProofError::Claims)?;
    let text = |name: &'static str| match claims.all.get(name) {
        Some(Value::String(text)) => Ok(Some(text.clone())),
        None => Ok(None),
        Some(_) => Err(ProofError::Claim(name)),
    };
    let needed = |name: &'static str| text(name)?.filter(|text| !text.is_empty()).ok_or(ProofError::Claim(name));
    // What is remembered or compared is bounded; a proof itself is bounded as a whole.
    let word = |name: &'static str, found: Option<String>| match found {
        Some(long) if long.len() > MAX_WORD => Err(ProofError::Claim(name)),
        other => Ok(other),
    };
    Ok(Proof {
        alg,
        thumbprint: key.thumbprint(),
        jti: word("jti", Some(needed("jti")?))?.unwrap_or_default(),
        htm: needed("htm")?,
        htu: needed("htu")?,
        iat: claims.iat.ok_or(ProofError::Claim("iat"))?.0,
        ath: word("ath", text("ath")?)?,
        nonce: word("nonce", text("nonce")?)?,
    })
}
