//! Strings that others choose are bounded: at most 2 KiB each.

use crate::error::OAuthError;
use crate::request::{Asked, Request};

const MOST: usize = 2048;

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    for name in ["state", "nonce", "login_hint", "redirect_uri"] {
        if asked.get(name).is_some_and(|value| value.len() > MOST) {
            return Err(OAuthError::invalid_request("oversized parameter").saying(alloc::format!("{name} is longer than 2048 bytes.")));
        }
    }
    // A wish, not a demand: what is no list of language tags is passed over.
    let is_list = |text: &&str| text.len() <= 100 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b' '));
    request.ui_locales = asked.get("ui_locales").filter(is_list).map(Into::into);
    Ok(())
}
