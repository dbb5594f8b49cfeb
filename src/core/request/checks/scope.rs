//! `scope`: unknown or unregistered tokens are dropped; refused only when the syntax is bad or nothing is left. RFC 6749 §3.3.
//! `offline_access` is ignored where no code comes back. OpenID Connect Core 1.0 §11. Authorization details need no scope beside them.

use crate::client::metadata::GrantType;
use crate::error::OAuthError;
use crate::request::{Asked, Request};
use crate::scope::Scope;

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let wanted = Scope::parse(asked.get("scope").unwrap_or_default())?;
    let mut scope = wanted.intersection(&asked.client.metadata.scope);
    // OpenID Connect Core 1.0 §11: without refresh tokens there is no access while the person is away, and none of those without a code.
    if !asked.client.metadata.grant_types.contains(&GrantType::RefreshToken) || !request.response_type.has_code() {
        scope = scope.without("offline_access");
    }
    // RFC 9396 §3, OpenID4VCI §5.1.1: a request can be about its details alone.
    let is_about_details = wanted.is_empty() && asked.get("authorization_details").is_some();
    if scope.is_empty() && !is_about_details {
        return Err(OAuthError::invalid_scope("nothing is left")
            .saying("No scope is left: ask for at least one that the client is registered for, such as openid."));
    }
    // OpenID Connect Core 1.0 §3.1.2.1: without openid nobody asked for an id_token.
    if request.response_type.has_id_token() && !scope.has("openid") {
        return Err(OAuthError::invalid_scope("openid is missing").saying("An id_token needs the scope openid."));
    }
    request.scope = scope;
    Ok(())
}
