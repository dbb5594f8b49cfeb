//! `/device`: the code of a device, who asks for what, and what became of it (RFC 8628 §3.3).
//!
//! | Rule | Source |
//! |---|---|
//! | the code is shown again, so that the person can compare it with the device | RFC 8628 §3.3.1 |
//! | where the request came from is shown: a stranger's device shows itself | RFC 8628 §5.4 |
//! | what was typed stays | WCAG 2.2 §3.3.7 |
//!
//! Out of scope: whose code it is (`app::device`), routes (`routes::device`).

use super::choice::Choice;
use super::field::Field;
use super::link::Link;
use super::problem::Problem;
use super::{Detail, Page, Template};

/// Sends `user_code` to `/device` by GET: looking changes nothing.
#[derive(Template)]
#[template(path = "device/enter.html")]
pub struct Enter {
    pub page: Page,
    pub typed: String,
    pub problems: Vec<Problem>,
}

impl Enter {
    fn field(&self) -> Field {
        let text = self.page.text;
        Field {
            autocomplete: "one-time-code",
            value: self.typed.clone(),
            hint: Some(text.device.code_hint.to_owned()),
            autofocus: self.problems.is_empty(),
            ..Field::new("user_code", text.device.code_label, &self.problems, text)
        }
    }
}

/// Posts `csrf`, `user_code`, what was chosen and `decision` = `allow` | `deny` to `/device`.
#[derive(Template)]
#[template(path = "device/confirm.html")]
pub struct Confirm {
    pub page: Page,
    pub csrf: String,
    pub client: String,
    pub user_code: String,
    pub scopes: Vec<String>,
    /// What is asked for beyond scopes.
    pub details: Vec<Detail>,
    /// What of it is left to the person.
    pub choices: Vec<Choice>,
    pub problems: Vec<Problem>,
    /// Where the request came from, as far as it is known.
    pub from: Option<String>,
    /// RFC 3339, in UTC.
    pub at: String,
    pub account: String,
    pub policy_uri: Option<Link>,
    pub tos_uri: Option<Link>,
}

impl Confirm {
    /// Is there enough to choose from? If not, a person can only say no.
    fn may_allow(&self) -> bool {
        self.choices.iter().all(|choice| choice.is_possible)
    }

    /// What the person read, as plain text, one statement per line: recorded by its hash. Neither account, code nor place: the hash stays
    /// in the log for ever, and could confirm a guess of them.
    pub fn consent_text(&self) -> String {
        let text = self.page.text;
        let client = super::consent::one_line(&self.client);
        let mut lines = vec![
            format!("{}{client}{}", text.device.confirm_title.0, text.device.confirm_title.1),
            format!("{}{client}{}", text.consent_list.0, text.consent_list.1),
        ];
        lines.extend(self.scopes.iter().map(|scope| super::consent::scope_line(text, scope)));
        lines.extend(self.details.iter().map(|detail| format!("- {}", super::consent::one_line(&detail.sentence))));
        lines.extend(self.choices.iter().map(|choice| format!("- {}", super::consent::one_line(&choice.sentence))));
        lines.push(text.device.warning.to_owned());
        lines.push(format!("[{}] [{}]", text.allow_button, text.deny_button));
        lines.join("\n")
    }
}

/// The end on this screen; it goes on at the device.
#[derive(Template)]
#[template(path = "device/answered.html")]
pub struct Answered {
    pub page: Page,
    pub allowed: bool,
}
