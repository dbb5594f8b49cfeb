//! `redirect_uri` equals a registered one, byte for byte, or is the only one.
//!
//! | Rule | Source |
//! |---|---|
//! | equal to a registered one, but for the port of a native loopback address | RFC 9700 §2.1, RFC 8252 §7.3 |
//! | or pushed by a client that authenticates, where the operator allows it | RFC 9126 §2.4, §7.2 |
//! | required by OpenID Connect | OpenID Connect Core 1.0 §3.1.2.1 |
//! | required when several are registered, or only a part of one | RFC 6749 §3.1.2.3 |
//! | required by profiles | FAPI 1.0 Part 1 §5.2.2, FAPI 2.0 Security Profile §5.3.2.2 |

use alloc::string::{String, ToString};

use crate::client::metadata::{ApplicationType, SubjectType, has_any_port, redirect_uri, redirect_uri_matches};
use crate::error::OAuthError;
use crate::profile::Profile;
use crate::request::{Arrival, Asked};

/// The URI, and whether the request left it out.
pub fn check(asked: &Asked<'_>) -> Result<(String, bool), OAuthError> {
    let (metadata, localhost) = (&asked.client.metadata, asked.policy.localhost_ports);
    let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_request(why).saying(sentence));
    if let Some(uri) = asked.get("redirect_uri") {
        let is_registered = metadata.redirect_uris.iter().any(|own| redirect_uri_matches(own, uri, metadata.application_type, localhost));
        if !is_registered && !is_brought(asked, uri) {
            return refuse(
                "redirect_uri is not registered",
                "This redirect_uri is not registered for the client; it must be equal to a registered one, character by character.",
            );
        }
        return Ok((uri.to_string(), false));
    }
    if asked.get("scope").is_some_and(|scope| scope.split(' ').any(|one| one == "openid")) {
        return refuse("redirect_uri is missing", "redirect_uri is missing; OpenID Connect requires it.");
    }
    if asked.policy.profiles(asked.client).any(Profile::wants_redirect_uri) {
        return refuse("redirect_uri is missing", "redirect_uri is missing; the profile that is demanded here requires it.");
    }
    let mut registered = metadata.redirect_uris.iter();
    match (registered.next(), registered.next()) {
        // The port is the part that the request would have to name.
        (Some(only), None) if has_any_port(only, metadata.application_type, localhost) => {
            refuse("redirect_uri is missing", "redirect_uri is missing; a loopback address needs its port.")
        }
        (Some(only), None) => Ok((only.clone(), true)),
        _ => refuse("redirect_uri is missing", "redirect_uri is missing; it may be left out only where exactly one is registered."),
    }
}

/// RFC 9126 §2.4: a client that has just proven who it is says where its answers go, for this request. Not where a registered address stands for
/// more than itself: the sector of pairwise subjects, the document that a client is, the hosts that an initial access token allowed.
fn is_brought(asked: &Asked<'_>, uri: &str) -> bool {
    let client = asked.client;
    let is_bound = client.metadata.subject_type == SubjectType::Pairwise || client.document.is_some() || client.invitation.is_some();
    asked.policy.unregistered_redirect_uris
        && asked.arrival != Arrival::Browser
        && !client.is_public()
        && !client.is_attested()
        && !is_bound
        && uri.starts_with("https://")
        && redirect_uri(uri, ApplicationType::Web).is_ok()
}
