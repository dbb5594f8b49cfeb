//! `nonce` binds an id_token that passes through the browser to the request. OpenID Connect Core 1.0 §3.2.2.1, §3.3.2.11.

use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    if request.response_type.has_id_token() && asked.get("nonce").is_none() {
        return Err(OAuthError::invalid_request("nonce is missing").saying("nonce is missing: this response_type needs one."));
    }
    Ok(())
}
