//! A set of public keys: ours as it is published, a client's as it was registered or fetched.
//!
//! | Rule | Source |
//! |---|---|
//! | keys of an unknown `kty`, `crv` or `alg` are skipped, and named in [`Jwks::skipped`] | RFC 7517 §5 |
//! | a known kind of key that is malformed, weak or private refuses the whole set | RFC 8725 §3.5 |
//! | at most 24 KiB and 32 keys | - |
//! | a `kid` in the header chooses; several keys may share one | RFC 7515 §4.1.4, RFC 7517 §4.5 |

use serde::Serialize;
use serde_json::Value;

use crate::alg::Algorithm;
use crate::json::{self, JsonError};
use crate::jwk::{KeyError, PublicJwk};

/// Longest text of a set from outside, in bytes.
pub const MAX_JWKS: usize = 24 * 1024;

/// Most keys in a set from outside: each may cost one verification per token.
pub const MAX_KEYS: usize = 32;

/// Public keys of one owner. Serialises as `{"keys": [...]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Jwks {
    keys: Vec<PublicJwk>,
    #[serde(skip)]
    skipped: Vec<Skipped>,
}

/// A key that a set holds and we cannot use, so that its owner can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Counted from 0.
    pub index: usize,
    /// The member we do not know the value of: `kty`, `crv` or `alg`.
    pub member: &'static str,
}

/// Why a set was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    #[error("the key set is longer than {MAX_JWKS} bytes")]
    TooLarge,
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooManyKeys,
    #[error("the key set is {0}")]
    Json(#[from] JsonError),
    #[error("the key set has no array \"keys\"")]
    NoKeys,
    #[error("the key set has no usable public key")]
    Empty,
    #[error("key {index} of the set: {error}")]
    Key {
        /// Counted from 0.
        index: usize,
        error: KeyError,
    },
}

impl Jwks {
    /// Our own set, for publishing.
    pub fn new(keys: impl IntoIterator<Item = PublicJwk>) -> Self {
        Self { keys: keys.into_iter().collect(), skipped: Vec::new() }
    }

    /// Reads a set from outside.
    pub fn parse(bytes: &[u8]) -> Result<Self, JwksError> {
        if bytes.len() > MAX_JWKS {
            return Err(JwksError::TooLarge);
        }
        Self::from_value(&Value::Object(json::object(bytes)?))
    }

    /// Reads a set that somebody is to be known by: one key at least can be used.
    pub fn parse_some(bytes: &[u8]) -> Result<Self, JwksError> {
        let set = Self::parse(bytes)?;
        if set.keys.is_empty() { Err(JwksError::Empty) } else { Ok(set) }
    }

    /// Reads a set that stands inside another document, whose reader has bounded its size and refused repeated members.
    pub fn from_value(value: &Value) -> Result<Self, JwksError> {
        let Value::Object(members) = value else { return Err(JsonError::NotAnObject.into()) };
        let Some(Value::Array(values)) = members.get("keys") else { return Err(JwksError::NoKeys) };
        if values.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys);
        }
        let mut set = Self::default();
        for (index, value) in values.iter().enumerate() {
            match PublicJwk::from_value(value) {
                Ok(key) => set.keys.push(key),
                Err(KeyError::Unsupported(member)) => set.skipped.push(Skipped { index, member }),
                Err(error) => return Err(JwksError::Key { index, error }),
            }
        }
        Ok(set)
    }

    pub fn keys(&self) -> &[PublicJwk] {
        &self.keys
    }

    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The keys that may check a token with this header: those that serve `alg` and have this `kid`; if the token names
    /// none, all that serve `alg`; if it names one that no key has, those without a `kid`.
    pub fn select<'k>(&'k self, alg: Algorithm, kid: Option<&str>) -> Vec<&'k PublicJwk> {
        // A client with one anonymous key and a library that sends a kid anyway is common. It is no risk: all keys of
        // a set have one owner.
        let known = kid.is_some_and(|kid| self.keys.iter().any(|key| key.kid() == Some(kid)));
        let named = |key: &PublicJwk| match kid {
            None => true,
            Some(_) if known => key.kid() == kid,
            Some(_) => key.kid().is_none(),
        };
        self.keys.iter().filter(|key| key.serves(alg) && named(key)).collect()
    }
}

impl From<PublicJwk> for Jwks {
    fn from(key: PublicJwk) -> Self {
        Self::new([key])
    }
}
