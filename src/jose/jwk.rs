//! One public key: read with suspicion, written afresh.
//!
//! | Rule | Source |
//! |---|---|
//! | a private or symmetric member is refused by name: somebody published a secret | RFC 7517 §9.2, RFC 7591 §2 |
//! | RSA: modulus of 2048 to 8192 bits, no leading zero, odd; exponent odd and at least 3 | RFC 7518 §3.3, §6.3.1 |
//! | EC: `x` and `y` of exactly the curve's length, and the point lies on the curve | RFC 7518 §6.2.1, RFC 8725 §3.4 |
//! | OKP: Ed25519, `x` of 32 bytes, not of small order | RFC 8037 §2, RFC 8032 §8.3, RFC 7748 §7 |
//! | `alg`, if stated, fits the key; then no other algorithm may use it | RFC 7517 §4.4, RFC 8725 §3.1 |
//! | `use` and `key_ops` are obeyed | RFC 7517 §4.2, §4.3 |
//!
//! The material is typed by `jose-jwk`; `alg`, `use`, `kid` and all checks are ours, because that crate fails on an `alg`
//! it does not know and validates nothing.
//!
//! Out of scope: private keys ([`crate::SigningKey`]), certificates (`x5c`, `x5t`), fetching (`x5u`, `jku`).

use aws_lc_rs::signature::{self as lc, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::alg::{Algorithm, KeyKind};
use crate::thumbprint::Thumbprint;

/// Longest `kid` taken from outside, in bytes.
pub const MAX_KID: usize = 256;

/// Members that only a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4; RFC 8037 §2; `priv` of AKP keys).
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A public key whose material was checked. Equal if material and metadata are.
#[derive(Clone)]
pub struct PublicJwk {
    kid: Option<String>,
    alg: Option<Algorithm>,
    /// `use` is absent or `sig`, and `key_ops` is absent or has `verify`.
    verifies: bool,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    Ec { kind: KeyKind, x: Box<[u8]>, y: Box<[u8]>, parsed: ParsedPublicKey },
    Ed25519 { x: [u8; 32], parsed: ParsedPublicKey },
    X25519 { x: [u8; 32] },
}

/// Why a key was refused. Names members, never their values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key must be a JSON object")]
    NotAnObject,
    #[error("the private member \"{0}\" must not be in a public key: treat this key as leaked and replace it")]
    PrivateMember(&'static str),
    /// Not wrong, only unknown here; a set skips such a key.
    #[error("unsupported {0}")]
    Unsupported(&'static str),
    #[error("the member \"{0}\" is missing, of the wrong type or malformed")]
    Member(&'static str),
    #[error("the key material is missing, or not base64url without padding")]
    Material,
    #[error("an RSA key must have 2048 to 8192 bits, this one has {0}")]
    RsaSize(usize),
    #[error("an RSA modulus must be odd and without leading zeros")]
    RsaModulus,
    #[error("an RSA exponent must be odd, at least 3, below 2^33 and without leading zeros")]
    RsaExponent,
    #[error("a coordinate does not have exactly the length of its curve")]
    PointLength,
    #[error("the point is not on its curve")]
    NotOnCurve,
    #[error("the point is of small order: signatures under it are easy to forge")]
    SmallOrder,
    #[error("\"alg\" is {0}, which does not fit this kind of key")]
    AlgMismatch(Algorithm),
}

impl PublicJwk {
    /// Reads one key from outside. Unknown members are ignored (RFC 7517 §4).
    pub fn from_value(value: &Value) -> Result<Self, KeyError> {
        match Self::for_agreement(value) {
            Err(leaked @ KeyError::PrivateMember(_)) => Err(leaked),
            // It signs nothing: wherever signatures are checked it is of an unknown kind, whatever else it says.
            _ if value.get("crv").is_some_and(|crv| crv == "X25519") => Err(KeyError::Unsupported("crv")),
            other => other,
        }
    }

    /// The same for a key that is encrypted to or agreed with, which may be one of X25519 too (RFC 8037 §3.2).
    pub(crate) fn for_agreement(value: &Value) -> Result<Self, KeyError> {
        let Value::Object(members) = value else { return Err(KeyError::NotAnObject) };
        // First, and whatever the kind of key is: this is the one mistake that its owner must hear of.
        if let Some(name) = PRIVATE_MEMBERS.into_iter().find(|name| members.contains_key(*name)) {
            return Err(KeyError::PrivateMember(name));
        }
        let kid = string(members, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(KeyError::Member("kid"));
        }
        // RFC 8725 §3.1: an algorithm unknown to us must not turn into "any algorithm".
        let alg = match string(members, "alg")? {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or(KeyError::Unsupported("alg"))?),
        };
        let verifies = string(members, "use")?.is_none_or(|usage| usage == "sig") && may_verify(members)?;
        let key = Self { kid: kid.map(str::to_owned), alg: None, verifies, material: material(members)? };
        match alg {
            None => Ok(key),
            // {"kty":"RSA","alg":"ES256"} and its like.
            Some(alg) => key.with_alg(alg).ok_or(KeyError::AlgMismatch(alg)),
        }
    }

    /// From big-endian numbers without leading zeros.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::bare(rsa(n, e)?))
    }

    /// From an uncompressed point: 0x04, x, y.
    pub(crate) fn ec(kind: KeyKind, point: &[u8]) -> Result<Self, KeyError> {
        let coordinates = point.strip_prefix(&[4]).ok_or(KeyError::PointLength)?;
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        Ok(Self::bare(ec(kind, x, y)?))
    }

    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::bare(ed25519(x)?))
    }

    pub(crate) fn x25519(x: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::bare(Material::X25519 { x: x.try_into().map_err(|_| KeyError::PointLength)? }))
    }

    fn bare(material: Material) -> Self {
        Self { kid: None, alg: None, verifies: true, material }
    }

    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        Self { kid: Some(kid.into()), ..self }
    }

    /// States `alg`; from then on no other algorithm may use the key. `None` if it does not fit the material.
    pub fn with_alg(self, alg: Algorithm) -> Option<Self> {
        (alg.key_kind() == self.kind()).then_some(Self { alg: Some(alg), ..self })
    }

    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub fn alg(&self) -> Option<Algorithm> {
        self.alg
    }

    pub fn kind(&self) -> KeyKind {
        match &self.material {
            Material::Rsa { .. } => KeyKind::Rsa,
            Material::Ec { kind, .. } => *kind,
            Material::Ed25519 { .. } => KeyKind::Ed25519,
            Material::X25519 { .. } => KeyKind::X25519,
        }
    }

    /// Whether a signature by `alg` may be checked with this key: material, stated `alg`, `use` and `key_ops` all agree.
    pub fn serves(&self, alg: Algorithm) -> bool {
        self.verifies && self.kind() == alg.key_kind() && self.alg.is_none_or(|stated| stated == alg)
    }

    /// Modulus and exponent of an RSA key.
    pub(crate) fn rsa_parts(&self) -> Option<(&[u8], &[u8])> {
        match &self.material {
            Material::Rsa { n, e } => Some((n, e)),
            Material::Ec { .. } | Material::Ed25519 { .. } | Material::X25519 { .. } => None,
        }
    }

    /// The uncompressed point of an elliptic key.
    pub(crate) fn ec_point(&self) -> Option<Vec<u8>> {
        match &self.material {
            Material::Ec { x, y, .. } => Some([&[4], &x[..], y].concat()),
            Material::Rsa { .. } | Material::Ed25519 { .. } | Material::X25519 { .. } => None,
        }
    }

    /// What a key is agreed on with: an uncompressed point, or the coordinate of X25519.
    pub(crate) fn agreement_point(&self) -> Option<Vec<u8>> {
        match &self.material {
            Material::X25519 { x } => Some(x.to_vec()),
            _ => self.ec_point(),
        }
    }

    /// RFC 7638 §3. The same for all JWKs of one key, whatever their metadata.
    pub fn thumbprint(&self) -> Thumbprint {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Thumbprint::of(&match &self.material {
            Material::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Material::Ec { kind, x, y, .. } => {
                format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, kind.crv().unwrap_or_default(), text(x), text(y))
            }
            Material::Ed25519 { x, .. } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
            Material::X25519 { x } => format!(r#"{{"crv":"X25519","kty":"OKP","x":"{}"}}"#, text(x)),
        })
    }

    /// Whether it may check signatures at all.
    pub fn verifies_something(&self) -> bool {
        self.verifies
    }

    /// Its material alone, without what only its owner calls it, as an object.
    pub fn bare_members(&self) -> Map<String, Value> {
        // A map with names of text always serialises to an object.
        let mut members = match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        members.retain(|name, _| matches!(name.as_str(), "kty" | "crv" | "x" | "y" | "n" | "e"));
        members
    }

    /// Whether `signature` over `message` is by this key and `alg`. False too when the key may not serve `alg`.
    pub fn verifies(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.serves(alg) {
            return false;
        }
        match &self.material {
            Material::Rsa { n, e } => match alg.rsa_parameters() {
                Some(parameters) => RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok(),
                None => false,
            },
            Material::Ec { parsed, .. } | Material::Ed25519 { parsed, .. } => parsed.verify_sig(message, signature).is_ok(),
            Material::X25519 { .. } => false,
        }
    }
}

fn string<'v>(members: &'v Map<String, Value>, name: &'static str) -> Result<Option<&'v str>, KeyError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyError::Member(name)),
    }
}

fn may_verify(members: &Map<String, Value>) -> Result<bool, KeyError> {
    match members.get("key_ops") {
        None => Ok(true),
        Some(Value::Array(operations)) => Ok(operations.iter().any(|operation| operation == "verify")),
        Some(_) => Err(KeyError::Member("key_ops")),
    }
}

fn material(members: &Map<String, Value>) -> Result<Material, KeyError> {
    let kty = string(members, "kty")?.ok_or(KeyError::Member("kty"))?;
    let crv = string(members, "crv")?;
    let needed: &[&str] = match (kty, crv) {
        ("RSA", _) => &["kty", "n", "e"],
        ("EC", Some("P-256" | "P-384" | "P-521")) => &["kty", "crv", "x", "y"],
        ("OKP", Some("Ed25519" | "X25519")) => &["kty", "crv", "x"],
        ("EC" | "OKP", None) => return Err(KeyError::Member("crv")),
        ("EC" | "OKP", Some(_)) => return Err(KeyError::Unsupported("crv")),
        _ => return Err(KeyError::Unsupported("kty")),
    };
    // Only these members reach jose-jwk: what it knows beyond them (private parts) has been refused, the rest is noise.
    let picked = needed.iter().filter_map(|name| members.get_key_value(*name)).map(|(name, value)| (name.clone(), value.clone()));
    match serde_json::from_value(Value::Object(picked.collect())).map_err(|_| KeyError::Material)? {
        jose_jwk::Key::Rsa(key) => rsa(&key.n, &key.e),
        jose_jwk::Key::Ec(key) => match key.crv {
            jose_jwk::EcCurves::P256 => ec(KeyKind::P256, &key.x, &key.y),
            jose_jwk::EcCurves::P384 => ec(KeyKind::P384, &key.x, &key.y),
            jose_jwk::EcCurves::P521 => ec(KeyKind::P521, &key.x, &key.y),
            _ => Err(KeyError::Unsupported("crv")),
        },
        jose_jwk::Key::Okp(key) if key.crv == jose_jwk::OkpCurves::X25519 => {
            Ok(Material::X25519 { x: key.x[..].try_into().map_err(|_| KeyError::PointLength)? })
        }
        jose_jwk::Key::Okp(key) => ed25519(&key.x),
        _ => Err(KeyError::Unsupported("kty")),
    }
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Material, KeyError> {
    // RFC 7518 §6.3.1.1: no leading zero octet. Two spellings of one key would have two thumbprints.
    let (Some(first), Some(last)) = (n.first(), n.last()) else { return Err(KeyError::RsaModulus) };
    if *first == 0 || last % 2 == 0 {
        return Err(KeyError::RsaModulus);
    }
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    if !(2048..=8192).contains(&bits) {
        return Err(KeyError::RsaSize(bits));
    }
    let (Some(first), Some(last)) = (e.first(), e.last()) else { return Err(KeyError::RsaExponent) };
    // A huge exponent makes each verification slow; 1 makes every message its own signature.
    let too_long = e.len() > 5 || (e.len() == 5 && *first > 1);
    if *first == 0 || last % 2 == 0 || e == [1] || too_long {
        return Err(KeyError::RsaExponent);
    }
    Ok(Material::Rsa { n: n.into(), e: e.into() })
}

fn ec(kind: KeyKind, x: &[u8], y: &[u8]) -> Result<Material, KeyError> {
    let (length, algorithm): (usize, &'static dyn VerificationAlgorithm) = match kind {
        KeyKind::P256 => (32, &lc::ECDSA_P256_SHA256_FIXED),
        KeyKind::P384 => (48, &lc::ECDSA_P384_SHA384_FIXED),
        KeyKind::P521 => (66, &lc::ECDSA_P521_SHA512_FIXED),
        KeyKind::Rsa | KeyKind::Ed25519 | KeyKind::X25519 | KeyKind::Secret => return Err(KeyError::Unsupported("crv")),
    };
    if x.len() != length || y.len() != length {
        return Err(KeyError::PointLength);
    }
    // Parsing the uncompressed point checks that it lies on the curve (RFC 8725 §3.4, invalid-curve attacks).
    let parsed = ParsedPublicKey::new(algorithm, [&[4], x, y].concat()).map_err(|_| KeyError::NotOnCurve)?;
    Ok(Material::Ec { kind, x: x.into(), y: y.into(), parsed })
}

/// The `y` of every point whose order divides 8 (RFC 8032 §5.1), little-endian, and the two spellings beyond the field's prime.
#[rustfmt::skip]
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
    [0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
    [0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05],
    [0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a],
    [0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
];

fn ed25519(x: &[u8]) -> Result<Material, KeyError> {
    let x: [u8; 32] = x.try_into().map_err(|_| KeyError::PointLength)?;
    // With such a key one signature fits many messages, and no private key is needed: "signed by" would prove nothing.
    let mut y = x;
    y[31] &= 0x7f;
    if SMALL_ORDER.contains(&y) {
        return Err(KeyError::SmallOrder);
    }
    let parsed = ParsedPublicKey::new(&lc::ED25519, x).map_err(|_| KeyError::NotOnCurve)?;
    Ok(Material::Ed25519 { x, parsed })
}

/// Public members only, in one order: `kty, use, alg, kid`, then the material.
impl Serialize for PublicJwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kty", self.kind().kty())?;
        // A foreign key for another purpose does not become a signature key by passing through here.
        if self.verifies {
            map.serialize_entry("use", "sig")?;
        }
        if let Some(alg) = self.alg {
            map.serialize_entry("alg", &alg)?;
        }
        if let Some(kid) = &self.kid {
            map.serialize_entry("kid", kid)?;
        }
        if let Some(crv) = self.kind().crv() {
            map.serialize_entry("crv", crv)?;
        }
        match &self.material {
            Material::Rsa { n, e } => {
                map.serialize_entry("n", &text(n))?;
                map.serialize_entry("e", &text(e))?;
            }
            Material::Ec { x, y, .. } => {
                map.serialize_entry("x", &text(x))?;
                map.serialize_entry("y", &text(y))?;
            }
            Material::Ed25519 { x, .. } | Material::X25519 { x } => map.serialize_entry("x", &text(x))?,
        }
        map.end()
    }
}

impl PartialEq for PublicJwk {
    fn eq(&self, other: &Self) -> bool {
        let same_metadata = self.kid == other.kid && self.alg == other.alg && self.verifies == other.verifies;
        same_metadata && self.thumbprint() == other.thumbprint()
    }
}

impl Eq for PublicJwk {}

impl std::fmt::Debug for PublicJwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("PublicJwk");
        debug.field("kid", &self.kid).field("alg", &self.alg).field("kind", &self.kind());
        debug.field("thumbprint", &self.thumbprint()).finish()
    }
}
