//! `prompt`: known values, and none only by itself. OpenID Connect Core 1.0 §3.1.2.1.

use alloc::format;
use alloc::vec::Vec;

use crate::error::OAuthError;
use crate::request::{Asked, Prompt, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    for word in asked.get("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        let Some((prompt, _)) = asked.policy.prompts().find(|(_, text)| *text == word) else {
            let words: Vec<_> = asked.policy.prompts().map(|(_, text)| text).collect();
            let sentence = format!("prompt has an unknown value; supported are {}.", words.join(", "));
            return Err(OAuthError::invalid_request("unknown prompt").saying(sentence));
        };
        request.prompt.insert(prompt);
    }
    if request.prompt.contains(&Prompt::None) && request.prompt.len() > 1 {
        return Err(OAuthError::invalid_request("none with others").saying("prompt=none excludes every other value."));
    }
    Ok(())
}
