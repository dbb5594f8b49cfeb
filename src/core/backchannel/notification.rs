//! Telling a client that the person has answered: by ping it then fetches its tokens, by push it is sent them.
//!
//! | Rule | Source |
//! |---|---|
//! | ping: the `auth_req_id` alone, whatever the answer was | CIBA Core §10.2 |
//! | push: the tokens, or `access_denied`, `expired_token`, `transaction_failed` | CIBA Core §10.3.1, §12 |
//! | 200 and 204 are a yes, a redirect is not | CIBA Core §10.2, §10.3.1 |
//! | an attempt is recorded before it is made, so that two nodes never make the same one | DESIGN: rule 1 |
//! | what fails is tried again, later and later, while the answer is of use | CIBA Core §10.2 leaves it open; our own |
//! | the tokens of a push that nobody acknowledged are dead: one set at most is alive | CIBA Core §10.1; our own |
//! | tokens leave no later than the `auth_req_id` expires | CIBA Core §7.3 |
//!
//! Out of scope: what is sent (`app::backchannel::notify`), to whom it may be sent (`http::guarded`).

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::event::{
    Abandoned, BackchannelNotificationAbandoned, BackchannelNotificationAttempted, BackchannelNotificationFailed, BackchannelNotified,
    Message,
};
use super::{Answer, Backchannel, BackchannelEvent};
use crate::client::metadata::DeliveryMode;
use crate::decision::Decision;
use crate::id::GrantId;
use crate::stream::Sealed;
use crate::time::{Seconds, Timestamp};

/// How long to wait after the attempt with this number.
const BACK_OFF: &[Seconds] = &[Seconds(10), Seconds(30), Seconds(60), Seconds(120)];
/// For so long after the request expired the client is still told that it is over.
const PATIENCE: Seconds = Seconds(300);

/// How far telling the client is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_req_id: Option<Sealed>,
    /// What the client knows us by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Sealed>,
    pub attempts: u32,
    /// When there is something to say, or to say again; `None` when that is over.
    pub due_at: Option<Timestamp>,
    /// Tokens that an attempt carried and nobody has acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<GrantId>,
}

impl Notice {
    pub(super) fn follow(&mut self, event: &BackchannelEvent) {
        match event {
            BackchannelEvent::BackchannelApproved(event) => self.due_at = Some(event.at),
            BackchannelEvent::BackchannelDenied(event) => self.due_at = Some(event.at),
            BackchannelEvent::BackchannelApprovedOnDevice(event) => self.due_at = Some(event.at),
            BackchannelEvent::BackchannelDeniedOnDevice(event) => self.due_at = Some(event.at),
            BackchannelEvent::BackchannelNotificationAttempted(event) => {
                (self.attempts, self.due_at, self.unanswered) = (event.attempt, Some(event.next_at), event.grant);
            }
            BackchannelEvent::BackchannelNotificationFailed(_) => self.unanswered = None,
            // A client that came by itself need not be told.
            BackchannelEvent::BackchannelNotified(_)
            | BackchannelEvent::BackchannelNotificationAbandoned(_)
            | BackchannelEvent::BackchannelRedeemed(_) => (self.due_at, self.unanswered) = (None, None),
            _ => {}
        }
    }
}

/// What comes next for a request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Nothing,
    Say(Message),
    GiveUp(Abandoned),
}

/// What is there to be done now?
pub fn next(own: &Backchannel, at: Timestamp) -> Next {
    let Some(due_at) = own.notice.as_ref().and_then(|notice| notice.due_at) else { return Next::Nothing };
    let is_late = at >= own.expires_at;
    let nobody_answered = own.answer == Answer::Waiting;
    if at < due_at || own.answer == Answer::Redeemed || (nobody_answered && !is_late) {
        return Next::Nothing;
    }
    if at >= own.expires_at.plus(PATIENCE) {
        return Next::GiveUp(Abandoned::TooLate);
    }
    Next::Say(match own.answer {
        _ if own.delivery_mode == DeliveryMode::Ping => Message::Ping,
        Answer::Denied => Message::AccessDenied,
        _ if is_late => Message::ExpiredToken,
        _ => Message::Tokens,
    })
}

/// It is about to be told; `grant` has the tokens that go along.
pub fn attempt(own: &Backchannel, message: Message, grant: Option<GrantId>, at: Timestamp) -> Decision<BackchannelEvent, u32> {
    let made = own.notice.as_ref().map_or(0, |notice| notice.attempts);
    let wait = BACK_OFF.get(made as usize).or(BACK_OFF.last()).copied().unwrap_or(PATIENCE);
    let attempt = made.saturating_add(1);
    let event = BackchannelNotificationAttempted { at, attempt, grant, message, next_at: at.plus(wait) };
    Decision::accept(alloc::vec![event.into()], attempt)
}

pub fn abandon(reason: Abandoned, at: Timestamp) -> Decision<BackchannelEvent, ()> {
    Decision::accept(alloc::vec![BackchannelNotificationAbandoned { at, reason }.into()], ())
}

/// How an attempt went: the status of an answer, or why there was none. Says which tokens are dead now.
///
/// What comes after the next attempt began says nothing any more: its tokens are dead already.
pub fn answered(
    own: &Backchannel,
    attempt: u32,
    answer: Result<u16, String>,
    at: Timestamp,
) -> Decision<BackchannelEvent, Option<GrantId>> {
    let Some(notice) = own.notice.as_ref().filter(|notice| notice.attempts == attempt && notice.due_at.is_some()) else {
        return Decision::accept(Vec::new(), None);
    };
    let why = match answer {
        Ok(status @ (200 | 204)) => {
            let event = BackchannelNotified { at, grant: notice.unanswered, status };
            return Decision::accept(alloc::vec![event.into()], None);
        }
        Ok(status) => alloc::format!("status {status}"),
        Err(why) => why,
    };
    Decision::accept(alloc::vec![BackchannelNotificationFailed { at, why }.into()], notice.unanswered)
}

#[cfg(test)]
mod tests;
