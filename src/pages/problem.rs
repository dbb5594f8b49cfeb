//! What is wrong with a form that was sent: a summary on top with links to the fields, and the sentence again at each field.
//!
//! | Rule | Source |
//! |---|---|
//! | the field in error is named and described in text | WCAG 2.2 §3.3.1 |
//! | a suggestion is given where one is known | WCAG 2.2 §3.3.3 |
//! | wrong password and unknown account read the same | FEATURES: credentials never tell unknown from wrong |
//!
//! Out of scope: deciding it (`core`, `app`).

/// One thing to put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Unknown account, wrong password, locked account: all of them.
    WrongCredentials,
    TooManyAttempts {
        wait_seconds: u64,
    },
    /// The CSRF token was missing or old: nothing was done.
    FormExpired,
    LoginMissing,
    PasswordMissing,
    EmailMissing,
    EmailInvalid,
    EmailTooLong {
        max: usize,
    },
    EmailTaken,
    PasswordTooShort {
        min: usize,
    },
    PasswordTooLong {
        max: usize,
    },
    /// On a list of common passwords, or made of the e-mail address or name.
    PasswordGuessable,
    NameMissing,
    NameTooLong {
        max: usize,
    },
    NameInvalid,
    /// The password until now, asked before another one is taken.
    CurrentPasswordWrong,
    ClaimInvalid {
        field: &'static str,
    },
    ClaimTooLong {
        field: &'static str,
        max: usize,
    },
    /// The code for requests on the back channel: too short, too long, or not to be typed.
    RequestCodeUnfit,
    /// Unknown, mistyped, expired or answered: all of them.
    UserCodeUnknown,
    /// All that one scope asks for, together.
    ClaimsTooLong,
    /// Fewer than have to be.
    NotChosen {
        field: &'static str,
        least: usize,
    },
    TooManyChosen {
        field: &'static str,
        most: usize,
    },
}

impl Problem {
    /// Name and id of the field it belongs to; `None` if it is about the form as a whole.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::WrongCredentials | Self::TooManyAttempts { .. } | Self::FormExpired | Self::ClaimsTooLong => None,
            Self::CurrentPasswordWrong => Some("current"),
            Self::UserCodeUnknown | Self::RequestCodeUnfit => Some("user_code"),
            Self::ClaimInvalid { field }
            | Self::ClaimTooLong { field, .. }
            | Self::NotChosen { field, .. }
            | Self::TooManyChosen { field, .. } => Some(field),
            Self::LoginMissing => Some("login"),
            Self::EmailMissing | Self::EmailInvalid | Self::EmailTooLong { .. } | Self::EmailTaken => Some("email"),
            Self::PasswordMissing | Self::PasswordTooShort { .. } | Self::PasswordTooLong { .. } | Self::PasswordGuessable => {
                Some("password")
            }
            Self::NameMissing | Self::NameTooLong { .. } | Self::NameInvalid => Some("name"),
        }
    }

    /// What is wrong with a password that the rules refused.
    pub fn of_password(password: &str) -> Self {
        match password {
            "" => Self::PasswordMissing,
            short if short.chars().count() < 8 => Self::PasswordTooShort { min: 8 },
            long if long.len() > 1024 => Self::PasswordTooLong { max: 1024 },
            _ => Self::PasswordGuessable,
        }
    }
}
