//! Encryption to somebody's public key, or under a key that both share, in compact form.
//!
//! | Rule | Source |
//! |---|---|
//! | a fresh content key, a fresh initialization vector and a fresh ephemeral key each time | RFC 7516 §5.1, RFC 7518 §4.6 |
//! | Concat KDF over algorithm, both parties and key length | RFC 7518 §4.6.2 |
//! | MAC over additional data, vector, ciphertext and their length; its first half is the tag | RFC 7518 §5.2.2.1 |
//! | the key is for encryption, of the algorithm's kind, and checked like every other one | RFC 7517 §4.2 to §4.4, RFC 8725 §3.4 |
//!
//! Which algorithms there are says [`crate::jwa`]. Out of scope: decryption ([`crate::opening`]), where a shared key comes from; compression
//! (`zip`, RFC 8725 §3.6), the JSON serialisations.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::alg::KeyKind;
use crate::jwa::curve;
pub use crate::jwa::{ContentEncryption, KeyManagement};
use crate::jwk::PublicJwk;
use crate::wrapping::{gcm, wrap, wrap_gcm};

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

    /// Who holds this key too. It has to be as long as both algorithms want it ([`KeyManagement::shared_len`]).
    pub fn sharing(alg: KeyManagement, key: Zeroizing<Vec<u8>>) -> Self {
        Self { to: To::Shared(key), kid: None, alg }
    }

    fn of(members: &Map<String, Value>, alg: KeyManagement) -> Option<Self> {
        // What a signature key is checked for holds for these too; what the members say of their purpose was looked at before.
        let mut material = members.clone();
        for name in ["use", "alg", "key_ops"] {
            material.remove(name);
        }
        let key = PublicJwk::for_agreement(&Value::Object(material)).ok().filter(|key| alg.fits(key.kind()))?;
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
        let wrapped = match &self.to {
            To::Shared(shared) => {
                // RFC 7518 §4.4, §4.5, §4.7: the length is the algorithm's, whatever somebody handed in.
                if self.alg.shared_len(enc) != Some(shared.len()) {
                    return Err(JweError::Key(enc.as_str()));
                }
                if self.alg == KeyManagement::Direct {
                    content_key.copy_from_slice(shared);
                    Vec::new()
                } else if self.alg.wraps_with_gcm() {
                    let mut vector = [0; NONCE_LEN];
                    rand::fill(&mut vector)?;
                    let (wrapped, tag) = wrap_gcm(shared, &vector, &content_key)?;
                    header.insert("iv".into(), json!(URL_SAFE_NO_PAD.encode(vector)));
                    header.insert("tag".into(), json!(URL_SAFE_NO_PAD.encode(tag)));
                    wrapped
                } else {
                    wrap(shared, &content_key)?
                }
            }
            To::Key(key) => match (self.alg.oaep(), self.alg) {
                (Some(padding), _) => to_rsa(key, padding, &content_key)?,
                (None, KeyManagement::EcdhEs) => {
                    content_key = self.agree(key, &mut header, enc.as_str(), enc.key_len())?;
                    Vec::new()
                }
                (None, alg) => {
                    let length = alg.agreed_len(enc.key_len()).ok_or(JweError::Key(alg.as_str()))?;
                    wrap(&self.agree(key, &mut header, alg.as_str(), length)?, &content_key)?
                }
            },
        };
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let protected = text(Value::Object(header).to_string().as_bytes());
        let mut vector = [0; 16];
        rand::fill(&mut vector)?;
        let vector = vector.get(..enc.vector_len()).unwrap_or_default();
        let (ciphertext, tag) = seal(enc, &content_key, vector, protected.as_bytes(), plaintext)?;
        Ok(format!("{protected}.{}.{}.{}.{}", text(&wrapped), text(vector), text(&ciphertext), text(&tag)))
    }

    /// A key that only the recipient can derive too; its public half goes into the header.
    fn agree(&self, key: &PublicJwk, header: &mut Map<String, Value>, alg: &str, length: usize) -> Result<Zeroizing<Vec<u8>>, JweError> {
        let refuse = || JweError::Key(self.alg.as_str());
        let point = key.agreement_point().ok_or_else(refuse)?;
        let curve = curve(key.kind()).ok_or_else(refuse)?;
        let ephemeral = EphemeralPrivateKey::generate(curve, &SystemRandom::new())?;
        let own = ephemeral.compute_public_key()?;
        let crv = key.kind().crv().unwrap_or_default();
        let epk = if key.kind() == KeyKind::X25519 {
            json!({ "kty": "OKP", "crv": crv, "x": URL_SAFE_NO_PAD.encode(own.as_ref()) })
        } else {
            let (x, y) = own.as_ref().get(1..).ok_or(JweError::Library)?.split_at((own.as_ref().len() - 1) / 2);
            json!({ "kty": "EC", "crv": crv, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
        };
        header.insert("epk".into(), epk);
        let peer = UnparsedPublicKey::new(curve, point);
        agreement::agree_ephemeral(ephemeral, peer, JweError::Library, |secret| Ok(concat_kdf(secret, alg, b"", b"", length)))
    }
}

fn to_rsa(key: &PublicJwk, padding: &'static OaepAlgorithm, content_key: &[u8]) -> Result<Vec<u8>, JweError> {
    let (n, e) = key.rsa_parts().ok_or(JweError::Key("RSA-OAEP"))?;
    let key: PublicEncryptingKey = PublicKeyComponents { n, e }.try_into()?;
    let key = OaepPublicEncryptingKey::new(key)?;
    let mut wrapped = vec![0; key.ciphertext_size()];
    let length = key.encrypt(padding, content_key, &mut wrapped, None)?.len();
    wrapped.truncate(length);
    Ok(wrapped)
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
    let Some((cipher, mac)) = enc.cbc() else {
        let key = LessSafeKey::new(UnboundKey::new(gcm(key.len())?, key)?);
        let nonce = Nonce::try_assume_unique_for_key(vector)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(additional), &mut content)?;
        return Ok((content, tag.as_ref().to_vec()));
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
