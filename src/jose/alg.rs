//! The closed matrix: which algorithm goes with which kind of key.
//!
//! | Rule | Source |
//! |---|---|
//! | RS256, PS256, ES256, HS256 and their larger kin | RFC 7518 §3.1 |
//! | EdDSA, here with Ed25519 only; the same by its own name | RFC 8037 §3.1, RFC 9864 §2.2 |
//! | one curve per ECDSA algorithm | RFC 7518 §3.4 |
//! | the algorithm is pinned by the caller and by the key, never chosen by the token | RFC 8725 §3.1, §3.2 |
//! | `none` does not exist here | RFC 8725 §3.2 |
//!
//! Out of scope: secp256k1 (RFC 8812), Ed448; encryption is in `jwe`.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{self as lc, RsaParameters};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A signature algorithm that this package can verify. The ones it can sign with are [`Algorithm::SIGNING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
    /// EdDSA with this curve by its own name. A key that says one of the names serves that one alone.
    Ed25519,
    HS256,
    HS384,
    HS512,
}

/// What a key is made of; each algorithm works with exactly one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    /// For agreeing on keys, never for signatures (RFC 8037 §3.2).
    X25519,
    /// A shared secret: never part of a JWKS, see [`crate::jws::Parsed::verify_mac`].
    Secret,
}

impl Algorithm {
    /// What a [`crate::SigningKey`] can sign with.
    pub const SIGNING: &'static [Self] = &[Self::RS256, Self::PS256, Self::ES256, Self::ES384, Self::ES512, Self::EdDSA];

    /// What can be verified with a public key.
    pub const ASYMMETRIC: &'static [Self] = &[
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::Ed25519,
    ];

    /// What can be verified with a shared secret.
    pub const SYMMETRIC: &'static [Self] = &[Self::HS256, Self::HS384, Self::HS512];

    /// The value of `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// `alg` values are case-sensitive (RFC 7515 §4.1.1). `None` for `none` and for everything unknown.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ASYMMETRIC.iter().chain(Self::SYMMETRIC).copied().find(|alg| alg.as_str() == text)
    }

    /// Padding and hash of the RSA algorithms, for keys of the sizes that are taken.
    pub(crate) fn rsa_parameters(self) -> Option<&'static RsaParameters> {
        match self {
            Self::RS256 => Some(&lc::RSA_PKCS1_2048_8192_SHA256),
            Self::RS384 => Some(&lc::RSA_PKCS1_2048_8192_SHA384),
            Self::RS512 => Some(&lc::RSA_PKCS1_2048_8192_SHA512),
            Self::PS256 => Some(&lc::RSA_PSS_2048_8192_SHA256),
            Self::PS384 => Some(&lc::RSA_PSS_2048_8192_SHA384),
            Self::PS512 => Some(&lc::RSA_PSS_2048_8192_SHA512),
            _ => None,
        }
    }

    /// The one kind of key this algorithm works with.
    pub const fn key_kind(self) -> KeyKind {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => KeyKind::Rsa,
            Self::ES256 => KeyKind::P256,
            Self::ES384 => KeyKind::P384,
            Self::ES512 => KeyKind::P521,
            Self::EdDSA | Self::Ed25519 => KeyKind::Ed25519,
            Self::HS256 | Self::HS384 | Self::HS512 => KeyKind::Secret,
        }
    }
}

impl KeyKind {
    /// The value of `kty`.
    pub const fn kty(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 | Self::P384 | Self::P521 => "EC",
            Self::Ed25519 | Self::X25519 => "OKP",
            Self::Secret => "oct",
        }
    }

    /// The value of `crv`, for kinds that have one.
    pub const fn crv(self) -> Option<&'static str> {
        match self {
            Self::P256 => Some("P-256"),
            Self::P384 => Some("P-384"),
            Self::P521 => Some("P-521"),
            Self::Ed25519 => Some("Ed25519"),
            Self::X25519 => Some("X25519"),
            Self::Rsa | Self::Secret => None,
        }
    }

    /// The signing algorithms a private key of this kind serves, the preferred one first.
    pub const fn signing_algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Rsa => &[Algorithm::RS256, Algorithm::PS256],
            Self::P256 => &[Algorithm::ES256],
            Self::P384 => &[Algorithm::ES384],
            Self::P521 => &[Algorithm::ES512],
            Self::Ed25519 => &[Algorithm::EdDSA],
            Self::X25519 | Self::Secret => &[],
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no algorithm of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, HS256, HS384, HS512")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::parse(text).ok_or(UnknownAlgorithm)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7515_4_1_1_names_are_case_sensitive_and_none_is_unknown() {
        for text in ["none", "None", "NONE", "", "rs256", "RS256 ", "ES256K", "RSA-OAEP-256", "Ed448", "ed25519"] {
            assert_eq!(Algorithm::parse(text), None, "{text}");
        }
        for alg in Algorithm::ASYMMETRIC.iter().chain(Algorithm::SYMMETRIC) {
            assert_eq!(Algorithm::parse(alg.as_str()), Some(*alg));
        }
    }

    #[test]
    fn every_signing_algorithm_is_served_by_its_own_kind_only() {
        for alg in Algorithm::SIGNING {
            assert!(alg.key_kind().signing_algorithms().contains(alg));
        }
        assert!(!KeyKind::Rsa.signing_algorithms().contains(&Algorithm::ES256));
    }
}
