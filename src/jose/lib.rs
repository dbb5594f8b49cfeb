//! JOSE for Chancery: keys, signatures and tokens over `aws-lc-rs`. Knows no OAuth, no clock, no network.
//!
//! ```
//! use chancery_jose::{Algorithm, Jwks, RegisteredClaims, SigningKey, jws};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::generate(Algorithm::ES256)?;
//! let token = key.sign_jwt(Algorithm::ES256, Some("JWT"), &serde_json::json!({"iss": "https://op.example", "exp": 1_700_000_300}))?;
//!
//! let published = serde_json::to_vec(&Jwks::new([key.public_jwk().clone()]))?;
//! let verified = jws::parse(&token)?.verify(&Jwks::parse(&published)?, &[Algorithm::ES256])?.payload;
//! RegisteredClaims::parse(&verified)?.validate_times(1_700_000_000, 30)?;
//! # Ok(())
//! # }
//! ```
//!
//! | Module | What | Source |
//! |---|---|---|
//! | [`alg`] | the closed matrix of algorithms and kinds of keys | RFC 7518, RFC 8037 |
//! | [`key`] | a private key: generate, PKCS#8 and PEM in, PKCS#8 out | RFC 5958, RFC 7468 |
//! | [`signing`] | signatures, and JWTs in compact form | RFC 7515 §5.1 |
//! | [`ed25519`] | plain Ed25519, for signed notes | RFC 8032 |
//! | [`jwk`] | one public key, from outside or ours | RFC 7517, RFC 8725 §3 |
//! | [`jwks`] | a set of them, and which of them may check a token | RFC 7517 §5 |
//! | [`thumbprint`] | the name of a key | RFC 7638 |
//! | [`jws`] | a token from outside: read, verified with a key that we choose | RFC 7515, RFC 8725 |
//! | [`dpop`] | a proof that brings its own key | RFC 9449 §4 |
//! | [`attestation`] | what somebody says of an instance of a client, and its proof | ABCA |
//! | [`credential_proof`] | a proof of the key that a credential is bound to | OpenID4VCI Appendix F.1 |
//! | [`key_attestation`] | what somebody says of keys of a wallet | OpenID4VCI Appendix D |
//! | [`sd_jwt`] | claims that their holder discloses one by one | RFC 9901 |
//! | [`jwa`] | the algorithms of encryption | RFC 7518 §4, §5 |
//! | [`jwe`] | encryption to somebody's key | RFC 7516, RFC 7518 |
//! | `wrapping` | one key under another | RFC 3394, RFC 7518 §4.7 |
//! | [`opening`] | what was encrypted to us: read, opened with a key that we choose | RFC 7516 §5.2 |
//! | [`jwt`] | its claims and their times | RFC 7519 |
//! | [`json`] | JSON without repeated members | RFC 7515 §4 |
//!
//! Everything that reads is bounded and never panics, whatever the bytes; the tests hold it against random and mutated
//! input, the vectors of the RFCs, and two unrelated implementations. No error holds a secret or a token.

pub mod alg;
pub mod attestation;
pub mod credential_proof;
pub mod dpop;
pub mod ed25519;
mod header;
pub mod json;
pub mod jwa;
pub mod jwe;
pub mod jwk;
pub mod jwks;
pub mod jws;
pub mod jwt;
pub mod key;
pub mod key_attestation;
pub mod opening;
pub mod sd_jwt;
pub mod signing;
pub mod thumbprint;
mod wrapping;

pub use alg::{Algorithm, KeyKind};
pub use json::JsonError;
pub use jwe::{ContentEncryption, JweError, KeyManagement, Recipient};
pub use jwk::{KeyError, PublicJwk};
pub use jwks::{Jwks, JwksError};
pub use jws::{JwsError, Verified};
pub use jwt::{ClaimsError, NumericDate, RegisteredClaims, TimeError};
pub use key::{SigningKey, SigningKeyError};
pub use opening::{Encrypted, OpenError, OpeningKey};
pub use signing::SignError;
pub use thumbprint::Thumbprint;
