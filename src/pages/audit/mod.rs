//! The auditor's pages: the log as sentences, one event with its proof, how a stream stood, was a token active, where a token came from.
//!
//! In English only: what they say are the names of events and the words of specifications.
//!
//! | Page | View |
//! |---|---|
//! | `/admin/audit` | [`Timeline`] |
//! | `/admin/audit/events/{position}` | [`EventPage`] |
//! | `/admin/audit/streams/{stream}` | [`StreamPage`] |
//! | `/admin/audit/token` | [`TokenPage`] |
//! | `/admin/audit/tokens/{id}` | [`StoryPage`] |

pub mod near;
pub mod sentence;

use super::{Page, Template};
pub use near::Near;

/// A field of a form that asks.
pub struct Ask {
    pub name: &'static str,
    pub label: &'static str,
    pub hint: Option<&'static str>,
    pub value: String,
    pub kind: &'static str,
}

impl Ask {
    pub fn text(name: &'static str, label: &'static str, value: Option<&str>) -> Self {
        Self { name, label, hint: None, value: value.unwrap_or_default().to_owned(), kind: "text" }
    }

    #[must_use]
    pub fn hinted(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// An event as a line of the roll.
pub struct Line {
    pub position: u64,
    /// RFC 3339, in UTC.
    pub at: String,
    pub sentence: String,
    pub kind: String,
    /// Who, what and where: each leads on.
    pub near: Vec<Near>,
}

impl Line {
    /// `2026-03-14 09:26:53 UTC`.
    pub fn shown(&self) -> String {
        shown(&self.at)
    }
}

/// `2026-03-14T09:26:53.123Z` as `2026-03-14 09:26:53 UTC`; anything else stays as it is.
pub fn shown(at: &str) -> String {
    match (at.get(..10), at.get(11..19), at.ends_with('Z')) {
        (Some(date), Some(time), true) => format!("{date} {time} UTC"),
        _ => at.to_owned(),
    }
}

/// The log as sentences, newest first.
#[derive(Template)]
#[template(path = "audit/timeline.html")]
pub struct Timeline {
    pub page: Page,
    /// E-mail address of who looks.
    pub auditor: String,
    pub fields: Vec<Ask>,
    pub lines: Vec<Line>,
    /// The next page, if there is one.
    pub older: Option<String>,
    /// How many events the answer takes into account.
    pub indexed: u64,
    /// What is wrong with the question.
    pub problem: Option<String>,
}

/// A member of `personal`.
pub struct PersonalFact {
    pub field: String,
    pub shown: String,
}

/// One event with its proof.
#[derive(Template)]
#[template(path = "audit/event.html")]
pub struct EventPage {
    pub page: Page,
    pub auditor: String,
    pub line: Line,
    /// Name and value of what stands beside the data.
    pub facts: Vec<(&'static str, String)>,
    pub personal: Vec<PersonalFact>,
    pub data: String,
    pub leaf: String,
    pub proof: Proof,
    pub newer: Option<String>,
    pub older: Option<String>,
}

/// That the event is in the log, in base64.
pub struct Proof {
    pub leaf_hash: String,
    pub size: u64,
    pub root: String,
    pub hashes: Vec<String>,
    /// The signed note, where the tree is the latest one.
    pub checkpoint: Option<String>,
}

/// A stream as it was.
#[derive(Template)]
#[template(path = "audit/stream.html")]
pub struct StreamPage {
    pub page: Page,
    pub auditor: String,
    pub stream: String,
    pub as_of: Ask,
    pub facts: Vec<(&'static str, String)>,
    /// `None`: there was no such stream then.
    pub state: Option<String>,
    pub problem: Option<String>,
    pub events: String,
}

/// A check of a token.
pub struct CheckLine {
    pub what: String,
    pub alive: bool,
    pub said: String,
    /// The event that made it so.
    pub event: Option<Near>,
}

/// Was this token active then?
#[derive(Template)]
#[template(path = "audit/token.html")]
pub struct TokenPage {
    pub page: Page,
    pub auditor: String,
    pub csrf: String,
    pub fields: Vec<Ask>,
    pub problem: Option<String>,
    pub verdict: Option<VerdictView>,
}

pub struct VerdictView {
    pub active: bool,
    pub why: String,
    pub facts: Vec<(&'static str, String)>,
    pub checks: Vec<CheckLine>,
    pub near: Vec<Near>,
}

/// Where a token came from, and what became of it.
#[derive(Template)]
#[template(path = "audit/story.html")]
pub struct StoryPage {
    pub page: Page,
    pub auditor: String,
    pub kind: String,
    pub token: String,
    pub facts: Vec<(&'static str, String)>,
    pub near: Vec<Near>,
    pub lines: Vec<Line>,
    pub in_force: Vec<(&'static str, String)>,
    pub more: bool,
}
