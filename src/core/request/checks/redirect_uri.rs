//! `redirect_uri` equals a registered one, byte for byte, or is the only one.
//!
//! | Rule | Source |
//! |---|---|
//! | equal to a registered one, but for the port of a native loopback address | RFC 9700 §2.1, RFC 8252 §7.3 |
//! | required by OpenID Connect | OpenID Connect Core 1.0 §3.1.2.1 |
//! | required when several are registered, or only a part of one | RFC 6749 §3.1.2.3 |
//! | required by profiles | FAPI 1.0 Part 1 §5.2.2, FAPI 2.0 Security Profile §5.3.2.2 |

use alloc::string::{String, ToString};

use crate::client::metadata::{has_any_port, redirect_uri_matches};
use crate::error::OAuthError;
use crate::profile::Profile;
use crate::request::Asked;

/// The URI, and whether the request left it out.
pub fn check(asked: &Asked<'_>) -> Result<(String, bool), OAuthError> {
    let (metadata, localhost) = (&asked.client.metadata, asked.policy.localhost_ports);
    let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_request(why).saying(sentence));
    if let Some(uri) = asked.get("redirect_uri") {
        if !metadata.redirect_uris.iter().any(|own| redirect_uri_matches(own, uri, metadata.application_type, localhost)) {
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
