//! `max_age`: whole seconds; asking for it asks for `auth_time`. OpenID Connect Core 1.0 §2, §3.1.2.1.

use crate::error::OAuthError;
use crate::request::{Asked, Request};
use crate::time::Seconds;

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    request.max_age = match asked.get("max_age") {
        None => asked.client.metadata.default_max_age,
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => match text.parse() {
            Ok(seconds) => Some(Seconds(seconds)),
            // Longer than any session lives, so that it asks for nothing.
            Err(_) => None,
        },
        Some(_) => return Err(OAuthError::invalid_request("max_age").saying("max_age must be a whole number of seconds.")),
    };
    let claimed = request.claims.id_token.contains("auth_time");
    request.wants_auth_time =
        claimed || asked.get("max_age").is_some() || request.max_age.is_some() || asked.client.metadata.require_auth_time;
    Ok(())
}
