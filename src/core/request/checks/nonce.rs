//! `nonce` binds an id_token to the request: every one that passes through the browser, and under some profiles every one.
//!
//! OpenID Connect Core 1.0 §3.2.2.1, §3.3.2.11; FAPI 1.0 Part 1 §5.2.2.2, §5.2.2.3.

use crate::error::OAuthError;
use crate::profile::Profile;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    if request.response_type.has_id_token() && asked.get("nonce").is_none() {
        return Err(OAuthError::invalid_request("nonce is missing").saying("nonce is missing: this response_type needs one."));
    }
    if !asked.policy.profiles(asked.client).any(Profile::wants_nonce_or_state) {
        return Ok(());
    }
    // FAPI 1.0 Part 1 §5.2.2.2, and §5.2.2.3 where no id_token comes that could have one.
    let (name, why) = if request.scope.has("openid") { ("nonce", "nonce is missing") } else { ("state", "state is missing") };
    match asked.get(name) {
        Some(_) => Ok(()),
        None => {
            Err(OAuthError::invalid_request(why).saying(alloc::format!("{name} is missing: the profile that is demanded here needs one.")))
        }
    }
}
