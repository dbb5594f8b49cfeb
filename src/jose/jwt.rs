//! The registered claims of a token that somebody else wrote: an assertion, a request object, an `id_token_hint`.
//!
//! | Rule | Source |
//! |---|---|
//! | claims are a JSON object without repeated members | RFC 7519 §4 |
//! | `iss`, `sub`, `jti` are strings; `aud` is one string or an array of them | RFC 7519 §4.1 |
//! | a NumericDate may be fractional; no number, however hostile, overflows | RFC 7519 §2 |
//! | expired from `exp` on; not valid before `nbf`; both with a small leeway | RFC 7519 §4.1.4, §4.1.5 |
//! | `exp` must be there | RFC 7523 §3 (4) |
//!
//! Time comes in as a value. Which issuer, audience or lifetime is right is for the caller to know.

use serde_json::{Map, Value};

use crate::json::{self, JsonError};

/// Most entries of an `aud` array.
const MAX_AUDIENCES: usize = 32;

/// Claims that a JWT names itself, checked for type only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegisteredClaims {
    pub iss: Option<String>,
    pub sub: Option<String>,
    /// Empty when absent.
    pub aud: Vec<String>,
    /// Whether `aud` came as an array; FAPI 2.0 §5.3.2.1 wants one string.
    pub aud_is_array: bool,
    pub exp: Option<NumericDate>,
    pub nbf: Option<NumericDate>,
    pub iat: Option<NumericDate>,
    pub jti: Option<String>,
    /// Every claim, the registered ones included.
    pub all: Map<String, Value>,
}

/// Whole seconds since 1970-01-01T00:00:00Z, fractions dropped downwards; numbers beyond 64 bits stand at the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NumericDate(pub i64);

/// Why the claims cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    #[error("the claims are {0}")]
    Json(#[from] JsonError),
    #[error("the claim \"{0}\" is of the wrong type")]
    Type(&'static str),
    #[error("the claim \"aud\" has too many entries")]
    TooManyAudiences,
}

/// Why a token is not valid at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    #[error("the claim \"exp\" is missing")]
    NoExpiry,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet (\"nbf\")")]
    NotYetValid,
    #[error("the token was issued in the future (\"iat\")")]
    IssuedInFuture,
}

impl RegisteredClaims {
    /// Reads the payload of a verified token.
    pub fn parse(payload: &[u8]) -> Result<Self, ClaimsError> {
        let all = json::object(payload)?;
        let aud = all.get("aud");
        Ok(Self {
            iss: string(&all, "iss")?,
            sub: string(&all, "sub")?,
            aud: aud.map(audiences).transpose()?.unwrap_or_default(),
            aud_is_array: aud.is_some_and(Value::is_array),
            exp: date(&all, "exp")?,
            nbf: date(&all, "nbf")?,
            iat: date(&all, "iat")?,
            jti: string(&all, "jti")?,
            all,
        })
    }

    /// A claim that is text of at most `most` bytes if it is there.
    ///
    /// # Errors
    /// Another type, or longer.
    pub fn text(&self, name: &'static str, most: usize) -> Result<Option<String>, ClaimsError> {
        match string(&self.all, name)? {
            Some(text) if text.len() > most => Err(ClaimsError::Type(name)),
            found => Ok(found),
        }
    }

    /// Whether `aud` names `audience`, byte for byte.
    pub fn is_for(&self, audience: &str) -> bool {
        self.aud.iter().any(|aud| aud == audience)
    }

    /// Whether the token is valid at `now` (seconds since 1970), with `leeway` seconds for clocks that differ.
    /// Not for an `id_token_hint`, which may have expired (OpenID Connect RP-Initiated Logout 1.0 §2).
    pub fn validate_times(&self, now: i64, leeway: u32) -> Result<(), TimeError> {
        let leeway = i64::from(leeway);
        let NumericDate(exp) = self.exp.ok_or(TimeError::NoExpiry)?;
        // RFC 7519 §4.1.4: "on or after".
        if now >= exp.saturating_add(leeway) {
            return Err(TimeError::Expired);
        }
        let latest = now.saturating_add(leeway);
        if self.nbf.is_some_and(|NumericDate(nbf)| nbf > latest) {
            return Err(TimeError::NotYetValid);
        }
        // RFC 7523 §3 (6): an iat in the future is a broken clock or a stored-up assertion.
        if self.iat.is_some_and(|NumericDate(iat)| iat > latest) {
            return Err(TimeError::IssuedInFuture);
        }
        Ok(())
    }
}

fn string(claims: &Map<String, Value>, name: &'static str) -> Result<Option<String>, ClaimsError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ClaimsError::Type(name)),
    }
}

fn audiences(value: &Value) -> Result<Vec<String>, ClaimsError> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) if items.len() > MAX_AUDIENCES => Err(ClaimsError::TooManyAudiences),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned).ok_or(ClaimsError::Type("aud"))).collect(),
        _ => Err(ClaimsError::Type("aud")),
    }
}

fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<NumericDate>, ClaimsError> {
    let number = match claims.get(name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(ClaimsError::Type(name)),
    };
    if let Some(seconds) = number.as_i64() {
        return Ok(Some(NumericDate(seconds)));
    }
    if number.is_u64() {
        return Ok(Some(NumericDate(i64::MAX)));
    }
    // A cast from float saturates and never panics; JSON has no NaN.
    Ok(number.as_f64().map(|seconds| NumericDate(seconds.floor() as i64)))
}
