//! Profiles: stricter readings of the specifications, for the whole server or for one client.
//!
//! | Profile | Source |
//! |---|---|
//! | `oauth21` | The OAuth 2.1 Authorization Framework (draft-ietf-oauth-v2-1), RFC 9700 |
//! | `fapi1-advanced` | FAPI 1.0 Part 2: Advanced |
//! | `fapi-ciba` | FAPI: Client Initiated Backchannel Authentication Profile, Implementer's Draft 1, on FAPI 1.0 Part 2 |
//! | `fapi2-security` | FAPI 2.0 Security Profile |
//! | `fapi2-message-signing` | FAPI 2.0 Message Signing, with signed requests, answers and introspection |
//!
//! A profile is data: what it demands of the server and of clients stands in [`demands`], what follows for single requests here, what
//! for their access tokens in [`tokens`].

pub mod demands;
pub mod tokens;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Profile {
    #[serde(rename = "oauth21")]
    OAuth21,
    #[serde(rename = "fapi1-advanced")]
    Fapi1Advanced,
    #[serde(rename = "fapi-ciba")]
    FapiCiba,
    #[serde(rename = "fapi2-security")]
    Fapi2Security,
    #[serde(rename = "fapi2-message-signing")]
    Fapi2MessageSigning,
}

use Profile::{Fapi1Advanced, Fapi2MessageSigning, Fapi2Security, FapiCiba, OAuth21};

impl Profile {
    pub const ALL: &'static [Self] = &[OAuth21, Fapi1Advanced, FapiCiba, Fapi2Security, Fapi2MessageSigning];

    pub const fn as_str(self) -> &'static str {
        match self {
            OAuth21 => "oauth21",
            Fapi1Advanced => "fapi1-advanced",
            FapiCiba => "fapi-ciba",
            Fapi2Security => "fapi2-security",
            Fapi2MessageSigning => "fapi2-message-signing",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.as_str() == text)
    }

    /// What everything is signed with, on both sides; `None`: any algorithm of ours. FAPI 1.0 Part 2 §8.6, FAPI 2.0 Security Profile §5.4.1.
    pub const fn algorithms(self) -> Option<&'static [&'static str]> {
        match self {
            OAuth21 => None,
            Fapi1Advanced | FapiCiba => Some(&["PS256", "ES256"]),
            Fapi2Security | Fapi2MessageSigning => Some(&["PS256", "ES256", "EdDSA"]),
        }
    }

    /// May something be signed with this?
    pub fn allows(self, alg: &str) -> bool {
        self.algorithms().is_none_or(|own| own.contains(&alg))
    }

    /// A client assertion names the issuer as its audience, as one string. FAPI 2.0 Security Profile §5.3.2.1.
    pub const fn wants_issuer_as_audience(self) -> bool {
        matches!(self, Fapi2Security | Fapi2MessageSigning)
    }

    /// Every request stands in a signed object, which names its audience and lives for an hour at most. FAPI 1.0 Part 2 §5.2.2, FAPI 2.0 Message
    /// Signing §5.3.1.
    pub const fn wants_signed_requests(self) -> bool {
        matches!(self, Fapi1Advanced | FapiCiba | Fapi2MessageSigning)
    }

    /// A request that asks for an id_token has a nonce, any other a state. FAPI 1.0 Part 1 §5.2.2.2, §5.2.2.3.
    pub const fn wants_nonce_or_state(self) -> bool {
        matches!(self, Fapi1Advanced | FapiCiba)
    }

    /// A request names its redirect_uri, though only one is registered. FAPI 1.0 Part 1 §5.2.2, FAPI 2.0 Security Profile §5.3.2.2.
    pub const fn wants_redirect_uri(self) -> bool {
        !matches!(self, OAuth21)
    }

    /// What is pushed comes with PKCE, whoever may push. FAPI 1.0 Part 2 §5.2.2; FAPI 2.0 demands PKCE of every request.
    pub const fn wants_pkce_when_pushed(self) -> bool {
        matches!(self, Fapi1Advanced | FapiCiba)
    }

    /// An answer is signed: as a JWT (JARM), or, where that is all that is left, by an id_token beside the code. FAPI 1.0 Part 2 §5.2.2,
    /// FAPI 2.0 Message Signing §5.4.1.
    pub const fn wants_signed_answers(self) -> bool {
        matches!(self, Fapi1Advanced | FapiCiba | Fapi2MessageSigning)
    }

    /// An id_token beside the code may sign the answer instead. FAPI 1.0 Part 2 §5.2.2.
    pub const fn has_detached_signatures(self) -> bool {
        matches!(self, Fapi1Advanced | FapiCiba)
    }

    /// A request on the back channel says what it is about, on both screens. FAPI-CIBA §5.2.2.
    pub const fn wants_binding_message(self) -> bool {
        matches!(self, FapiCiba)
    }

    /// May the answer on the back channel come to the client like this? FAPI-CIBA §5.2.2: tokens are fetched, never pushed.
    pub const fn has_delivery_mode(self, is_push: bool) -> bool {
        !is_push || !matches!(self, FapiCiba)
    }

    /// Clients prove a key of their own. FAPI 1.0 Part 2 §5.2.2, FAPI 2.0 Security Profile §5.3.2.1.
    pub const fn wants_client_keys(self) -> bool {
        !matches!(self, OAuth21)
    }

    /// Response types that are left.
    pub fn has_response_type(self, kind: &str) -> bool {
        match self {
            OAuth21 => matches!(kind, "code" | "none"),
            Fapi1Advanced | FapiCiba => matches!(kind, "code" | "code id_token"),
            Fapi2Security | Fapi2MessageSigning => kind == "code",
        }
    }

    /// Settings that follow from it where the operator says nothing.
    pub const fn presets(self) -> &'static [(&'static str, &'static str)] {
        match self {
            OAuth21 => &[("pkce.required", "\"all\"")],
            Fapi1Advanced => &[],
            FapiCiba => &[("ciba.enabled", "true")],
            Fapi2Security | Fapi2MessageSigning => &[("pkce.required", "\"all\""), ("pushed_requests.required", "true")],
        }
    }
}
