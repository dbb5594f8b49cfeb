//! Identifiers, each of its own type, and the streams that they name.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::Ipv4Addr;

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
    /// One offer of credentials (OpenID4VCI §4.1).
    OfferId "offer";
    /// One initial access token (RFC 7591 §1.2).
    InvitationId "invitation";
}

impl PushedId {
    /// The interaction that the request becomes once a browser brings it.
    pub const fn interaction(self) -> InteractionId {
        InteractionId(self.0)
    }
}

/// `client_id` (RFC 6749 §2.2): 1 to 128 characters of `A-Za-z0-9-._~`, so that it needs no escaping anywhere; or the https URL of a
/// document in which the client says what it is (draft-ietf-oauth-client-id-metadata-document-02, CIMD from here on).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Longest accepted `client_id` in bytes.
    pub const MAX: usize = 128;
    /// Longest accepted URL in bytes; people and operators read it.
    pub const MAX_URL: usize = 256;

    /// Reads a `client_id`; `None` when it has another character or length.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        let is_plain = !text.is_empty() && text.len() <= Self::MAX && text.bytes().all(plain);
        (is_plain || identifier_host(text).is_some()).then(|| Self(text.to_string()))
    }

    /// The host of an identifier that is a URL: the one thing about such a client that is known to be true.
    pub fn host(&self) -> Option<&str> {
        identifier_host(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream that holds its history.
    pub fn stream(&self) -> String {
        format!("client-{}", self.0)
    }
}

/// The host of a Client Identifier URL. `None` for what CIMD §3 forbids, and for what it discourages or leaves open and we do not take: a
/// query, addresses in brackets, and what would make two names of one host, capitals and addresses that are not four decimal numbers.
fn identifier_host(text: &str) -> Option<&str> {
    // In lower case: identifiers are compared byte for byte (CIMD §3, RFC 3986 §6.2.1).
    let rest = text.strip_prefix("https://").filter(|_| text.len() <= ClientId::MAX_URL)?;
    // CIMD §3: there is a path.
    let (authority, path) = rest.split_at_checked(rest.find('/')?)?;
    // CIMD §3: no userinfo; `@` is no character of a host or port.
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_label =
        |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    // CIMD §3: no fragment, no query; `#` and `?` are no characters of a segment.
    let has_segments = path.split('/').skip(1).all(is_segment);
    // Whoever fetches reads a host whose last label is a number as an address, be it decimal, octal or hexadecimal (WHATWG URL, host
    // parsing): a host that is denied must not come back as 2130706433.
    let is_number = |label: &str| {
        let hexadecimal = label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        hexadecimal || label.bytes().all(|b| b.is_ascii_digit())
    };
    let is_one_name = host.rsplit('.').next().is_none_or(|label| !is_number(label)) || host.parse::<Ipv4Addr>().is_ok();
    (host.split('.').all(is_label) && is_one_name && port.is_none_or(is_port) && has_segments).then_some(host)
}

/// RFC 3986 §3.3, without the dot segments (CIMD §3), which may not hide behind percent signs either.
fn is_segment(segment: &str) -> bool {
    let (mut bytes, mut dots) = (segment.bytes(), Some(0));
    while let Some(byte) = bytes.next() {
        let is_dot = match byte {
            b'.' => true,
            b'%' => match (bytes.next(), bytes.next()) {
                (Some(high), Some(low)) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    high == b'2' && matches!(low, b'e' | b'E')
                }
                _ => return false,
            },
            b'-' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' => false,
            _ if byte.is_ascii_alphanumeric() => false,
            _ => return false,
        };
        dots = dots.filter(|_| is_dot).map(|own| own + 1);
    }
    !matches!(dots, Some(1 | 2))
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
    use proptest::prelude::*;

    #[test]
    fn oidc_core_14_an_id_has_one_text() {
        let text = "01a1fc15-89d7-7b17-918b-b59aee50a778";
        assert_eq!(AccountId::parse(text).unwrap().to_string(), text);
        let simple = text.replace('-', "");
        for other in [text.to_uppercase(), format!("{{{text}}}"), format!("urn:uuid:{text}"), format!("{text} "), simple, String::new()] {
            assert_eq!(AccountId::parse(&other), None, "{other}");
        }
    }

    fn host(text: &str) -> Option<String> {
        ClientId::parse(text)?.host().map(ToString::to_string)
    }

    #[test]
    fn cimd_3_an_identifier_is_an_https_url_with_a_path() {
        for (url, own) in [
            ("https://client.example/metadata.json", "client.example"),
            ("https://client.example/", "client.example"),
            ("https://client.example:8443/a/b_c~d/e%20f", "client.example"),
            ("https://127.0.0.1:1/x", "127.0.0.1"),
            ("https://client.example/a...b/...", "client.example"),
        ] {
            assert_eq!(host(url).as_deref(), Some(own), "{url}");
        }
        for bad in
            ["http://client.example/x", "HTTPS://client.example/x", "https://client.example", "https:///x", "https:/client.example/x"]
        {
            assert_eq!(ClientId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn cimd_3_no_userinfo_dot_segments_query_or_fragment() {
        for bad in [
            "https://user@client.example/x",
            "https://user:secret@client.example/x",
            "https://client.example/./x",
            "https://client.example/a/../x",
            "https://client.example/a/..",
            "https://client.example/%2e/x",
            "https://client.example/%2E%2e/x",
            "https://client.example/.%2e/x",
            "https://client.example/x?y",
            "https://client.example/x#y",
            "https://client.example?/x",
            "https://client.example#/x",
        ] {
            assert_eq!(ClientId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_identifier_has_one_spelling_of_its_host_and_no_odd_characters() {
        for bad in [
            "https://Client.example/x",
            "https://client.example./x",
            "https://2130706433/x",
            "https://0x7f000001/x",
            "https://0177.0.0.1/x",
            "https://127.1/x",
            "https://127.0.0.0x1/x",
            "https://client.0x/x",
            "https://client.1/x",
            "https://256.0.0.1/x",
            "https://.example/x",
            "https://[::1]/x",
            "https://client.example:/x",
            "https://client.example:0/x",
            "https://client.example:65536/x",
            "https://client.example:+443/x",
            "https://client.example/x y",
            "https://client.example\\@evil.example/x",
            "https://client.example/<b>",
            "https://client.example/%zz",
            "https://client.example/%2",
            "https://b\u{fc}cher.example/x",
            "https://client.example/\u{e9}",
            "https://client.example\t/x",
        ] {
            assert_eq!(ClientId::parse(bad), None, "{bad}");
        }
        let long = |bytes: usize| format!("https://client.example/{}", "x".repeat(bytes - 23));
        assert!(ClientId::parse(&long(ClientId::MAX_URL)).is_some() && ClientId::parse(&long(ClientId::MAX_URL + 1)).is_none());
        // No name that is registered otherwise is ever one of these.
        assert_eq!(ClientId::parse("client.example").unwrap().host(), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_the_host_stands_in_front_of_the_path(text in "(https://)?[a-zA-Z0-9.:@%/#?\u{e9}-]{0,40}") {
            if let Some(host) = ClientId::parse(&text).as_ref().and_then(ClientId::host) {
                let rest = text.strip_prefix("https://").and_then(|rest| rest.strip_prefix(host)).unwrap();
                prop_assert!(rest.starts_with('/') || rest.starts_with(':'));
            }
        }
    }
}
