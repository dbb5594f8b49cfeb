//! `dpop_jkt`: the key that the code will be bound to, by its thumbprint. RFC 9449 §10.

use crate::base64url;
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let Some(text) = asked.get("dpop_jkt") else { return Ok(()) };
    let bytes = if text.len() == 43 { base64url::decode(text).and_then(|bytes| bytes.try_into().ok()) } else { None };
    let Some(bytes) = bytes else {
        let sentence = "dpop_jkt must be the 43 characters of a base64url-encoded SHA-256 thumbprint.";
        return Err(OAuthError::invalid_request("dpop_jkt").saying(sentence));
    };
    request.dpop_jkt = Some(Digest(bytes));
    Ok(())
}
