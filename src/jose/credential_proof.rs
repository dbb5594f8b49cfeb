//! Proofs of the keys that credentials are bound to: a JWT that brings its own key (OpenID4VCI Appendix F.1, F.4).
//!
//! | Rule | Source |
//! |---|---|
//! | one well-formed JWT with `typ` `openid4vci-proof+jwt` | Appendix F.1, F.4 |
//! | `alg` is asymmetric and one of the caller's list; never `none` | Appendix F.1, F.4 |
//! | the key is in `jwk`, with neither `kid` nor `x5c` beside it; a private member is refused | Appendix F.1, F.4 |
//! | the signature is by that key | Appendix F.1, F.4 |
//! | `aud` is one string, `iat` is there; `nonce` is a string if it is there | Appendix F.1 |
//!
//! As for a DPoP proof, the key in the header is believed on purpose: it is what is proven.
//!
//! Out of scope: what the claims must say (`chancery_core::credential::proof`), key attestations.

use serde_json::{Map, Value};

use crate::alg::Algorithm;
use crate::jwk::PublicJwk;
use crate::jws;
use crate::jwt::RegisteredClaims;
use crate::thumbprint::Thumbprint;

/// Longest proof that is read, in bytes.
pub const MAX_PROOF: usize = 8 * 1024;
/// Longest `nonce`, in bytes.
const MAX_WORD: usize = 512;

/// A proof whose signature is right.
#[derive(Clone, Debug)]
pub struct Proof {
    key: PublicJwk,
    pub iss: Option<String>,
    pub aud: String,
    /// Seconds since 1970, as the others.
    pub iat: i64,
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
    pub nonce: Option<String>,
}

impl Proof {
    pub fn thumbprint(&self) -> Thumbprint {
        self.key.thumbprint()
    }

    /// The key without what only its owner calls it: nothing else than the key is in a credential.
    pub fn bare_key(&self) -> Map<String, Value> {
        // A map with names of text always serialises to an object.
        let mut members = match serde_json::to_value(&self.key) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        members.retain(|name, _| matches!(name.as_str(), "kty" | "crv" | "x" | "y" | "n" | "e"));
        members
    }
}

/// Why a proof was refused. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialProofError {
    #[error("{0}")]
    Token(#[from] jws::JwsError),
    #[error("\"typ\" is not openid4vci-proof+jwt")]
    Type,
    #[error("\"jwk\" is missing, unfit, not a public key, or not the only name of the key")]
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
pub fn verify(proof: &str, allowed: &[Algorithm]) -> Result<Proof, CredentialProofError> {
    let parsed = jws::parse_within(proof, MAX_PROOF)?;
    let header = parsed.header();
    // First, so that no other token of the wallet passes for a proof (RFC 8725 §3.11).
    if !header.is_typ("openid4vci-proof+jwt") {
        return Err(CredentialProofError::Type);
    }
    if ["kid", "x5c"].iter().any(|name| header.member(name).is_some()) {
        return Err(CredentialProofError::Key);
    }
    let key = header.member("jwk").and_then(|jwk| PublicJwk::from_value(jwk).ok()).ok_or(CredentialProofError::Key)?;
    let payload = parsed.verify_with_key(&key, allowed)?.payload;
    let claims = RegisteredClaims::parse(&payload).map_err(|_| CredentialProofError::Claims)?;
    let nonce = match claims.all.get("nonce") {
        None => None,
        Some(Value::String(text)) if text.len() <= MAX_WORD => Some(text.clone()),
        Some(_) => return Err(CredentialProofError::Claim("nonce")),
    };
    let aud = claims.all.get("aud").and_then(Value::as_str).ok_or(CredentialProofError::Claim("aud"))?.to_owned();
    Ok(Proof {
        key,
        aud,
        nonce,
        iss: claims.iss,
        iat: claims.iat.ok_or(CredentialProofError::Claim("iat"))?.0,
        exp: claims.exp.map(|date| date.0),
        nbf: claims.nbf.map(|date| date.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
    use serde_json::json;

    /// OpenID4VCI Appendix F.1, the example: proof with its key.
    const EXAMPLE: &str = "eyJ0eXAiOiJvcGVuaWQ0dmNpLXByb29mK2p3dCIsImFsZyI6IkVTMjU2Iiwiandr\
Ijp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoiblVXQW9BdjNYWml0aDhFN2kxOU9kYXhPTFlGT3dNLVoyRXVNMDJUaXJUNCIsInkiOiJIc2tIVThCalVpMVU\
5WHFpN1N3bWo4Z3dBS18weGtjRGpFV183MVNvc0VZIn19.eyJhdWQiOiJodHRwczovL2NyZWRlbnRpYWwtaXNzdWVyLmV4YW1wbGUuY29tIiwiaWF0IjoxNzAxOTYwND\
Q0LCJub25jZSI6IkxhclJHU2JtVVBZdFJZTzZCUTR5bjgifQ.-a3EDsxClUB4O3LeDD5DVGEnNMT01FCQW4P6-2-BNBqc_Zxf0Qw4CWayLEpqkAomlkLb9zioZoipdP-\
jvh1WlA";

    fn made(key: &SigningKey, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let signature = key.sign(Algorithm::ES256, message.as_bytes()).unwrap();
        format!("{message}.{}", B64.encode(signature))
    }

    #[test]
    fn openid4vci_f_1_the_example_verifies() {
        let proof = verify(EXAMPLE, &[Algorithm::ES256]).unwrap();
        assert_eq!((proof.aud.as_str(), proof.iat), ("https://credential-issuer.example.com", 1_701_960_444));
        assert_eq!((proof.nonce.as_deref(), proof.iss.as_deref()), (Some("LarRGSbmUPYtRYO6BQ4yn8"), None));
        let key = json!({ "kty": "EC", "crv": "P-256", "x": "nUWAoAv3XZith8E7i19OdaxOLYFOwM-Z2EuM02TirT4",
            "y": "HskHU8BjUi1U9Xqi7Swmj8gwAK_0xkcDjEW_71SosEY" });
        assert_eq!(Value::Object(proof.bare_key()), key);
        assert!(verify(EXAMPLE, &[Algorithm::ES384]).is_err(), "an algorithm that is not of the list");
    }

    #[test]
    fn openid4vci_f_1_typ_key_and_claims() {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let jwk = serde_json::to_value(key.public_jwk()).unwrap();
        let mut named = jwk.clone();
        (named["kid"], named["use"]) = (json!("mine"), json!("sig"));
        let header = json!({ "typ": "openid4vci-proof+jwt", "alg": "ES256", "jwk": named });
        let claims = json!({ "aud": "https://id.example", "iat": 1, "nonce": "n", "more": 1 });
        let found = verify(&made(&key, &header, &claims), &[Algorithm::ES256]).unwrap();
        assert!(found.bare_key().keys().all(|name| ["kty", "crv", "x", "y"].contains(&name.as_str())));
        let with = |base: &Value, name: &str, value: Value| {
            let mut changed = base.clone();
            changed[name] = value;
            changed
        };
        let mut secret = jwk.clone();
        secret["d"] = json!("AAAA");
        let other = serde_json::to_value(SigningKey::generate(Algorithm::ES256).unwrap().public_jwk()).unwrap();
        for (name, value) in [
            ("typ", json!("JWT")),
            ("typ", json!("dpop+jwt")),
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("kid", json!("k")),
            ("x5c", json!(["AAAA"])),
            ("jwk", json!(null)),
            ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
            ("jwk", secret),
            ("jwk", other),
            ("crit", json!(["x"])),
        ] {
            let header = with(&header, name, value.clone());
            assert!(verify(&made(&key, &header, &claims), &[Algorithm::ES256]).is_err(), "{name} {value}");
        }
        for (name, value) in [
            ("aud", json!(["https://id.example"])),
            ("aud", json!(null)),
            ("iat", json!("1")),
            ("iat", json!(null)),
            ("nonce", json!(1)),
            ("nonce", json!("n".repeat(513))),
            ("iss", json!(1)),
            ("exp", json!("x")),
        ] {
            let claims = with(&claims, name, value.clone());
            assert!(verify(&made(&key, &header, &claims), &[Algorithm::ES256]).is_err(), "{name} {value}");
        }
    }
}
