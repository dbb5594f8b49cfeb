//! Streams of shared signals that receivers manage: what a client wants to hear about its people, and how it is told.
//!
//! | Rule | Source |
//! |---|---|
//! | each client has one stream; a second is refused with a conflict | OpenID Shared Signals Framework 1.0 §8.1.1.1 |
//! | PATCH changes what it names, PUT takes what it does not name as left out | Shared Signals Framework 1.0 §8.1.1.3, §8.1.1.4 |
//! | without an endpoint of its own the receiver polls | Shared Signals Framework 1.0 §8.1.1.1, RFC 8936 |
//! | paused: what happens is told later; disabled: it is not told | Shared Signals Framework 1.0 §8.1.2.1 |
//! | a verification not more often than `min_verification_interval` | Shared Signals Framework 1.0 §8.1.4.2 |
//!
//! Out of scope: who may manage a stream, which events are told and how (`app::feeds`).

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::error::OAuthError;
use crate::events;
use crate::id::ClientId;
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::{Seconds, Timestamp};

/// Event types that one stream may ask for.
pub const MOST_REQUESTED: usize = 50;
/// Bytes of one of them, and of an endpoint.
pub const LONGEST_URI: usize = 512;
/// Bytes of a description, a reason, or the state of a verification.
pub const LONGEST_TEXT: usize = 256;
/// Bytes of an Authorization header.
pub const LONGEST_HEADER: usize = 2000;
/// Between two verifications.
pub const VERIFICATION_INTERVAL: Seconds = Seconds(60);

const AUTHORIZATION: &str = "authorization";

/// What the receiver says about its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Wishes {
    /// URIs of event types, known here or not; absent: every one that this server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<BTreeSet<String>>,
    /// Where tokens are pushed (RFC 8935); absent: the receiver polls (RFC 8936).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A client began its stream. `personal`: `authorization`, the header for its endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalStreamCreated {
    pub client: ClientId,
    /// Its public name.
    pub stream_id: String,
    pub wishes: Wishes,
    pub at: Timestamp,
}

/// The stream is another from here on. `personal`: `authorization`, if it has one now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalStreamChanged {
    pub wishes: Wishes,
    pub at: Timestamp,
}

/// Whether a stream is told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// What happens is told.
    Enabled,
    /// Nothing is sent; what happens meanwhile is told afterwards.
    Paused,
    /// Nothing is sent, and what happens meanwhile never.
    Disabled,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalStreamStatusChanged {
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub at: Timestamp,
}

/// The receiver wants to see that the stream works: it is sent a token that says `state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalStreamVerificationRequested {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalStreamDeleted {
    pub at: Timestamp,
}

events! {
    /// The history of a client's streams of signals, of which one lives at a time.
    SignalsEvent {
        SignalStreamCreated = 1,
        SignalStreamChanged = 1,
        SignalStreamStatusChanged = 1,
        SignalStreamVerificationRequested = 1,
        SignalStreamDeleted = 1,
    }
}

/// A client's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    pub client: ClientId,
    pub stream_id: String,
    pub wishes: Wishes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Sealed>,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was recorded before this is not told: the stream was not there, or disabled.
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    pub deleted: bool,
}

/// The stream that holds the history of a client's signals.
pub fn stream(client: &ClientId) -> String {
    format!("signals-{client}")
}

impl Stream for Signals {
    const KIND: &'static str = "signals";
    type Event = SignalsEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, SignalsEvent>) -> Result<Self, FoldError> {
        let out_of_order = Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
        if let SignalsEvent::SignalStreamCreated(event) = fact.event {
            if state.is_some_and(|own| !own.deleted) {
                return out_of_order;
            }
            return Ok(Self {
                client: event.client.clone(),
                stream_id: event.stream_id.clone(),
                wishes: event.wishes.clone(),
                authorization: fact.sealed(&stream(&event.client), AUTHORIZATION),
                status: Status::Enabled,
                reason: None,
                since: event.at,
                verified_at: None,
                deleted: false,
            });
        }
        let Some(mut own) = state.filter(|own| !own.deleted) else { return out_of_order };
        match fact.event {
            SignalsEvent::SignalStreamCreated(_) => return out_of_order,
            SignalsEvent::SignalStreamChanged(event) => {
                own.wishes = event.wishes.clone();
                own.authorization = fact.sealed(&stream(&own.client), AUTHORIZATION);
            }
            SignalsEvent::SignalStreamStatusChanged(event) => {
                if own.status == Status::Disabled {
                    own.since = event.at;
                }
                own.status = event.status;
                own.reason.clone_from(&event.reason);
            }
            SignalsEvent::SignalStreamVerificationRequested(event) => own.verified_at = Some(event.at),
            SignalsEvent::SignalStreamDeleted(_) => {
                own.deleted = true;
                own.authorization = None;
            }
        }
        Ok(own)
    }
}

/// What a receiver sends about its stream, the header in clear.
#[derive(Clone, Default)]
pub struct Asked {
    pub wishes: Wishes,
    pub authorization: Option<Box<str>>,
}

impl Asked {
    /// The bounds; what an address may be is looked at by the caller, who knows the mode of the server.
    ///
    /// # Errors
    /// `invalid_request` with a sentence that names the member.
    pub fn check(&self) -> Result<(), OAuthError> {
        let wishes = &self.wishes;
        let refuse = |sentence: String| Err(OAuthError::invalid_request("stream configuration").saying(sentence));
        if let Some(requested) = &wishes.requested
            && (requested.len() > MOST_REQUESTED || requested.iter().any(|uri| uri.is_empty() || uri.len() > LONGEST_URI))
        {
            return refuse(format!("events_requested may have {MOST_REQUESTED} URIs of {LONGEST_URI} bytes each."));
        }
        if wishes.push_to.as_ref().is_some_and(|uri| uri.len() > LONGEST_URI) {
            return refuse(format!("endpoint_url may have {LONGEST_URI} bytes."));
        }
        if wishes.description.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
            return refuse(format!("description may have {LONGEST_TEXT} bytes."));
        }
        let Some(header) = &self.authorization else { return Ok(()) };
        if wishes.push_to.is_none() {
            return refuse("authorization_header is for push delivery alone.".into());
        }
        // What would end the header early could add another one.
        if header.is_empty() || header.len() > LONGEST_HEADER || !header.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return refuse(format!("authorization_header may have {LONGEST_HEADER} printable ASCII characters."));
        }
        Ok(())
    }

    fn draft(&self, event: impl Into<SignalsEvent>) -> Draft<SignalsEvent> {
        Draft::new(event.into(), Personal::default().with(AUTHORIZATION, self.authorization.as_deref()))
    }
}

/// Begins a stream. `stream_id` was just drawn.
pub fn create(state: Option<&Signals>, client: &ClientId, stream_id: String, asked: &Asked, at: Timestamp) -> Decision<SignalsEvent, ()> {
    if state.is_some_and(|own| !own.deleted) {
        let sentence = "There is a stream already; each client has one. Change it, or delete it first.";
        return Decision::refuse(OAuthError::conflict("a second stream").saying(sentence));
    }
    if let Err(error) = asked.check() {
        return Decision::refuse(error);
    }
    let event = SignalStreamCreated { client: client.clone(), stream_id, wishes: asked.wishes.clone(), at };
    Decision::accept(vec![asked.draft(event)], ())
}

/// Changes it into what is asked.
pub fn change(asked: &Asked, at: Timestamp) -> Decision<SignalsEvent, ()> {
    match asked.check() {
        Err(error) => Decision::refuse(error),
        Ok(()) => Decision::accept(vec![asked.draft(SignalStreamChanged { wishes: asked.wishes.clone(), at })], ()),
    }
}

/// The receiver enables, pauses or disables it. What it is already is not recorded again.
pub fn set_status(own: &Signals, status: Status, reason: Option<String>, at: Timestamp) -> Decision<SignalsEvent, ()> {
    if reason.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
        let sentence = format!("reason may have {LONGEST_TEXT} bytes.");
        return Decision::refuse(OAuthError::invalid_request("reason").saying(sentence));
    }
    match own.status == status {
        true => Decision::accept(vec![], ()),
        false => Decision::accept(vec![SignalsEvent::from(SignalStreamStatusChanged { status, reason, at }).into()], ()),
    }
}

/// The receiver wants a verification.
pub fn verify(own: &Signals, state: Option<String>, at: Timestamp) -> Decision<SignalsEvent, ()> {
    if state.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
        let sentence = format!("state may have {LONGEST_TEXT} bytes.");
        return Decision::refuse(OAuthError::invalid_request("state").saying(sentence));
    }
    if own.verified_at.is_some_and(|before| at < before.plus(VERIFICATION_INTERVAL)) {
        let sentence = format!("A verification may be asked for every {} seconds.", VERIFICATION_INTERVAL.0);
        return Decision::refuse(OAuthError::slow_down("verification too soon").saying(sentence));
    }
    Decision::accept(vec![SignalsEvent::from(SignalStreamVerificationRequested { state, at }).into()], ())
}

/// Ends it.
pub fn delete(at: Timestamp) -> Decision<SignalsEvent, ()> {
    Decision::accept(vec![SignalsEvent::from(SignalStreamDeleted { at }).into()], ())
}

#[cfg(test)]
mod tests;
