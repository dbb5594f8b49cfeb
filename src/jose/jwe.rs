//! Encryption to somebody's public key, or under a key that both share, in compact form.
//!
//! | Rule | Source |
//! |---|---|
//! | RSA-OAEP, RSA-OAEP-256, ECDH-ES alone and with A128KW or A256KW; a shared key directly (`dir`) | RFC 7518 §4.1 |
//! | A128GCM, A256GCM, A128CBC-HS256, A256CBC-HS512 | RFC 7518 §5.1 |
//! | a fresh content key, a fresh initialization vector and a fresh ephemeral key each time | RFC 7516 §5.1, RFC 7518 §4.6 |
//! | Concat KDF over algorithm, both parties and key length | RFC 7518 §4.6.2 |
//! | MAC over additional data, vector, ciphertext and their length; its first half is the tag | RFC 7518 §5.2.2.1 |
//! | the key is for encryption, of the algorithm's kind, and checked like every other one | RFC 7517 §4.2 to §4.4, RFC 8725 §3.4 |
//!
//! Out of scope: decryption ([`crate::opening`]), where a shared key comes from; RSA1_5 (RFC 8725 §3.2), passwords (PBES2), compression
//! (`zip`, RFC 8725 §3.6), the JSON serialisations.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, EphemeralPrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{self, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::key_wrap::{self, AesKek, KeyWrap as _};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::alg::KeyKind;
use crate::jwk::PublicJwk;

/// How the content key is agreed on or wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyManagement {
    RsaOaep,
    RsaOaep256,
    EcdhEs,
    EcdhEsA128Kw,
    EcdhEsA256Kw,
    /// The content key is one that both sides know.
    Direct,
}

/// How the content is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncryption {
    A128Gcm,
    A256Gcm,
    A128CbcHs256,
    A256CbcHs512,
}

impl KeyManagement {
    pub const ALL: &'static [Self] = &[Self::RsaOaep, Self::RsaOaep256, Self::EcdhEs, Self::EcdhEsA128Kw, Self::EcdhEsA256Kw, Self::Direct];

    /// The value of `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::Direct => "dir",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.as_str() == text)
    }

    pub(crate) fn fits(self, kind: KeyKind) -> bool {
        match self {
            Self::RsaOaep | Self::RsaOaep256 => kind == KeyKind::Rsa,
            Self::EcdhEs | Self::EcdhEsA128Kw | Self::EcdhEsA256Kw => matches!(kind, KeyKind::P256 | KeyKind::P384 | KeyKind::P521),
            Self::Direct => false,
        }
    }
}

impl ContentEncryption {
    pub const ALL: &'static [Self] = &[Self::A128Gcm, Self::A256Gcm, Self::A128CbcHs256, Self::A256CbcHs512];

    /// The value of `enc`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.as_str() == text)
    }

    /// Bytes of the content key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A256CbcHs512 => 64,
        }
    }
}

/// Why nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    #[error("the key does not fit {0}")]
    Key(&'static str),
    #[error("the cryptographic library failed")]
    Library,
}

impl From<aws_lc_rs::error::Unspecified> for JweError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Library
    }
}

/// Whoever is encrypted to: a public key, or a key that both share.
pub struct Recipient {
    to: To,
    kid: Option<String>,
    alg: KeyManagement,
}

enum To {
    Key(PublicJwk),
    Shared(Zeroizing<Vec<u8>>),
}

impl Recipient {
    /// The key of a set that this algorithm encrypts to: one that says so of itself before one that says nothing. `None` when no key
    /// fits; what is malformed or for signatures is passed over.
    pub fn choose(jwks: &Value, alg: KeyManagement) -> Option<Self> {
        let keys = jwks.get("keys")?.as_array()?;
        let usable = keys.iter().take(crate::jwks::MAX_KEYS).filter_map(Value::as_object).filter(|key| is_for(key, alg));
        let (stated, silent): (Vec<_>, Vec<_>) = usable.partition(|key| key.contains_key("use"));
        stated.into_iter().chain(silent).find_map(|key| Self::of(key, alg))
    }

    /// Who holds this key too. It has to be as long as the content encryption wants it ([`ContentEncryption::key_len`]).
    pub fn sharing(key: Zeroizing<Vec<u8>>) -> Self {
        Self { to: To::Shared(key), kid: None, alg: KeyManagement::Direct }
    }

    fn of(members: &Map<String, Value>, alg: KeyManagement) -> Option<Self> {
        // What a signature key is checked for holds for these too; what the members say of their purpose was looked at before.
        let mut material = members.clone();
        for name in ["use", "alg", "key_ops"] {
            material.remove(name);
        }
        let key = PublicJwk::from_value(&Value::Object(material)).ok().filter(|key| alg.fits(key.kind()))?;
        Some(Self { kid: key.kid().map(str::to_owned), to: To::Key(key), alg })
    }

    /// Encrypts. `cty` names the type of what is inside: `JWT` for a nested one (RFC 7519 §5.2).
    ///
    /// # Errors
    /// A shared key of another length; the library fails.
    pub fn encrypt(&self, enc: ContentEncryption, cty: Option<&str>, plaintext: &[u8]) -> Result<String, JweError> {
        self.encrypt_saying(Map::new(), enc, cty, plaintext)
    }

    /// The same with more members in the header, which everybody can read (RFC 7519 §5.3). Those of the encryption itself go before them.
    ///
    /// # Errors
    /// As [`Self::encrypt`].
    pub fn encrypt_saying(
        &self,
        mut header: Map<String, Value>,
        enc: ContentEncryption,
        cty: Option<&str>,
        plaintext: &[u8],
    ) -> Result<String, JweError> {
        header.insert("alg".into(), json!(self.alg.as_str()));
        header.insert("enc".into(), json!(enc.as_str()));
        if let Some(kid) = &self.kid {
            header.insert("kid".into(), json!(kid));
        }
        if let Some(cty) = cty {
            header.insert("cty".into(), json!(cty));
        }
        let mut content_key = Zeroizing::new(vec![0; enc.key_len()]);
        rand::fill(&mut content_key)?;
        let wrapped = match self.alg {
            KeyManagement::Direct => {
                let To::Shared(shared) = &self.to else { return Err(JweError::Key(self.alg.as_str())) };
                // RFC 7518 §4.5: the length is the algorithm's, whatever somebody handed in.
                if shared.len() != enc.key_len() {
                    return Err(JweError::Key(enc.as_str()));
                }
                content_key.copy_from_slice(shared);
                Vec::new()
            }
            KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => self.to_rsa(&content_key)?,
            KeyManagement::EcdhEs => {
                content_key = self.agree(&mut header, enc.as_str(), enc.key_len())?;
                Vec::new()
            }
            KeyManagement::EcdhEsA128Kw => wrap(&key_wrap::AES_128, &self.agree(&mut header, self.alg.as_str(), 16)?, &content_key)?,
            KeyManagement::EcdhEsA256Kw => wrap(&key_wrap::AES_256, &self.agree(&mut header, self.alg.as_str(), 32)?, &content_key)?,
        };
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let protected = text(Value::Object(header).to_string().as_bytes());
        let mut vector = [0; 16];
        rand::fill(&mut vector)?;
        let vector =
            if matches!(enc, ContentEncryption::A128Gcm | ContentEncryption::A256Gcm) { &vector[..NONCE_LEN] } else { &vector[..] };
        let (ciphertext, tag) = seal(enc, &content_key, vector, protected.as_bytes(), plaintext)?;
        Ok(format!("{protected}.{}.{}.{}.{}", text(&wrapped), text(vector), text(&ciphertext), text(&tag)))
    }

    fn public(&self) -> Result<&PublicJwk, JweError> {
        match &self.to {
            To::Key(key) => Ok(key),
            To::Shared(_) => Err(JweError::Key(self.alg.as_str())),
        }
    }

    fn to_rsa(&self, content_key: &[u8]) -> Result<Vec<u8>, JweError> {
        let (n, e) = self.public()?.rsa_parts().ok_or(JweError::Key(self.alg.as_str()))?;
        let key: PublicEncryptingKey = PublicKeyComponents { n, e }.try_into()?;
        let key = OaepPublicEncryptingKey::new(key)?;
        let algorithm = if self.alg == KeyManagement::RsaOaep { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
        let mut wrapped = vec![0; key.ciphertext_size()];
        let length = key.encrypt(algorithm, content_key, &mut wrapped, None)?.len();
        wrapped.truncate(length);
        Ok(wrapped)
    }

    /// A key that only the recipient can derive too; its public half goes into the header.
    fn agree(&self, header: &mut Map<String, Value>, alg: &str, length: usize) -> Result<Zeroizing<Vec<u8>>, JweError> {
        let refuse = || JweError::Key(self.alg.as_str());
        let key = self.public()?;
        let point = key.ec_point().ok_or_else(refuse)?;
        let curve = match key.kind() {
            KeyKind::P256 => &ECDH_P256,
            KeyKind::P384 => &ECDH_P384,
            KeyKind::P521 => &ECDH_P521,
            KeyKind::Rsa | KeyKind::Ed25519 | KeyKind::Secret => return Err(refuse()),
        };
        let ephemeral = EphemeralPrivateKey::generate(curve, &SystemRandom::new())?;
        let own = ephemeral.compute_public_key()?;
        let (x, y) = own.as_ref().get(1..).ok_or(JweError::Library)?.split_at((own.as_ref().len() - 1) / 2);
        let crv = key.kind().crv().unwrap_or_default();
        let epk = json!({ "kty": "EC", "crv": crv, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
        header.insert("epk".into(), epk);
        let peer = UnparsedPublicKey::new(curve, point);
        agreement::agree_ephemeral(ephemeral, peer, JweError::Library, |secret| Ok(concat_kdf(secret, alg, b"", b"", length)))
    }
}

/// Does the key say nothing of its purpose, or that it is for this?
fn is_for(key: &Map<String, Value>, alg: KeyManagement) -> bool {
    let operations = ["encrypt", "wrapKey", "deriveKey", "deriveBits"];
    key.get("use").is_none_or(|usage| usage == "enc")
        && key.get("alg").is_none_or(|own| own == alg.as_str())
        && key
            .get("key_ops")
            .is_none_or(|own| own.as_array().is_some_and(|own| own.iter().any(|one| operations.iter().any(|op| one == op))))
}

fn wrap(cipher: &'static key_wrap::AesBlockCipher, kek: &[u8], content_key: &[u8]) -> Result<Vec<u8>, JweError> {
    let mut wrapped = vec![0; content_key.len() + 8];
    let length = AesKek::new(cipher, kek)?.wrap(content_key, &mut wrapped)?.len();
    wrapped.truncate(length);
    Ok(wrapped)
}

/// RFC 7518 §4.6.2, NIST SP 800-56A §5.8.1 with SHA-256.
pub(crate) fn concat_kdf(secret: &[u8], alg: &str, apu: &[u8], apv: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    // Lengths here are of algorithm names and keys: far below 2^29.
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    let mut key = Zeroizing::new(Vec::with_capacity(length + 32));
    for round in 1..=length.div_ceil(32) {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&word(round));
        hash.update(secret);
        for part in [alg.as_bytes(), apu, apv] {
            hash.update(&word(part.len()));
            hash.update(part);
        }
        hash.update(&word(length * 8));
        key.extend_from_slice(hash.finish().as_ref());
    }
    key.truncate(length);
    key
}

/// Ciphertext and tag.
fn seal(enc: ContentEncryption, key: &[u8], vector: &[u8], additional: &[u8], plaintext: &[u8]) -> Result<(Vec<u8>, Vec<u8>), JweError> {
    let mut content = plaintext.to_vec();
    let (cipher, mac) = match enc {
        ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => {
            let algorithm = if enc == ContentEncryption::A128Gcm { &AES_128_GCM } else { &AES_256_GCM };
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key)?);
            let nonce = Nonce::try_assume_unique_for_key(vector)?;
            let tag = key.seal_in_place_separate_tag(nonce, Aad::from(additional), &mut content)?;
            return Ok((content, tag.as_ref().to_vec()));
        }
        ContentEncryption::A128CbcHs256 => (&cipher::AES_128, hmac::HMAC_SHA256),
        ContentEncryption::A256CbcHs512 => (&cipher::AES_256, hmac::HMAC_SHA512),
    };
    let (mac_key, content_key) = key.split_at(key.len() / 2);
    let encrypting = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, content_key)?)?;
    let vector: [u8; 16] = vector.try_into().map_err(|_| JweError::Library)?;
    encrypting.less_safe_encrypt(&mut content, EncryptionContext::Iv128(FixedLength::from(vector)))?;
    let mut signed = hmac::Context::with_key(&hmac::Key::new(mac, mac_key));
    for part in [additional, &vector[..], &content, &(additional.len() as u64 * 8).to_be_bytes()] {
        signed.update(part);
    }
    let tag = signed.sign();
    let half = tag.as_ref().len() / 2;
    Ok((content, tag.as_ref()[..half].to_vec()))
}

#[cfg(test)]
#[path = "jwe_tests.rs"]
mod tests;
