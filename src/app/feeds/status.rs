//! How far each feed is, and what keeps it: beside its checkpoint in the database, so that every node and every command sees it.

use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;
use serde::{Deserialize, Serialize};

use super::set;
use crate::app::clock::rfc3339;
use crate::config::Feed;
use crate::config::feed::Format;

/// Table and key of the one row in a feed's set.
pub(super) const TABLE: &str = "state";
/// Characters of a sentence that are kept.
const LONGEST: usize = 200;

/// What is kept beside the checkpoint. Times in milliseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Which process sends, and until when nobody else does.
    node: String,
    until: i64,
    pub sent_at: Option<i64>,
    pub failing: Option<Failing>,
}

/// What keeps a feed from getting through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pub why: String,
    pub since: i64,
    pub attempts: u64,
}

impl State {
    pub async fn read(ledger: &Ledger, set: &str) -> Result<Self, ReadError> {
        let row = ledger.projected(set, &[(TABLE, TABLE)]).await?.pop().flatten();
        // A row of another form is as good as none: the lease is taken anew.
        Ok(row.and_then(|row| serde_json::from_slice(&row.body).ok()).unwrap_or_default())
    }

    pub fn is_held(&self, now: i64) -> bool {
        self.until > now && !self.node.is_empty()
    }

    pub fn is_held_by(&self, node: &str, now: i64) -> bool {
        self.is_held(now) && self.node == node
    }

    pub fn hold(&mut self, node: &str, until: i64) {
        (self.node, self.until) = (node.to_owned(), until);
    }

    pub fn fail(&mut self, why: String, now: i64) {
        let why: String = why.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let (since, attempts) = self.failing.as_ref().map_or((now, 0), |before| (before.since, before.attempts));
        self.failing = Some(Failing { why, since, attempts: attempts + 1 });
    }
}

/// A feed for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub name: String,
    pub format: String,
    pub to: String,
    /// Events that were sent, or left out by type; `None` before the first start with this feed.
    pub checkpoint: Option<u64>,
    /// Events that wait.
    pub behind: u64,
    pub sent_at: Option<String>,
    pub failing: Option<String>,
}

impl Status {
    /// Does it get through?
    pub fn is_well(&self) -> bool {
        self.failing.is_none()
    }
}

/// The status of each feed, in the order of the configuration.
///
/// # Errors
/// A database that does not answer.
pub async fn of(ledger: &Ledger, feeds: &[Feed]) -> Result<Vec<Status>, ReadError> {
    let head = ledger.head().await?.size;
    let mut all = Vec::with_capacity(feeds.len());
    for feed in feeds {
        let set = set(&feed.name);
        let checkpoint = ledger.checkpoint(&set).await?;
        let state = State::read(ledger, &set).await?;
        all.push(Status {
            name: feed.name.clone(),
            format: match feed.format {
                Format::Ocsf => "ocsf",
                Format::CloudEvents => "cloudevents",
                Format::JsonLines => "jsonl",
                Format::Csv => "csv",
                Format::Parquet => "parquet",
                Format::Signals => "ssf",
            }
            .to_owned(),
            to: feed.to.shown(),
            checkpoint,
            behind: checkpoint.map_or(0, |at| head.saturating_sub(at)),
            sent_at: state.sent_at.map(rfc3339),
            failing: state.failing.map(|own| format!("{} (attempt {}, since {})", own.why, own.attempts, rfc3339(own.since))),
        });
    }
    Ok(all)
}
