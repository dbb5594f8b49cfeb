//! The sentences of `/account`.

mod de;
mod en;

use super::Around;
use crate::app::history::What;

pub use de::TEXT as DE;
pub use en::TEXT as EN;

/// What was just done on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Saved,
    NothingChanged,
    PasswordChanged,
    EmailChanged,
    SessionEnded,
    SessionsEnded,
    Withdrawn,
}

impl Done {
    pub const ALL: [Self; 7] = [
        Self::Saved,
        Self::NothingChanged,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::SessionEnded,
        Self::SessionsEnded,
        Self::Withdrawn,
    ];

    /// The word in the address.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::NothingChanged => "nothing",
            Self::PasswordChanged => "password",
            Self::EmailChanged => "email",
            Self::SessionEnded => "session",
            Self::SessionsEnded => "sessions",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// One language.
pub struct AccountText {
    pub title: &'static str,
    pub home_link: &'static str,
    pub back_link: &'static str,
    pub since: Around,
    pub yes: &'static str,
    pub done: fn(Done) -> &'static str,

    pub data_title: &'static str,
    pub data_none: &'static str,
    pub others_label: &'static str,
    pub profile_link: &'static str,
    pub password_link: &'static str,
    pub email_link: &'static str,

    pub sessions_title: &'static str,
    pub unknown_browser: &'static str,
    pub end_button: &'static str,
    pub end_others_button: &'static str,

    pub apps_title: &'static str,
    pub apps_none: &'static str,
    pub apps_note: &'static str,
    pub app_closed: &'static str,
    pub withdraw_button: &'static str,

    pub history_title: &'static str,
    /// The sentence around a browser, an app, or nothing.
    pub happened: fn(What) -> Around,

    pub profile_title: &'static str,
    pub profile_note: &'static str,
    pub save_button: &'static str,
    /// The heading of the group that begins with this claim.
    pub group: fn(&str) -> &'static str,
    pub claim: fn(&str) -> &'static str,
    pub claim_hint: fn(&str) -> Option<&'static str>,

    pub password_title: &'static str,
    pub password_note: &'static str,
    pub current_label: &'static str,
    pub new_label: &'static str,
    pub password_button: &'static str,

    pub email_title: &'static str,
    pub email_note: &'static str,
    pub email_label: &'static str,
    pub email_password_label: &'static str,
    pub email_button: &'static str,
}

#[cfg(test)]
mod tests {
    use chancery_core::account::claims::RULES;

    use super::*;

    #[test]
    fn every_claim_has_a_label_of_its_own_in_each_language() {
        for text in [&EN, &DE] {
            let labels: std::collections::BTreeSet<_> = RULES.iter().map(|rule| (text.claim)(rule.name)).collect();
            assert_eq!(labels.len(), RULES.len());
            assert!(!labels.contains(""));
        }
    }

    #[test]
    fn every_word_in_the_address_has_a_sentence() {
        for text in [&EN, &DE] {
            assert!(Done::ALL.into_iter().all(|done| !(text.done)(done).is_empty()));
        }
    }
}
