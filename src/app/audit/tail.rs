//! Events as they come. One event says that an auditor began to follow; what the same auditor's tails leave behind is not delivered to them,
//! or each reconnection would show up in the next one.

use chancery_core::error::OAuthError;
use chancery_core::evidence::AuditTailOpened;
use chancery_core::stream::bounded;
use chancery_ledger::write::Actor;
use chancery_projections::audit::query::Found;
use chancery_projections::envelope::Envelope;

use super::ask::Asked;
use crate::app::App;
use crate::app::context::Context;
use crate::app::work::unreadable;

/// Events in one read.
const PAGE: u32 = 200;

/// Somebody who follows the log.
#[derive(Clone, Debug)]
pub struct Tail {
    asked: Asked,
    /// The next position to look at.
    next: u64,
    actor: Actor,
}

impl App {
    /// Begins to follow from a position on, or from the end of the log; that is an event.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn open_tail(&self, context: &Context, asked: Asked, from: Option<u64>) -> Result<Tail, OAuthError> {
        let next = match from {
            Some(from) => from,
            None => self.ledger.head().await.map_err(unreadable)?.size,
        };
        let event = AuditTailOpened { question: bounded(&asked.words()), from: next, at: self.now() };
        self.record_evidence_of(context, event.into(), asked.address.as_deref()).await?;
        Ok(Tail { asked, next, actor: context.actor.clone() })
    }

    /// Waits until there is something new and gives what of it is wanted, which may be nothing.
    ///
    /// # Errors
    /// `temporarily_unavailable`; a leaf that cannot be read is a fault.
    pub async fn more(&self, tail: &mut Tail) -> Result<Vec<Found>, OAuthError> {
        self.ledger.wait(tail.next).await;
        // The place moves at the end alone: whoever stops waiting in between loses nothing.
        let (mut wanted, mut next) = (Vec::new(), tail.next);
        for recorded in self.ledger.read_all(tail.next, PAGE).await.map_err(unreadable)? {
            next = recorded.position + 1;
            let envelope = Envelope::read(&recorded).map_err(|e| OAuthError::server_error(e.to_string()))?;
            if tail.is_its_own(&envelope) || !tail.asked.question.accepts(&envelope) || !tail.is_in_time(&envelope) {
                continue;
            }
            if let Some(address) = &tail.asked.address
                && !self.was_seen_from(&envelope, address).await?
            {
                continue;
            }
            wanted.push(Found { recorded, envelope });
        }
        tail.next = next;
        Ok(wanted)
    }
}

impl Tail {
    fn is_its_own(&self, envelope: &Envelope) -> bool {
        envelope.kind == "AuditTailOpened" && envelope.actor.kind == self.actor.kind && envelope.actor.id == self.actor.id
    }

    fn is_in_time(&self, envelope: &Envelope) -> bool {
        self.asked.after.is_none_or(|after| envelope.recorded_at >= after)
            && self.asked.before.is_none_or(|before| envelope.recorded_at <= before)
    }
}
