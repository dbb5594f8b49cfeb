//! What we sign, unrelated code verifies.

use biscuit::jwa::SignatureAlgorithm;
use biscuit::jwk::{EllipticCurveKeyParameters, RSAKeyParameters};
use biscuit::jws::{Compact, Secret};
use chancery_jose::{Algorithm, Jwks, SigningKey, jws};
use serde_json::{Value, json};

fn claims() -> Value {
    json!({"iss": "https://op.example", "sub": "ünï-\u{1F511}", "aud": ["a", "b"], "exp": 1_700_000_000})
}

/// biscuit panics when kind of key and algorithm differ and ignores `crit`, so it sees only tokens that our parser has read,
/// with the key and the algorithm that we name.
fn biscuit_verifies(token: &str, secret: &Secret, alg: SignatureAlgorithm) -> bool {
    assert!(jws::parse(token).is_ok());
    let decoded = Compact::<Vec<u8>, biscuit::Empty>::new_encoded(token).decode(secret, alg);
    decoded.is_ok_and(|decoded| serde_json::from_slice::<Value>(decoded.payload().unwrap()).unwrap() == claims())
}

/// For the signature, any first character but its own; canonical since no trailing bits are touched.
fn with_other_signature(token: &str) -> String {
    let dot = token.rfind('.').unwrap();
    let other = if token.as_bytes()[dot + 1] == b'A' { 'B' } else { 'A' };
    format!("{}.{other}{}", &token[..dot], &token[dot + 2..])
}

#[test]
fn biscuit_verifies_rs256_ps256_es256_es384() {
    let rsa = SigningKey::generate(Algorithm::RS256).unwrap();
    let p256 = SigningKey::generate(Algorithm::ES256).unwrap();
    let p384 = SigningKey::generate(Algorithm::ES384).unwrap();
    for (key, alg, theirs) in [
        (&rsa, Algorithm::RS256, SignatureAlgorithm::RS256),
        (&rsa, Algorithm::PS256, SignatureAlgorithm::PS256),
        (&p256, Algorithm::ES256, SignatureAlgorithm::ES256),
        (&p384, Algorithm::ES384, SignatureAlgorithm::ES384),
    ] {
        let jwk = serde_json::to_value(key.public_jwk()).unwrap();
        let secret = match alg.key_kind() {
            chancery_jose::KeyKind::Rsa => serde_json::from_value::<RSAKeyParameters>(jwk).unwrap().jws_public_key_secret(),
            _ => serde_json::from_value::<EllipticCurveKeyParameters>(jwk).unwrap().jws_public_key_secret(),
        };
        for typ in [None, Some("JWT"), Some("at+jwt"), Some("secevent+jwt"), Some("odd\"typ\\")] {
            let token = key.sign_jwt(alg, typ, &claims()).unwrap();
            assert!(biscuit_verifies(&token, &secret, theirs), "{alg} {typ:?}");
            assert!(!biscuit_verifies(&with_other_signature(&token), &secret, theirs), "{alg} {typ:?}");
        }
    }
}

#[test]
fn biscuit_computes_the_same_thumbprints() {
    for alg in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384] {
        let key = SigningKey::generate(alg).unwrap();
        let jwk: biscuit::jwk::JWK<biscuit::Empty> = serde_json::from_value(serde_json::to_value(key.public_jwk()).unwrap()).unwrap();
        assert_eq!(jwk.algorithm.thumbprint(&biscuit::digest::SHA256).unwrap(), key.kid(), "{alg}");
    }
}

#[test]
fn ed25519_dalek_verifies_eddsa() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let token = key.sign_jwt(Algorithm::EdDSA, Some("JWT"), &claims()).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let jwk = serde_json::to_value(key.public_jwk()).unwrap();
    let bytes = |text: &str| base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).unwrap();
    let theirs = ed25519_dalek::VerifyingKey::from_bytes(&bytes(jwk["x"].as_str().unwrap()).try_into().unwrap()).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&bytes(signature)).unwrap();
    theirs.verify_strict(input.as_bytes(), &signature).unwrap();
}

#[test]
fn what_we_sign_we_verify_and_a_changed_byte_is_seen() {
    for alg in Algorithm::SIGNING {
        let key = SigningKey::generate(*alg).unwrap();
        let keys = Jwks::from(key.public_jwk().clone());
        let token = key.sign_jwt(*alg, Some("at+jwt"), &claims()).unwrap();
        let verified = jws::parse(&token).unwrap().verify(&keys, &[*alg]).unwrap();
        assert_eq!(verified.header.kid(), Some(key.kid()));
        assert!(verified.header.is_typ("at+JWT") && !verified.header.is_typ("JWT"));
        assert_eq!(serde_json::from_slice::<Value>(&verified.payload).unwrap(), claims());
        let other = with_other_signature(&token);
        assert_eq!(jws::parse(&other).unwrap().verify(&keys, &[*alg]).err(), Some(chancery_jose::JwsError::Signature));
    }
}

/// Our table of points of small order agrees with the arithmetic of ed25519-dalek, on the torsion points and on good keys.
#[test]
fn rfc8032_5_1_ed25519_dalek_agrees_on_weak_keys() {
    let read = |x: &[u8; 32]| {
        let x = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, x);
        chancery_jose::PublicJwk::from_value(&json!({"kty": "OKP", "crv": "Ed25519", "x": x}))
    };
    let mut weak = 0;
    for low in 0..=255u8 {
        for high in [0x00, 0x7f, 0x80, 0xff] {
            let mut x = [if high & 0x7f == 0 { 0x00 } else { 0xff }; 32];
            (x[0], x[31]) = (low, high);
            if ed25519_dalek::VerifyingKey::from_bytes(&x).is_ok_and(|key| key.is_weak()) {
                weak += 1;
                assert_eq!(read(&x).err(), Some(chancery_jose::KeyError::SmallOrder), "{x:02x?}");
            }
        }
    }
    assert!(weak >= 6, "{weak}");
    assert!(read(&ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()).is_ok());
}
