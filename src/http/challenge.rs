//! The `WWW-Authenticate` field of a 401 or 403.
//!
//! | Rule | Source |
//! |---|---|
//! | a client that tried Basic and failed is challenged with Basic | RFC 6749 §5.2 |
//! | a resource challenges with Bearer, with `error` only if a token was sent | RFC 6750 §3 and §3.1 |
//! | a resource that wants proof of possession challenges with DPoP | RFC 9449 §7.1 |
//!
//! Out of scope: which of them applies (the handler, through [`super::error::Refused`]).

use chancery_core::error::{Code, OAuthError};
use poem::http::HeaderValue;

/// The protection space that we name; one for the whole server.
const REALM: &str = "chancery";

/// How an access token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

/// How an answer asks for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A client endpoint: Basic, and only if the client tried Basic, so that no script makes a browser ask for a password.
    Client,
    /// A resource that got a token it does not accept. `scope` is what it wants.
    Bearer { scope: Option<String> },
    /// A resource that got no token: no error code, RFC 6750 §3.1.
    BearerAbsent,
    /// A resource that takes both schemes: the one that was tried gets the error, the other stands beside it (RFC 9449 §7.2).
    Resource { tried: Option<Scheme>, algorithms: String, scope: Option<String> },
}

impl Challenge {
    /// What a refusal challenges with when its handler said nothing.
    pub const fn of(code: Code) -> Option<Self> {
        match code {
            Code::InvalidClient => Some(Self::Client),
            Code::InvalidToken | Code::InsufficientScope => Some(Self::Bearer { scope: None }),
            _ => None,
        }
    }

    /// The values of the field, one for each scheme; none if there is nothing to ask for.
    pub fn headers(&self, refusal: &OAuthError, tried_basic: bool) -> Vec<HeaderValue> {
        let texts = match self {
            Self::Client if tried_basic => vec![format!("Basic realm=\"{REALM}\", charset=\"UTF-8\"")],
            Self::Client => Vec::new(),
            Self::BearerAbsent => vec![format!("Bearer realm=\"{REALM}\"")],
            Self::Bearer { scope } => vec![format!("Bearer realm=\"{REALM}\"{}{}", error(refusal), parameter("scope", scope.as_deref()))],
            Self::Resource { tried, algorithms, scope } => {
                let said = |scheme| if *tried == Some(scheme) { error(refusal) } else { String::new() };
                let scope = parameter("scope", scope.as_deref());
                let bearer = format!("Bearer realm=\"{REALM}\"{}{scope}", said(Scheme::Bearer));
                let dpop = format!("DPoP realm=\"{REALM}\"{}{scope}{}", said(Scheme::Dpop), parameter("algs", Some(algorithms)));
                if *tried == Some(Scheme::Dpop) { vec![dpop, bearer] } else { vec![bearer, dpop] }
            }
        };
        texts.into_iter().filter_map(|text| HeaderValue::try_from(text).ok()).collect()
    }
}

/// `saying` keeps quotes and backslashes out of descriptions; the code is ours.
fn error(refusal: &OAuthError) -> String {
    format!(", error=\"{}\", error_description=\"{}\"", refusal.code(), refusal.description)
}

/// Scope and algorithm names hold no quote and no backslash (RFC 6749 §3.3); any that does is left out.
fn parameter(name: &str, value: Option<&str>) -> String {
    let is_clean = |value: &&str| value.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\');
    value.filter(is_clean).map(|value| format!(", {name}=\"{value}\"")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(challenge: &Challenge, refusal: &OAuthError, basic: bool) -> Option<String> {
        challenge.headers(refusal, basic).first().map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn rfc6749_5_2_basic_is_challenged_only_when_tried() {
        let refusal = OAuthError::invalid_client("");
        assert_eq!(text(&Challenge::Client, &refusal, true).unwrap(), "Basic realm=\"chancery\", charset=\"UTF-8\"");
        assert_eq!(text(&Challenge::Client, &refusal, false), None);
    }

    #[test]
    fn rfc6750_3_1_no_error_without_a_token() {
        assert_eq!(text(&Challenge::BearerAbsent, &OAuthError::invalid_token(""), false).unwrap(), "Bearer realm=\"chancery\"");
    }

    #[test]
    fn rfc6750_3_and_rfc9449_7_1_name_error_and_scope() {
        let refusal = OAuthError::insufficient_scope("");
        let bearer = text(&Challenge::Bearer { scope: Some("audit:read".into()) }, &refusal, false).unwrap();
        assert!(bearer.contains("error=\"insufficient_scope\"") && bearer.ends_with("scope=\"audit:read\""), "{bearer}");
        let both = |tried| {
            let challenge = Challenge::Resource { tried, algorithms: "ES256".into(), scope: Some("a\"b".into()) };
            let values: Vec<_> = challenge.headers(&refusal, false).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
            values
        };
        let dpop = both(Some(Scheme::Dpop));
        assert!(
            dpop[0].starts_with("DPoP ")
                && dpop[0].contains("error=")
                && dpop[0].ends_with("algs=\"ES256\"")
                && !dpop[0].contains("scope="),
            "{dpop:?}"
        );
        assert_eq!(dpop[1], "Bearer realm=\"chancery\"");
        let bearer = both(Some(Scheme::Bearer));
        assert!(bearer[0].starts_with("Bearer ") && bearer[0].contains("error=") && !bearer[1].contains("error="), "{bearer:?}");
        assert!(both(None).iter().all(|value| !value.contains("error=")), "RFC 6750 section 3.1");
    }
}
