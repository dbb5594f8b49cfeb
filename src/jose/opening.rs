//! Opening what somebody encrypted to us, in compact form.
//!
//! | Rule | Source |
//! |---|---|
//! | exactly five parts, base64url without padding and in its one canonical spelling | RFC 7516 §7.1 |
//! | `crit` is refused, whatever it lists; so is `zip`: a small text must not become a big one | RFC 7516 §4.1.13, RFC 8725 §3.6 |
//! | `alg` and `enc` are of the matrix; the key fits `alg` by kind | RFC 8725 §3.1 |
//! | whatever is wrong with the encrypted key shows only where the content does not open, so that nobody learns which of them it was | RFC 7516 §11.5 |
//! | where no key is wrapped there is no encrypted key | RFC 7516 §5.2 |
//! | vector and tag have exactly the algorithm's length | RFC 7518 §5.2.2.2, §5.3 |
//! | the tag is checked in constant time, before anything is decrypted | RFC 7518 §5.2.2.2 |
//! | the sender's point lies on our curve | RFC 8725 §3.4 |
//!
//! What opens proves nothing about who wrote it, as everybody knows our public keys: a signature inside does.
//!
//! Out of scope: what is not offered for encryption either ([`crate::jwe`]), more than one recipient.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{self, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::key_wrap::{self, AesKek, KeyWrap as _};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::{constant_time, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::alg::{Algorithm, KeyKind};
use crate::json::{self, JsonError};
use crate::jwe::{ContentEncryption, KeyManagement, concat_kdf};
use crate::jwk::PublicJwk;
use crate::jws::MAX_TOKEN;
use crate::key::{SigningKey, SigningKeyError};

/// Longest `apu` or `apv`, in bytes of their text. They are hashed, so that they need no more.
const MAX_PARTY: usize = 512;

/// Why something was not opened. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("it is longer than {MAX_TOKEN} bytes")]
    TooLarge,
    #[error("it does not have exactly five parts")]
    Parts,
    #[error("its {0} is not base64url without padding")]
    Base64(&'static str),
    #[error("its header is {0}")]
    Header(JsonError),
    #[error("the header member \"{0}\" is missing, of the wrong type, too long or unknown")]
    Member(&'static str),
    #[error("the header member \"{0}\" asks for something that is not supported")]
    Unsupported(&'static str),
    #[error("no key fits its \"alg\"")]
    NoKey,
    #[error("the key does not open it")]
    Sealed,
}

/// A private key that others encrypt to. No `Debug`, `Display` or `Serialize`.
pub struct OpeningKey {
    private: Private,
    public: PublicJwk,
    kid: String,
}

enum Private {
    Rsa(OaepPrivateDecryptingKey),
    P256(PrivateKey),
}

impl OpeningKey {
    /// A fresh key: RSA of 2048 bits, or P-256. Takes a noticeable part of a second for RSA. With it the private half in PKCS#8, which is
    /// handed out this once.
    ///
    /// # Errors
    /// Another kind; the library fails.
    pub fn generate(kind: KeyKind) -> Result<(Self, Zeroizing<Vec<u8>>), SigningKeyError> {
        let der = match kind {
            KeyKind::Rsa => SigningKey::generate(Algorithm::RS256)?,
            KeyKind::P256 => SigningKey::generate(Algorithm::ES256)?,
            _ => return Err(SigningKeyError::Unsupported),
        };
        let der = der.to_pkcs8_der()?;
        Ok((Self::from_pkcs8_der(&der)?, der))
    }

    /// Reads a key that [`OpeningKey::generate`] made.
    ///
    /// # Errors
    /// What is no RSA or P-256 key in PKCS#8.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SigningKeyError> {
        let public = SigningKey::from_pkcs8_der(der)?.public_jwk().clone();
        let private = match public.kind() {
            KeyKind::Rsa => {
                let key = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| SigningKeyError::Unsupported)?;
                Private::Rsa(OaepPrivateDecryptingKey::new(key)?)
            }
            KeyKind::P256 => Private::P256(PrivateKey::from_private_key_der(&ECDH_P256, der).map_err(|_| SigningKeyError::Unsupported)?),
            _ => return Err(SigningKeyError::Unsupported),
        };
        Ok(Self { private, kid: public.thumbprint().to_string(), public })
    }

    /// The RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as it is published: for encryption and nothing else (OpenID Connect Discovery 1.0 §3: every key of a set that
    /// holds both says what it is for). It names no algorithm, since it serves several.
    pub fn public_jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        if let Some((n, e)) = self.public.rsa_parts() {
            return json!({ "kty": "RSA", "use": "enc", "kid": self.kid, "n": text(n), "e": text(e) });
        }
        let point = self.public.ec_point().unwrap_or_default();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        json!({ "kty": "EC", "use": "enc", "kid": self.kid, "crv": "P-256", "x": text(x), "y": text(y) })
    }
}

/// Something encrypted, read and not opened.
pub struct Encrypted<'t> {
    alg: KeyManagement,
    enc: ContentEncryption,
    members: Map<String, Value>,
    protected: &'t str,
    wrapped: Vec<u8>,
    vector: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

/// Does a token have the form of something encrypted?
pub fn is_encrypted(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').take(5).count() == 4
}

/// Reads something encrypted, of at most [`MAX_TOKEN`] bytes.
///
/// # Errors
/// What is wrong with its form or its header.
pub fn parse(token: &str) -> Result<Encrypted<'_>, OpenError> {
    if token.len() > MAX_TOKEN {
        return Err(OpenError::TooLarge);
    }
    let parts: Vec<_> = token.splitn(6, '.').collect();
    let [protected, wrapped, vector, ciphertext, tag] = parts[..] else { return Err(OpenError::Parts) };
    let read = |text: &str, name| URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError::Base64(name));
    let members = json::object(&read(protected, "header")?).map_err(OpenError::Header)?;
    // RFC 7516 §4.1.13: not understood means invalid; nothing is. RFC 8725 §3.6: what was compressed can be a bomb.
    for name in ["crit", "zip"] {
        if members.contains_key(name) {
            return Err(OpenError::Unsupported(name));
        }
    }
    for name in ["kid", "cty", "typ"] {
        match members.get(name) {
            None => {}
            Some(Value::String(text)) if text.len() <= crate::jwk::MAX_KID => {}
            Some(_) => return Err(OpenError::Member(name)),
        }
    }
    let word = |name: &'static str| members.get(name).and_then(Value::as_str).ok_or(OpenError::Member(name));
    let alg = KeyManagement::parse(word("alg")?).ok_or(OpenError::Unsupported("alg"))?;
    let enc = ContentEncryption::parse(word("enc")?).ok_or(OpenError::Unsupported("enc"))?;
    let (wrapped, vector, tag) = (read(wrapped, "encrypted key")?, read(vector, "vector")?, read(tag, "tag")?);
    // RFC 7516 §5.2 step 10.
    if matches!(alg, KeyManagement::Direct | KeyManagement::EcdhEs) && !wrapped.is_empty() {
        return Err(OpenError::Member("encrypted key"));
    }
    let (vector_length, tag_length) = match enc {
        ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => (NONCE_LEN, 16),
        ContentEncryption::A128CbcHs256 => (16, 16),
        ContentEncryption::A256CbcHs512 => (16, 32),
    };
    if vector.len() != vector_length || tag.len() != tag_length {
        return Err(OpenError::Member("vector or tag"));
    }
    Ok(Encrypted { alg, enc, protected, wrapped, vector, ciphertext: read(ciphertext, "ciphertext")?, tag, members })
}

impl Encrypted<'_> {
    pub fn alg(&self) -> KeyManagement {
        self.alg
    }

    pub fn enc(&self) -> ContentEncryption {
        self.enc
    }

    pub fn kid(&self) -> Option<&str> {
        self.members.get("kid")?.as_str()
    }

    /// Another member of the header, which nobody has signed.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// The type of what is inside; `JWT` for something signed.
    pub fn cty(&self) -> Option<&str> {
        self.members.get("cty")?.as_str()
    }

    /// Can a key of this kind open it?
    pub fn fits(&self, key: &OpeningKey) -> bool {
        self.alg.fits(key.public.kind())
    }

    /// Opens it with our private key.
    ///
    /// # Errors
    /// `NoKey`, `Sealed`; a malformed `epk`, `apu` or `apv`.
    pub fn open(&self, key: &OpeningKey) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let length = self.enc.key_len();
        let content_key = match (&key.private, self.alg) {
            (Private::Rsa(private), KeyManagement::RsaOaep | KeyManagement::RsaOaep256) => {
                let padding = if self.alg == KeyManagement::RsaOaep { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
                let mut room = Zeroizing::new(vec![0; private.min_output_size()]);
                let opened = private.decrypt(padding, &self.wrapped, &mut room, None);
                instead_of(opened.ok().filter(|own| own.len() == length).map(|own| &*own), length)?
            }
            (Private::P256(private), KeyManagement::EcdhEs) => self.agree(private, self.enc.as_str(), length)?,
            (Private::P256(private), KeyManagement::EcdhEsA128Kw) => {
                self.unwrap(&key_wrap::AES_128, &self.agree(private, self.alg.as_str(), 16)?)?
            }
            (Private::P256(private), KeyManagement::EcdhEsA256Kw) => {
                self.unwrap(&key_wrap::AES_256, &self.agree(private, self.alg.as_str(), 32)?)?
            }
            _ => return Err(OpenError::NoKey),
        };
        self.content(&content_key)
    }

    /// Opens it with a key that both sides know (RFC 7518 §4.5).
    ///
    /// # Errors
    /// `NoKey` for another algorithm or length, `Sealed`.
    pub fn open_shared(&self, key: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if self.alg != KeyManagement::Direct || key.len() != self.enc.key_len() {
            return Err(OpenError::NoKey);
        }
        self.content(key)
    }

    /// RFC 7518 §4.6.
    fn agree(&self, private: &PrivateKey, alg: &str, length: usize) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let party = |name: &'static str| match self.members.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if text.len() <= MAX_PARTY => URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError::Member(name)),
            Some(_) => Err(OpenError::Member(name)),
        };
        let (apu, apv) = (party("apu")?, party("apv")?);
        // Read like every other public key, so that a point beside the curve is refused here.
        let epk = self.members.get("epk").ok_or(OpenError::Member("epk"))?;
        let epk = PublicJwk::from_value(epk).ok().filter(|own| own.kind() == KeyKind::P256).ok_or(OpenError::Member("epk"))?;
        let peer = UnparsedPublicKey::new(&ECDH_P256, epk.ec_point().ok_or(OpenError::Member("epk"))?);
        agreement::agree(private, peer, OpenError::Sealed, |secret| Ok(concat_kdf(secret, alg, &apu, &apv, length)))
    }

    fn unwrap(&self, cipher: &'static key_wrap::AesBlockCipher, kek: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let length = self.enc.key_len();
        let mut room = Zeroizing::new(vec![0; self.wrapped.len().max(length)]);
        let kek = AesKek::new(cipher, kek).map_err(|_| OpenError::Sealed)?;
        let opened = kek.unwrap(&self.wrapped, &mut room);
        instead_of(opened.ok().filter(|own| own.len() == length).map(|own| &*own), length)
    }

    fn content(&self, key: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut content = Zeroizing::new(self.ciphertext.clone());
        let additional = self.protected.as_bytes();
        let (cipher, mac) = match self.enc {
            ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => {
                let algorithm = if self.enc == ContentEncryption::A128Gcm { &AES_128_GCM } else { &AES_256_GCM };
                let key = LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| OpenError::Sealed)?);
                let nonce = Nonce::try_assume_unique_for_key(&self.vector).map_err(|_| OpenError::Sealed)?;
                content.extend_from_slice(&self.tag);
                let length = key.open_in_place(nonce, Aad::from(additional), &mut content).map_err(|_| OpenError::Sealed)?.len();
                content.truncate(length);
                return Ok(content);
            }
            ContentEncryption::A128CbcHs256 => (&cipher::AES_128, hmac::HMAC_SHA256),
            ContentEncryption::A256CbcHs512 => (&cipher::AES_256, hmac::HMAC_SHA512),
        };
        let (mac_key, content_key) = key.split_at(key.len() / 2);
        let mut signed = hmac::Context::with_key(&hmac::Key::new(mac, mac_key));
        for part in [additional, &self.vector, &self.ciphertext, &(additional.len() as u64 * 8).to_be_bytes()] {
            signed.update(part);
        }
        let tag = signed.sign();
        let half = tag.as_ref().get(..self.tag.len()).ok_or(OpenError::Sealed)?;
        constant_time::verify_slices_are_equal(half, &self.tag).map_err(|_| OpenError::Sealed)?;
        let sealed = |_| OpenError::Sealed;
        let opening = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, content_key).map_err(sealed)?).map_err(sealed)?;
        let vector: [u8; 16] = self.vector[..].try_into().map_err(|_| OpenError::Sealed)?;
        let context = DecryptionContext::Iv128(FixedLength::from(vector));
        let length = opening.decrypt(&mut content, context).map_err(sealed)?.len();
        content.truncate(length);
        Ok(content)
    }
}

/// RFC 7516 §11.5: a key that was not found becomes a random one, with which nothing opens.
fn instead_of(found: Option<&[u8]>, length: usize) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut key = Zeroizing::new(vec![0; length]);
    rand::fill(&mut key).map_err(|_| OpenError::Sealed)?;
    if let Some(found) = found {
        key.copy_from_slice(found);
    }
    Ok(key)
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;
