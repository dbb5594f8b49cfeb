//! Redirect URIs and origins.
//!
//! | Rule | Source |
//! |---|---|
//! | absolute, no fragment, https; http only on loopback | OpenID Connect Registration 1.0 §2, RFC 8252 §7.3, RFC 9700 §2.6 |
//! | private-use schemes are of native clients and have a dot | RFC 8252 §7.1 |
//! | a requested URI equals a registered one byte for byte, but for the port of a native loopback address | RFC 9700 §2.1, RFC 8252 §7.3 |
//!
//! Out of scope: parsing of URLs in general; a URI here is compared, never fetched.

use alloc::format;
use alloc::string::{String, ToString};

use super::ApplicationType;

/// Longest URI in bytes.
const MOST: usize = 2048;

/// Is it too long, or does it have a character that no URI has (RFC 3986 §2)?
pub(super) fn is_odd(uri: &str) -> bool {
    uri.len() > MOST
        || uri.bytes().any(|b| !(0x21..=0x7e).contains(&b) || matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'))
}

/// Whether a redirect URI may be registered.
///
/// # Errors
/// A sentence for the registrant.
pub fn redirect_uri(uri: &str, application_type: ApplicationType) -> Result<(), String> {
    if is_odd(uri) {
        return Err("A redirect URI has at most 2048 printable ASCII characters.".to_string());
    }
    // RFC 6749 §3.1.2: no fragment.
    if uri.contains('#') {
        return Err(format!("{uri} has a fragment."));
    }
    let Some((scheme, rest)) = uri.split_once(':') else { return Err(format!("{uri} is not an absolute URI.")) };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !scheme_ok {
        return Err(format!("{uri} is not an absolute URI."));
    }
    let host = authority(rest).and_then(host_of);
    match (scheme.to_ascii_lowercase().as_str(), application_type) {
        ("https", _) => match host {
            Some(host) if !host.is_empty() => Ok(()),
            _ => Err(format!("{uri} has no host.")),
        },
        // RFC 8252 §7.3 and §8.3; for web clients in development on the same machine.
        ("http", _) if host.is_some_and(is_loopback) => Ok(()),
        ("http", _) => Err(format!("{uri} must be https (http only on loopback).")),
        // RFC 8252 §7.1: a reversed domain name, so that nobody can claim another's scheme by accident.
        (private, ApplicationType::Native) if private.contains('.') => Ok(()),
        (_, ApplicationType::Native) => Err(format!("{uri}: a private-use scheme needs a dot, such as com.example.app.")),
        (_, ApplicationType::Web) => Err(format!("{uri}: web clients use https; private-use schemes need application_type native.")),
    }
}

/// Everything between `//` and the next `/`, `?` or `#`; refuses user information (RFC 9700 §4.1.3 in spirit).
fn authority(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix("//")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    (!authority.contains('@')).then_some(authority)
}

/// The host without its port, an IPv6 address without its brackets; `None` when something else follows the brackets.
fn host_of(authority: &str) -> Option<&str> {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(_, port)| port.is_empty() || port.starts_with(':')).map(|(v6, _)| v6),
        None => authority.split(':').next(),
    }
}

/// The host of a URL, as it is spelled; `None` for what has none.
pub fn host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(':')?;
    authority(rest).and_then(host_of).filter(|host| !host.is_empty())
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "::1") || host.eq_ignore_ascii_case("localhost")
}

/// Scheme, host and port of a URL, as a browser's `Origin` spells it.
pub fn origin_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':').filter(|_| !is_odd(uri))?;
    let authority = authority(rest).filter(|authority| !authority.is_empty())?;
    matches!(scheme, "http" | "https").then(|| &uri[..scheme.len() + 3 + authority.len()])
}

/// Does a requested redirect URI equal a registered one? Byte for byte (RFC 9700 §2.1), except the port of a native client's
/// loopback IP address (RFC 8252 §7.3). `localhost`: of that name too, which may resolve to another interface (§8.3): for development.
pub fn redirect_uri_matches(registered: &str, asked: &str, application_type: ApplicationType, localhost: bool) -> bool {
    if registered == asked {
        return true;
    }
    if application_type != ApplicationType::Native {
        return false;
    }
    match (without_port(registered, localhost), without_port(asked, localhost)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// May a request name any port of this registered URI?
pub fn has_any_port(registered: &str, application_type: ApplicationType, localhost: bool) -> bool {
    application_type == ApplicationType::Native && without_port(registered, localhost).is_some()
}

/// (host, path and query) of an `http` URI on a loopback IP address; the port is checked to be a number and dropped.
fn without_port(uri: &str, localhost: bool) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http:")?;
    let authority = authority(rest)?;
    let host = host_of(authority)?;
    let port = authority
        .strip_prefix(['['])
        .map_or(authority, |v6| v6.split_once(']').map_or("", |(_, port)| port))
        .split_once(':')
        .map(|(_, port)| port);
    let plain = port.is_none_or(|port| !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()));
    (plain && (matches!(host, "127.0.0.1" | "::1") || (localhost && host == "localhost"))).then(|| (host, &rest[2 + authority.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc8252_7_1_private_use_schemes_need_a_dot_and_a_native_client() {
        assert!(redirect_uri("com.example.app:/cb", ApplicationType::Native).is_ok());
        assert!(redirect_uri("app:/cb", ApplicationType::Native).is_err());
        assert!(redirect_uri("com.example.app:/cb", ApplicationType::Web).is_err());
        assert!(redirect_uri("javascript:alert(1)", ApplicationType::Native).is_err());
        assert!(redirect_uri("https://user@host/cb", ApplicationType::Web).is_err());
        assert!(redirect_uri("https://", ApplicationType::Web).is_err());
    }

    #[test]
    fn rfc8252_7_3_any_port_on_a_loopback_address_of_a_native_client() {
        let matches = |registered, asked| redirect_uri_matches(registered, asked, ApplicationType::Native, false);
        assert!(matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(matches("http://[::1]:1/cb", "http://[::1]:2/cb"));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:51004@evil.example/cb"));
        assert!(!matches("http://localhost:1/cb", "http://localhost:2/cb"));
        assert!(!redirect_uri_matches("http://127.0.0.1/cb", "http://127.0.0.1:1/cb", ApplicationType::Web, true));
    }

    #[test]
    fn rfc8252_8_3_any_port_of_localhost_where_that_is_switched_on() {
        let matches = |registered, asked| redirect_uri_matches(registered, asked, ApplicationType::Native, true);
        assert!(matches("http://localhost/cb", "http://localhost:51004/cb"));
        assert!(matches("http://localhost:1/cb", "http://localhost/cb"));
        assert!(!matches("http://localhost/cb", "http://127.0.0.1:1/cb"), "another host");
        assert!(!matches("http://localhost/cb", "http://localhost.evil.example:1/cb"));
        assert!(!matches("http://localhost/cb", "http://localhost:1@evil.example/cb"));
        assert!(!matches("http://localhost/cb", "https://localhost:1/cb"));
        assert!(!redirect_uri_matches("http://localhost/cb", "http://localhost:1/cb", ApplicationType::Web, true));
        assert!(has_any_port("http://localhost/cb", ApplicationType::Native, true));
        assert!(!has_any_port("http://localhost/cb", ApplicationType::Native, false));
        assert!(!has_any_port("https://a.example/cb", ApplicationType::Native, true));
    }

    #[test]
    fn origins() {
        assert_eq!(origin_of("https://a.example:8443/x?y"), Some("https://a.example:8443"));
        assert_eq!(origin_of("com.example.app:/cb"), None);
    }

    #[test]
    fn rfc8252_7_3_nothing_may_follow_a_bracketed_address() {
        assert!(redirect_uri("http://[::1].evil.example/cb", ApplicationType::Native).is_err());
        assert!(redirect_uri("http://[::1/cb", ApplicationType::Native).is_err());
        assert!(!redirect_uri_matches("http://[::1]:1/cb", "http://[::1].evil.example:1/cb", ApplicationType::Native, true));
        assert!(!redirect_uri_matches("http://127.0.0.1:1/cb", "http://127.0.0.1:1:2/cb", ApplicationType::Native, true));
        assert!(!redirect_uri_matches("http://127.0.0.1:1/cb", "http://127.0.0.1:1#/cb", ApplicationType::Native, true));
    }

    #[test]
    fn rfc6749_3_1_2_a_redirect_uri_is_absolute_and_has_no_fragment() {
        for bad in [
            "/cb",
            "cb",
            "://x/cb",
            "1http://x/cb",
            "https:cb",
            "https://a.example/cb#f",
            "http://a.example/cb",
            "http://localhost.a.example/cb",
            "https://a.example/c b",
            "https://\u{e9}.example/",
            "",
        ] {
            assert!(redirect_uri(bad, ApplicationType::Web).is_err(), "{bad}");
        }
        for good in ["https://a.example", "https://a.example:8443/cb?x=1", "http://localhost:3000/cb", "http://[::1]/cb"] {
            assert!(redirect_uri(good, ApplicationType::Web).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(uri in "(https?|com\\.a|[a-z]{0,3})?:?/{0,2}[\\[\\]:@#?/.a-z0-9\u{e9}]{0,24}", other in "http://(127.0.0.1|\\[::1\\])(:[0-9]{0,6})?[@:#/?a]{0,4}") {
            for kind in [ApplicationType::Web, ApplicationType::Native] {
                let _ = (redirect_uri(&uri, kind), redirect_uri_matches(&uri, &other, kind, true), redirect_uri_matches(&other, &uri, kind, true));
            }
            prop_assert!(origin_of(&uri).is_none_or(|origin| uri.starts_with(origin)));
        }
    }
}
