//! `acr_values`: the levels that the sign-in should reach. OpenID Connect Core 1.0 §3.1.2.1, RFC 9470 §5.

use crate::acr::{self, Demanded};
use crate::error::OAuthError;
use crate::request::{Asked, Request};
use crate::scope::STANDARD;

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let values = asked.get("acr_values");
    // RFC 9470 §5: the resource server has refused this level already, and would again, for ever. What is registered as default_acr_values can be
    // reached: registration sees to that.
    if values.is_some_and(|values| !acr::can_reach(values)) && is_demanded(asked.policy.acr_demanded, request) {
        return Err(OAuthError::unmet_authentication_requirements("acr_values"));
    }
    // The answer names the level that was reached.
    if values.is_some() || !asked.client.metadata.default_acr_values.is_empty() {
        request.claims.id_token.insert("acr".into());
    }
    Ok(())
}

fn is_demanded(demanded: Demanded, request: &Request) -> bool {
    match demanded {
        Demanded::Always => true,
        Demanded::Never => false,
        Demanded::Resources => (request.response_type.has_code() || request.response_type.has_token()) && is_for_others(request),
    }
}

/// Does anybody but our own userinfo read the access token? Without `openid` somebody else does, whatever its scope: OpenID Connect, for which the
/// parameter is a wish, is out of the game then.
fn is_for_others(request: &Request) -> bool {
    !request.scope.has("openid")
        || !request.resources.is_empty()
        || !request.authorization_details.is_empty()
        || request.scope.iter().any(|word| !STANDARD.contains(&word))
}
