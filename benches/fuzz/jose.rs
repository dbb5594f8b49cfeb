//! Tokens, proofs, keys: everything in JOSE that comes from outside.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use chancery_jose::{
    Algorithm, ContentEncryption, Jwks, KeyManagement, PublicJwk, Recipient, RegisteredClaims, SigningKey, attestation, credential_proof,
    dpop, jws, key_attestation,
};
use serde_json::{Value, json};

use super::Target;

const WORDS: &[&str] = &[
    ".",
    "..",
    "e30",
    "eyJhbGciOiJub25lIn0",
    "=",
    "\"kty\":",
    "\"RSA\"",
    "\"EC\"",
    "\"OKP\"",
    "\"oct\"",
    "\"crv\":\"P-521\"",
    "\"Ed25519\"",
    "\"d\":\"AQAB\"",
    "\"n\":",
    "\"e\":\"AQAB\"",
    "\"x\":",
    "\"y\":",
    "\"use\":\"enc\"",
    "\"key_ops\":[\"verify\"]",
    "\"alg\":\"RS256\"",
    "\"alg\":\"HS256\"",
    "\"kid\":\"\"",
    "\"keys\":[",
    "AAAA",
    "____",
    "\"exp\":1e300",
    "\"aud\":[[]]",
    "\"crit\":[\"exp\"]",
    "\"b64\":false",
    "\"typ\":\"openid4vci-proof+jwt\"",
    "\"typ\":\"key-attestation+jwt\"",
    "\"key_attestation\":\"a.b.c\"",
    "\"attested_keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]",
];

pub fn target() -> Target {
    let algorithms = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::ES512];
    let keys = algorithms.map(|alg| SigningKey::generate(alg).unwrap());
    let set = Jwks::new(keys.iter().map(|key| key.public_jwk().clone()));
    let claims = json!({ "iss": "https://op.example", "aud": ["a"], "exp": 1_700_000_000, "nonce": "n" });
    let tokens: Vec<_> = keys.iter().zip(algorithms).map(|(key, alg)| key.sign_jwt(alg, Some("JWT"), &claims).unwrap()).collect();
    let instance = keys[3].public_jwk().clone();
    let attested = json!({ "sub": "wallet", "iat": 1_700_000_000, "exp": 1_800_000_000, "cnf": { "jwk": instance } });
    let proof = json!({ "aud": "https://op.example", "jti": "j", "iat": 1_700_000_000, "challenge": "c" });
    let attestation = keys[2].sign_jwt(Algorithm::ES256, Some("oauth-client-attestation+jwt"), &attested).unwrap();
    let pop = keys[3].sign_jwt(Algorithm::ES384, Some("oauth-client-attestation-pop+jwt"), &proof).unwrap();
    assert!(attestation::verify(&attestation, &set, Algorithm::ASYMMETRIC).is_ok());
    assert!(attestation::verify_pop(&pop, &instance, Algorithm::ASYMMETRIC).is_ok());
    let holder = proof_of_key(&keys[2]);
    assert!(credential_proof::read(&holder).is_ok_and(|own| own.verify(Algorithm::ASYMMETRIC, None).is_ok()));
    let kept = json!({ "iat": 1_700_000_000, "exp": 1_800_000_000, "nonce": "n", "attested_keys": [keys[2].public_jwk(), instance],
        "key_storage": ["iso_18045_high"], "user_authentication": ["iso_18045_high"], "certification": "https://w.example", "status": {} });
    let kept = keys[2].sign_jwt(Algorithm::ES256, Some("key-attestation+jwt"), &kept).unwrap();
    assert!(key_attestation::verify(&kept, &set, Algorithm::ASYMMETRIC).is_ok());
    let tokens: Vec<_> = tokens.into_iter().chain([attestation, pop, holder, kept]).collect();
    let signed: BTreeSet<_> = tokens.iter().cloned().collect();
    let published = serde_json::to_vec(&set).unwrap();
    let one = serde_json::to_vec(keys[2].public_jwk()).unwrap();
    let seeds: Vec<_> = tokens.into_iter().map(String::into_bytes).chain([published, one, claims.to_string().into_bytes()]).collect();
    Target { name: "jose", seeds, words: WORDS, read: Box::new(move |bytes| read(bytes, (&set, &instance), &signed)) }
}

/// A proof of a key for a credential: the key is in the header.
fn proof_of_key(key: &SigningKey) -> String {
    let header = json!({ "typ": "openid4vci-proof+jwt", "alg": "ES256", "jwk": key.public_jwk() });
    let claims = json!({ "aud": "https://op.example", "iat": 1_700_000_000, "nonce": "n" });
    let message = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    format!("{message}.{}", B64.encode(key.sign(Algorithm::ES256, message.as_bytes()).unwrap()))
}

fn read(bytes: &[u8], (set, instance): (&Jwks, &PublicJwk), signed: &BTreeSet<String>) -> bool {
    let mut accepted = false;
    if let Ok(text) = std::str::from_utf8(bytes) {
        if jws::parse(text).is_ok_and(|token| token.verify(set, Algorithm::ASYMMETRIC).is_ok()) {
            assert!(signed.contains(text), "a changed token verifies");
            accepted = true;
        }
        assert!(!jws::parse(text).is_ok_and(|token| token.verify_mac(b"a secret of nobody", Algorithm::SYMMETRIC).is_ok()), "a MAC holds");
        assert!(dpop::verify(text, Algorithm::ASYMMETRIC).is_err(), "what is no proof passes as one");
        let attested = attestation::verify(text, set, Algorithm::ASYMMETRIC).is_ok();
        let proven = attestation::verify_pop(text, instance, Algorithm::ASYMMETRIC).is_ok();
        let held = credential_proof::read(text).and_then(|own| own.verify(Algorithm::ASYMMETRIC, None));
        let kept = key_attestation::verify(text, set, Algorithm::ASYMMETRIC);
        assert!(signed.contains(text) || !(attested || proven || held.is_ok() || kept.is_ok()), "a changed attestation or proof verifies");
        accepted |= held.is_ok();
        let _ = attestation::unverified_subject(text);
        let _ = jws::read_unsigned(text);
        let _ = SigningKey::from_pem(text);
    }
    if let Ok(claims) = RegisteredClaims::parse(bytes) {
        let _ = claims.validate_times(1_700_000_000, 60);
        accepted = true;
    }
    accepted |= Jwks::parse(bytes).is_ok();
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        if let Ok(key) = PublicJwk::from_value(&value) {
            let again = serde_json::to_value(&key).unwrap();
            assert_eq!(PublicJwk::from_value(&again).unwrap().thumbprint(), key.thumbprint(), "a key reads back as another one");
            accepted = true;
        }
        for alg in KeyManagement::ALL {
            if let Some(recipient) = Recipient::choose(&value, *alg) {
                let _ = recipient.encrypt(ContentEncryption::A128Gcm, None, b"content");
            }
        }
    }
    let _ = SigningKey::from_pkcs8_der(bytes);
    accepted
}
