//! `response_mode`: query or form_post. First, so that later refusals already travel the way that was asked for.

use crate::client::metadata::ResponseMode;
use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let Some(text) = asked.get("response_mode") else { return Ok(()) };
    request.response_mode = ResponseMode::parse(text).ok_or_else(|| {
        OAuthError::invalid_request("response_mode").saying("This response_mode is not supported; use query or form_post.")
    })?;
    Ok(())
}
