//! Questions to the log by an auditor: answered from the log itself, and the question is an event.

use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, AuditQueried};
use chancery_projections::audit::query::{self, Page, QueryError, Question};

use super::App;
use super::context::Context;
use super::work::{Seal, Stop, Work, decide, unreadable};

impl App {
    /// Answers a question, which is an event: each page, since nobody can tell a further page from a new question.
    ///
    /// # Errors
    /// `temporarily_unavailable`; a leaf that cannot be read is a fault.
    pub async fn ask_log(&self, context: &Context, question: &Question) -> Result<Page, OAuthError> {
        decide!(self, context, |work| self.record_question(work, question))?;
        query::ask(&self.ledger, question).await.map_err(|error| match error {
            QueryError::Read(error) => unreadable(error),
            QueryError::Unreadable(error) => OAuthError::server_error(error.to_string()),
        })
    }

    async fn record_question(&self, mut work: Work<'_>, question: &Question) -> Result<(), Stop> {
        let mut words = Vec::new();
        for (name, value) in
            [("subject", &question.subject), ("client", &question.client), ("type", &question.kind), ("stream", &question.stream)]
        {
            words.extend(value.as_ref().map(|value| format!("{name}={value}")));
        }
        words.push(format!("from={}", question.from));
        let event = AuditQueried { question: chancery_core::stream::bounded(&words.join(" ")), at: self.now() };
        work.record_evidence(evidence::ANONYMOUS, vec![evidence::EvidenceEvent::from(event).into()], &Seal::default())?;
        work.commit().await.map(drop)
    }
}
