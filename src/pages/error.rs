//! The error page: what happened in a person's words, what to do now, and what to quote when asking for help.
//!
//! | Rule | Source |
//! |---|---|
//! | an unverified redirect_uri is never followed: the person is told instead | RFC 6749 §4.1.2.1 |
//! | an error that would redirect at once names the target and waits for a click | RFC 9700 §4.11.2 |
//!
//! Out of scope: codes, statuses and public sentences (`core::error`).

use super::link::Link;
use super::{Page, Template};

/// What a person needs to tell apart. Finer than that is the code, which is shown too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Client unknown, or its redirect_uri not registered: only its makers can repair it.
    AppNotSetUp,
    /// The client's request is malformed or asks for something it cannot have.
    BadRequest,
    /// The interaction is over, too old, or was answered already.
    Expired,
    /// The cookie that ties the interaction to the browser is missing or another one.
    OtherBrowser,
    /// A CSRF token was missing or wrong.
    FormExpired,
    AccessDenied,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    TooManyRequests,
    Unavailable,
    Fault,
}

impl Trouble {
    /// Every trouble, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::AppNotSetUp,
        Self::BadRequest,
        Self::Expired,
        Self::OtherBrowser,
        Self::FormExpired,
        Self::AccessDenied,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::Fault,
    ];

    /// The trouble behind an error code of the registry, where nothing more exact is known.
    pub fn of_code(code: &str) -> Self {
        match code {
            "invalid_client" | "unauthorized_client" | "invalid_redirect_uri" => Self::AppNotSetUp,
            "access_denied" | "insufficient_scope" => Self::AccessDenied,
            "not_found" => Self::NotFound,
            "method_not_allowed" => Self::MethodNotAllowed,
            "payload_too_large" => Self::TooLarge,
            "slow_down" => Self::TooManyRequests,
            "temporarily_unavailable" => Self::Unavailable,
            "server_error" => Self::Fault,
            _ => Self::BadRequest,
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub page: Page,
    pub trouble: Trouble,
    /// The value of `error`.
    pub code: String,
    /// The public sentence of the refusal, meant for the client's developer.
    pub description: Option<String>,
    /// The id that finds this in the log: what to quote.
    pub reference: String,
    pub client: Option<String>,
    /// The client's verified redirect_uri, complete with the error parameters.
    pub return_to: Option<Link>,
    /// The private detail. Set in development mode only.
    pub developer_detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page() {
        assert_eq!(Trouble::of_code("server_error"), Trouble::Fault);
        assert_eq!(Trouble::of_code("invalid_scope"), Trouble::BadRequest);
    }
}
