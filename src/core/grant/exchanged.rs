//! What a grant keeps of the exchange that it began with (RFC 8693): what was brought, and who acts.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{AccountId, ClientId, GrantId};

/// The types of tokens that can be brought (RFC 8693 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenType {
    AccessToken,
    IdToken,
    RefreshToken,
}

/// What every token type of RFC 8693 begins with.
const PREFIX: &str = "urn:ietf:params:oauth:token-type:";
/// The type of what is issued.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

impl TokenType {
    pub const ALL: &'static [Self] = &[Self::AccessToken, Self::IdToken, Self::RefreshToken];

    /// As events and the configuration say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::IdToken => "id_token",
            Self::RefreshToken => "refresh_token",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.as_str() == word)
    }

    /// Reads `subject_token_type`.
    pub fn parse(urn: &str) -> Option<Self> {
        Self::of_word(urn.strip_prefix(PREFIX)?)
    }
}

/// Who acts for the subject of a token (RFC 8693 §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Actor {
    /// The person, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The client that acts, or through which the person does.
    pub client: ClientId,
}

/// What a token was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Source {
    /// The client that the first token of the chain was issued to: the one that the person allowed.
    pub client: ClientId,
    /// Of the token that was brought.
    pub digest: Digest,
    /// The grant of that token; absent for an id_token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The grant of the token that was brought, where that had been exchanged too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<GrantId>,
    pub token_type: TokenType,
}

/// What a grant keeps of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanged {
    pub source: Source,
    /// Who acts, the last one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<Actor>,
}
