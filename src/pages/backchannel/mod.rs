//! `/account/requests`: what clients ask a person on the back channel (CIBA Core §8), one at a time.
//!
//! | Rule | Source |
//! |---|---|
//! | the binding message is shown as it was sent, never as markup | CIBA Core §7.1, §13 |
//! | who asks for what, and when, is shown before anybody can allow it | CIBA Core §8 |
//!
//! Out of scope: whose request it is (`app::backchannel`), routes (`routes::backchannel`).

use super::choice::Choice;
use super::field::Field;
use super::link::Link;
use super::problem::Problem;
use super::{Detail, Page, Template};

/// Posts `csrf`, `request` and `decision` = `allow` | `deny` to `/account/requests`.
#[derive(Template)]
#[template(path = "backchannel/confirm.html")]
pub struct Confirm {
    pub page: Page,
    pub csrf: String,
    /// The id of the request.
    pub request: String,
    pub client: String,
    pub scopes: Vec<String>,
    /// What is asked for beyond scopes.
    pub details: Vec<Detail>,
    /// What of it is left to the person.
    pub choices: Vec<Choice>,
    pub problems: Vec<Problem>,
    pub binding_message: Option<String>,
    /// RFC 3339, in UTC.
    pub at: String,
    pub account: String,
    /// Others wait behind it.
    pub more: bool,
    pub policy_uri: Option<Link>,
    pub tos_uri: Option<Link>,
}

impl Confirm {
    /// Is there enough to choose from? If not, a person can only say no.
    fn may_allow(&self) -> bool {
        self.choices.iter().all(|choice| choice.is_possible)
    }

    /// What the person read, as plain text, one statement per line: recorded by its hash. Neither account, message nor what is particular: the hash stays in the
    /// log for ever, and could confirm a guess of them.
    pub fn consent_text(&self) -> String {
        let text = self.page.text;
        let client = super::consent::one_line(&self.client);
        let mut lines = vec![
            format!("{}{client}{}", text.backchannel.title.0, text.backchannel.title.1),
            format!("{}{client}{}", text.consent_list.0, text.consent_list.1),
        ];
        lines.extend(self.scopes.iter().map(|scope| super::consent::scope_line(text, scope)));
        lines.extend(self.details.iter().map(|detail| format!("- {}", super::consent::one_line(&detail.sentence))));
        lines.extend(self.choices.iter().map(|choice| format!("- {}", super::consent::one_line(&choice.sentence))));
        lines.push(text.backchannel.warning.to_owned());
        lines.push(format!("[{}] [{}]", text.allow_button, text.deny_button));
        lines.join("\n")
    }
}

/// Nothing waits; `answered` says what was just done.
#[derive(Template)]
#[template(path = "backchannel/nothing.html")]
pub struct Nothing {
    pub page: Page,
    /// Allowed, or denied.
    pub answered: Option<bool>,
}

/// Posts `csrf`, `current`, `user_code` and `action` = `set` | `remove` to `/account/requests/code`.
#[derive(Template)]
#[template(path = "backchannel/code.html")]
pub struct Code {
    pub page: Page,
    pub csrf: String,
    /// There is one already.
    pub is_there: bool,
    /// Set, or removed, a moment ago.
    pub done: Option<bool>,
    pub problems: Vec<Problem>,
}

impl Code {
    fn fields(&self) -> [Field; 2] {
        let (text, problems) = (self.page.text, self.problems.as_slice());
        [
            Field {
                kind: "password",
                autocomplete: "current-password",
                ..Field::new("current", text.account.email_password_label, problems, text)
            },
            // No `new-password`: browsers would keep it as the password of this site.
            Field {
                autocomplete: "one-time-code",
                hint: Some(text.backchannel.code_rules.to_owned()),
                required: false,
                ..Field::new("user_code", text.backchannel.code_label, problems, text)
            },
        ]
    }
}
