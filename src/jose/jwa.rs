//! The closed matrix of encryption: which algorithm goes with which kind and which length of key.
//!
//! | Rule | Source |
//! |---|---|
//! | RSA-OAEP with SHA-1, SHA-256, SHA-384 and SHA-512 | RFC 7518 §4.3, the registry of RFC 7518 §7.1 |
//! | ECDH-ES alone and with a key wrap, on P-256, P-384, P-521 and X25519 | RFC 7518 §4.6, RFC 8037 §3.2 |
//! | a shared key: directly (`dir`), or around the content key with AES key wrap or AES-GCM | RFC 7518 §4.4, §4.5, §4.7 |
//! | AES-GCM, and AES-CBC with HMAC, of 128, 192 and 256 bits | RFC 7518 §5.1 |
//!
//! Out of scope: RSA1_5 (RFC 8725 §3.2), passwords (PBES2), X448.

use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, X25519};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm};
use aws_lc_rs::{cipher, hmac};

use crate::alg::KeyKind;

/// How the content key is agreed on or wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyManagement {
    RsaOaep,
    RsaOaep256,
    RsaOaep384,
    RsaOaep512,
    EcdhEs,
    EcdhEsA128Kw,
    EcdhEsA192Kw,
    EcdhEsA256Kw,
    /// A key that both sides know, around the content key (RFC 7518 §4.4).
    A128Kw,
    A192Kw,
    A256Kw,
    /// The same with AES-GCM (RFC 7518 §4.7).
    A128GcmKw,
    A192GcmKw,
    A256GcmKw,
    /// The content key is one that both sides know.
    Direct,
}

/// How the content is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncryption {
    A128Gcm,
    A192Gcm,
    A256Gcm,
    A128CbcHs256,
    A192CbcHs384,
    A256CbcHs512,
}

impl KeyManagement {
    pub const ALL: &'static [Self] = &[
        Self::RsaOaep,
        Self::RsaOaep256,
        Self::RsaOaep384,
        Self::RsaOaep512,
        Self::EcdhEs,
        Self::EcdhEsA128Kw,
        Self::EcdhEsA192Kw,
        Self::EcdhEsA256Kw,
        Self::A128Kw,
        Self::A192Kw,
        Self::A256Kw,
        Self::A128GcmKw,
        Self::A192GcmKw,
        Self::A256GcmKw,
        Self::Direct,
    ];

    /// The value of `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::RsaOaep384 => "RSA-OAEP-384",
            Self::RsaOaep512 => "RSA-OAEP-512",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA192Kw => "ECDH-ES+A192KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::A128Kw => "A128KW",
            Self::A192Kw => "A192KW",
            Self::A256Kw => "A256KW",
            Self::A128GcmKw => "A128GCMKW",
            Self::A192GcmKw => "A192GCMKW",
            Self::A256GcmKw => "A256GCMKW",
            Self::Direct => "dir",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.as_str() == text)
    }

    pub(crate) fn fits(self, kind: KeyKind) -> bool {
        if self.oaep().is_some() {
            return kind == KeyKind::Rsa;
        }
        self.agreed_len(0).is_some() && curve(kind).is_some()
    }

    pub(crate) fn oaep(self) -> Option<&'static OaepAlgorithm> {
        match self {
            Self::RsaOaep => Some(&OAEP_SHA1_MGF1SHA1),
            Self::RsaOaep256 => Some(&OAEP_SHA256_MGF1SHA256),
            Self::RsaOaep384 => Some(&OAEP_SHA384_MGF1SHA384),
            Self::RsaOaep512 => Some(&OAEP_SHA512_MGF1SHA512),
            _ => None,
        }
    }

    /// Bytes of the key that is agreed on, where one is: that of the content, or one around it.
    pub(crate) const fn agreed_len(self, of_content: usize) -> Option<usize> {
        match self {
            Self::EcdhEs => Some(of_content),
            Self::EcdhEsA128Kw => Some(16),
            Self::EcdhEsA192Kw => Some(24),
            Self::EcdhEsA256Kw => Some(32),
            _ => None,
        }
    }

    /// Bytes of the key that both sides know; `None` where none is known beforehand.
    pub const fn shared_len(self, enc: ContentEncryption) -> Option<usize> {
        match self {
            Self::Direct => Some(enc.key_len()),
            Self::A128Kw | Self::A128GcmKw => Some(16),
            Self::A192Kw | Self::A192GcmKw => Some(24),
            Self::A256Kw | Self::A256GcmKw => Some(32),
            _ => None,
        }
    }

    pub(crate) const fn wraps_with_gcm(self) -> bool {
        matches!(self, Self::A128GcmKw | Self::A192GcmKw | Self::A256GcmKw)
    }
}

impl ContentEncryption {
    pub const ALL: &'static [Self] =
        &[Self::A128Gcm, Self::A192Gcm, Self::A256Gcm, Self::A128CbcHs256, Self::A192CbcHs384, Self::A256CbcHs512];

    /// The value of `enc`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A192Gcm => "A192GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A192CbcHs384 => "A192CBC-HS384",
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
            Self::A192Gcm => 24,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A192CbcHs384 => 48,
            Self::A256CbcHs512 => 64,
        }
    }

    /// Cipher and MAC; `None` where one algorithm is both.
    pub(crate) fn cbc(self) -> Option<(&'static cipher::Algorithm, hmac::Algorithm)> {
        match self {
            Self::A128Gcm | Self::A192Gcm | Self::A256Gcm => None,
            Self::A128CbcHs256 => Some((&cipher::AES_128, hmac::HMAC_SHA256)),
            Self::A192CbcHs384 => Some((&cipher::AES_192, hmac::HMAC_SHA384)),
            Self::A256CbcHs512 => Some((&cipher::AES_256, hmac::HMAC_SHA512)),
        }
    }

    /// Bytes of the initialization vector.
    pub(crate) fn vector_len(self) -> usize {
        if self.cbc().is_some() { 16 } else { NONCE_LEN }
    }

    /// Bytes of the tag: half a MAC (RFC 7518 §5.2.2.1), or that of GCM.
    pub(crate) fn tag_len(self) -> usize {
        if self.cbc().is_some() { self.key_len() / 2 } else { 16 }
    }
}

/// The curves that keys are agreed on (RFC 7518 §4.6.1.1, RFC 8037 §3.2).
pub(crate) fn curve(kind: KeyKind) -> Option<&'static agreement::Algorithm> {
    match kind {
        KeyKind::P256 => Some(&ECDH_P256),
        KeyKind::P384 => Some(&ECDH_P384),
        KeyKind::P521 => Some(&ECDH_P521),
        KeyKind::X25519 => Some(&X25519),
        KeyKind::Rsa | KeyKind::Ed25519 | KeyKind::Secret => None,
    }
}
