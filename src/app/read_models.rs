//! Making the read models again, beside the live ones and while the server serves.
//!
//! | Read model | How |
//! |---|---|
//! | inline rows | filled beside the live ones, the tail under the head lock, swapped; then the new set gets the usual name |
//! | audit index | filled beside the live one, then put in its place; questions are answered by the old one until then |
//!
//! A server does one rebuild at a time, in the background: the operator's command asks how far it is.

use std::sync::{Mutex, PoisonError};

use chancery_core::error::OAuthError;
use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;
use chancery_projections::audit::follow::{self, FollowError};
use chancery_projections::inline::{self, rebuild};
use serde::{Deserialize, Serialize};

use super::App;

/// Where the inline rows stand while they are made again.
const ASIDE: &str = "inline.aside";

/// Which read models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    Inline,
    Audit,
    All,
}

impl Which {
    pub fn has_inline(self) -> bool {
        self != Self::Audit
    }

    pub fn has_audit(self) -> bool {
        self != Self::Inline
    }
}

/// How far a rebuild is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub running: bool,
    /// What is being made.
    pub part: String,
    pub done: u64,
    pub all: u64,
    /// What was made, with the number of events that are in it.
    pub made: Vec<(String, u64)>,
    /// Why it stopped.
    pub failed: Option<String>,
}

/// The rebuild of this process, if there is one.
#[derive(Default)]
pub struct Rebuilding(Mutex<Report>);

impl Rebuilding {
    pub fn report(&self) -> Report {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// `false`: one is running.
    fn begin(&self) -> bool {
        let mut report = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if report.running {
            return false;
        }
        *report = Report { running: true, ..Report::default() };
        true
    }
}

/// Why the read models were not made again. The live ones stay as they were.
#[derive(Debug, thiserror::Error)]
pub enum NotRebuilt {
    #[error(transparent)]
    Inline(#[from] rebuild::RebuildError),
    #[error(transparent)]
    Audit(#[from] FollowError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Makes the inline rows again. Returns how many events are in them.
///
/// # Errors
/// The first event that cannot be folded, or a database that does not answer.
pub async fn rebuild_inline(ledger: &Ledger, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<u64, rebuild::RebuildError> {
    if ledger.inline_set().await?.0 == ASIDE {
        // Broken off between the swap and the new name: these rows are live, so the usual name is free for another set.
        return rebuild::rebuild(ledger, inline::SET, progress).await;
    }
    let events = rebuild::rebuild(ledger, ASIDE, progress).await?;
    ledger.replace_set(ASIDE, inline::SET).await?;
    Ok(events)
}

/// Makes read models again. `progress` hears the part, events done and events in all; `made` each part that is ready.
///
/// # Errors
/// The first thing that is in the way.
pub async fn rebuild(
    ledger: &Ledger,
    which: Which,
    progress: &(dyn Fn(&'static str, u64, u64) + Send + Sync),
    made: &(dyn Fn(&'static str, u64) + Send + Sync),
) -> Result<(), NotRebuilt> {
    if which.has_inline() {
        made("inline", rebuild_inline(ledger, &mut |done, all| progress("inline", done, all)).await?);
    }
    if which.has_audit() {
        made("audit index", follow::rebuild(ledger, &mut |done, all| progress("audit index", done, all)).await?);
    }
    Ok(())
}

impl App {
    /// Begins a rebuild in the background. It ends with the process; the next one begins anew.
    ///
    /// # Errors
    /// One is running.
    pub fn begin_rebuild(&self, which: Which) -> Result<(), OAuthError> {
        if !self.rebuilding.begin() {
            let sentence = "The read models are being made again already; wait until it is done.";
            return Err(OAuthError::invalid_request("a rebuild is running").saying(sentence));
        }
        let app = self.clone();
        tokio::spawn(async move {
            let at = |part: &'static str, done, all| {
                app.rebuilding.change(|report| (report.part, report.done, report.all) = (part.to_owned(), done, all));
            };
            let made = |part: &'static str, events| {
                tracing::info!(part, events, "a read model was made again");
                app.rebuilding.change(|report| report.made.push((part.to_owned(), events)));
            };
            let outcome = rebuild(&app.ledger, which, &at, &made).await;
            if let Err(error) = &outcome {
                tracing::error!(%error, "the read models were not made again");
            }
            app.rebuilding.change(|report| {
                report.running = false;
                report.failed = outcome.err().map(|error| error.to_string());
            });
        });
        Ok(())
    }
}
