//! Pushed requests: who must push, and what cannot be pushed. RFC 9126 §2.1, §4 to §6.

use crate::error::OAuthError;
use crate::request::{Arrival, Asked, Request};

pub fn check(asked: &Asked<'_>, _: &mut Request) -> Result<(), OAuthError> {
    let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_request(why).saying(sentence));
    match asked.arrival {
        // RFC 9126 §2.1: a reference to a reference would have to be fetched by us.
        Arrival::Pushing if asked.get("request_uri").is_some() => refuse("request_uri was pushed", "request_uri cannot be pushed."),
        // RFC 9126 §4: here, and not at the token endpoint, so that nobody sees a page for what cannot be granted.
        Arrival::Browser if asked.policy.pushed_only || asked.client.metadata.require_pushed_authorization_requests => {
            refuse("not pushed", "This request has to be pushed first: send it to the pushed_authorization_request_endpoint (RFC 9126).")
        }
        Arrival::Browser | Arrival::Pushing | Arrival::Pushed => Ok(()),
    }
}
