//! What a request says that no browser brings: a parameter by which a client is safer, or the person asked again, is not passed over where it can
//! mean nothing. Others that only tell how an answer travels are ignored (RFC 8628 §3.1).

use crate::error::OAuthError;
use crate::request::Asked;

/// What can mean nothing here, and what the client can do instead.
const FOREIGN: &[(&str, &str)] = &[
    ("code_challenge", "there is no code that it could protect."),
    ("code_challenge_method", "there is no code that it could protect."),
    ("dpop_jkt", "prove the key at the token endpoint."),
    ("prompt", "no page is opened by this request; max_age=0 asks for a sign-in."),
];

pub fn check(asked: &Asked<'_>) -> Result<(), OAuthError> {
    if asked.get("request_uri").is_some() {
        return Err(OAuthError::request_uri_not_supported("no browser").saying("request_uri is not for this endpoint; send request."));
    }
    match FOREIGN.iter().find(|(name, _)| asked.get(name).is_some()) {
        None => Ok(()),
        Some((name, why)) => {
            Err(OAuthError::invalid_request("means nothing here").saying(alloc::format!("{name} is not for this endpoint: {why}")))
        }
    }
}
