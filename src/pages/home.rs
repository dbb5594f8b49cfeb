//! `/`: who is signed in, or what this server is.

use super::{Page, Template};

#[derive(Template)]
#[template(path = "home.html")]
pub struct Home {
    pub page: Page,
    /// `None` when nobody is signed in.
    pub person: Option<Person>,
    /// Addresses on this server that developers look for.
    pub discovery_url: String,
    pub docs_url: String,
}

/// Who is signed in.
pub struct Person {
    pub name: Option<String>,
    pub account: String,
    /// The latest sign-ins, newest first; the first is this session's.
    pub sign_ins: Vec<SignIn>,
    /// The page that asks for confirmation.
    pub logout_url: String,
}

/// A sign-in of the account.
pub struct SignIn {
    /// RFC 3339, in UTC.
    pub at: String,
    /// Browser or address, as far as it is known.
    pub from: Option<String>,
}

impl SignIn {
    fn shown(&self) -> String {
        shown(&self.at)
    }
}

/// `2026-03-14T09:26:53Z` as `2026-03-14 09:26 UTC`; anything else stays as it is.
pub fn shown(at: &str) -> String {
    let parts = at.split_once('T').filter(|(_, time)| time.ends_with('Z'));
    match parts.and_then(|(date, time)| Some((date, time.get(..5)?))) {
        Some((date, minute)) => format!("{date} {minute} UTC"),
        None => at.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_people() {
        assert_eq!(shown("2026-03-14T09:26:53Z"), "2026-03-14 09:26 UTC");
        assert_eq!(shown("2026-03-14T09:26:53.123Z"), "2026-03-14 09:26 UTC");
        assert_eq!(shown("2026-03-14T09:26:53+02:00"), "2026-03-14T09:26:53+02:00");
        assert_eq!(shown("T\u{20ac}\u{20ac}Z"), "T\u{20ac}\u{20ac}Z");
    }
}
