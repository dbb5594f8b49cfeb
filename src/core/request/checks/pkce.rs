//! PKCE with S256. RFC 7636 §4.3; who must use it: RFC 9700 §2.1.1.

use alloc::string::ToString;

use crate::error::OAuthError;
use crate::profile::Profile;
use crate::request::{Arrival, Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let refuse = |sentence: &str| Err(OAuthError::invalid_request("pkce").saying(sentence));
    // Without a code there is nothing to prove at the token endpoint.
    if !request.response_type.has_code() {
        return Ok(());
    }
    // Every instance of an attested client authenticates as the same client: without PKCE one could redeem what was meant for another.
    let required =
        asked.client.is_public() || asked.client.is_attested() || asked.client.metadata.require_pkce || asked.policy.pkce_for_all;
    // FAPI 1.0 Part 2 §5.2.2.
    let required =
        required || (asked.arrival != Arrival::Browser && asked.policy.profiles(asked.client).any(Profile::wants_pkce_when_pushed));
    match (asked.get("code_challenge"), asked.get("code_challenge_method")) {
        (None, None) if required => refuse("code_challenge is missing: this client must use PKCE with S256."),
        (None, None) => Ok(()),
        (None, Some(_)) => refuse("code_challenge_method came without code_challenge."),
        // RFC 7636 §4.3: a missing method means plain, which leaks the verifier to whoever sees the request.
        (Some(_), None | Some("plain")) => refuse("code_challenge_method must be S256."),
        (Some(challenge), Some("S256")) => {
            let well_formed = challenge.len() == 43 && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            if !well_formed {
                return refuse("code_challenge must be the 43 characters of a base64url-encoded SHA-256.");
            }
            request.code_challenge = Some(challenge.to_string());
            Ok(())
        }
        (Some(_), Some(_)) => refuse("code_challenge_method must be S256."),
    }
}
