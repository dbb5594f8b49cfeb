//! Keys of a PKCS#11 token: made, found by their label, read, used. PKCS#11 v2.40 and later.
//!
//! | Rule | Source |
//! |---|---|
//! | a label names one key; two of one name are refused | our own |
//! | what is made here is sensitive, not extractable, and signs | PKCS#11 v3.0 §4.9 |
//! | RSA signs with SHA-256, PSS with a salt of 32 bytes | RFC 7518 §3.3, §3.5 |
//! | ECDSA gives r and s side by side, which is what JWS wants | PKCS#11 Current Mechanisms v3.0 §2.3.1, RFC 7518 §3.4 |
//! | a point comes as a DER OCTET STRING, of some makers bare | PKCS#11 Current Mechanisms v3.0 §2.3.3 |

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Bits of an RSA key that is made here.
const RSA_BITS: u64 = 2048;
/// The curves by their object identifiers, in DER.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];

/// base64url without padding.
pub fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is signed with (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    Rs256,
    Ps256,
    Es256,
    Es384,
    Es512,
}

impl Alg {
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(match text {
            "RS256" => Self::Rs256,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            other => bail!("this program does not sign with {other:?}; use RS256, PS256, ES256, ES384 or ES512"),
        })
    }
}

/// A token that its user opened.
pub struct Token {
    session: Session,
    /// Private keys by their names, so that they are looked for once.
    found: RefCell<HashMap<String, ObjectHandle>>,
}

impl Token {
    /// # Errors
    /// The module, the token or the PIN is not what it should be.
    pub fn open(module: &Path, label: &str, pin: &str) -> anyhow::Result<Self> {
        let module = Pkcs11::new(module).with_context(|| format!("the module {}", module.display()))?;
        module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).context("the module does not start")?;
        let mut slots = Vec::new();
        for slot in module.get_slots_with_token().context("the slots cannot be listed")? {
            if module.get_token_info(slot).is_ok_and(|token| token.label() == label) {
                slots.push(slot);
            }
        }
        let [slot] = slots[..] else { bail!("{} tokens have the label {label:?}; there has to be one", slots.len()) };
        let session = module.open_rw_session(slot).context("no session")?;
        session.login(UserType::User, Some(&AuthPin::new(pin.into()))).context("the token refuses the PIN")?;
        Ok(Self { session, found: RefCell::default() })
    }

    /// The one object of a class and a label.
    fn object(&self, class: ObjectClass, name: &str) -> anyhow::Result<ObjectHandle> {
        let found =
            self.session.find_objects(&[Attribute::Class(class), Attribute::Label(name.into())]).context("the token cannot be searched")?;
        match found[..] {
            [one] => Ok(one),
            [] => bail!("the token has no key {name:?}"),
            _ => bail!("the token has {} keys {name:?}; a name has to be one key's", found.len()),
        }
    }

    /// The public half, as a JWK.
    ///
    /// # Errors
    /// There is no such key, or none that this program uses.
    pub fn public(&self, name: &str) -> anyhow::Result<Value> {
        let key = self.object(ObjectClass::PUBLIC_KEY, name)?;
        let wanted = [AttributeType::Modulus, AttributeType::PublicExponent, AttributeType::EcParams, AttributeType::EcPoint];
        let (mut modulus, mut exponent, mut curve, mut point) = (None, None, None, None);
        for attribute in self.session.get_attributes(key, &wanted).context("the key cannot be read")? {
            match attribute {
                Attribute::Modulus(bytes) => modulus = Some(bytes),
                Attribute::PublicExponent(bytes) => exponent = Some(bytes),
                Attribute::EcParams(bytes) => curve = Some(bytes),
                Attribute::EcPoint(bytes) => point = Some(bytes),
                _ => {}
            }
        }
        match (modulus, exponent, curve, point) {
            (Some(n), Some(e), ..) => Ok(json!({ "kty": "RSA", "n": text(number(&n)), "e": text(number(&e)) })),
            (_, _, Some(curve), Some(point)) => elliptic(&curve, &point).with_context(|| format!("the key {name:?}")),
            _ => bail!("the key {name:?} is neither RSA nor elliptic"),
        }
    }

    /// A signature, in the form that JWS wants.
    ///
    /// # Errors
    /// There is no such key, or the token does not sign.
    pub fn sign(&self, name: &str, alg: Alg, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let known = self.found.borrow().get(name).copied();
        let key = match known {
            Some(key) => key,
            None => self.object(ObjectClass::PRIVATE_KEY, name)?,
        };
        let signed = match alg {
            Alg::Rs256 => self.session.sign(&Mechanism::Sha256RsaPkcs, key, message),
            Alg::Ps256 => {
                let (hash_alg, mgf) = (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256);
                self.session.sign(&Mechanism::Sha256RsaPkcsPss(PkcsPssParams { hash_alg, mgf, s_len: 32.into() }), key, message)
            }
            Alg::Es256 => self.session.sign(&Mechanism::Ecdsa, key, &Sha256::digest(message)),
            Alg::Es384 => self.session.sign(&Mechanism::Ecdsa, key, &Sha384::digest(message)),
            Alg::Es512 => self.session.sign(&Mechanism::Ecdsa, key, &Sha512::digest(message)),
        };
        match signed {
            Ok(signature) => {
                self.found.borrow_mut().insert(name.to_owned(), key);
                Ok(signature)
            }
            Err(error) => {
                // Perhaps it is another one by now.
                self.found.borrow_mut().remove(name);
                Err(error).with_context(|| format!("the token does not sign with {name:?}"))
            }
        }
    }

    /// Makes a key that never leaves the token.
    ///
    /// # Errors
    /// The name is in use, or the token does not make it.
    pub fn generate(&self, alg: Alg, name: &str) -> anyhow::Result<Value> {
        let taken = self.session.find_objects(&[Attribute::Label(name.into())]).context("the token cannot be searched")?;
        if !taken.is_empty() {
            bail!("the token has a key {name:?} already");
        }
        let mut public = vec![Attribute::Token(true), Attribute::Verify(true), Attribute::Label(name.into())];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Label(name.into()),
        ];
        let curve = match alg {
            Alg::Rs256 | Alg::Ps256 => None,
            Alg::Es256 => Some(P256),
            Alg::Es384 => Some(P384),
            Alg::Es512 => Some(P521),
        };
        let mechanism = match curve {
            Some(curve) => {
                public.push(Attribute::EcParams(curve.to_vec()));
                Mechanism::EccKeyPairGen
            }
            None => {
                public.extend([Attribute::ModulusBits(RSA_BITS.into()), Attribute::PublicExponent(vec![1, 0, 1])]);
                Mechanism::RsaPkcsKeyPairGen
            }
        };
        self.session.generate_key_pair(&mechanism, &public, &private).context("the token does not make the key")?;
        Ok(json!({ "key": name, "jwk": self.public(name)? }))
    }
}

/// Whether the token or its session is gone, so that nothing more will come of this process.
pub fn is_lost(error: &anyhow::Error) -> bool {
    use RvError::{DeviceError, DeviceRemoved, GeneralError, SessionClosed, SessionHandleInvalid, TokenNotPresent, UserNotLoggedIn};
    let Some(Error::Pkcs11(code, _)) = error.downcast_ref::<Error>() else { return false };
    matches!(code, DeviceError | DeviceRemoved | GeneralError | SessionClosed | SessionHandleInvalid | TokenNotPresent | UserNotLoggedIn)
}

/// Without leading zeros (RFC 7518 §6.3.1).
fn number(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

fn elliptic(curve: &[u8], point: &[u8]) -> anyhow::Result<Value> {
    let (crv, length) = match curve {
        P256 => ("P-256", 32),
        P384 => ("P-384", 48),
        P521 => ("P-521", 66),
        _ => bail!("is on a curve that tokens are not signed on; use P-256, P-384 or P-521"),
    };
    // 0x04 begins the octet string and the uncompressed point alike; only the length of the whole tells them apart.
    let bare = match point {
        [0x04, _, rest @ ..] if rest.len() == 2 * length + 1 => rest,
        // From 128 bytes on, DER spends two on the length: a point of P-521 has 133.
        [0x04, 0x81, _, rest @ ..] if rest.len() == 2 * length + 1 => rest,
        other => other,
    };
    match bare {
        [0x04, both @ ..] if both.len() == 2 * length => {
            let (x, y) = both.split_at(length);
            Ok(json!({ "kty": "EC", "crv": crv, "x": text(x), "y": text(y) }))
        }
        _ => bail!("has a point that cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_in_both_forms_and_no_other() {
        let whole = [&[0x04][..], &[1; 32], &[2; 32]].concat();
        let wrapped = [&[0x04, 65][..], &whole].concat();
        for point in [&whole, &wrapped] {
            let jwk = elliptic(P256, point).unwrap();
            assert_eq!((&jwk["crv"], &jwk["x"], &jwk["y"]), (&json!("P-256"), &json!(text(&[1; 32])), &json!(text(&[2; 32]))));
        }
        let large = [&[0x04][..], &[1; 66], &[2; 66]].concat();
        for point in [&large, &[&[0x04, 0x81, 133][..], &large].concat()] {
            let jwk = elliptic(P521, point).unwrap();
            assert_eq!((&jwk["crv"], &jwk["x"], &jwk["y"]), (&json!("P-521"), &json!(text(&[1; 66])), &json!(text(&[2; 66]))));
        }
        // The first byte of x is what the length of an octet string would be.
        let odd = [&[0x04, 63][..], &[3; 63]].concat();
        assert_eq!(elliptic(P256, &odd).unwrap()["y"], json!(text(&[3; 32])));
        let wrong: [(&[u8], &[u8]); 6] =
            [(P384, &whole), (P521, &whole), (P256, &whole[1..]), (&[6, 1, 1], &whole), (P256, &[]), (P256, &[4])];
        for (curve, point) in wrong {
            assert!(elliptic(curve, point).is_err());
        }
        assert_eq!(number(&[0, 0, 1, 0]), [1, 0]);
        assert_eq!(number(&[0]), [0; 0]);
    }
}
