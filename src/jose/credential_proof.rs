//! Proofs of the keys that credentials are bound to: a JWT that names its own key (OpenID4VCI Appendix F.1, F.4).
//!
//! | Rule | Source |
//! |---|---|
//! | one well-formed JWT with `typ` `openid4vci-proof+jwt` | Appendix F.1, F.4 |
//! | `alg` is asymmetric and one of the caller's list; never `none` | Appendix F.1, F.4 |
//! | the key is in `jwk`, with neither `kid` nor `x5c` beside it; a private member is refused | Appendix F.1, F.4 |
//! | with a key attestation it is one of the attested keys, which `kid` may name instead | Appendix D.1, F.1 |
//! | the signature is by that key | Appendix F.1, F.4 |
//! | `aud` is one string, `iat` is there; `nonce` is a string if it is there | Appendix F.1 |
//!
//! As for a DPoP proof, the key in the header is believed on purpose: it is what is proven.
//!
//! Out of scope: what the claims must say (`chancery_core::credential::proof`), key attestations ([`crate::key_attestation`]).

use serde_json::Value;

use crate::alg::Algorithm;
use crate::jwk::PublicJwk;
use crate::jws::{self, Header, JwsError};
use crate::jwt::{ClaimsError, RegisteredClaims};

/// Longest proof that is read, in bytes: with a key attestation in its header, which is encoded once more there.
pub const MAX_PROOF: usize = 28 * 1024;
/// Longest `nonce`, in bytes.
const MAX_WORD: usize = 512;

/// A proof before its signature was looked at.
pub struct Read<'t>(jws::Parsed<'t>);

/// A proof whose signature is right.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The key that was proven.
    pub key: PublicJwk,
    pub iss: Option<String>,
    pub aud: String,
    /// Seconds since 1970, as the others.
    pub iat: i64,
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
    pub nonce: Option<String>,
}

/// Why a proof was refused. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialProofError {
    #[error("{0}")]
    Token(#[from] JwsError),
    #[error("\"jwk\" is missing, unfit, not a public key, or not the only name of the key")]
    Key,
    #[error("\"key_attestation\" is no text")]
    Attestation,
    #[error("the key is none of those in \"key_attestation\"")]
    NotAttested,
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    #[error("the claim \"{0}\" is missing or of the wrong type")]
    Claim(&'static str),
}

/// Reads a proof.
///
/// # Errors
/// It is no JWT, or one of another type.
pub fn read(proof: &str) -> Result<Read<'_>, CredentialProofError> {
    Ok(Read(jws::parse_typed(proof, "openid4vci-proof+jwt", MAX_PROOF)?))
}

impl Read<'_> {
    /// The key attestation in the header, before anything was checked.
    ///
    /// # Errors
    /// It is no text.
    pub fn key_attestation(&self) -> Result<Option<&str>, CredentialProofError> {
        match self.0.header().member("key_attestation") {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(CredentialProofError::Attestation),
        }
    }

    /// Verifies it. `attested`: the keys of a key attestation that was verified before, one of which it has to be.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn verify(self, allowed: &[Algorithm], attested: Option<&[PublicJwk]>) -> Result<Proof, CredentialProofError> {
        let key = key_of(self.0.header(), attested)?;
        let payload = self.0.verify_with_key(&key, allowed)?.payload;
        let claims = RegisteredClaims::parse(&payload)?;
        let nonce = claims.text("nonce", MAX_WORD)?;
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
}

/// The key that the header names, in one way alone.
fn key_of(header: &Header, attested: Option<&[PublicJwk]>) -> Result<PublicJwk, CredentialProofError> {
    let has = |name: &str| header.member(name).is_some();
    match (has("jwk"), has("kid"), has("x5c"), attested) {
        (true, false, false, _) => {
            let key = header.member("jwk").and_then(|jwk| PublicJwk::from_value(jwk).ok()).ok_or(CredentialProofError::Key)?;
            // Appendix D.1: what was attested of other keys says nothing of this one.
            let is_attested = attested.is_none_or(|all| all.iter().any(|own| own.thumbprint() == key.thumbprint()));
            if is_attested { Ok(key) } else { Err(CredentialProofError::NotAttested) }
        }
        // As in the example of Appendix F.1. A name that two keys have names none.
        (false, true, false, Some(all)) => {
            let mut named = all.iter().filter(|own| own.kid().is_some() && own.kid() == header.kid());
            match (named.next(), named.next()) {
                (Some(key), None) => Ok(key.clone()),
                _ => Err(CredentialProofError::NotAttested),
            }
        }
        _ => Err(CredentialProofError::Key),
    }
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

    fn verify(proof: &str, allowed: &[Algorithm]) -> Result<Proof, CredentialProofError> {
        read(proof)?.verify(allowed, None)
    }

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
        assert_eq!(Value::Object(proof.key.bare_members()), key);
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
        assert!(found.key.bare_members().keys().all(|name| ["kty", "crv", "x", "y"].contains(&name.as_str())));
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

    #[test]
    fn openid4vci_d_1_the_key_is_one_of_those_that_were_attested() {
        let (own, other) = (SigningKey::generate(Algorithm::ES256).unwrap(), SigningKey::generate(Algorithm::ES256).unwrap());
        let jwk = |key: &SigningKey| serde_json::to_value(key.public_jwk()).unwrap();
        let claims = json!({ "aud": "https://id.example", "iat": 1 });
        let judge = |by: &str, name: Value, attested: &[PublicJwk]| {
            let mut header = json!({ "typ": "openid4vci-proof+jwt", "alg": "ES256", "key_attestation": "a.b.c" });
            header[by] = name;
            let text = made(&own, &header, &claims);
            let parsed = read(&text).unwrap();
            assert_eq!(parsed.key_attestation(), Ok(Some("a.b.c")));
            parsed.verify(&[Algorithm::ES256], Some(attested)).map(|proof| proof.key.thumbprint())
        };
        let (mine, others) = (own.public_jwk().clone().with_kid("0"), other.public_jwk().clone().with_kid("1"));
        let thumbprint = mine.thumbprint();
        let both = [others.clone(), mine.clone()];
        assert_eq!(judge("jwk", jwk(&own), &both), Ok(thumbprint));
        assert_eq!(judge("kid", json!("0"), &both), Ok(thumbprint));
        assert_eq!(judge("jwk", jwk(&own), std::slice::from_ref(&others)), Err(CredentialProofError::NotAttested));
        assert_eq!(judge("kid", json!("1"), &both), Err(CredentialProofError::Token(JwsError::Signature)));
        assert_eq!(judge("kid", json!("2"), &both), Err(CredentialProofError::NotAttested));
        let twice = [others.with_kid("0"), mine];
        assert_eq!(judge("kid", json!("0"), &twice), Err(CredentialProofError::NotAttested), "a name of two keys");
        let header = json!({ "typ": "openid4vci-proof+jwt", "alg": "ES256", "kid": "0", "key_attestation": 1 });
        let text = made(&own, &header, &claims);
        assert_eq!(read(&text).unwrap().key_attestation(), Err(CredentialProofError::Attestation));
        assert!(matches!(read(&text).unwrap().verify(&[Algorithm::ES256], None), Err(CredentialProofError::Key)), "nothing was attested");
    }
}
