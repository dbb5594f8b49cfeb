//! The examples printed in the RFCs, and what was encrypted opened again by primitives alone.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM};
use aws_lc_rs::agreement::{ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, X25519};
use aws_lc_rs::cipher::{self, DecryptionContext, PaddedBlockDecryptingKey};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepPrivateDecryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::KeyPair as _;
use proptest::prelude::*;

use super::*;

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn rfc7516_a_1_content_of_the_first_example() {
    let key = [
        177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110, 91, 112, 46, 34, 105, 47, 130, 203, 46,
        122, 234, 64, 252,
    ];
    let plaintext = "The true sign of intelligence is not knowledge but imagination.";
    let additional = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ";
    let (ciphertext, tag) =
        seal(ContentEncryption::A256Gcm, &key, &bytes("48V1_ALb6US04U3b"), additional.as_bytes(), plaintext.as_bytes()).unwrap();
    assert_eq!(ciphertext, bytes("5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A"));
    assert_eq!(tag, bytes("XFBoMYUZodetZdvTiFvSkQ"));
}

#[test]
fn rfc7516_a_3_a_wrapped_key_and_its_content() {
    let key = [
        4, 211, 31, 197, 84, 157, 252, 254, 11, 100, 157, 250, 63, 170, 106, 206, 107, 124, 212, 45, 111, 107, 9, 219, 200, 177, 0, 240,
        143, 156, 44, 207,
    ];
    let kek = bytes("GawgguFyGrWKav7AX4VKUg");
    assert_eq!(wrap(&kek, &key).unwrap(), bytes("6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ"));
    let vector = bytes("AxY8DCtDaGlsbGljb3RoZQ");
    let additional = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0";
    let (ciphertext, tag) = seal(ContentEncryption::A128CbcHs256, &key, &vector, additional.as_bytes(), b"Live long and prosper.").unwrap();
    assert_eq!((ciphertext, tag), (bytes("KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY"), bytes("U0m_YmjN04DJvceFICbCVQ")));
}

#[test]
fn rfc7518_b_cbc_with_a_mac() {
    let plaintext =
        b"A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience";
    let additional = b"The second principle of Auguste Kerckhoffs";
    let vector = hex("1af38c2dc2b96ffdd86694092341bc04");
    let key: Vec<u8> = (0..64).collect();
    let (short, tag) = seal(ContentEncryption::A128CbcHs256, &key[..32], &vector, additional, plaintext).unwrap();
    assert_eq!(short[..16], hex("c80edfa32ddf39d5ef00c0b468834279"));
    assert_eq!(tag, hex("652c3fa36b0a7c5b3219fab3a30bc1c4"));
    let (middle, tag) = seal(ContentEncryption::A192CbcHs384, &key[..48], &vector, additional, plaintext).unwrap();
    assert_eq!(middle[..16], hex("ea65da6b59e61edb419be62d19712ae5"));
    assert_eq!(tag, hex("8490ac0e58949bfe51875d733f93ac2075168039ccc733d7"));
    let (long, tag) = seal(ContentEncryption::A256CbcHs512, &key, &vector, additional, plaintext).unwrap();
    assert_eq!(long[..16], hex("4affaaadb78c31c5da4b1b590d10ffbd"));
    assert_eq!(tag, hex("4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5"));
}

#[test]
fn rfc7518_c_the_derived_key() {
    let secret = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106, 72, 246, 218, 167,
        121, 140, 254, 144, 196,
    ];
    assert_eq!(*concat_kdf(&secret, "A128GCM", b"Alice", b"Bob", 16), bytes("VqqN6vgjbSBcIijNcacQGg"));
}

/// Opens a token with the private half, written a second time from the RFCs.
fn open(token: &str, unwrap: impl Fn(&Value, &[u8]) -> Vec<u8>) -> (Value, Vec<u8>) {
    let parts: Vec<_> = token.split('.').collect();
    let [protected, wrapped, vector, ciphertext, tag] = parts[..] else { panic!("five parts: {token}") };
    let header: Value = serde_json::from_slice(&bytes(protected)).unwrap();
    let key = unwrap(&header, &bytes(wrapped));
    let (vector, mut content, tag) = (bytes(vector), bytes(ciphertext), bytes(tag));
    let plaintext = match header["enc"].as_str().unwrap() {
        "A128GCM" | "A192GCM" | "A256GCM" => {
            let algorithm = match key.len() {
                16 => &AES_128_GCM,
                24 => &AES_192_GCM,
                _ => &AES_256_GCM,
            };
            content.extend(tag);
            let key = LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap());
            key.open_in_place(Nonce::try_assume_unique_for_key(&vector).unwrap(), Aad::from(protected), &mut content).unwrap().to_vec()
        }
        _ => {
            let (mac_key, content_key) = key.split_at(key.len() / 2);
            let (mac, cipher) = match key.len() {
                32 => (hmac::HMAC_SHA256, &cipher::AES_128),
                48 => (hmac::HMAC_SHA384, &cipher::AES_192),
                _ => (hmac::HMAC_SHA512, &cipher::AES_256),
            };
            let bits = (protected.len() as u64 * 8).to_be_bytes();
            let whole = hmac::sign(&hmac::Key::new(mac, mac_key), &[protected.as_bytes(), &vector, &content, &bits].concat());
            assert_eq!(whole.as_ref()[..key.len() / 2], tag);
            let vector: [u8; 16] = vector.try_into().unwrap();
            let opening = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, content_key).unwrap()).unwrap();
            opening.decrypt(&mut content, DecryptionContext::Iv128(FixedLength::from(vector))).unwrap().to_vec()
        }
    };
    (header, plaintext)
}

fn content_length(header: &Value) -> usize {
    ContentEncryption::parse(header["enc"].as_str().unwrap()).unwrap().key_len()
}

#[test]
fn rfc7518_4_3_only_the_rsa_key_opens_it() {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
    let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    let jwks = json!({ "keys": [{ "kty": "RSA", "use": "enc", "kid": "r", "n": text(n.big_endian_without_leading_zero()),
        "e": text(e.big_endian_without_leading_zero()) }] });
    let private = PrivateDecryptingKey::from_pkcs8(pair.as_der().unwrap().as_ref()).unwrap();
    let private = OaepPrivateDecryptingKey::new(private).unwrap();
    for (alg, padding) in [
        (KeyManagement::RsaOaep, &OAEP_SHA1_MGF1SHA1),
        (KeyManagement::RsaOaep256, &OAEP_SHA256_MGF1SHA256),
        (KeyManagement::RsaOaep384, &OAEP_SHA384_MGF1SHA384),
        (KeyManagement::RsaOaep512, &OAEP_SHA512_MGF1SHA512),
    ] {
        let recipient = Recipient::choose(&jwks, alg).unwrap();
        for enc in ContentEncryption::ALL {
            let token = recipient.encrypt(*enc, Some("JWT"), b"hello").unwrap();
            let (header, plaintext) = open(&token, |_, wrapped| {
                let mut room = vec![0; private.min_output_size()];
                private.decrypt(padding, wrapped, &mut room, None).unwrap().to_vec()
            });
            assert_eq!(
                (plaintext, &header["alg"], &header["cty"], &header["kid"]),
                (b"hello".to_vec(), &json!(alg.as_str()), &json!("JWT"), &json!("r"))
            );
        }
    }
}

#[test]
fn rfc7518_4_6_only_the_elliptic_key_opens_it() {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    for (crv, curve) in [("P-256", &ECDH_P256), ("P-384", &ECDH_P384), ("P-521", &ECDH_P521), ("X25519", &X25519)] {
        let private = PrivateKey::generate(curve).unwrap();
        let public = private.compute_public_key().unwrap();
        let (x, y) = public.as_ref()[1..].split_at((public.as_ref().len() - 1) / 2);
        let mut jwk = json!({ "kty": "EC", "crv": crv, "x": text(x), "y": text(y) });
        if crv == "X25519" {
            jwk = json!({ "kty": "OKP", "crv": crv, "x": text(public.as_ref()) });
        }
        let jwks = json!({ "keys": [jwk] });
        use KeyManagement::{EcdhEs, EcdhEsA128Kw, EcdhEsA192Kw, EcdhEsA256Kw};
        for (alg, length) in [(EcdhEs, 0), (EcdhEsA128Kw, 16), (EcdhEsA192Kw, 24), (EcdhEsA256Kw, 32)] {
            let recipient = Recipient::choose(&jwks, alg).unwrap();
            for enc in ContentEncryption::ALL {
                let token = recipient.encrypt(*enc, None, b"hello").unwrap();
                let (header, plaintext) = open(&token, |header, wrapped| {
                    let epk = &header["epk"];
                    let mut point = bytes(epk["x"].as_str().unwrap());
                    if let Some(y) = epk["y"].as_str() {
                        point = [&[4], &point[..], &bytes(y)].concat();
                    }
                    let derive = |name: &str, length: usize| {
                        let peer = UnparsedPublicKey::new(curve, &point);
                        agreement::agree(&private, peer, (), |secret| Ok(concat_kdf(secret, name, b"", b"", length))).unwrap()
                    };
                    match alg {
                        KeyManagement::EcdhEs => derive(enc.as_str(), content_length(header)).to_vec(),
                        _ => crate::wrapping::unwrap(&derive(alg.as_str(), length), wrapped).unwrap().to_vec(),
                    }
                });
                assert_eq!((plaintext, header["cty"].is_null()), (b"hello".to_vec(), true));
            }
        }
    }
}

#[test]
fn rfc7517_4_2_a_key_for_something_else_is_passed_over() {
    let public = PrivateKey::generate(&ECDH_P256).unwrap().compute_public_key().unwrap();
    let (x, y) = public.as_ref()[1..].split_at(32);
    let with = |members: Value| {
        let mut key = json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
        key.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        key
    };
    let chosen = |keys: Value, alg| Recipient::choose(&json!({ "keys": keys }), alg).map(|own| own.kid.unwrap_or_default());
    let alg = KeyManagement::EcdhEsA256Kw;
    for wrong in [
        json!({ "use": "sig" }),
        json!({ "alg": "ES256" }),
        json!({ "alg": "ECDH-ES" }),
        json!({ "key_ops": ["verify"] }),
        json!({ "d": "AA" }),
        json!({ "x": "AA" }),
    ] {
        assert_eq!(chosen(json!([with(wrong.clone())]), alg), None, "{wrong}");
    }
    assert_eq!(chosen(json!([with(json!({}))]), KeyManagement::RsaOaep), None);
    assert_eq!(
        chosen(json!([with(json!({ "kid": "silent" })), with(json!({ "kid": "stated", "use": "enc" }))]), alg).as_deref(),
        Some("stated")
    );
    for set in [json!({}), json!({ "keys": 1 }), json!({ "keys": [1, {}] })] {
        assert!(Recipient::choose(&set, alg).is_none());
    }
}

proptest! {
    #[test]
    fn whatever_a_set_says_nothing_panics(text in "\\PC{0,200}", use_ in "(enc|sig|x)", n in "[A-Za-z0-9_-]{0,60}") {
        let key = json!({ "kty": "RSA", "use": use_, "n": n, "e": text });
        let set = json!({ "keys": [key, text] });
        prop_assert!(Recipient::choose(&set, KeyManagement::RsaOaep).is_none());
    }
}
