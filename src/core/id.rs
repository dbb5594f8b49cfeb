//! Identifiers, each of its own type, and the streams that they name.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta] $name:ident $prefix:literal;)*) => {$(
        #[$doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(#[cfg_attr(feature = "schema", schemars(with = "String"))] pub Uuid);

        impl $name {
            /// The stream that holds its history.
            pub fn stream(&self) -> String { format!(concat!($prefix, "-{}"), self.0) }

            /// Reads the form in which it is written, hyphens and small letters: one text for each, as OpenID Connect Core 1.0 §14
            /// wants it of a `sub`.
            pub fn parse(text: &str) -> Option<Self> {
                let id = Uuid::try_parse(text).ok()?;
                (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(Self(id))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )*};
}

uuid_id! {
    /// A person's account; also the public `sub`.
    AccountId "account";
    /// One signed-in browser.
    SessionId "session";
    /// One authorization: code, access and refresh tokens until it ends.
    GrantId "grant";
    /// One authorization request from arrival to answer.
    InteractionId "interaction";
    /// One device's request for authorization.
    DeviceId "device";
    /// One request on the back channel (CIBA).
    BackchannelId "backchannel";
    /// One pushed authorization request; the interaction that it becomes has the same number.
    PushedId "pushed";
    /// One message to one client that a session is over.
    LogoutId "logout";
    /// One initial access token (RFC 7591 §1.2).
    InvitationId "invitation";
}

impl PushedId {
    /// The interaction that the request becomes once a browser brings it.
    pub const fn interaction(self) -> InteractionId {
        InteractionId(self.0)
    }
}

/// `client_id` (RFC 6749 §2.2): 1 to 128 characters of `A-Za-z0-9-._~`, so that it needs no escaping anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Longest accepted `client_id` in bytes.
    pub const MAX: usize = 128;

    /// Reads a `client_id`; `None` when it has another character or length.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        (!text.is_empty() && text.len() <= Self::MAX && text.bytes().all(plain)).then(|| Self(text.to_string()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream that holds its history.
    pub fn stream(&self) -> String {
        format!("client-{}", self.0)
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a client_id"))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The stream of what one account allowed one client.
pub fn consent_stream(account: AccountId, client: &ClientId) -> String {
    format!("consent-{account}-{client}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_core_14_an_id_has_one_text() {
        let text = "01a1fc15-89d7-7b17-918b-b59aee50a778";
        assert_eq!(AccountId::parse(text).unwrap().to_string(), text);
        let simple = text.replace('-', "");
        for other in [text.to_uppercase(), format!("{{{text}}}"), format!("urn:uuid:{text}"), format!("{text} "), simple, String::new()] {
            assert_eq!(AccountId::parse(&other), None, "{other}");
        }
    }
}
