//! The examples printed in the RFCs, opened; what this package encrypted, opened; everything changed, refused.

use aws_lc_rs::agreement::ECDH_P256;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use proptest::prelude::*;

use super::*;
use crate::jwe::Recipient;

fn sealed(alg: KeyManagement, enc: ContentEncryption, key: &OpeningKey) -> String {
    Recipient::choose(&json!({ "keys": [key.public_jwk()] }), alg).unwrap().encrypt(enc, Some("JWT"), b"hello").unwrap()
}

fn opened(token: &str, key: &OpeningKey) -> Result<Vec<u8>, OpenError> {
    parse(token)?.open(key).map(|own| own.to_vec())
}

/// The token with one member of its header changed.
fn with(token: &str, change: Value) -> String {
    let (protected, rest) = token.split_once('.').unwrap();
    let mut header: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(protected).unwrap()).unwrap();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            header.remove(name)
        } else {
            header.insert(name.clone(), value.clone())
        };
    }
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(Value::Object(header).to_string()))
}

const RSA: &[KeyManagement] = &[KeyManagement::RsaOaep, KeyManagement::RsaOaep256, KeyManagement::RsaOaep384, KeyManagement::RsaOaep512];
const EC: &[KeyManagement] =
    &[KeyManagement::EcdhEs, KeyManagement::EcdhEsA128Kw, KeyManagement::EcdhEsA192Kw, KeyManagement::EcdhEsA256Kw];
const SHARED: &[KeyManagement] = &[
    KeyManagement::A128Kw,
    KeyManagement::A192Kw,
    KeyManagement::A256Kw,
    KeyManagement::A128GcmKw,
    KeyManagement::A192GcmKw,
    KeyManagement::A256GcmKw,
    KeyManagement::Direct,
];

#[test]
fn every_algorithm_is_of_one_kind() {
    assert_eq!([RSA, EC, SHARED].concat(), KeyManagement::ALL);
    for alg in KeyManagement::ALL {
        assert_eq!(KeyManagement::parse(alg.as_str()), Some(*alg));
        assert_eq!(alg.shared_len(ContentEncryption::A128Gcm).is_some(), SHARED.contains(alg));
        let kinds = [KeyKind::Rsa, KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::X25519, KeyKind::Ed25519, KeyKind::Secret];
        let fitting: Vec<_> = kinds.into_iter().filter(|kind| alg.fits(*kind)).collect();
        let expected = if RSA.contains(alg) {
            &kinds[..1]
        } else if EC.contains(alg) {
            &kinds[1..5]
        } else {
            &[]
        };
        assert_eq!(fitting, expected, "{alg:?}");
    }
}

#[test]
fn rfc7516_5_2_what_was_encrypted_opens_and_with_no_other_key() {
    for (kind, algs) in [(KeyKind::Rsa, RSA), (KeyKind::P256, EC), (KeyKind::P384, EC), (KeyKind::P521, EC), (KeyKind::X25519, EC)] {
        let ((key, der), (other, _)) = (OpeningKey::generate(kind).unwrap(), OpeningKey::generate(kind).unwrap());
        let again = OpeningKey::from_pkcs8_der(&der).unwrap();
        assert_eq!((again.kid(), again.public_jwk()), (key.kid(), key.public_jwk()));
        for alg in algs {
            for enc in ContentEncryption::ALL {
                let token = sealed(*alg, *enc, &key);
                let read = parse(&token).unwrap();
                assert_eq!((read.alg(), read.enc(), read.kid(), read.cty()), (*alg, *enc, Some(key.kid()), Some("JWT")));
                assert_eq!(opened(&token, &again).unwrap(), b"hello", "{alg:?} {enc:?}");
                assert_eq!(opened(&token, &other), Err(OpenError::Sealed), "{alg:?} {enc:?}");
            }
        }
    }
}

#[test]
fn rfc7518_4_4_4_5_4_7_a_shared_key_of_its_length_opens_it() {
    for (alg, enc) in SHARED.iter().flat_map(|alg| ContentEncryption::ALL.iter().map(move |enc| (*alg, enc))) {
        let key = Zeroizing::new((1..=alg.shared_len(*enc).unwrap() as u8).collect::<Vec<_>>());
        let token = Recipient::sharing(alg, key.clone()).encrypt(*enc, Some("JWT"), b"hello").unwrap();
        let read = parse(&token).unwrap();
        assert!(read.wrapped.is_empty() == (alg == KeyManagement::Direct) && read.kid().is_none());
        assert_eq!(*read.open_shared(&key).unwrap(), b"hello", "{alg:?} {enc:?}");
        let other = vec![9; key.len()];
        if alg.wraps_with_gcm() {
            for wrong in [
                json!({ "iv": null }),
                json!({ "tag": null }),
                json!({ "iv": "AAAA" }),
                json!({ "tag": 1 }),
                json!({ "iv": "!".repeat(16) }),
            ] {
                let token = with(&token, wrong);
                assert!(matches!(parse(&token).unwrap().open_shared(&key), Err(OpenError::Member("iv" | "tag"))));
            }
        }
        // A key that wraps nothing here: the random one in its place opens nothing (RFC 7516 §11.5).
        if alg != KeyManagement::Direct {
            let parts: Vec<_> = token.split('.').enumerate().map(|(at, part)| if at == 1 { "AAAA" } else { part }).collect();
            assert_eq!(parse(&parts.join(".")).unwrap().open_shared(&key).err(), Some(OpenError::Sealed));
        }
        assert_eq!((read.open_shared(&other).err(), read.open_shared(&key[1..]).err()), (Some(OpenError::Sealed), Some(OpenError::NoKey)));
        assert!(Recipient::sharing(alg, Zeroizing::new(key[1..].to_vec())).encrypt(*enc, None, b"hello").is_err());
        assert_eq!(read.open(&OpeningKey::generate(KeyKind::P256).unwrap().0).err(), Some(OpenError::NoKey));
    }
    assert!(Recipient::choose(&json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] }), KeyManagement::Direct).is_none());
}

/// RFC 7518 §C with the private key of Bob, printed there.
#[test]
fn rfc7518_c_the_agreed_key_is_that_of_the_example() {
    let text = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let d = text("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");
    let private = PrivateKey::from_private_key(&ECDH_P256, &d).unwrap();
    let header = json!({ "alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i",
        "epk": { "kty": "EC", "crv": "P-256", "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps" } });
    let token = format!("{}..{}.AAAA.{}", URL_SAFE_NO_PAD.encode(header.to_string()), "A".repeat(16), "A".repeat(22));
    let key = parse(&token).unwrap().agree((&private, KeyKind::P256), "A128GCM", 16).unwrap();
    assert_eq!(*key, text("VqqN6vgjbSBcIijNcacQGg"));
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&private).unwrap();
    assert_eq!(OpeningKey::from_pkcs8_der(der.as_ref()).unwrap().public_jwk()["x"], "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ");
}

#[test]
fn rfc7516_4_1_13_and_rfc8725_3_6_no_extension_and_no_compression() {
    let (key, _) = OpeningKey::generate(KeyKind::P256).unwrap();
    let token = sealed(KeyManagement::EcdhEs, ContentEncryption::A128Gcm, &key);
    for (change, refused) in [
        (json!({ "zip": "DEF" }), OpenError::Unsupported("zip")),
        (json!({ "zip": "" }), OpenError::Unsupported("zip")),
        (json!({ "crit": ["exp"] }), OpenError::Unsupported("crit")),
        (json!({ "crit": [] }), OpenError::Unsupported("crit")),
        (json!({ "alg": "RSA1_5" }), OpenError::Unsupported("alg")),
        (json!({ "alg": "PBES2-HS256+A128KW", "p2c": 2_000_000_000 }), OpenError::Unsupported("alg")),
        (json!({ "alg": "A128KW" }), OpenError::NoKey),
        (json!({ "alg": "none" }), OpenError::Unsupported("alg")),
        (json!({ "alg": null }), OpenError::Member("alg")),
        (json!({ "enc": "A192GCM-SIV" }), OpenError::Unsupported("enc")),
        (json!({ "enc": 1 }), OpenError::Member("enc")),
        (json!({ "enc": "A256CBC-HS512" }), OpenError::Member("vector or tag")),
        (json!({ "kid": ["k"] }), OpenError::Member("kid")),
        (json!({ "kid": "k".repeat(300) }), OpenError::Member("kid")),
        (json!({ "apu": "A".repeat(600) }), OpenError::Member("apu")),
        (json!({ "apv": "=" }), OpenError::Member("apv")),
        (json!({ "apu": "QWxpY2U" }), OpenError::Sealed),
        (json!({ "kid": null }), OpenError::Sealed),
        (json!({ "epk": null }), OpenError::Member("epk")),
        (json!({ "epk": { "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" } }), OpenError::Member("epk")),
        (json!({ "alg": "RSA-OAEP" }), OpenError::NoKey),
        (json!({ "alg": "ECDH-ES+A128KW" }), OpenError::Sealed),
    ] {
        assert_eq!(opened(&with(&token, change.clone()), &key), Err(refused), "{change}");
    }
}

/// RFC 8725 §3.4: a point of another curve would give the private key away, piece by piece.
#[test]
fn rfc8725_3_4_a_point_beside_the_curve_is_refused() {
    let (key, _) = OpeningKey::generate(KeyKind::P256).unwrap();
    let token = sealed(KeyManagement::EcdhEsA256Kw, ContentEncryption::A256CbcHs512, &key);
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    let mut beside = header["epk"].clone();
    beside["y"] = header["epk"]["x"].clone();
    let mut private = header["epk"].clone();
    private["d"] = json!("AAAA");
    let (_, other) = (0, SigningKey::generate(Algorithm::ES384).unwrap());
    let x25519 = OpeningKey::generate(KeyKind::X25519).unwrap().0.public_jwk();
    for epk in [beside, private, serde_json::to_value(other.public_jwk()).unwrap(), x25519, json!("x")] {
        assert_eq!(opened(&with(&token, json!({ "epk": epk })), &key), Err(OpenError::Member("epk")));
    }
}

/// RFC 8037 §5, RFC 7748 §6.1: with a point of small order every key agrees on the same secret.
#[test]
fn rfc7748_6_1_a_point_of_small_order_agrees_on_nothing() {
    let (key, _) = OpeningKey::generate(KeyKind::X25519).unwrap();
    let token = sealed(KeyManagement::EcdhEs, ContentEncryption::A128Gcm, &key);
    for x in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let epk = json!({ "kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode(x) });
        assert_eq!(opened(&with(&token, json!({ "epk": epk })), &key), Err(OpenError::Sealed));
    }
    // It agrees, and signs nothing.
    assert!(PublicJwk::from_value(&key.public_jwk()).is_err() && PublicJwk::for_agreement(&key.public_jwk()).is_ok());
}

#[test]
fn rfc7516_11_5_a_wrong_key_inside_and_wrong_content_look_the_same() {
    for (kind, alg) in [(KeyKind::Rsa, KeyManagement::RsaOaep256), (KeyKind::P256, KeyManagement::EcdhEsA128Kw)] {
        let (key, _) = OpeningKey::generate(kind).unwrap();
        for enc in ContentEncryption::ALL {
            let token = sealed(alg, *enc, &key);
            let parts: Vec<_> = token.split('.').collect();
            for place in [1, 2, 3, 4] {
                let mut changed: Vec<_> = parts.iter().map(|part| (*part).to_owned()).collect();
                let mut bytes = URL_SAFE_NO_PAD.decode(parts[place]).unwrap();
                bytes[0] ^= 1;
                changed[place] = URL_SAFE_NO_PAD.encode(bytes);
                assert_eq!(opened(&changed.join("."), &key), Err(OpenError::Sealed), "{enc:?} {place}");
            }
            // A key of the wrong length inside.
            let short: Vec<_> = parts.iter().enumerate().map(|(at, part)| if at == 1 { "AAAA" } else { *part }).collect();
            assert_eq!(opened(&short.join("."), &key), Err(OpenError::Sealed));
        }
    }
}

#[test]
fn rfc7516_7_1_five_parts_of_base64url() {
    let (key, _) = OpeningKey::generate(KeyKind::P256).unwrap();
    let token = sealed(KeyManagement::EcdhEs, ContentEncryption::A128CbcHs256, &key);
    assert!(is_encrypted(&token) && !is_encrypted("a.b.c") && !is_encrypted("a.b.c.d.e.f") && !is_encrypted(""));
    for (text, refused) in [
        (format!("{token}."), OpenError::Parts),
        (token.replace('.', ""), OpenError::Parts),
        (format!("{token}="), OpenError::Base64("tag")),
        (token.replacen("..", ".AA.", 1), OpenError::Member("encrypted key")),
        ("A".repeat(MAX_TOKEN + 1), OpenError::TooLarge),
        ("e30....".to_owned(), OpenError::Member("alg")),
        ("W10....".to_owned(), OpenError::Header(JsonError::NotAnObject)),
    ] {
        assert_eq!(parse(&text).err(), Some(refused));
    }
    assert!(OpeningKey::from_pkcs8_der(&SigningKey::generate(Algorithm::EdDSA).unwrap().to_pkcs8_der().unwrap()).is_err());
    assert!(OpeningKey::generate(KeyKind::Ed25519).is_err());
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics(text in "\\PC{0,300}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,40}", 4..6)) {
        prop_assert!(parse(&text).is_err());
        prop_assert!(parse(&parts.join(".")).is_err());
    }
}
