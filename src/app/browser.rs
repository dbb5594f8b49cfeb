//! What a browser brings along, and what it holds from then on.

/// What the browser brought along.
#[derive(Clone, Copy, Default)]
pub struct Browser<'a> {
    pub session: Option<&'a str>,
    /// Sessions of the people beside, with spaces between.
    pub others: Option<&'a str>,
    /// Value of the cookie that binds interactions.
    pub binding: Option<&'a str>,
}

/// What a browser holds from now on: the texts of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub session: Option<String>,
    pub others: Vec<String>,
}

impl Held {
    /// After a login: the new session is in use, whoever was and stays stands beside.
    pub(super) fn followed_by(self, session: String) -> Self {
        Self { session: Some(session), others: self.session.into_iter().chain(self.others).collect() }
    }
}
