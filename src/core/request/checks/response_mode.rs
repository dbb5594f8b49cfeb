//! `response_mode`: query, fragment or form_post, each plain or as a signed JWT (JARM §2.3). First, so that later refusals already travel the way that was asked for.
//!
//! Tokens never stand in a query, where servers and proxies log them: OAuth 2.0 Multiple Response Types §3.0, §5.

use crate::client::metadata::{ResponseMode, ResponseType};
use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let kind = asked.get("response_type").and_then(ResponseType::read).unwrap_or_default();
    let front_channel = asked.policy.front_channel && kind.is_front_channel();
    request.response_mode = if front_channel { ResponseMode::Fragment } else { ResponseMode::Query };
    let Some(text) = asked.get("response_mode") else { return Ok(()) };
    let refuse = |sentence: &str| Err(OAuthError::invalid_request("response_mode").saying(sentence));
    match ResponseMode::parse(text) {
        Some(ResponseMode::Query) if front_channel => refuse("Tokens do not travel in a query; use fragment or form_post."),
        // JARM §2.3.1: only an encrypted answer might.
        Some(ResponseMode::QueryJwt) if front_channel => refuse("Tokens do not travel in a query; use fragment.jwt or form_post.jwt."),
        // JARM §2.3.4.
        Some(ResponseMode::Jwt) => {
            request.response_mode = if front_channel { ResponseMode::FragmentJwt } else { ResponseMode::QueryJwt };
            Ok(())
        }
        Some(mode) => {
            request.response_mode = mode;
            Ok(())
        }
        None => {
            refuse("This response_mode is not supported; use query, fragment, form_post, jwt, query.jwt, fragment.jwt or form_post.jwt.")
        }
    }
}
