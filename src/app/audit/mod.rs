//! Questions to the log by an auditor: answered from the log itself, and each question is an event before it is answered.
//!
//! | Room | What |
//! |---|---|
//! | [`ask`] | events by filters |
//! | [`tail`] | events as they come |
//! | [`then`] | how things stood at a moment |
//! | [`personal`] | ciphertexts for those who may read them: clear, erased, or lost |
//!
//! Out of scope: who may ask (`introspect::operator`), how the answer is written (`http`).

pub mod ask;
pub mod personal;
pub mod tail;
pub mod then;

use chancery_core::decision::{Draft, Personal};
use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, AuditQueried, EvidenceEvent};
use chancery_core::stream::bounded;
use chancery_projections::audit::error::QueryError;

use super::App;
use super::context::Context;
use super::work::{Seal, Stop, Work, decide, unreadable};

impl App {
    /// Records that somebody asked, before anything is answered.
    ///
    /// # Errors
    /// `temporarily_unavailable`: a question that cannot be recorded is not answered.
    pub async fn note_question(&self, context: &Context, words: &str) -> Result<(), OAuthError> {
        let event = AuditQueried { question: bounded(words), at: self.now() };
        self.record_evidence_of(context, event.into(), None).await.map(drop)
    }

    /// Appends one event about an auditor; returns its position. An address that was asked for is personal data.
    async fn record_evidence_of(&self, context: &Context, event: EvidenceEvent, address: Option<&str>) -> Result<u64, OAuthError> {
        let seal = match address {
            Some(_) => Seal { key: Some(self.epoch_key().await?), subject: None },
            None => Seal::default(),
        };
        let draft = Draft::new(event, Personal::default().with("address", address));
        Ok(decide!(self, context, |work| record_once(work, draft.clone(), &seal))?)
    }
}

async fn record_once(mut work: Work<'_>, draft: Draft<EvidenceEvent>, seal: &Seal) -> Result<u64, Stop> {
    work.record_evidence(evidence::ANONYMOUS, vec![draft], seal)?;
    let committed = work.commit().await?;
    Ok(committed.and_then(|own| own.placed.first().map(|placed| placed.position)).unwrap_or_default())
}

/// What a question that fails says.
pub fn unanswered(error: QueryError) -> OAuthError {
    match error {
        QueryError::Read(error) => unreadable(error),
        QueryError::Unreadable(error) => OAuthError::server_error(error.to_string()),
    }
}
