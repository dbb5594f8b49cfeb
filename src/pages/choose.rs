//! Several people in one browser: who answers this request?
//!
//! | Rule | Source |
//! |---|---|
//! | everybody who is signed in here, and a way to be somebody else | OpenID Connect Core 1.0 §3.1.2.1 `select_account` |
//! | who asks is named | RFC 6749 §10.11 |
//!
//! Out of scope: who is signed in (`app::beside`).

use super::{Page, Template};

/// Posts `csrf` and `choose`, the session of the chosen one, to `action`.
#[derive(Template)]
#[template(path = "choose.html")]
pub struct Choose {
    pub page: Page,
    pub action: String,
    pub csrf: String,
    pub client: String,
    /// Who uses the browser now comes first.
    pub people: Vec<Somebody>,
    /// The sign-in page for somebody else.
    pub login_url: String,
}

/// One who is signed in.
pub struct Somebody {
    pub session: String,
    pub name: Option<String>,
    pub email: String,
}
