//! `authorization_details`: what the request is about, beyond scopes. RFC 9396 §2, §5.

use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let Some(text) = asked.get("authorization_details") else { return Ok(()) };
    let details = asked.types.read(text, asked.client)?;
    // What passes through the browser is bound to nothing and seen by many; a payment has no business there (RFC 9700 §2.1.2).
    if request.response_type.has_token() {
        return Err(OAuthError::invalid_request("authorization_details in the front channel")
            .saying("authorization_details need a response_type without token, such as code."));
    }
    request.authorization_details = details.types();
    Ok(())
}
