//! Registration inside a request is refused by its own code. OpenID Connect Core 1.0 §3.1.2.6, §7.2.1.

use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, _: &mut Request) -> Result<(), OAuthError> {
    if asked.get("registration").is_some() {
        return Err(OAuthError::registration_not_supported("registration"));
    }
    Ok(())
}
