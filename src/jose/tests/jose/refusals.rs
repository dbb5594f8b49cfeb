//! What must not pass, one rule per test.

use crate::token;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_jose::{Algorithm, Jwks, JwksError, JwsError, KeyError, NumericDate, PublicJwk, RegisteredClaims, SigningKey, TimeError, jws};
use serde_json::{Value, json};

fn refused(text: &str) -> JwsError {
    jws::parse(text).err().expect("a refusal")
}

fn rsa(bytes: usize, first: u8, last: u8, e: &str) -> Value {
    let mut n = vec![0xaa; bytes];
    (n[0], n[bytes - 1]) = (first, last);
    json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": e})
}

fn key_error(value: &Value) -> KeyError {
    PublicJwk::from_value(value).expect_err("a refusal")
}

fn public(alg: Algorithm) -> Value {
    serde_json::to_value(SigningKey::generate(alg).unwrap().public_jwk()).unwrap()
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

#[test]
fn rfc7515_7_1_three_parts_in_strict_base64url() {
    for text in ["", "a.b", "a.b.c.d", "....", "a.b.c.d.e"] {
        assert_eq!(refused(text), JwsError::Parts, "{text}");
    }
    let good = token(r#"{"alg":"ES256"}"#, "{}", b"sig");
    assert!(jws::parse(&good).is_ok());
    let (rest, _) = good.rsplit_once('.').unwrap();
    for signature in ["c2ln=", "c2 ln", "c2ln\n", "c2l+", "c2l/", "c2l", "é"] {
        assert_eq!(refused(&format!("{rest}.{signature}")), JwsError::Base64("signature"), "{signature}");
    }
    assert_eq!(refused("=.e30.c2ln"), JwsError::Base64("header"));
    assert_eq!(refused(&"a".repeat(16 * 1024 + 1)), JwsError::TooLarge(16 * 1024));
    assert_eq!(jws::parse_within(&good, good.len() - 1).err(), Some(JwsError::TooLarge(good.len() - 1)));
}

#[test]
fn rfc7515_4_1_11_crit_is_refused_whatever_it_lists() {
    for header in [r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, r#"{"alg":"ES256","crit":[]}"#, r#"{"alg":"ES256","crit":null}"#] {
        assert_eq!(refused(&token(header, "", b"")), JwsError::Critical("crit"), "{header}");
    }
    assert_eq!(refused(&token(r#"{"alg":"ES256","b64":true}"#, "", b"")), JwsError::Critical("b64"));
}

#[test]
fn rfc8725_3_2_none_and_unknown_algorithms_are_refused() {
    for alg in ["none", "None", "nOnE"] {
        assert_eq!(refused(&token(&format!(r#"{{"alg":"{alg}"}}"#), "{}", b"")), JwsError::Unsigned);
    }
    for alg in ["", "RSA-OAEP", "ES256K", "es256", "none "] {
        assert_eq!(refused(&token(&format!(r#"{{"alg":"{alg}"}}"#), "{}", b"")), JwsError::UnknownAlgorithm, "{alg}");
    }
    for header in ["{}", r#"{"alg":1}"#, r#"{"alg":["ES256"]}"#] {
        assert_eq!(refused(&token(header, "{}", b"")), JwsError::Member("alg"));
    }
}

#[test]
fn rfc7515_4_header_is_an_object_without_repeats_and_with_short_strings() {
    for header in ["", "[]", "null", r#"{"alg":"ES256","alg":"none"}"#, r#"{"alg":"ES256"}x"#] {
        assert!(matches!(refused(&token(header, "{}", b"")), JwsError::Header(_)), "{header}");
    }
    assert_eq!(refused(&token(r#"{"alg":"ES256","kid":7}"#, "{}", b"")), JwsError::Member("kid"));
    assert_eq!(refused(&token(&json!({"alg": "ES256", "kid": "k".repeat(257)}).to_string(), "{}", b"")), JwsError::Member("kid"));
}

#[test]
fn rfc8725_3_1_the_public_key_is_no_hmac_secret_and_the_caller_names_the_algorithms() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let keys = Jwks::from(key.public_jwk().clone());
    let forged = token(r#"{"alg":"HS256"}"#, "{}", &[0; 32]);
    assert_eq!(jws::parse(&forged).unwrap().verify(&keys, Algorithm::ASYMMETRIC).err(), Some(JwsError::NotAllowed(Algorithm::HS256)));
    // Even a caller that allows both gets no key out of a set for it.
    assert_eq!(jws::parse(&forged).unwrap().verify(&keys, &[Algorithm::HS256]).err(), Some(JwsError::NoKey(Algorithm::HS256)));
    let good = key.sign_jwt(Algorithm::ES256, None, &json!({})).unwrap();
    assert_eq!(jws::parse(&good).unwrap().verify(&keys, &[Algorithm::RS256]).err(), Some(JwsError::NotAllowed(Algorithm::ES256)));
    assert_eq!(jws::parse(&good).unwrap().verify(&keys, &[]).err(), Some(JwsError::NotAllowed(Algorithm::ES256)));
    assert_eq!(jws::parse(&good).unwrap().verify_mac(&[0; 64], &[Algorithm::ES256]).err(), Some(JwsError::NoKey(Algorithm::ES256)));
}

#[test]
fn rfc7518_3_2_a_short_hmac_secret_is_refused() {
    let forged = token(r#"{"alg":"HS384"}"#, "{}", &[0; 48]);
    let verify = |secret: &[u8]| jws::parse(&forged).unwrap().verify_mac(secret, Algorithm::SYMMETRIC).err();
    assert_eq!(verify(&[7; 47]), Some(JwsError::ShortSecret(Algorithm::HS384)));
    assert_eq!(verify(&[7; 48]), Some(JwsError::Signature));
}

#[test]
fn rfc8725_3_10_an_embedded_key_proves_nothing() {
    let (ours, theirs) = (SigningKey::generate(Algorithm::ES256).unwrap(), SigningKey::generate(Algorithm::ES256).unwrap());
    let header =
        json!({"alg": "ES256", "kid": ours.kid(), "jwk": theirs.public_jwk(), "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"});
    let unsigned = token(&header.to_string(), "{}", b"");
    let input = unsigned.trim_end_matches('.');
    let forged = format!("{input}.{}", URL_SAFE_NO_PAD.encode(theirs.sign(Algorithm::ES256, input.as_bytes()).unwrap()));
    let keys = Jwks::from(ours.public_jwk().clone());
    assert_eq!(jws::parse(&forged).unwrap().verify(&keys, &[Algorithm::ES256]).err(), Some(JwsError::Signature));
}

#[test]
fn rfc7515_4_1_4_kid_chooses_the_key() {
    let (a, b) = (SigningKey::generate(Algorithm::ES256).unwrap(), SigningKey::generate(Algorithm::ES256).unwrap());
    let token = a.sign_jwt(Algorithm::ES256, None, &json!({})).unwrap();
    let verify = |keys: &Jwks| jws::parse(&token).unwrap().verify(keys, &[Algorithm::ES256]).err();
    assert_eq!(verify(&Jwks::new([b.public_jwk().clone(), a.public_jwk().clone()])), None);
    // The right key under another name is not tried ...
    let renamed = a.public_jwk().clone().with_kid("other");
    assert_eq!(verify(&Jwks::from(renamed)), Some(JwsError::NoKey(Algorithm::ES256)));
    // ... but two keys of one name both are, and an anonymous key is when no name fits.
    assert_eq!(verify(&Jwks::new([b.public_jwk().clone().with_kid(a.kid()), a.public_jwk().clone()])), None);
    let mut anonymous = serde_json::to_value(a.public_jwk()).unwrap();
    anonymous.as_object_mut().unwrap().remove("kid");
    assert_eq!(verify(&Jwks::from(PublicJwk::from_value(&anonymous).unwrap())), None);
    assert_eq!(verify(&Jwks::default()), Some(JwsError::NoKey(Algorithm::ES256)));
}

#[test]
fn rfc7517_4_2_4_3_use_and_key_ops_are_obeyed() {
    let key = public(Algorithm::ES256);
    for (name, value, serves) in [
        ("use", json!("enc"), false),
        ("use", json!("sig"), true),
        ("key_ops", json!(["verify"]), true),
        ("key_ops", json!(["encrypt"]), false),
        ("key_ops", json!([]), false),
    ] {
        let key = PublicJwk::from_value(&with(key.clone(), name, value.clone())).unwrap();
        assert_eq!(key.serves(Algorithm::ES256), serves, "{name} {value}");
    }
    assert_eq!(key_error(&with(key.clone(), "use", json!(1))), KeyError::Member("use"));
    assert_eq!(key_error(&with(key, "key_ops", json!("verify"))), KeyError::Member("key_ops"));
}

#[test]
fn a_private_member_is_refused_by_name() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        for key in [public(Algorithm::EdDSA), json!({"kty": "oct"}), json!({"kty": "AKP"}), json!({})] {
            assert_eq!(key_error(&with(key, name, json!("AAAA"))), KeyError::PrivateMember(name));
        }
    }
    let set = json!({"keys": [public(Algorithm::ES256), with(public(Algorithm::EdDSA), "d", json!("AAAA"))]});
    assert_eq!(Jwks::from_value(&set), Err(JwksError::Key { index: 1, error: KeyError::PrivateMember("d") }));
}

#[test]
fn rfc7518_3_3_weak_rsa_keys_are_refused() {
    assert!(PublicJwk::from_value(&rsa(256, 0x80, 1, "AQAB")).is_ok());
    assert!(PublicJwk::from_value(&rsa(256, 0x80, 1, "Aw")).is_ok());
    assert!(PublicJwk::from_value(&rsa(1024, 0xff, 1, "AQAB")).is_ok());
    assert_eq!(key_error(&rsa(256, 0x7f, 1, "AQAB")), KeyError::RsaSize(2047));
    assert_eq!(key_error(&rsa(1025, 1, 1, "AQAB")), KeyError::RsaSize(8193));
    assert_eq!(key_error(&rsa(257, 0, 1, "AQAB")), KeyError::RsaModulus);
    assert_eq!(key_error(&rsa(256, 0x80, 2, "AQAB")), KeyError::RsaModulus);
    // 1, 2, 0, empty, a leading zero, 2^33 + 1.
    for e in ["AQ", "Ag", "AA", "", "AAEAAQ", "AgAAAAE"] {
        assert_eq!(key_error(&rsa(256, 0x80, 1, e)), KeyError::RsaExponent, "{e}");
    }
}

#[test]
fn rfc8725_3_4_points_off_the_curve_or_of_another_length_are_refused() {
    let key = public(Algorithm::ES256);
    let zero = |length: usize| json!(URL_SAFE_NO_PAD.encode(vec![0; length]));
    assert_eq!(key_error(&with(key.clone(), "x", json!("AA"))), KeyError::PointLength);
    assert_eq!(key_error(&with(key.clone(), "y", zero(33))), KeyError::PointLength);
    assert_eq!(key_error(&with(key.clone(), "y", zero(32))), KeyError::NotOnCurve);
    assert_eq!(key_error(&with(key.clone(), "crv", json!("P-384"))), KeyError::PointLength);
    assert_eq!(key_error(&with(key.clone(), "x", json!("not base64!"))), KeyError::Material);
    assert_eq!(key_error(&with(key.clone(), "x", json!(1))), KeyError::Material);
    assert_eq!(key_error(&with(public(Algorithm::EdDSA), "x", zero(31))), KeyError::PointLength);
}

#[test]
fn rfc8725_3_1_alg_must_fit_the_kind_of_key() {
    assert_eq!(key_error(&with(rsa(256, 0x80, 1, "AQAB"), "alg", json!("ES256"))), KeyError::AlgMismatch(Algorithm::ES256));
    assert_eq!(key_error(&with(public(Algorithm::ES256), "alg", json!("HS256"))), KeyError::AlgMismatch(Algorithm::HS256));
}

#[test]
fn rfc7517_5_unknown_keys_are_skipped_and_named() {
    let set = json!({"keys": [
        {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA"},
        with(public(Algorithm::ES256), "alg", json!("ECDH-ES")),
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "FOO"},
        public(Algorithm::EdDSA)]});
    let set = Jwks::from_value(&set).unwrap();
    assert_eq!(set.keys().len(), 1);
    let skipped: Vec<_> = set.skipped().iter().map(|skipped| (skipped.index, skipped.member)).collect();
    assert_eq!(skipped, [(0, "alg"), (1, "alg"), (2, "crv"), (3, "kty")]);
}

#[test]
fn a_set_is_bounded() {
    let key = public(Algorithm::EdDSA);
    assert!(Jwks::from_value(&json!({"keys": vec![key.clone(); 32]})).is_ok());
    assert_eq!(Jwks::from_value(&json!({"keys": vec![key; 33]})), Err(JwksError::TooManyKeys));
    assert_eq!(Jwks::parse(&[b' '; 24 * 1024 + 1]), Err(JwksError::TooLarge));
    for text in ["{}", r#"{"keys":{}}"#] {
        assert_eq!(Jwks::parse(text.as_bytes()), Err(JwksError::NoKeys));
    }
    assert!(matches!(Jwks::parse(br#"{"keys":[],"keys":[]}"#), Err(JwksError::Json(_))));
    assert!(matches!(Jwks::parse(br#"{"keys":[1]}"#), Err(JwksError::Key { index: 0, error: KeyError::NotAnObject })));
}

fn claims(value: &Value) -> RegisteredClaims {
    RegisteredClaims::parse(value.to_string().as_bytes()).unwrap()
}

#[test]
fn rfc7519_2_numeric_dates_may_be_fractional_and_hostile() {
    for (text, seconds) in [
        ("1700000000", 1_700_000_000),
        ("1700000000.9", 1_700_000_000),
        ("1.7e9", 1_700_000_000),
        ("-0.5", -1),
        ("9223372036854775807", i64::MAX),
        ("18446744073709551615", i64::MAX),
        ("99999999999999999999999", i64::MAX),
        ("1e308", i64::MAX),
        ("-1e308", i64::MIN),
        ("-9223372036854775808", i64::MIN),
    ] {
        let claims = RegisteredClaims::parse(format!(r#"{{"exp":{text},"nbf":{text},"iat":{text}}}"#).as_bytes()).unwrap();
        assert_eq!(claims.exp, Some(NumericDate(seconds)), "{text}");
        for now in [i64::MIN, -1, 0, 1_700_000_000, i64::MAX] {
            let _ = claims.validate_times(now, u32::MAX);
        }
    }
    for payload in [r#"{"exp":"1700000000"}"#, r#"{"exp":null}"#, r#"{"exp":[1]}"#, r#"{"exp":1e999}"#, r#"{"exp":1,"exp":2}"#, "[]", ""] {
        assert!(RegisteredClaims::parse(payload.as_bytes()).is_err(), "{payload}");
    }
}

#[test]
fn rfc7519_4_1_4_a_token_ends_at_exp_and_starts_at_nbf() {
    let times = |value: Value, now| claims(&value).validate_times(now, 10);
    assert_eq!(times(json!({}), 100), Err(TimeError::NoExpiry));
    assert_eq!(times(json!({"exp": 100}), 109), Ok(()));
    assert_eq!(times(json!({"exp": 100}), 110), Err(TimeError::Expired));
    assert_eq!(times(json!({"exp": 900, "nbf": 110}), 100), Ok(()));
    assert_eq!(times(json!({"exp": 900, "nbf": 111}), 100), Err(TimeError::NotYetValid));
    assert_eq!(times(json!({"exp": 900, "iat": 111}), 100), Err(TimeError::IssuedInFuture));
}

#[test]
fn rfc7519_4_1_3_aud_is_one_or_many() {
    assert!(claims(&json!({"aud": "a"})).is_for("a"));
    let many = claims(&json!({"aud": ["a", "b"], "nonce": "n"}));
    assert!(many.is_for("b") && many.aud_is_array && !many.is_for("B"));
    assert_eq!(many.all["nonce"], "n");
    assert!(!claims(&json!({})).is_for(""));
    for aud in [json!(1), json!({}), json!(["a", 1]), json!(null), json!(vec!["a"; 33])] {
        assert!(RegisteredClaims::parse(json!({"aud": aud}).to_string().as_bytes()).is_err());
    }
    assert!(RegisteredClaims::parse(br#"{"iss":1}"#).is_err());
}
