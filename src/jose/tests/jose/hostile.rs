//! No input makes a reader panic, and no change to a token keeps it valid.

use std::sync::LazyLock;

use crate::token;
use chancery_jose::{Algorithm, Jwks, PublicJwk, RegisteredClaims, SigningKey, Thumbprint, jws};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

static KEYS: LazyLock<Vec<SigningKey>> =
    LazyLock::new(|| [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].map(|alg| SigningKey::generate(alg).unwrap()).into());

static SET: LazyLock<Jwks> = LazyLock::new(|| Jwks::new(KEYS.iter().map(|key| key.public_jwk().clone())));

static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let claims = json!({"iss": "https://op.example", "aud": ["a"], "exp": 1_700_000_000});
    KEYS.iter().map(|key| key.sign_jwt(key.algorithms()[0], Some("JWT"), &claims).unwrap()).collect()
});

fn read_everything(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = jws::parse(text).map(|token| token.verify(&SET, Algorithm::ASYMMETRIC).is_ok());
        let _ = jws::parse(text).map(|token| token.verify_mac(&[7; 64], Algorithm::SYMMETRIC).is_ok());
        let _ = SigningKey::from_pem(text);
        let _ = Thumbprint::parse(text);
    }
    if let Ok(claims) = RegisteredClaims::parse(bytes) {
        let _ = claims.validate_times(1_700_000_000, 60);
    }
    let _ = Jwks::parse(bytes);
    let _ = SigningKey::from_pkcs8_der(bytes);
}

/// JSON with names and values that mean something here.
fn jose_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "kty", "crv", "x", "y", "n", "e", "d", "k", "alg", "kid", "use", "key_ops", "typ", "crit", "b64", "jwk", "keys", "iss", "aud",
        "exp", "nbf", "iat",
    ]);
    let text = prop::sample::select(vec![
        "RSA", "EC", "OKP", "oct", "P-256", "P-384", "P-521", "Ed25519", "X25519", "RS256", "ES256", "HS256", "EdDSA", "none", "sig",
        "enc", "AQAB", "AA", "", "\u{0}", "é",
    ]);
    let leaf = prop_oneof![
        4 => text.prop_map(Value::from),
        1 => vec(any::<u8>(), 0..300).prop_map(|bytes| Value::from(base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes))),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 32, 8, move |inner| {
        prop_oneof![
            3 => vec((name.clone(), inner.clone()), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
            1 => vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        read_everything(&bytes);
    }

    #[test]
    fn random_text_with_dots_never_panics(text in "[A-Za-z0-9_=.-]{0,80}") {
        read_everything(text.as_bytes());
    }

    #[test]
    fn hostile_json_never_panics(value in jose_json()) {
        read_everything(value.to_string().as_bytes());
        let _ = PublicJwk::from_value(&value);
        let _ = Jwks::from_value(&json!({"keys": [value]}));
        read_everything(token(&value.to_string(), &value.to_string(), &[1; 64]).as_bytes());
    }

    /// With one spelling per token and every byte signed, any change at all must be refused.
    #[test]
    fn rfc7515_5_2_a_changed_token_is_refused(which in 0usize..3, at in any::<prop::sample::Index>(), to in any::<char>()) {
        let good = &TOKENS[which];
        let at = at.index(good.len());
        let mut bad = good.clone();
        bad.replace_range(at..=at, to.encode_utf8(&mut [0; 4]));
        let passes = |text: &str| jws::parse(text).is_ok_and(|token| token.verify(&SET, Algorithm::ASYMMETRIC).is_ok());
        prop_assert!(passes(good));
        prop_assert_eq!(passes(&bad), bad == *good);
    }

    #[test]
    fn rfc7515_5_2_a_changed_base64_character_is_refused(which in 0usize..3, at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
        let good = &TOKENS[which];
        let at = at.index(good.len());
        let mut bad = good.clone();
        bad.replace_range(at..=at, &to);
        let passes = jws::parse(&bad).is_ok_and(|token| token.verify(&SET, Algorithm::ASYMMETRIC).is_ok());
        prop_assert_eq!(passes, bad == *good);
    }

    #[test]
    fn a_damaged_private_key_never_panics(which in 0usize..3, at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut der = KEYS[which].to_pkcs8_der().unwrap().to_vec();
        let at = at.index(der.len());
        der[at] = to;
        let _ = SigningKey::from_pkcs8_der(&der);
        let _ = SigningKey::from_pkcs8_der(&der[..cut.index(der.len())]);
    }
}
