//! `redirect_uri` equals a registered one, byte for byte. RFC 9700 §2.1, RFC 8252 §7.3; required by OpenID Connect Core 1.0 §3.1.2.1.

use alloc::string::{String, ToString};

use crate::client::metadata::redirect_uri_matches;
use crate::error::OAuthError;
use crate::request::Asked;

pub fn check(asked: &Asked<'_>) -> Result<String, OAuthError> {
    let metadata = &asked.client.metadata;
    let Some(uri) = asked.get("redirect_uri") else {
        return Err(OAuthError::invalid_request("redirect_uri is missing").saying("redirect_uri is missing."));
    };
    if !metadata.redirect_uris.iter().any(|own| redirect_uri_matches(own, uri, metadata.application_type)) {
        return Err(OAuthError::invalid_request("redirect_uri is not registered")
            .saying("This redirect_uri is not registered for the client; it must be equal to a registered one, character by character."));
    }
    Ok(uri.to_string())
}
