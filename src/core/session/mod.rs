//! Sessions: a browser in which somebody is signed in.
//!
//! | Rule | Source |
//! |---|---|
//! | the cookie's value is new at each login | OWASP session fixation; RFC 9700 §4.7 in spirit |
//! | a session ends by idleness, at an absolute age, by logout or by an operator | our own |
//! | `auth_time` is when the person last proved who they are | OpenID Connect Core 1.0 §2 |
//!
//! Out of scope: the cookie itself (`http::cookies`), logout of clients (a later issue).

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{AccountId, SessionId};
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// Somebody signed in. `personal`: `context` (address and user agent).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionStarted {
    pub session: SessionId,
    pub account: AccountId,
    /// Digest of the cookie's value.
    pub cookie: Digest,
    /// RFC 8176 authentication method references.
    pub amr: Vec<String>,
    pub at: Timestamp,
    pub idle: Seconds,
    pub ends_at: Timestamp,
}

/// The session was used again: its idle time starts anew. At most one a day, or two in a shorter idle time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionExtended {
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionEnded {
    pub at: Timestamp,
    pub reason: SessionEnd,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    SignedOut,
    /// A fresh login in the same browser replaced it.
    Replaced,
    Operator,
}

events! {
    /// The history of a session.
    SessionEvent { SessionStarted = 1, SessionExtended = 1, SessionEnded = 1 }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub account: AccountId,
    pub cookie: Digest,
    pub amr: Vec<String>,
    pub auth_time: Timestamp,
    pub seen_at: Timestamp,
    pub idle: Seconds,
    pub ends_at: Timestamp,
    pub ended: Option<SessionEnd>,
}

impl Session {
    /// Is somebody signed in at this moment? Decided by time, never by a missing row.
    pub fn is_alive(&self, at: Timestamp) -> bool {
        self.ended.is_none() && at < self.ends_at && at < self.seen_at.plus(self.idle)
    }
}

impl Stream for Session {
    const KIND: &'static str = "session";
    type Event = SessionEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, SessionEvent>) -> Result<Self, FoldError> {
        let Some(mut session) = state else {
            let SessionEvent::SessionStarted(event) = fact.event else {
                return Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
            };
            return Ok(Self {
                id: event.session,
                account: event.account,
                cookie: event.cookie,
                amr: event.amr.clone(),
                auth_time: event.at,
                seen_at: event.at,
                idle: event.idle,
                ends_at: event.ends_at,
                ended: None,
            });
        };
        match fact.event {
            SessionEvent::SessionStarted(_) => return Err(FoldError::OutOfOrder { name: "SessionStarted" }),
            SessionEvent::SessionExtended(event) => session.seen_at = event.at,
            SessionEvent::SessionEnded(event) => session.ended = Some(event.reason),
        }
        Ok(session)
    }
}

/// A login that succeeded.
pub struct Start {
    pub session: SessionId,
    pub account: AccountId,
    pub cookie: Digest,
    pub amr: Vec<String>,
    pub idle: Seconds,
    pub absolute: Seconds,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn start(cmd: &Start) -> Decision<SessionEvent, ()> {
    let event = SessionStarted {
        session: cmd.session,
        account: cmd.account,
        cookie: cmd.cookie,
        amr: cmd.amr.clone(),
        at: cmd.at,
        idle: cmd.idle,
        ends_at: cmd.at.plus(cmd.absolute),
    };
    let personal = Personal::default().with("context", cmd.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// Marks the session as used; an event at most once a day, so that a busy browser does not fill the log. When the idle time is
/// short the half of it counts instead, else a session in use would run out before its first extension.
pub fn use_now(session: &Session, at: Timestamp) -> Decision<SessionEvent, ()> {
    const DAY: Seconds = Seconds(24 * 60 * 60);
    if !session.is_alive(at) {
        return Decision::refuse(OAuthError::login_required("session is over"));
    }
    let step = DAY.min(Seconds(session.idle.0 / 2));
    let events = if at >= session.seen_at.plus(step) { alloc::vec![SessionExtended { at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

/// Ends the session. Ending it twice says nothing new.
pub fn end(session: &Session, reason: SessionEnd, at: Timestamp) -> Decision<SessionEvent, ()> {
    let events = if session.ended.is_none() { alloc::vec![SessionEnded { at, reason }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}
