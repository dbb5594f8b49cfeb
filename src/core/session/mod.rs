//! Sessions: a browser in which somebody is signed in.
//!
//! | Rule | Source |
//! |---|---|
//! | the cookie's value is new at each login | OWASP session fixation; RFC 9700 §4.7 in spirit |
//! | a session ends by idleness, at an absolute age, by logout here or elsewhere, by a new password, by an operator, or with its account | our own |
//! | `auth_time` is when the person last proved who they are | OpenID Connect Core 1.0 §2 |
//! | whoever got tokens in it and asked for that is told of its end, by the server or through the browser | OpenID Connect Back-Channel Logout 1.0 §2.3, Front-Channel Logout 1.0 §3 |
//!
//! Out of scope: the cookie itself (`http::cookies`), how clients are told (`logout`).

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{AccountId, ClientId, SessionId};
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::{Seconds, Timestamp};

/// Somebody signed in. `personal`: `context` (address and user agent).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionStarted {
    pub account: AccountId,
    /// RFC 8176 authentication method references.
    pub amr: Vec<String>,
    pub at: Timestamp,
    /// Digest of the cookie's value.
    pub cookie: Digest,
    pub ends_at: Timestamp,
    pub idle: Seconds,
    pub session: SessionId,
}

/// The session was used again: its idle time starts anew. At most one a day, or two in a shorter idle time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionExtended {
    pub at: Timestamp,
}

/// A client got tokens in this session and wants to be told when it is over. At most one for each client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionJoined {
    pub at: Timestamp,
    pub client: ClientId,
    /// The browser tells it, where it is when that happens.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub front_channel: bool,
    /// The server does not tell it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub not_by_server: bool,
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
    /// Nobody used it for too long, or it reached its absolute age; recorded when clients have to be told.
    Expired,
    /// The person ended it from another browser.
    SignedOutElsewhere,
    /// The person chose another password in another browser: whoever knew the old one is out.
    PasswordChanged,
    /// The account was disabled, or its erasure was ordered.
    AccountClosed,
}

events! {
    /// The history of a session.
    SessionEvent { SessionStarted = 1, SessionExtended = 1, SessionJoined = 1, SessionEnded = 1 }
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
    /// The clients that are told when it is over.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub clients: BTreeSet<ClientId>,
    /// The clients that the browser tells.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub front_clients: BTreeSet<ClientId>,
}

/// Clients that one session tells of its end: their messages stand in one append.
pub const MOST_CLIENTS: usize = 100;

impl Session {
    /// When it ends if nobody uses it.
    pub fn expires_at(&self) -> Timestamp {
        self.ends_at.min(self.seen_at.plus(self.idle))
    }

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
                clients: BTreeSet::new(),
                front_clients: BTreeSet::new(),
            });
        };
        match fact.event {
            // What ended stays ended.
            event if session.ended.is_some() => return Err(FoldError::OutOfOrder { name: event.event_type().name }),
            SessionEvent::SessionStarted(_) => return Err(FoldError::OutOfOrder { name: "SessionStarted" }),
            SessionEvent::SessionExtended(event) => session.seen_at = event.at,
            SessionEvent::SessionJoined(event) => {
                if event.front_channel {
                    session.front_clients.insert(event.client.clone());
                }
                if !event.not_by_server {
                    session.clients.insert(event.client.clone());
                }
            }
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

/// A client gets tokens in this session. Says something only to one that wants to be told, and once.
pub fn join(session: &Session, client: &Client, at: Timestamp) -> Decision<SessionEvent, ()> {
    let wants = |asked: bool, told: &BTreeSet<ClientId>| asked && !told.contains(&client.id) && told.len() < MOST_CLIENTS;
    let by_server = wants(client.metadata.backchannel_logout_uri.is_some(), &session.clients);
    let front_channel = wants(client.metadata.frontchannel_logout_uri.is_some(), &session.front_clients);
    if !by_server && !front_channel {
        return Decision::accept(Vec::new(), ());
    }
    let event = SessionJoined { at, client: client.id.clone(), front_channel, not_by_server: !by_server };
    Decision::accept(alloc::vec![event.into()], ())
}

/// Ends the session. Ending it twice says nothing new.
pub fn end(session: &Session, reason: SessionEnd, at: Timestamp) -> Decision<SessionEvent, ()> {
    let events = if session.ended.is_none() { alloc::vec![SessionEnded { at, reason }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    const ABSOLUTE: i64 = 90 * DAY;

    fn started(idle: i64) -> SessionEvent {
        let (session, account, cookie) = (session_id(), alice(), digest("cookie"));
        let (idle, absolute) = (Seconds(idle as u32), Seconds(ABSOLUTE as u32));
        said(&start(&Start { session, account, cookie, amr: ["pwd".into()].into(), idle, absolute, context: None, at: t(0) })).0.remove(0)
    }

    fn extended(at: i64) -> SessionEvent {
        SessionExtended { at: t(at) }.into()
    }

    fn ended(at: i64) -> SessionEvent {
        SessionEnded { at: t(at), reason: SessionEnd::SignedOut }.into()
    }

    fn session<const N: usize>(rest: [SessionEvent; N]) -> Session {
        fold(core::iter::once(started(14 * DAY)).chain(rest))
    }

    #[test]
    fn a_session_ends_by_idleness() {
        assert!(session([]).is_alive(t(14 * DAY - 1)) && !session([]).is_alive(t(14 * DAY)));
        assert!(session([extended(10 * DAY)]).is_alive(t(24 * DAY - 1)) && !session([extended(10 * DAY)]).is_alive(t(24 * DAY)));
    }

    #[test]
    fn a_session_ends_at_its_absolute_age_however_busy() {
        let mut busy = session([]);
        for at in (0..ABSOLUTE + 10 * DAY).step_by(3600) {
            let decision = use_now(&busy, t(at));
            assert_eq!(decision.outcome.is_ok(), at < ABSOLUTE);
            for event in said(&decision).0 {
                busy = evolve(Some(busy), 2, &event, &[]).unwrap();
            }
        }
    }

    #[test]
    fn a_session_ends_by_logout_and_nothing_revives_it() {
        let over = session([ended(10)]);
        assert!(!over.is_alive(t(10)) && over.ended == Some(SessionEnd::SignedOut));
        assert_eq!(said(&use_now(&over, t(2 * DAY))), (Vec::new(), "login_required"));
        assert_eq!(said(&end(&over, SessionEnd::Operator, t(20))), (Vec::new(), "ok"));
        for late in [started(60), extended(20), ended(20)] {
            assert!(matches!(evolve(Some(over.clone()), 3, &late, &[]), Err(FoldError::OutOfOrder { .. })));
        }
    }

    #[test]
    fn a_busy_session_leaves_one_event_a_day() {
        let given = session([]);
        assert_eq!(said(&use_now(&given, t(DAY - 1))), (Vec::new(), "ok"));
        assert_eq!(said(&use_now(&given, t(DAY))), (alloc::vec![extended(DAY)], "ok"));
    }

    #[test]
    fn a_session_with_a_short_idle_time_lives_on_while_it_is_used() {
        let mut busy: Session = fold([started(3600)]);
        for at in (0..2 * DAY).step_by(600) {
            for event in said(&use_now(&busy, t(at))).0 {
                busy = evolve(Some(busy), 2, &event, &[]).unwrap();
            }
            assert!(busy.is_alive(t(at)), "{at} s");
        }
        assert!(!busy.is_alive(t(2 * DAY + 3600)));
    }

    #[test]
    fn backchannel_2_3_a_client_that_wants_to_be_told_joins_once() {
        let wants = client_with(|metadata| metadata.backchannel_logout_uri = Some("https://app.example.com/out".into()));
        let joined = said(&join(&session([]), &wants, t(1))).0.remove(0);
        let with = session([joined]);
        assert_eq!(with.clients, [client_id("app")].into());
        assert_eq!(said(&join(&with, &wants, t(2))).0, []);
        assert_eq!(said(&join(&session([]), &client(), t(1))).0, []);
    }

    #[test]
    fn frontchannel_3_a_client_joins_for_the_way_that_it_registered() {
        let browser = client_with(|metadata| metadata.frontchannel_logout_uri = Some("https://app.example.com/out".into()));
        let with = session([said(&join(&session([]), &browser, t(1))).0.remove(0)]);
        assert_eq!((with.clients.len(), with.front_clients.clone()), (0, [client_id("app")].into()));
        assert_eq!(said(&join(&with, &browser, t(2))).0, []);
        // It registered the other way too, later.
        let both = client_with(|metadata| {
            metadata.frontchannel_logout_uri = Some("https://app.example.com/out".into());
            metadata.backchannel_logout_uri = Some("https://app.example.com/out".into());
        });
        let after = evolve(Some(with.clone()), 3, &said(&join(&with, &both, t(2))).0.remove(0), &[]).unwrap();
        assert_eq!((after.clients.len(), after.front_clients.len()), (1, 1));
    }

    #[test]
    fn oidc_core_2_auth_time_is_the_login_and_no_later_use() {
        assert_eq!(session([extended(10 * DAY)]).auth_time, t(0));
    }
}
