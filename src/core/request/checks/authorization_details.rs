//! `authorization_details`: what the request is about, beyond scopes. RFC 9396 §2, §5. A scope that stands for a credential counts as one.

use crate::credential;
use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    if let Some(text) = asked.get("authorization_details") {
        request.authorization_details = asked.types.read(text, asked.client)?.types();
    }
    // OpenID4VCI §15.1: a credential is asked for each time, however the request names it: what is in it can change with the configuration.
    if asked.types.credentials.is_in(&request.scope) {
        request.authorization_details.insert(credential::TYPE.into());
    }
    // What passes through the browser is bound to nothing and seen by many; a payment has no business there (RFC 9700 §2.1.2).
    if !request.authorization_details.is_empty() && request.response_type.has_token() {
        return Err(OAuthError::invalid_request("authorization_details in the front channel")
            .saying("authorization_details, and scopes of credentials, need a response_type without token, such as code."));
    }
    Ok(())
}
