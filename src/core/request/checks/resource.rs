//! `resource`: the resource servers that the tokens are for. RFC 8707 §2, OpenID4VCI §5.1.2.

use crate::error::OAuthError;
use crate::request::{Asked, Request};
use crate::resource::ResourceId;

/// Resources in one request.
pub const MOST: usize = 8;

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_target(why).saying(sentence));
    if asked.resources.asked.len() > MOST {
        return refuse("too many resources", "Name at most 8 resources.");
    }
    for text in asked.resources.asked {
        // Our own userinfo needs no grant of its own: openid is.
        if asked.resources.own.is_userinfo(text) {
            continue;
        }
        let Some(id) = ResourceId::parse(text) else {
            return refuse("malformed resource", "A resource is an absolute URI without a fragment.");
        };
        if asked.resources.found.iter().any(|server| server.identifier == id && server.is_active()) {
            request.resources.insert(id);
            continue;
        }
        // Neither does the credential endpoint: the credentials that are asked for are the grant.
        if !asked.resources.own.is_credential_issuer(text) {
            return refuse("unknown resource", "There is no resource server with this identifier here.");
        }
    }
    Ok(())
}
