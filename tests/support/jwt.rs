//! JWTs read and made by the crypto library alone, so that no fault of our own code can hide in the test.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

/// Checks the signature against a JWKS and gives header and claims.
pub fn verified(token: &str, jwks: &Value) -> (Value, Value) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = B64.decode(signature).unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let (header, claims) = (part(header), part(claims));
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).expect("the key is published");
    let number = |name: &str| B64.decode(key[name].as_str().unwrap()).unwrap();
    let checked = match header["alg"].as_str().unwrap() {
        "EdDSA" | "Ed25519" => UnparsedPublicKey::new(&signature::ED25519, number("x")).verify(message.as_bytes(), &signature),
        rsa if rsa.starts_with("RS") || rsa.starts_with("PS") => {
            let parameters: &signature::RsaParameters = match rsa {
                "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
                "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
                "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
                other => panic!("alg {other}"),
            };
            RsaPublicKeyComponents { n: number("n"), e: number("e") }.verify(parameters, message.as_bytes(), &signature)
        }
        curve => {
            let curve: &'static dyn signature::VerificationAlgorithm = match curve {
                "ES256" => &signature::ECDSA_P256_SHA256_FIXED,
                "ES384" => &signature::ECDSA_P384_SHA384_FIXED,
                "ES512" => &signature::ECDSA_P521_SHA512_FIXED,
                other => panic!("alg {other}"),
            };
            UnparsedPublicKey::new(curve, [vec![4], number("x"), number("y")].concat()).verify(message.as_bytes(), &signature)
        }
    };
    checked.expect("the signature is right");
    (header, claims)
}

/// What vouches for a token beside an id_token signed with a SHA-256 algorithm (OpenID Connect Core 1.0 §3.1.3.6).
pub fn left_half(text: &str) -> String {
    B64.encode(&aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref()[..16])
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&B64.decode(text).unwrap()).unwrap()
}

/// A key of a client.
pub enum Key {
    Rsa(&'static str, Box<RsaKeyPair>),
    Ec(&'static str, EcdsaKeyPair),
    Ed(&'static str, Ed25519KeyPair),
}

impl Key {
    /// A fresh key for a JWS algorithm of the registry.
    pub fn generate(alg: &str) -> Self {
        let rsa = || Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        match alg {
            "RS256" => Self::Rsa("RS256", rsa()),
            "RS384" => Self::Rsa("RS384", rsa()),
            "RS512" => Self::Rsa("RS512", rsa()),
            "PS256" => Self::Rsa("PS256", rsa()),
            "PS384" => Self::Rsa("PS384", rsa()),
            "PS512" => Self::Rsa("PS512", rsa()),
            "ES256" => Self::Ec("ES256", EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            "ES384" => Self::Ec("ES384", EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
            "ES512" => Self::Ec("ES512", EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap()),
            "EdDSA" => Self::Ed("EdDSA", Ed25519KeyPair::generate().unwrap()),
            "Ed25519" => Self::Ed("Ed25519", Ed25519KeyPair::generate().unwrap()),
            other => panic!("no key for {other}: teach this test the algorithm"),
        }
    }

    pub fn alg(&self) -> &'static str {
        match self {
            Self::Rsa(alg, _) | Self::Ec(alg, _) | Self::Ed(alg, _) => alg,
        }
    }

    /// The public half.
    pub fn jwks(&self) -> Value {
        let text = |bytes: &[u8]| B64.encode(bytes);
        let mut key = match self {
            Self::Rsa(_, pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                json!({ "kty": "RSA", "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero()) })
            }
            Self::Ec(_, pair) => {
                let point = pair.public_key().as_ref();
                let half = point.len() / 2;
                let curve = match half {
                    32 => "P-256",
                    48 => "P-384",
                    _ => "P-521",
                };
                json!({ "kty": "EC", "crv": curve, "x": text(&point[1..=half]), "y": text(&point[1 + half..]) })
            }
            Self::Ed(_, pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) }),
        };
        key.as_object_mut().unwrap().extend([("kid".to_owned(), json!("k")), ("alg".to_owned(), json!(self.alg()))]);
        json!({ "keys": [key] })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({ "alg": self.alg(), "kid": "k", "typ": "JWT" }), claims)
    }

    /// With any header, also one that lies.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(alg, pair) => {
                let mut bytes = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn signature::RsaEncoding = match *alg {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    _ => &signature::RSA_PSS_SHA512,
                };
                pair.sign(padding, &random, message.as_bytes(), &mut bytes).unwrap();
                bytes
            }
            Self::Ec(_, pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed(_, pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", B64.encode(signature))
    }
}

/// A token under a shared secret.
pub fn mac(alg: &str, secret: &str, claims: &Value) -> String {
    use aws_lc_rs::hmac;
    let hash = match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        other => panic!("no HMAC {other}"),
    };
    let message = [json!({ "alg": alg }), claims.clone()].map(|part| B64.encode(part.to_string())).join(".");
    format!("{message}.{}", B64.encode(hmac::sign(&hmac::Key::new(hash, secret.as_bytes()), message.as_bytes())))
}
