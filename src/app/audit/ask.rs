//! Events by filters.
//!
//! | Rule | Why |
//! |---|---|
//! | times become positions first | `recorded_at` never goes back; an index of times would say nothing more |
//! | `min_position` waits for the index, at most five seconds | whoever has just written can read it, and nobody waits for ever |
//! | an address is compared by opening what was sealed, at most so many events in one question | an index of addresses would outlive an erasure (ADR 0031) |

use std::time::Duration;

use chancery_core::error::OAuthError;
use chancery_core::evidence::AuditQueried;
use chancery_core::stream::bounded;
use chancery_projections::audit::query::{self, Page, Question};
use chancery_projections::audit::{SET, moment};
use tokio::time::Instant;

use super::unanswered;
use crate::app::App;
use crate::app::context::Context;
use crate::app::work::unreadable;

/// Longest wait for `min_position`.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at the index.
const LOOK: Duration = Duration::from_millis(20);
/// Events whose address is compared in one question.
const MOST_OPENED: usize = 2_000;

/// What an auditor asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub question: Question,
    /// The address from which it was done, as text.
    pub address: Option<String>,
    /// Milliseconds since the epoch: the first and the last moment.
    pub after: Option<i64>,
    pub before: Option<i64>,
    /// The answer has to take the event at this position into account.
    pub min_position: Option<u64>,
}

impl Asked {
    /// The filters in our own words, without the address.
    pub fn words(&self) -> String {
        let own = &self.question;
        let mut words = Vec::new();
        for (name, value) in [
            ("subject", &own.subject),
            ("client", &own.client),
            ("actor", &own.actor),
            ("session", &own.session),
            ("grant", &own.grant),
            ("token", &own.token),
            ("type", &own.kind),
            ("stream", &own.stream),
        ] {
            words.extend(value.as_ref().map(|value| format!("{name}={value}")));
        }
        words.extend(self.address.as_ref().map(|_| "address".to_owned()));
        words.extend(self.after.map(|ms| format!("after={}", moment::written(ms))));
        words.extend(self.before.map(|ms| format!("before={}", moment::written(ms))));
        words.push(format!("from={}", own.from));
        words.extend(own.until.map(|until| format!("until={until}")));
        words.extend(own.newest_first.then(|| "newest first".to_owned()));
        words.join(" ")
    }
}

impl App {
    /// Answers a question, which is an event: each page, since nobody can tell a further page from a new question.
    ///
    /// # Errors
    /// `temporarily_unavailable`, also when the index does not reach `min_position` in time; a leaf that cannot be read is a fault.
    pub async fn ask_log(&self, context: &Context, asked: &Asked) -> Result<Page, OAuthError> {
        let event = AuditQueried { question: bounded(&asked.words()), at: self.now() };
        self.record_evidence_of(context, event.into(), asked.address.as_deref()).await?;
        if let Some(position) = asked.min_position {
            self.index_reaches(position).await?;
        }
        let question = self.with_times(asked).await?;
        match &asked.address {
            None => query::ask(&self.ledger, &question).await.map_err(unanswered),
            Some(address) => self.ask_by_address(question, address).await,
        }
    }

    /// The question with its times as positions.
    async fn with_times(&self, asked: &Asked) -> Result<Question, OAuthError> {
        let mut question = asked.question.clone();
        if let Some(ms) = asked.after {
            // The first event at or after the moment: everything before it was recorded a millisecond earlier.
            let first = moment::size_at(&self.ledger, ms.saturating_sub(1)).await.map_err(unreadable)?;
            question.from = question.from.max(first);
        }
        if let Some(ms) = asked.before {
            let beyond = moment::size_at(&self.ledger, ms).await.map_err(unreadable)?;
            question.until = Some(question.until.map_or(beyond, |until| until.min(beyond)));
        }
        Ok(question)
    }

    /// Waits until the index takes a position into account.
    ///
    /// # Errors
    /// `temporarily_unavailable` when it does not in time.
    pub(in crate::app) async fn index_reaches(&self, position: u64) -> Result<(), OAuthError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.ledger.checkpoint(SET).await.map_err(unreadable)?.is_some_and(|indexed| indexed > position) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let late = OAuthError::temporarily_unavailable(format!("the audit index has not reached position {position}"));
                return Err(late.saying("The index has not reached min_position yet; try again shortly."));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Opens what was sealed, page by page, until the answer is full or enough was looked at.
    async fn ask_by_address(&self, mut question: Question, address: &str) -> Result<Page, OAuthError> {
        let limit = question.limit.clamp(1, query::MOST) as usize;
        question.limit = query::MOST;
        let (mut events, mut opened) = (Vec::new(), 0);
        loop {
            let mut page = query::ask(&self.ledger, &question).await.map_err(unanswered)?;
            opened += page.events.len();
            for found in std::mem::take(&mut page.events) {
                let position = found.recorded.position;
                if self.was_seen_from(&found.envelope, address).await? {
                    events.push(found);
                }
                if events.len() == limit {
                    let next = if question.newest_first { position } else { position + 1 };
                    return Ok(Page { events, next: Some(next), ..page });
                }
            }
            match page.next {
                Some(next) if opened < MOST_OPENED && question.newest_first => question.until = Some(next),
                Some(next) if opened < MOST_OPENED => question.from = next,
                _ => return Ok(Page { events, ..page }),
            }
        }
    }
}
