//! `response_mode`: query, fragment or form_post. First, so that later refusals already travel the way that was asked for.
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
        Some(mode) => {
            request.response_mode = mode;
            Ok(())
        }
        None => refuse("This response_mode is not supported; use query, fragment or form_post."),
    }
}
