//! Telling clients that a session is over: the outbox of OpenID Connect Back-Channel Logout 1.0.
//!
//! | Rule | Source |
//! |---|---|
//! | every client that got tokens in the session and registered an address is told | Back-Channel Logout 1.0 §2.3 |
//! | the order stands in the append that ends the session: none is forgotten | DESIGN: rule 1 |
//! | an attempt is recorded before it is made, so that two nodes never make the same one | our own |
//! | what fails is tried again, later and later, for a day | Back-Channel Logout 1.0 §2.5, §2.8; our own |
//! | one client is told in the order in which the sessions ended | our own |
//!
//! Out of scope: the logout token (`app::logout_token`), sending (`http::guarded`).

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::events;
use crate::id::{AccountId, ClientId, LogoutId, SessionId};
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// A client has to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogoutOrdered {
    pub account: AccountId,
    pub at: Timestamp,
    pub client: ClientId,
    pub logout: LogoutId,
    pub session: SessionId,
}

/// It is about to be told; should nobody say more, another attempt is due at `next_at`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogoutAttempted {
    pub at: Timestamp,
    /// 1 for the first.
    pub attempt: u32,
    pub next_at: Timestamp,
}

/// It was told and said yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogoutDelivered {
    pub at: Timestamp,
    /// HTTP status of the answer.
    pub status: u16,
}

/// The attempt failed; the next one is due at `next_at` of the attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogoutFailed {
    pub at: Timestamp,
    pub why: String,
}

/// Nobody will be told any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogoutAbandoned {
    pub at: Timestamp,
    pub reason: Abandoned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Abandoned {
    /// A day of attempts.
    TooLate,
    /// The client is disabled, gone, or has no address any more.
    ClientGone,
}

events! {
    /// The history of one message to one client.
    LogoutEvent { LogoutOrdered = 1, LogoutAttempted = 1, LogoutDelivered = 1, LogoutFailed = 1, LogoutAbandoned = 1 }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logout {
    pub id: LogoutId,
    pub account: AccountId,
    pub client: ClientId,
    pub session: SessionId,
    pub ordered_at: Timestamp,
    pub attempts: u32,
    /// When the next attempt is due.
    pub next_at: Timestamp,
    /// When it was delivered or given up.
    pub over_at: Option<Timestamp>,
}

impl Logout {
    pub fn is_waiting(&self) -> bool {
        self.over_at.is_none()
    }
}

impl Stream for Logout {
    const KIND: &'static str = "logout";
    type Event = LogoutEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, LogoutEvent>) -> Result<Self, FoldError> {
        let out_of_order = Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
        let Some(mut logout) = state else {
            let LogoutEvent::LogoutOrdered(event) = fact.event else { return out_of_order };
            return Ok(Self {
                id: event.logout,
                account: event.account,
                client: event.client.clone(),
                session: event.session,
                ordered_at: event.at,
                attempts: 0,
                next_at: event.at,
                over_at: None,
            });
        };
        // What is over stays over, but for the answer to an attempt that came late.
        match fact.event {
            LogoutEvent::LogoutOrdered(_) => return out_of_order,
            LogoutEvent::LogoutAttempted(_) if !logout.is_waiting() => return out_of_order,
            LogoutEvent::LogoutAttempted(event) => (logout.attempts, logout.next_at) = (event.attempt, event.next_at),
            LogoutEvent::LogoutFailed(_) => {}
            LogoutEvent::LogoutDelivered(event) => logout.over_at = Some(event.at),
            LogoutEvent::LogoutAbandoned(event) => logout.over_at = Some(event.at),
        }
        Ok(logout)
    }
}

/// How long to wait after the attempt with this number.
const BACK_OFF: &[Seconds] = &[Seconds(10), Seconds(30), Seconds(60), Seconds(300), Seconds(900), Seconds(3600)];
/// When nobody tries any more.
const LONGEST: Seconds = Seconds(24 * 60 * 60);

/// The session ended: this client has to be told.
pub fn order(logout: LogoutId, session: SessionId, account: AccountId, client: &ClientId, at: Timestamp) -> Decision<LogoutEvent, ()> {
    let event = LogoutOrdered { account, at, client: client.clone(), logout, session };
    Decision::accept(alloc::vec![event.into()], ())
}

/// What comes next for a message that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send it.
    Attempt,
    /// Nothing: it is over, not due yet, or was just given up.
    Nothing,
}

/// Takes the next attempt, or gives up.
pub fn attempt(logout: &Logout, client_is_there: bool, at: Timestamp) -> Decision<LogoutEvent, Due> {
    if !logout.is_waiting() || at < logout.next_at {
        return Decision::accept(Vec::new(), Due::Nothing);
    }
    let too_late = at >= logout.ordered_at.plus(LONGEST);
    if !client_is_there || too_late {
        let reason = if client_is_there { Abandoned::TooLate } else { Abandoned::ClientGone };
        return Decision::accept(alloc::vec![LogoutAbandoned { at, reason }.into()], Due::Nothing);
    }
    let wait = BACK_OFF.get(logout.attempts as usize).or(BACK_OFF.last()).copied().unwrap_or(LONGEST);
    let event = LogoutAttempted { at, attempt: logout.attempts.saturating_add(1), next_at: at.plus(wait) };
    Decision::accept(alloc::vec![event.into()], Due::Attempt)
}

/// How the attempt went: the status of an answer, or why there was none. 200 and 204 are a yes (Back-Channel Logout 1.0 §2.8).
pub fn answered(answer: Result<u16, String>, at: Timestamp) -> Decision<LogoutEvent, bool> {
    let (event, delivered): (LogoutEvent, bool) = match answer {
        Ok(status @ (200 | 204)) => (LogoutDelivered { at, status }.into(), true),
        Ok(status) => (LogoutFailed { at, why: alloc::format!("status {status}") }.into(), false),
        Err(why) => (LogoutFailed { at, why }.into(), false),
    };
    Decision::accept(alloc::vec![event.into()], delivered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn ordered() -> Logout {
        fold(said(&order(logout_id(), session_id(), alice(), &client_id("app"), t(0))).0)
    }

    fn after(logout: Logout, event: &LogoutEvent) -> Logout {
        evolve(Some(logout), 2, event, &[]).unwrap()
    }

    #[test]
    fn backchannel_2_5_what_fails_is_tried_later_and_later_for_a_day() {
        let (mut logout, mut at, mut waits) = (ordered(), 0, Vec::new());
        loop {
            let decision = attempt(&logout, true, t(at));
            let event = said(&decision).0.remove(0);
            logout = after(logout, &event);
            match event {
                LogoutEvent::LogoutAttempted(event) => waits.push((event.next_at.0 - event.at.0) / 1000),
                other => {
                    assert_eq!(other, LogoutAbandoned { at: t(at), reason: Abandoned::TooLate }.into());
                    break;
                }
            }
            assert_eq!(said(&attempt(&logout, true, t(at + 1))).0, [], "not before its time");
            at = (logout.next_at.0 - t(0).0) / 1000;
        }
        assert_eq!(waits[..7], [10, 30, 60, 300, 900, 3600, 3600]);
        assert!((24 * 3600..26 * 3600).contains(&at) && !logout.is_waiting());
    }

    #[test]
    fn backchannel_2_8_only_200_and_204_are_a_yes() {
        for (answer, delivered) in [
            (Ok(200), true),
            (Ok(204), true),
            (Ok(202), false),
            (Ok(302), false),
            (Ok(400), false),
            (Ok(503), false),
            (Err("x".into()), false),
        ] {
            let decision = answered(answer.clone(), t(1));
            assert_eq!(decision.outcome, Ok(delivered), "{answer:?}");
            assert_eq!(after(ordered(), &said(&answered(answer, t(1))).0[0]).is_waiting(), !delivered);
        }
    }

    #[test]
    fn a_client_that_is_gone_is_not_told() {
        let given_up = LogoutAbandoned { at: t(1), reason: Abandoned::ClientGone };
        assert_eq!(said(&attempt(&ordered(), false, t(1))).0, [given_up.clone().into()]);
        let over = after(ordered(), &given_up.into());
        assert_eq!(said(&attempt(&over, true, t(2))).0, []);
        let late = LogoutAttempted { at: t(3), attempt: 1, next_at: t(4) }.into();
        assert!(evolve(Some(over), 3, &late, &[]).is_err());
        assert!(evolve::<Logout>(None, 1, &late, &[]).is_err());
    }
}
