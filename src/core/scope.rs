//! Scope: a set of space-separated tokens. RFC 6749 §3.3.
//!
//! | Rule | Source |
//! |---|---|
//! | a token is 1*( %x21 / %x23-5B / %x5D-7E ) | RFC 6749 §3.3 |
//! | order has no meaning, repeats add nothing | RFC 6749 §3.3 |

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::error::OAuthError;

/// The standard scopes of OpenID Connect Core 1.0 §5.4 and §11.
pub const STANDARD: &[&str] = &["openid", "profile", "email", "address", "phone", "offline_access"];

/// Scopes of Chancery's own management interface: never registrable by clients, honoured only in operators' tokens.
pub const RESERVED: &[&str] = &["admin", "audit:read", "metrics:read"];

/// Longest accepted `scope` parameter in bytes.
pub const MAX_BYTES: usize = 2048;

/// A set of scope tokens; serialised as the space-separated text, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<String>);

impl Scope {
    /// Reads a scope parameter. An empty text is the empty set.
    ///
    /// # Errors
    /// `invalid_scope` for a forbidden character or an oversized text.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        if text.len() > MAX_BYTES {
            return Err(OAuthError::invalid_scope("scope is too long").saying("The scope is longer than 2048 bytes."));
        }
        Self::read(text)
    }

    /// Without the bound of the parameter: what one person allowed over the years can be longer.
    fn read(text: &str) -> Result<Self, OAuthError> {
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let mut tokens = BTreeSet::new();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            if !token.bytes().all(allowed) {
                return Err(
                    OAuthError::invalid_scope("forbidden character").saying("The scope has a character that RFC 6749 does not allow.")
                );
            }
            tokens.insert(token.to_string());
        }
        Ok(Self(tokens))
    }

    pub fn of(tokens: &[&str]) -> Self {
        Self(tokens.iter().map(|token| (*token).to_string()).collect())
    }

    pub fn has(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    #[must_use]
    pub fn without(&self, token: &str) -> Self {
        self.without_all(&[token])
    }

    #[must_use]
    pub fn without_all(&self, tokens: &[&str]) -> Self {
        Self(self.0.iter().filter(|own| !tokens.contains(&own.as_str())).cloned().collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(from)?).map_err(|e| serde::de::Error::custom(e.detail))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Scope {
    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        "Scope".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc6749_3_3_order_and_repeats_have_no_meaning() {
        assert_eq!(Scope::parse("b a  b").unwrap(), Scope::of(&["a", "b"]));
        assert_eq!(Scope::parse("b a").unwrap().to_string(), "a b");
    }

    #[test]
    fn rfc6749_3_3_other_characters_are_refused() {
        for bad in ["a\"b", "a\\b", "a\tb", "\u{e9}"] {
            assert_eq!(Scope::parse(bad).unwrap_err().code(), "invalid_scope");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_to_the_same(text in ".{0,80}") {
            if let Ok(scope) = Scope::parse(&text) {
                prop_assert_eq!(Scope::parse(&scope.to_string()).unwrap(), scope);
            }
        }
    }
}
