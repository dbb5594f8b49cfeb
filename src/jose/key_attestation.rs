//! Attestations of keys: what somebody says of keys of a wallet, and of where they are kept (OpenID4VCI Appendix D.1).
//!
//! | Rule | Source |
//! |---|---|
//! | one well-formed JWT with `typ` `key-attestation+jwt` | Appendix D.1 |
//! | `alg` is asymmetric and one of the caller's list; never `none` | Appendix D.1 |
//! | it is signed with a key of an attester whom the operator named; `x5c` and `trust_chain` choose nothing | Appendix D.1, our own |
//! | `iat` and `attested_keys` are there | Appendix D.1 |
//! | each attested key is a public key that can be proven; a private member is refused, an RSA key has 2048 bits | Appendix D.1, F.4 |
//! | `key_storage` and `user_authentication` are lists of text that are not empty, `certification` is text, `status` an object | Appendix D.1 |
//!
//! Out of scope: what the claims must say (`chancery_core::credential::attestation`), whether `status` still holds.

use serde_json::Value;

use crate::alg::Algorithm;
use crate::jwk::{KeyError, PublicJwk};
use crate::jwks::{Jwks, MAX_KEYS};
use crate::jws::{self, JwsError};
use crate::jwt::{ClaimsError, RegisteredClaims};

/// Longest attestation that is read, in bytes: 32 keys and some words.
pub const MAX_ATTESTATION: usize = 16 * 1024;
/// Longest `nonce` and `certification`, in bytes.
const MAX_WORD: usize = 512;
/// Most levels of one kind, and the longest of them, in bytes.
const MAX_LEVELS: usize = 8;
const MAX_LEVEL: usize = 128;

/// An attestation whose signature is right.
#[derive(Clone, Debug)]
pub struct KeyAttestation {
    pub iss: Option<String>,
    /// Seconds since 1970, as the others.
    pub iat: i64,
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
    pub nonce: Option<String>,
    /// One or more.
    pub keys: Vec<PublicJwk>,
    /// How well the keys are kept; `None`: nothing is said.
    pub key_storage: Option<Vec<String>>,
    /// How well their use is guarded.
    pub user_authentication: Option<Vec<String>>,
    pub certification: Option<String>,
}

/// Why an attestation was refused. Holds nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyAttestationError {
    #[error("{0}")]
    Token(#[from] JwsError),
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    #[error("the claim \"{0}\" is missing, empty, too long or of the wrong type")]
    Claim(&'static str),
    #[error("attested key {index}: {error}")]
    Key {
        /// Counted from 0.
        index: usize,
        error: KeyError,
    },
    #[error("attested key {0} is for something else than signatures")]
    Use(usize),
}

/// Reads and verifies an attestation.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(token: &str, attester: &Jwks, allowed: &[Algorithm]) -> Result<KeyAttestation, KeyAttestationError> {
    let payload = jws::parse_typed(token, "key-attestation+jwt", MAX_ATTESTATION)?.verify(attester, allowed)?.payload;
    let claims = RegisteredClaims::parse(&payload)?;
    if claims.all.get("status").is_some_and(|status| !status.is_object()) {
        return Err(KeyAttestationError::Claim("status"));
    }
    Ok(KeyAttestation {
        keys: keys(claims.all.get("attested_keys"))?,
        key_storage: levels(&claims, "key_storage")?,
        user_authentication: levels(&claims, "user_authentication")?,
        certification: claims.text("certification", MAX_WORD)?,
        nonce: claims.text("nonce", MAX_WORD)?,
        iat: claims.iat.ok_or(KeyAttestationError::Claim("iat"))?.0,
        exp: claims.exp.map(|date| date.0),
        nbf: claims.nbf.map(|date| date.0),
        iss: claims.iss,
    })
}

fn keys(claim: Option<&Value>) -> Result<Vec<PublicJwk>, KeyAttestationError> {
    let wrong = KeyAttestationError::Claim("attested_keys");
    let all = claim.and_then(Value::as_array).filter(|all| !all.is_empty() && all.len() <= MAX_KEYS).ok_or(wrong)?;
    let read = |(index, value): (usize, &Value)| match PublicJwk::from_value(value) {
        Ok(key) if key.verifies_something() => Ok(key),
        Ok(_) => Err(KeyAttestationError::Use(index)),
        Err(error) => Err(KeyAttestationError::Key { index, error }),
    };
    all.iter().enumerate().map(read).collect()
}

fn levels(claims: &RegisteredClaims, name: &'static str) -> Result<Option<Vec<String>>, KeyAttestationError> {
    let Some(claim) = claims.all.get(name) else { return Ok(None) };
    let is_level = |text: &&str| !text.is_empty() && text.len() <= MAX_LEVEL;
    let all = claim.as_array().filter(|all| !all.is_empty() && all.len() <= MAX_LEVELS);
    let texts = all.and_then(|all| all.iter().map(|one| one.as_str().filter(is_level).map(str::to_owned)).collect::<Option<Vec<_>>>());
    texts.map(Some).ok_or(KeyAttestationError::Claim(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
    use serde_json::json;

    const ALGS: &[Algorithm] = &[Algorithm::ES256];

    fn made(key: &SigningKey, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let signature = key.sign(Algorithm::ES256, message.as_bytes()).unwrap();
        format!("{message}.{}", B64.encode(signature))
    }

    fn jwk(alg: Algorithm) -> Value {
        serde_json::to_value(SigningKey::generate(alg).unwrap().public_jwk()).unwrap()
    }

    #[test]
    fn openid4vci_d_1_what_is_attested_and_of_which_type_it_is() {
        let attester = SigningKey::generate(Algorithm::ES256).unwrap();
        let trusted = Jwks::from(attester.public_jwk().clone());
        // Appendix D.1, the members of its example and the others.
        let header = json!({ "typ": "key-attestation+jwt", "alg": "ES256", "x5c": ["MIIDQjCCA..."] });
        let claims = json!({ "iss": "https://wallet.example", "iat": 1_516_247_022, "exp": 1_541_493_724, "nonce": "n",
            "key_storage": ["iso_18045_moderate"], "user_authentication": ["iso_18045_moderate"], "status": { "status_list": {} },
            "certification": "https://wallet.example/certified", "attested_keys": [jwk(Algorithm::ES256), jwk(Algorithm::EdDSA)] });
        let judge = |header: &Value, claims: &Value| verify(&made(&attester, header, claims), &trusted, ALGS);
        let found = judge(&header, &claims).unwrap();
        assert_eq!((found.keys.len(), found.iat, found.exp, found.nonce.as_deref()), (2, 1_516_247_022, Some(1_541_493_724), Some("n")));
        assert_eq!(found.key_storage.unwrap(), ["iso_18045_moderate"]);
        let least = json!({ "iat": 1, "attested_keys": [jwk(Algorithm::ES256)] });
        let found = judge(&header, &least).unwrap();
        assert_eq!((found.exp, found.nonce, found.key_storage, found.user_authentication), (None, None, None, None));
        let mut private = jwk(Algorithm::ES256);
        private["d"] = json!("AAAA");
        let mut sealing = jwk(Algorithm::ES256);
        sealing["use"] = json!("enc");
        for (name, value) in
            [("typ", json!("JWT")), ("typ", json!("openid4vci-proof+jwt")), ("alg", json!("none")), ("alg", json!("HS256"))]
        {
            let mut header = header.clone();
            header[name] = value.clone();
            assert!(judge(&header, &claims).is_err(), "{name} {value}");
        }
        for (name, value) in [
            ("iat", json!(null)),
            ("iat", json!("1")),
            ("exp", json!("1")),
            ("nonce", json!(1)),
            ("nonce", json!("n".repeat(513))),
            ("attested_keys", json!(null)),
            ("attested_keys", json!([])),
            ("attested_keys", json!({})),
            ("attested_keys", json!(["x"])),
            ("attested_keys", json!([{}])),
            ("attested_keys", json!([{ "kty": "oct", "k": "AAAA" }])),
            ("attested_keys", json!([{ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" }])),
            ("attested_keys", json!([{ "kty": "RSA", "e": "AQAB", "n": B64.encode([0xff; 128]) }])),
            ("attested_keys", json!([jwk(Algorithm::ES256), private])),
            ("attested_keys", json!([sealing])),
            ("attested_keys", json!(vec![jwk(Algorithm::ES256); 33])),
            ("key_storage", json!([])),
            ("key_storage", json!("iso_18045_high")),
            ("key_storage", json!([""])),
            ("key_storage", json!([1])),
            ("user_authentication", json!([])),
            ("user_authentication", json!({})),
            ("user_authentication", json!(["x".repeat(129)])),
            ("certification", json!(1)),
            ("status", json!("valid")),
            ("iss", json!(1)),
        ] {
            let mut claims = claims.clone();
            claims[name] = value.clone();
            assert!(judge(&header, &claims).is_err(), "{name} {value}");
        }
        let stranger = made(&SigningKey::generate(Algorithm::ES256).unwrap(), &header, &claims);
        assert_eq!(verify(&stranger, &trusted, ALGS).unwrap_err(), KeyAttestationError::Token(JwsError::Signature));
        assert!(verify(&made(&attester, &header, &claims), &trusted, &[Algorithm::ES384]).is_err(), "an algorithm that is not of the list");
        let long =
            made(&attester, &header, &json!({ "iat": 1, "attested_keys": [jwk(Algorithm::ES256)], "x": "x".repeat(MAX_ATTESTATION) }));
        assert_eq!(verify(&long, &trusted, ALGS).unwrap_err(), KeyAttestationError::Token(JwsError::TooLarge(MAX_ATTESTATION)));
    }
}
