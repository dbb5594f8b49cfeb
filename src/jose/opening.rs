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

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::cipher::{DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::{constant_time, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::alg::{Algorithm, KeyKind};
use crate::json::{self, JsonError};
use crate::jwa::{ContentEncryption, KeyManagement, curve};
use crate::jwe::concat_kdf;
use crate::jwk::PublicJwk;
use crate::jws::MAX_TOKEN;
use crate::key::{SigningKey, SigningKeyError};
use crate::wrapping::{gcm, unwrap, unwrap_gcm};

/// What stands before the 32 bytes of a private key of X25519 in PKCS#8 (RFC 8410 §7).
const X25519_PKCS8: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20];

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
    Agreeing(PrivateKey),
}

impl OpeningKey {
    /// A fresh key: RSA of 2048 bits, P-256, P-384, P-521 or X25519. Takes a noticeable part of a second for RSA. With it the private half
    /// in PKCS#8, which is handed out this once.
    ///
    /// # Errors
    /// Another kind; the library fails.
    pub fn generate(kind: KeyKind) -> Result<(Self, Zeroizing<Vec<u8>>), SigningKeyError> {
        let der = match kind {
            KeyKind::Rsa => SigningKey::generate(Algorithm::RS256)?,
            KeyKind::P256 => SigningKey::generate(Algorithm::ES256)?,
            KeyKind::P384 => SigningKey::generate(Algorithm::ES384)?,
            KeyKind::P521 => SigningKey::generate(Algorithm::ES512)?,
            KeyKind::X25519 => {
                let seed = AsBigEndian::<Curve25519SeedBin<'_>>::as_be_bytes(&PrivateKey::generate(&X25519)?)?;
                let der = Zeroizing::new([&X25519_PKCS8[..], seed.as_ref()].concat());
                return Ok((Self::from_pkcs8_der(&der)?, der));
            }
            _ => return Err(SigningKeyError::Unsupported),
        };
        let der = der.to_pkcs8_der()?;
        Ok((Self::from_pkcs8_der(&der)?, der))
    }

    /// Reads a key that [`OpeningKey::generate`] made.
    ///
    /// # Errors
    /// What is no key of these kinds in PKCS#8.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SigningKeyError> {
        if let Some(seed) = der.strip_prefix(&X25519_PKCS8) {
            let private = PrivateKey::from_private_key(&X25519, seed).map_err(|_| SigningKeyError::Unsupported)?;
            let public = PublicJwk::x25519(private.compute_public_key()?.as_ref())?;
            return Ok(Self { private: Private::Agreeing(private), kid: public.thumbprint().to_string(), public });
        }
        let public = SigningKey::from_pkcs8_der(der)?.public_jwk().clone();
        let private = match public.kind() {
            KeyKind::Rsa => {
                let key = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| SigningKeyError::Unsupported)?;
                Private::Rsa(OaepPrivateDecryptingKey::new(key)?)
            }
            kind => {
                let curve = curve(kind).ok_or(SigningKeyError::Unsupported)?;
                Private::Agreeing(PrivateKey::from_private_key_der(curve, der).map_err(|_| SigningKeyError::Unsupported)?)
            }
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
        let (kind, point) = (self.public.kind(), self.public.agreement_point().unwrap_or_default());
        let crv = kind.crv().unwrap_or_default();
        if kind == KeyKind::X25519 {
            return json!({ "kty": "OKP", "use": "enc", "kid": self.kid, "crv": crv, "x": text(&point) });
        }
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        json!({ "kty": "EC", "use": "enc", "kid": self.kid, "crv": crv, "x": text(x), "y": text(y) })
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
    if vector.len() != enc.vector_len() || tag.len() != enc.tag_len() {
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

    /// Can a key of this kind open it? One that is agreed on has the curve of the sender's.
    pub fn fits(&self, key: &OpeningKey) -> bool {
        let kind = key.public.kind();
        let crv = self.members.get("epk").and_then(|epk| epk.get("crv")).and_then(Value::as_str);
        self.alg.fits(kind) && (kind == KeyKind::Rsa || kind.crv() == crv)
    }

    /// Opens it with our private key.
    ///
    /// # Errors
    /// `NoKey`, `Sealed`; a malformed `epk`, `apu` or `apv`.
    pub fn open(&self, key: &OpeningKey) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let length = self.enc.key_len();
        let content_key = match (&key.private, self.alg.oaep(), self.alg.agreed_len(length)) {
            (Private::Rsa(private), Some(padding), _) => {
                let mut room = Zeroizing::new(vec![0; private.min_output_size()]);
                let opened = private.decrypt(padding, &self.wrapped, &mut room, None);
                instead_of(opened.ok().map(|own| &*own), length)?
            }
            (Private::Agreeing(private), None, Some(agreed)) => {
                let of = key.public.kind();
                if self.alg == KeyManagement::EcdhEs {
                    self.agree((private, of), self.enc.as_str(), agreed)?
                } else {
                    let kek = self.agree((private, of), self.alg.as_str(), agreed)?;
                    instead_of(unwrap(&kek, &self.wrapped).ok().as_deref().map(Vec::as_slice), length)?
                }
            }
            _ => return Err(OpenError::NoKey),
        };
        self.content(&content_key)
    }

    /// Opens it with a key that both sides know (RFC 7518 §4.4, §4.5, §4.7).
    ///
    /// # Errors
    /// `NoKey` for another algorithm or length, `Sealed`; a malformed `iv` or `tag`.
    pub fn open_shared(&self, key: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if self.alg.shared_len(self.enc) != Some(key.len()) {
            return Err(OpenError::NoKey);
        }
        if self.alg == KeyManagement::Direct {
            return self.content(key);
        }
        let unwrapped = if self.alg.wraps_with_gcm() {
            unwrap_gcm(key, (&self.bytes("iv", 16)?, &self.bytes("tag", 22)?), &self.wrapped)
        } else {
            unwrap(key, &self.wrapped)
        };
        let content_key = instead_of(unwrapped.ok().as_deref().map(Vec::as_slice), self.enc.key_len())?;
        self.content(&content_key)
    }

    /// A member of the header that is so long, in characters of its text.
    fn bytes(&self, name: &'static str, length: usize) -> Result<Vec<u8>, OpenError> {
        let text = self.members.get(name).and_then(Value::as_str).filter(|text| text.len() == length).ok_or(OpenError::Member(name))?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError::Member(name))
    }

    /// RFC 7518 §4.6.
    fn agree(&self, (private, kind): (&PrivateKey, KeyKind), alg: &str, length: usize) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let party = |name: &'static str| match self.members.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if text.len() <= MAX_PARTY => URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError::Member(name)),
            Some(_) => Err(OpenError::Member(name)),
        };
        let (apu, apv) = (party("apu")?, party("apv")?);
        // Read like every other public key, so that a point beside the curve is refused here.
        let epk = self.members.get("epk").ok_or(OpenError::Member("epk"))?;
        let epk = PublicJwk::for_agreement(epk).ok().filter(|own| own.kind() == kind).ok_or(OpenError::Member("epk"))?;
        let curve = curve(kind).ok_or(OpenError::NoKey)?;
        let peer = UnparsedPublicKey::new(curve, epk.agreement_point().ok_or(OpenError::Member("epk"))?);
        agreement::agree(private, peer, OpenError::Sealed, |secret| Ok(concat_kdf(secret, alg, &apu, &apv, length)))
    }

    fn content(&self, key: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut content = Zeroizing::new(self.ciphertext.clone());
        let additional = self.protected.as_bytes();
        let Some((cipher, mac)) = self.enc.cbc() else {
            let algorithm = gcm(key.len()).map_err(|_| OpenError::Sealed)?;
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| OpenError::Sealed)?);
            let nonce = Nonce::try_assume_unique_for_key(&self.vector).map_err(|_| OpenError::Sealed)?;
            content.extend_from_slice(&self.tag);
            let length = key.open_in_place(nonce, Aad::from(additional), &mut content).map_err(|_| OpenError::Sealed)?.len();
            content.truncate(length);
            return Ok(content);
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

/// RFC 7516 §11.5: a key that was not found, or is of another length, becomes a random one, with which nothing opens.
fn instead_of(found: Option<&[u8]>, length: usize) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut key = Zeroizing::new(vec![0; length]);
    rand::fill(&mut key).map_err(|_| OpenError::Sealed)?;
    if let Some(found) = found.filter(|own| own.len() == length) {
        key.copy_from_slice(found);
    }
    Ok(key)
}

#[cfg(test)]
#[path = "opening_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "cookbook_tests.rs"]
mod cookbook_tests;
