//! A private signing key: made, imported, exported.
//!
//! | Rule | Source |
//! |---|---|
//! | one format in and out: PKCS#8, unencrypted | RFC 5958, RFC 7468 §10 |
//! | RSA of 2048 to 8192 bits | RFC 7518 §3.3, §3.5 |
//! | P-256, P-384, P-521, Ed25519 | RFC 7518 §3.4, RFC 8037 §3.1 |
//! | `kid` is the RFC 7638 thumbprint: the same key has the same name on every node and after every import | RFC 7638 §1 |
//!
//! A key is parsed once and kept; parsing an RSA key costs more than a signature. It has no `Debug`, `Display` or `Serialize`.
//!
//! Out of scope: keeping it (the vault), choosing one for a client, signing ([`SigningKey::sign_jwt`], `signing.rs`).

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::alg::{Algorithm, KeyKind};
use crate::header::Headers;
use crate::jwk::{KeyError, PublicJwk};
use crate::thumbprint::Thumbprint;

/// Longest PEM text that is read, in bytes. An RSA key of 8192 bits needs 6.4 KiB.
const MAX_PEM: usize = 64 * 1024;

/// A private key, ready to sign. Erased from memory by aws-lc when dropped.
pub struct SigningKey {
    pub(crate) pair: Pair,
    pub(crate) headers: Headers,
    public: PublicJwk,
    kid: String,
}

pub(crate) enum Pair {
    Rsa(RsaKeyPair),
    Ec(KeyKind, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a key cannot be used. The sentences are for the operator and say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    #[error("no key can be generated for {0}: use RS256, PS256, ES256, ES384, ES512 or EdDSA")]
    NotASigningAlgorithm(Algorithm),
    #[error("the key is {0}, not PKCS#8; convert it with: openssl pkcs8 -topk8 -nocrypt -in key.pem -out key.pkcs8.pem")]
    NotPkcs8(&'static str),
    #[error("the key is encrypted; decrypt it with: openssl pkcs8 -in key.pem -out key.pkcs8.pem")]
    Encrypted,
    #[error(
        "there is no readable \"-----BEGIN PRIVATE KEY-----\" in the text; make one with: \
         openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pkcs8.pem"
    )]
    NoPem,
    #[error("the text has more than one private key; give exactly one")]
    SeveralKeys,
    #[error("the RSA key has fewer than 2048 or more than 8192 bits, or is inconsistent")]
    RsaSize,
    #[error("the key is not an RSA (2048 to 8192 bits), P-256, P-384, P-521 or Ed25519 private key in PKCS#8")]
    Unsupported,
    #[error("the public half of the key is unfit: {0}")]
    Public(#[from] KeyError),
    #[error("the cryptographic library failed")]
    Library,
}

impl From<aws_lc_rs::error::Unspecified> for SigningKeyError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Library
    }
}

impl SigningKey {
    /// A fresh key that serves `alg`. RSA keys have 2048 bits and take a noticeable part of a second.
    pub fn generate(alg: Algorithm) -> Result<Self, SigningKeyError> {
        match alg {
            Algorithm::RS256 | Algorithm::PS256 => Self::generate_rsa(KeySize::Rsa2048),
            Algorithm::EdDSA => Self::new(Pair::Ed25519(Ed25519KeyPair::generate()?)),
            _ => {
                let kind = alg.key_kind();
                let (_, curve) = CURVES.iter().find(|(own, _)| *own == kind).ok_or(SigningKeyError::NotASigningAlgorithm(alg))?;
                Self::new(Pair::Ec(kind, EcdsaKeyPair::generate(curve)?))
            }
        }
    }

    fn generate_rsa(size: KeySize) -> Result<Self, SigningKeyError> {
        Self::new(Pair::Rsa(RsaKeyPair::generate(size)?))
    }

    /// Reads a PKCS#8 key; its kind is found by trying, as each parser checks the algorithm identifier first.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SigningKeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Self::new(Pair::Ed25519(pair));
        }
        for (kind, curve) in CURVES {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(curve, der) {
                return Self::new(Pair::Ec(*kind, pair));
            }
        }
        match RsaKeyPair::from_pkcs8(der) {
            Ok(pair) => Self::new(Pair::Rsa(pair)),
            // rsaEncryption, 1.2.840.113549.1.1.1: only chooses the sentence.
            Err(_) if der.windows(RSA_OID.len()).take(32).any(|window| window == RSA_OID) => Err(SigningKeyError::RsaSize),
            Err(_) => Err(SigningKeyError::Unsupported),
        }
    }

    /// Reads exactly one `PRIVATE KEY` from PEM text. Older formats are refused with the command that converts them.
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        if pem.len() > MAX_PEM {
            return Err(SigningKeyError::NoPem);
        }
        for (label, refusal) in [
            ("-----BEGIN RSA PRIVATE KEY-----", SigningKeyError::NotPkcs8("PKCS#1 (\"RSA PRIVATE KEY\")")),
            ("-----BEGIN EC PRIVATE KEY-----", SigningKeyError::NotPkcs8("SEC 1 (\"EC PRIVATE KEY\")")),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", SigningKeyError::Encrypted),
        ] {
            if pem.contains(label) {
                return Err(refusal);
            }
        }
        let mut keys = PrivatePkcs8KeyDer::pem_slice_iter(pem.as_bytes());
        let Some(Ok(der)) = keys.next() else { return Err(SigningKeyError::NoPem) };
        let der = Zeroizing::new(der);
        // Two keys in one text: which one signs would depend on their order.
        if keys.next().is_some() {
            return Err(SigningKeyError::SeveralKeys);
        }
        Self::from_pkcs8_der(der.secret_pkcs8_der())
    }

    fn new(pair: Pair) -> Result<Self, SigningKeyError> {
        let public = match &pair {
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                PublicJwk::rsa(key.modulus().big_endian_without_leading_zero(), key.exponent().big_endian_without_leading_zero())?
            }
            Pair::Ec(kind, pair) => PublicJwk::ec(*kind, pair.public_key().as_ref())?,
            Pair::Ed25519(pair) => PublicJwk::ed25519(pair.public_key().as_ref())?,
        };
        let kid = public.thumbprint().to_string();
        let public = public.with_kid(kid.clone());
        // An RSA key serves RS256 and PS256, so its JWK names neither. The others have one algorithm each, and say so.
        let public = match *public.kind().signing_algorithms() {
            [only] => public.clone().with_alg(only).unwrap_or(public),
            _ => public,
        };
        Ok(Self { headers: Headers::new(public.kind().signing_algorithms(), &kid), pair, public, kid })
    }

    /// The key as unencrypted PKCS#8, in memory that is wiped when dropped.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, SigningKeyError> {
        Ok(Zeroizing::new(match &self.pair {
            Pair::Rsa(pair) => pair.as_der()?.as_ref().to_vec(),
            Pair::Ec(_, pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            // Version 1, which every other tool reads.
            Pair::Ed25519(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
        }))
    }

    /// What it can sign with, the preferred one first.
    pub fn algorithms(&self) -> &'static [Algorithm] {
        self.public.kind().signing_algorithms()
    }

    /// Whether it can sign with `alg`.
    pub fn serves(&self, alg: Algorithm) -> bool {
        self.algorithms().contains(&alg)
    }

    /// The RFC 7638 thumbprint, base64url, 43 characters.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn thumbprint(&self) -> Thumbprint {
        self.public.thumbprint()
    }

    /// The public half with `kid`, as it is published.
    pub fn public_jwk(&self) -> &PublicJwk {
        &self.public
    }
}

/// The curves, each with the one hash that JWS pairs it with (RFC 7518 §3.4).
const CURVES: &[(KeyKind, &EcdsaSigningAlgorithm)] = &[
    (KeyKind::P256, &ECDSA_P256_SHA256_FIXED_SIGNING),
    (KeyKind::P384, &ECDSA_P384_SHA384_FIXED_SIGNING),
    (KeyKind::P521, &ECDSA_P521_SHA512_FIXED_SIGNING),
];

const RSA_OID: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
