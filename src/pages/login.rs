//! Sign-in: e-mail and password.
//!
//! | Rule | Source |
//! |---|---|
//! | who asks is named | RFC 6749 §10.11: the person must be able to see what is going on |
//! | `login_hint` fills the first field | OpenID Connect Core 1.0 §3.1.2.1 |
//! | fields say what they are to password managers | WCAG 2.2 §1.3.5, §3.3.8 |

use super::field::Field;
use super::problem::Problem;
use super::{Page, Template};

/// Posts `login`, `password` and `csrf` to `action`.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login {
    pub page: Page,
    pub action: String,
    pub csrf: String,
    /// Name of the client that asks; `None` when the person came by themselves.
    pub client: Option<String>,
    /// What was typed before, else `login_hint`, else empty.
    pub login: String,
    pub problems: Vec<Problem>,
    /// `None` while registration is closed.
    pub register_url: Option<String>,
}

impl Login {
    fn fields(&self) -> [Field; 2] {
        let (text, problems) = (self.page.text, self.problems.as_slice());
        // After an error the summary takes the focus, so that it is read first.
        let calm = problems.is_empty();
        [
            Field {
                autocomplete: "username",
                value: self.login.clone(),
                autofocus: calm && self.login.is_empty(),
                ..Field::new("login", text.email_label, problems, text)
            },
            Field {
                kind: "password",
                autocomplete: "current-password",
                autofocus: calm && !self.login.is_empty(),
                ..Field::new("password", text.password_label, problems, text)
            },
        ]
    }
}
