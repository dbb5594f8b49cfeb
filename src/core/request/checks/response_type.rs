//! `response_type`, as far as it is switched on and the client registered it. RFC 6749 §3.1.1; tokens in the front channel are
//! advised against: RFC 9700 §2.1.2.

use crate::client::metadata::ResponseType;
use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let Some(text) = asked.get("response_type") else {
        return Err(OAuthError::invalid_request("response_type is missing").saying("response_type is missing; use response_type=code."));
    };
    let is_on = |kind: &ResponseType| asked.policy.response_types().any(|own| own == *kind);
    // A profile can be one client's. FAPI 1.0 Part 2 §5.2.2, FAPI 2.0 Security Profile §5.3.2.2.
    let is_of_profiles = |kind: &ResponseType| asked.policy.profiles(asked.client).all(|own| own.has_response_type(kind.as_str()));
    match ResponseType::read(text).filter(|kind| is_on(kind) && is_of_profiles(kind)) {
        Some(kind) if asked.client.metadata.response_types.contains(&kind) => {
            request.response_type = kind;
            Ok(())
        }
        // It brings nothing that code does not: a client of the code flow may ask it.
        Some(ResponseType::None) if asked.client.metadata.response_types.contains(&ResponseType::Code) => {
            request.response_type = ResponseType::None;
            Ok(())
        }
        Some(_) => Err(OAuthError::unauthorized_client("the response_type is not registered")),
        None if asked.policy.front_channel => Err(OAuthError::unsupported_response_type("unknown").saying("There is no such response_type.")),
        None => Err(OAuthError::unsupported_response_type("not code").saying(
            "Only the authorization code flow is supported: set response_type to code (express-openid-connect: authorizationParams: { response_type: 'code' }).",
        )),
    }
}
