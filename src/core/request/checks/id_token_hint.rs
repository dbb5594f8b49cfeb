//! `id_token_hint`: an id_token that we signed, expired or not. OpenID Connect Core 1.0 §3.1.2.1.

use crate::error::OAuthError;
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    request.hinted_account =
        asked.hint.map_err(|()| OAuthError::invalid_request("id_token_hint").saying("id_token_hint is not an id_token of this server."))?;
    Ok(())
}
