//! `claims`: what the tokens shall say besides the claims of the scopes. OpenID Connect Core 1.0 §5.5.

use crate::acr;
use crate::claims;
use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let parsed = asked.get("claims").map(claims::parse).transpose()?.unwrap_or_default();
    // §5.5.1.1: a login that cannot reach the level must not pass for one that did.
    if parsed.essential_acr.is_some_and(|levels| !acr::SUPPORTED.iter().any(|own| levels.contains(*own))) {
        return Err(OAuthError::unmet_authentication_requirements("no such level"));
    }
    request.claims = parsed.request;
    Ok(())
}
