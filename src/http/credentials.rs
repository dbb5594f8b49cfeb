//! Credentials as they stand in a request: Basic, form members, Bearer.
//!
//! | Rule | Source |
//! |---|---|
//! | Basic id and secret are form-encoded before base64 | RFC 6749 §2.3.1 |
//! | an attestation and its proof come in one header field each; without a proof of its own, a DPoP proof is it | ABCA §4, §5, §7 |
//! | a malformed Authorization header is a failed authentication, never none | our own |
//! | a bearer token comes in the header, or in a form body, not both; never in the query | RFC 6750 §2, RFC 9700 §4.3.2 |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_core::client::attestation::Signal;
use chancery_core::error::OAuthError;
use poem::Request;
use poem::http::header;

use super::challenge::Scheme;
use super::params::{self, Params};
use crate::app::attestation::{Attestation, Attested, Shown};
use crate::app::certificate::Chain;
use crate::app::client_auth::Presented;

/// The endpoint at which a client authenticates.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// From our own configuration.
    pub uri: &'a str,
    /// What an attestation beside other credentials is there.
    pub signal: Signal,
}

/// What a client presents at an endpoint where it authenticates.
///
/// # Errors
/// `invalid_client` for an Authorization header that cannot be read.
pub fn presented(request: &Request, form: &Params, place: Place<'_>) -> Result<Presented, OAuthError> {
    let own = |name: &str| form.get(name).map(str::to_owned);
    Ok(Presented {
        basic: basic(request)?,
        client_id: own("client_id"),
        client_secret: own("client_secret"),
        client_assertion: own("client_assertion"),
        client_assertion_type: own("client_assertion_type"),
        attestation: attestation(request, place.uri),
        signal: place.signal,
        certificate: request.data::<Chain>().cloned(),
    })
}

/// ABCA §7: each of them precisely once. A field for the proof of the instance, whatever is in it, makes a DPoP proof beside it one of its own.
fn attestation(request: &Request, uri: &str) -> Attestation {
    let all =
        |name: &str| request.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or_default().trim()).collect::<Vec<_>>();
    let proof = match (all("oauth-client-attestation-pop").as_slice(), all("dpop").as_slice()) {
        ([pop], _) => Some(Shown::Pop((*pop).to_owned())),
        ([], [proof]) => Some(Shown::Dpop { proof: (*proof).to_owned(), method: request.method().to_string(), uri: uri.to_owned() }),
        _ => None,
    };
    match (all("oauth-client-attestation").as_slice(), proof) {
        ([attestation], Some(proof)) => Attestation::Sent(Attested { attestation: (*attestation).to_owned(), proof }),
        ([], None | Some(Shown::Dpop { .. })) if all("oauth-client-attestation-pop").is_empty() => Attestation::Absent,
        _ => Attestation::Unreadable,
    }
}

fn basic(request: &Request) -> Result<Option<(String, String)>, OAuthError> {
    let malformed = || OAuthError::invalid_client("the Authorization header cannot be read");
    let mut sent = request.headers().get_all(header::AUTHORIZATION).iter();
    let value = match (sent.next(), sent.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().map_err(|_| malformed())?,
        (Some(_), Some(_)) => return Err(malformed()),
    };
    let (scheme, text) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(OAuthError::invalid_client("another authentication scheme"));
    }
    let decoded = STANDARD.decode(text.trim()).map_err(|_| malformed())?;
    let pair = String::from_utf8(decoded).map_err(|_| malformed())?;
    let (id, secret) = pair.split_once(':').ok_or_else(malformed)?;
    Ok(Some((form_decoded(id).ok_or_else(malformed)?, form_decoded(secret).ok_or_else(malformed)?)))
}

/// One form-encoded value. `Params` would drop empty ones, which are still credentials here.
fn form_decoded(text: &str) -> Option<String> {
    params::decode(text.as_bytes()).ok()
}

/// The access token of a request to a resource that takes both schemes, if it has exactly one.
///
/// # Errors
/// `invalid_request` for a header that cannot be read or a token in two places.
pub fn access_token(request: &Request, form: Option<&Params>) -> Result<Option<(Scheme, String)>, OAuthError> {
    let mut sent = request.headers().get_all(header::AUTHORIZATION).iter();
    let named = match (sent.next(), sent.next()) {
        (Some(value), None) => value.to_str().ok().and_then(|value| value.split_once(' ')),
        _ => None,
    };
    match named {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => {
            if token.trim().is_empty() || form.is_some_and(|form| form.get("access_token").is_some()) {
                return Err(OAuthError::invalid_request("two tokens").saying("Send the access token once, as Authorization: DPoP."));
            }
            Ok(Some((Scheme::Dpop, token.trim().to_owned())))
        }
        _ => Ok(bearer(request, form)?.map(|token| (Scheme::Bearer, token))),
    }
}

/// The bearer token of a request, if it has exactly one.
///
/// # Errors
/// `invalid_request` for a header that cannot be read or a token in two places.
pub fn bearer(request: &Request, form: Option<&Params>) -> Result<Option<String>, OAuthError> {
    let malformed = |why: &'static str| OAuthError::invalid_request(why).saying("Send the access token once, as Authorization: Bearer.");
    let mut sent = request.headers().get_all(header::AUTHORIZATION).iter();
    let in_header = match (sent.next(), sent.next()) {
        (None, _) => None,
        (Some(value), None) => {
            let value = value.to_str().map_err(|_| malformed("unreadable Authorization"))?;
            match value.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => Some(token.trim().to_owned()),
                _ => return Err(malformed("another authentication scheme")),
            }
        }
        (Some(_), Some(_)) => return Err(malformed("two Authorization headers")),
    };
    let in_form = form.and_then(|form| form.get("access_token")).map(str::to_owned);
    match (in_header, in_form) {
        (Some(_), Some(_)) => Err(malformed("two tokens")),
        (header, form) => Ok(header.or(form)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> Request {
        Request::builder().header("authorization", value).finish()
    }

    #[test]
    fn rfc6749_2_3_1_basic_is_form_decoded() {
        let sent = STANDARD.encode("a%20b:c%3Ad%26+e");
        assert_eq!(basic(&with(&format!("Basic {sent}"))).unwrap(), Some(("a b".into(), "c:d& e".into())));
        let raw = STANDARD.encode("id:a&b=c");
        assert_eq!(basic(&with(&format!("basic {raw}"))).unwrap(), Some(("id".into(), "a&b=c".into())));
    }

    #[test]
    fn malformed_credentials_are_never_no_credentials() {
        for bad in ["Basic", "Basic !!!", "Basic YQ==", "Digest x", "Basic %"] {
            assert_eq!(basic(&with(bad)).unwrap_err().code(), "invalid_client", "{bad}");
        }
        assert_eq!(basic(&Request::builder().finish()).unwrap(), None);
    }

    #[test]
    fn abca_7_1_each_header_comes_precisely_once() {
        let seen = |names: &[&str]| {
            let request = names.iter().fold(Request::builder(), |own, name| own.header(*name, "x")).finish();
            match attestation(&request, "https://id.example/oidc/token") {
                Attestation::Absent => "absent",
                Attestation::Unreadable => "unreadable",
                Attestation::Sent(Attested { proof: Shown::Pop(_), .. }) => "normal",
                Attestation::Sent(Attested { proof: Shown::Dpop { .. }, .. }) => "combined",
            }
        };
        let (own, pop, dpop) = ("OAuth-Client-Attestation", "oauth-client-attestation-pop", "DPoP");
        assert_eq!((seen(&[]), seen(&[dpop]), seen(&[dpop, dpop])), ("absent", "absent", "absent"));
        assert_eq!((seen(&[own, pop]), seen(&[own, pop, dpop]), seen(&[own, dpop])), ("normal", "normal", "combined"));
        for bad in [&[own] as &[&str], &[pop], &[pop, dpop], &[own, own, pop], &[own, pop, pop], &[own, own, dpop], &[own, dpop, dpop]] {
            assert_eq!(seen(bad), "unreadable", "{bad:?}");
        }
    }

    #[test]
    fn rfc6750_2_a_token_comes_once() {
        let form = Params::parse(b"access_token=x").unwrap();
        assert_eq!(bearer(&with("Bearer y"), None).unwrap().as_deref(), Some("y"));
        assert_eq!(bearer(&Request::builder().finish(), Some(&form)).unwrap().as_deref(), Some("x"));
        assert!(bearer(&with("Bearer y"), Some(&form)).is_err());
        assert!(bearer(&with("Basic y"), None).is_err());
    }
}
