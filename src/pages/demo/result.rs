//! The example client after the login: what it was told, and the events that explain it.

use crate::pages::{Page, Template};

#[derive(Template)]
#[template(path = "demo/result.html")]
pub struct DemoResult {
    pub page: Page,
    /// What to call the person; the `sub` if nothing better was told.
    pub greeting: String,
    pub claims: Vec<Claim>,
    pub tokens: Vec<Token>,
    /// In the order of the log.
    pub events: Vec<RollEvent>,
    /// Where the refresh token is traded, if there is one.
    pub refresh_url: Option<String>,
    /// Where the example client forgets the login.
    pub logout_url: String,
    /// The same events as JSON.
    pub events_url: Option<String>,
}

pub struct Claim {
    pub name: String,
    /// Text as it is, anything else as JSON.
    pub value: String,
    /// `id_token` or `userinfo`.
    pub source: String,
}

/// A token, made unusable for the screen.
pub struct Token {
    pub name: String,
    shown: String,
    length: usize,
    /// How long it lives, its algorithm, whom it is for ...
    pub note: String,
}

impl Token {
    /// Keeps the first 14 characters at most a quarter of it, and its length: enough to recognise it, useless to a shoulder-surfer.
    pub fn new(name: impl Into<String>, token: &str, note: impl Into<String>) -> Self {
        let length = token.chars().count();
        let shown = token.chars().take(14.min(length / 4)).collect();
        Self { name: name.into(), shown, length, note: note.into() }
    }
}

/// An event as the roll shows it.
pub struct RollEvent {
    pub position: u64,
    /// RFC 3339, in UTC.
    pub at: String,
    pub kind: String,
    pub stream: String,
    /// Pretty-printed JSON.
    pub data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_shown_whole() {
        for token in ["", "a", "abc", "cha_at_0123456789abcdefghijklmnopqrstuvwxyz", "\u{20ac}\u{20ac}\u{20ac}\u{20ac}"] {
            let shown = Token::new("access_token", token, "").shown;
            assert!(shown.chars().count() <= 14 && shown.chars().count() * 4 <= token.chars().count(), "{token}");
            assert!(token.starts_with(&shown));
        }
    }
}
