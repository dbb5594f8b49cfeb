//! Pushed authorization requests (RFC 9126): kept here by the client itself, brought by a browser as a name.
//!
//! | Rule | Source |
//! |---|---|
//! | known by the digest of the whole reference; its id alone opens nothing | RFC 9126 §7.1 |
//! | only for the client that pushed it | RFC 9126 §2.2 |
//! | it expires, unless a browser has brought it before | RFC 9126 §4 |
//! | the first visit pins it to that browser, where reloads go on | RFC 9126 §4 |
//! | spent by the event that answers the request | RFC 9126 §4, §7.3 |
//! | the parameters are checked again when the browser brings them | RFC 9126 §4, §7.4 |
//!
//! Out of scope: what a request may say (`request`), client authentication (`client::authenticate`).

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{ClientId, PushedId};
use crate::request::Request;
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::{Seconds, Timestamp};

/// What the reference in a `request_uri` follows (RFC 9126 §2.2).
pub const URI: &str = "urn:ietf:params:oauth:request_uri:";

/// Field of the ciphertext that holds the parameters.
const PARAMETERS: &str = "parameters";

/// A client left a request. `personal`: `parameters` (all of them, as JSON), `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthorizationRequestPushed {
    pub at: Timestamp,
    pub client: ClientId,
    pub expires_at: Timestamp,
    /// Commitment to the data key, which is that of the interaction to come.
    pub key_commitment: Digest,
    pub pushed: PushedId,
    /// Digest of the reference.
    pub reference: Digest,
    /// What the checks made of it.
    pub request: Request,
}

/// A browser brought it: from here on it is for that browser alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushedRequestOpened {
    pub at: Timestamp,
    /// Digest of the browser's cookie.
    pub browser: Digest,
}

/// It was answered and cannot be brought again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushedRequestSpent {
    pub at: Timestamp,
    /// A code of the error registry, when the answer was an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How somebody who knows the reference tried to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Misuse {
    /// With another `client_id`.
    OtherClient,
    /// While another browser has it.
    OtherBrowser,
    /// After its answer.
    Replayed,
}

/// A misuse that was refused; each kind is recorded once, so that nobody fills the log with one reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PushedRequestMisused {
    pub at: Timestamp,
    /// The client that the visit named.
    pub by: ClientId,
    pub misuse: Misuse,
}

events! {
    /// The history of a pushed request.
    PushedEvent { AuthorizationRequestPushed = 1, PushedRequestOpened = 1, PushedRequestSpent = 1, PushedRequestMisused = 1 }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pushed {
    pub id: PushedId,
    pub client: ClientId,
    pub reference: Digest,
    pub expires_at: Timestamp,
    /// Thumbprint of the key of the attested instance that pushed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Digest>,
    pub parameters: Option<Sealed>,
    /// The browser that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<Digest>,
    pub spent: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub misused: BTreeSet<Misuse>,
}

impl Stream for Pushed {
    const KIND: &'static str = "pushed";
    type Event = PushedEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, PushedEvent>) -> Result<Self, FoldError> {
        let out_of_order = Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
        let Some(mut pushed) = state else {
            let PushedEvent::AuthorizationRequestPushed(event) = fact.event else { return out_of_order };
            return Ok(Self {
                id: event.pushed,
                client: event.client.clone(),
                reference: event.reference,
                expires_at: event.expires_at,
                instance: event.request.instance,
                parameters: fact.sealed(&event.pushed.stream(), PARAMETERS),
                browser: None,
                spent: false,
                misused: BTreeSet::new(),
            });
        };
        match fact.event {
            PushedEvent::AuthorizationRequestPushed(_) => return out_of_order,
            PushedEvent::PushedRequestOpened(_) if pushed.spent || pushed.browser.is_some() => return out_of_order,
            PushedEvent::PushedRequestOpened(event) => pushed.browser = Some(event.browser),
            PushedEvent::PushedRequestSpent(_) if pushed.spent => return out_of_order,
            PushedEvent::PushedRequestSpent(_) => pushed.spent = true,
            PushedEvent::PushedRequestMisused(event) => drop(pushed.misused.insert(event.misuse)),
        }
        Ok(pushed)
    }
}

/// A client's request that passed every check.
pub struct Push {
    pub pushed: PushedId,
    pub client: ClientId,
    pub reference: Digest,
    pub request: Request,
    /// The parameters as JSON: they are read back when the browser comes.
    pub parameters: String,
    pub key_commitment: Digest,
    pub lifetime: Seconds,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn push(cmd: &Push) -> Decision<PushedEvent, ()> {
    let event = AuthorizationRequestPushed {
        pushed: cmd.pushed,
        client: cmd.client.clone(),
        reference: cmd.reference,
        request: cmd.request.clone(),
        key_commitment: cmd.key_commitment,
        expires_at: cmd.at.plus(cmd.lifetime),
        at: cmd.at,
    };
    let personal = Personal::default().with_whole(PARAMETERS, Some(cmd.parameters.as_str())).with("context", cmd.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// A browser that brings a reference.
pub struct Visit {
    pub reference: Digest,
    /// The `client_id` beside it.
    pub client: ClientId,
    /// Digest of the cookie that binds interactions to the browser, if it has one.
    pub browser: Option<Digest>,
    pub at: Timestamp,
}

/// What the visit finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visited {
    /// Nobody was here before.
    First,
    /// The same browser again: it goes on where it stands.
    Again,
}

/// May this browser go on with it? Unknown, expired, used and foreign look the same.
pub fn visit(pushed: &Pushed, cmd: &Visit) -> Decision<PushedEvent, Visited> {
    let refuse = |why: &'static str| Decision::refuse(OAuthError::invalid_request_uri(why));
    let misuse = |why: &'static str, misuse: Misuse| {
        if pushed.misused.contains(&misuse) {
            return refuse(why);
        }
        refuse(why).recording(PushedRequestMisused { misuse, by: cmd.client.clone(), at: cmd.at })
    };
    if !pushed.reference.matches(&cmd.reference) {
        return refuse("unknown reference");
    }
    // RFC 9126 §2.2: bound to the client that posted it.
    if pushed.client != cmd.client {
        return misuse("pushed by another client", Misuse::OtherClient);
    }
    if pushed.spent {
        return misuse("answered already", Misuse::Replayed);
    }
    match (&pushed.browser, &cmd.browser) {
        // RFC 9126 §4: a reload is no second use. How long the person may take is the interaction's to say.
        (Some(bound), Some(brought)) if bound.matches(brought) => Decision::accept(Vec::new(), Visited::Again),
        (Some(_), _) => misuse("another browser has it", Misuse::OtherBrowser),
        (None, _) if cmd.at >= pushed.expires_at => refuse("expired"),
        (None, _) => Decision::accept(Vec::new(), Visited::First),
    }
}

/// Pins it to a browser whose visit was the first.
pub fn open(browser: Digest, at: Timestamp) -> Decision<PushedEvent, ()> {
    Decision::accept(alloc::vec![PushedRequestOpened { browser, at }.into()], ())
}

/// The request is being answered: once.
pub fn spend(pushed: &Pushed, error: Option<&OAuthError>, at: Timestamp) -> Decision<PushedEvent, ()> {
    if pushed.spent {
        return Decision::refuse(OAuthError::invalid_request_uri("answered already"));
    }
    Decision::accept(alloc::vec![PushedRequestSpent { error: error.map(|error| error.code().into()), at }.into()], ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn pushed() -> PushedEvent {
        let cmd = Push {
            pushed: pushed_id(),
            client: client_id("app"),
            reference: digest("reference"),
            request: request("openid"),
            parameters: "{}".into(),
            key_commitment: digest("key"),
            lifetime: Seconds(60),
            context: None,
            at: t(0),
        };
        push(&cmd).events.remove(0).event
    }

    fn history<const N: usize>(rest: [PushedEvent; N]) -> Pushed {
        fold_sealed(core::iter::once(pushed()).chain(rest), &["parameters"])
    }

    fn opened() -> PushedEvent {
        said(&open(digest("cookie"), t(10))).0.remove(0)
    }

    fn spent() -> PushedEvent {
        said(&spend(&history([]), None, t(20))).0.remove(0)
    }

    fn visited(pushed: &Pushed, change: impl FnOnce(&mut Visit)) -> (Vec<PushedEvent>, Result<Visited, &'static str>) {
        let mut cmd = Visit { reference: digest("reference"), client: client_id("app"), browser: Some(digest("cookie")), at: t(30) };
        change(&mut cmd);
        let decision = visit(pushed, &cmd);
        (said(&decision).0, decision.outcome.map_err(|error| error.code()))
    }

    fn misused(misuse: Misuse, by: &str) -> PushedEvent {
        PushedRequestMisused { misuse, by: client_id(by), at: t(30) }.into()
    }

    const REFUSED: Result<Visited, &str> = Err("invalid_request_uri");

    #[test]
    fn rfc9126_2_2_another_client_is_refused_and_recorded_once() {
        let event = misused(Misuse::OtherClient, "other");
        assert_eq!(visited(&history([]), |cmd| cmd.client = client_id("other")), (Vec::from([event.clone()]), REFUSED));
        assert_eq!(visited(&history([event]), |cmd| cmd.client = client_id("other")), (Vec::new(), REFUSED));
    }

    #[test]
    fn rfc9126_4_an_expired_reference_is_refused_unless_the_person_is_at_work() {
        assert_eq!(visited(&history([]), |cmd| cmd.at = t(59)).1, Ok(Visited::First));
        assert_eq!(visited(&history([]), |cmd| cmd.at = t(60)), (Vec::new(), REFUSED));
        assert_eq!(visited(&history([opened()]), |cmd| cmd.at = t(600)).1, Ok(Visited::Again));
    }

    #[test]
    fn rfc9126_4_a_reload_goes_on_in_the_same_browser_only() {
        let open = history([opened()]);
        assert_eq!(visited(&open, |_| ()), (Vec::new(), Ok(Visited::Again)));
        for other in [None, Some(digest("other"))] {
            assert_eq!(visited(&open, |cmd| cmd.browser = other), (Vec::from([misused(Misuse::OtherBrowser, "app")]), REFUSED));
        }
    }

    #[test]
    fn rfc9126_7_3_an_answered_request_cannot_be_brought_again() {
        for over in [history([opened(), spent()]), history([spent()])] {
            assert_eq!(visited(&over, |_| ()), (Vec::from([misused(Misuse::Replayed, "app")]), REFUSED));
            assert_eq!(said(&spend(&over, None, t(40))), (Vec::new(), "invalid_request_uri"));
        }
    }

    #[test]
    fn rfc9126_7_1_who_knows_the_id_and_not_the_reference_leaves_no_trace() {
        assert_eq!(visited(&history([]), |cmd| cmd.reference = digest("guess")), (Vec::new(), REFUSED));
    }

    #[test]
    fn what_is_over_stays_over() {
        for late in [pushed(), opened(), spent()] {
            assert!(evolve(Some(history([opened(), spent()])), 4, &late, &[]).is_err());
        }
        assert!(evolve(Some(history([opened()])), 3, &opened(), &[]).is_err());
        assert!(evolve::<Pushed>(None, 1, &opened(), &[]).is_err());
        assert_survives_the_row(&history([opened(), misused(Misuse::OtherClient, "other")]));
    }
}
