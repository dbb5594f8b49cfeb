//! Request objects and inline registration are refused by their own codes. OpenID Connect Core 1.0 §3.1.2.6.

use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, _: &mut Request) -> Result<(), OAuthError> {
    if asked.get("request").is_some() {
        return Err(OAuthError::request_not_supported("request"));
    }
    if asked.get("request_uri").is_some() {
        return Err(OAuthError::request_uri_not_supported("request_uri"));
    }
    if asked.get("registration").is_some() {
        return Err(OAuthError::registration_not_supported("registration"));
    }
    Ok(())
}
