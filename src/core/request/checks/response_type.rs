//! `response_type=code`, for a client that registered it. RFC 6749 §3.1.1; the implicit flow is out: RFC 9700 §2.1.2.

use crate::client::metadata::ResponseType;
use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, _: &mut Request) -> Result<(), OAuthError> {
    let Some(text) = asked.get("response_type") else {
        return Err(OAuthError::invalid_request("response_type is missing").saying("response_type is missing; use response_type=code."));
    };
    match ResponseType::parse(text) {
        Some(kind) if asked.client.metadata.response_types.contains(&kind) => Ok(()),
        Some(_) => Err(OAuthError::unauthorized_client("response_type=code is not registered")),
        None => Err(OAuthError::unsupported_response_type("not code").saying(
            "Only the authorization code flow is supported: set response_type to code (express-openid-connect: authorizationParams: { response_type: 'code' }).",
        )),
    }
}
