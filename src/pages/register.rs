//! Registration: a new account by e-mail and password.
//!
//! | Rule | Source |
//! |---|---|
//! | the rules of a password are shown before it is chosen; length counts, no composition rules | NIST SP 800-63B §3.1.1.2 |
//! | each bad field is named, at the field and in the summary | WCAG 2.2 §3.3.1 |
//! | what was typed stays, except the password | WCAG 2.2 §3.3.7 |

use super::field::Field;
use super::problem::Problem;
use super::{Page, Template};

/// Posts `email`, `password`, `name` and `csrf` to `action`.
#[derive(Template)]
#[template(path = "register.html")]
pub struct Register {
    pub page: Page,
    pub action: String,
    pub csrf: String,
    /// Name of the client whose request led here.
    pub client: Option<String>,
    pub email: String,
    pub name: String,
    /// The shortest password that is accepted, in characters.
    pub password_min: usize,
    pub problems: Vec<Problem>,
    pub login_url: Option<String>,
}

impl Register {
    fn fields(&self) -> [Field; 3] {
        let (text, problems) = (self.page.text, self.problems.as_slice());
        [
            Field {
                autocomplete: "name",
                value: self.name.clone(),
                autofocus: problems.is_empty(),
                ..Field::new("name", text.name_label, problems, text)
            },
            Field {
                kind: "email",
                autocomplete: "email",
                value: self.email.clone(),
                ..Field::new("email", text.email_label, problems, text)
            },
            Field {
                kind: "password",
                autocomplete: "new-password",
                hint: Some(text.password_rules(self.password_min)),
                min_length: Some(self.password_min),
                ..Field::new("password", text.password_label, problems, text)
            },
        ]
    }
}
