//! Strings that others choose are bounded: at most 2 KiB each.

use crate::error::OAuthError;
use crate::request::{Asked, Request};

const MOST: usize = 2048;

pub fn check(asked: &Asked<'_>, _: &mut Request) -> Result<(), OAuthError> {
    for name in ["state", "nonce", "login_hint", "redirect_uri"] {
        if asked.get(name).is_some_and(|value| value.len() > MOST) {
            return Err(OAuthError::invalid_request("oversized parameter").saying(alloc::format!("{name} is longer than 2048 bytes.")));
        }
    }
    Ok(())
}
