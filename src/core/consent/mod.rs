//! Consent: what a person allowed a client, and no longer allows.
//!
//! | Rule | Source |
//! |---|---|
//! | asked again when more is wanted | OpenID Connect Core 1.0 §3.1.2.4 |
//! | what was shown is in the event by its hash | our own |
//! | withdrawing it ends every token that rests on it, by one event | GDPR art. 7(3); our own |

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{AccountId, ClientId};
use crate::scope::Scope;
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::Timestamp;

/// The person pressed Allow. `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConsentGiven {
    pub account: AccountId,
    pub client: ClientId,
    pub scope: Scope,
    /// SHA-256 of the text that the person read.
    pub text: Digest,
    pub at: Timestamp,
}

/// The person pressed Deny. `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConsentDenied {
    pub account: AccountId,
    pub client: ClientId,
    pub scope: Scope,
    pub text: Digest,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConsentWithdrawn {
    pub at: Timestamp,
}

events! {
    /// The history of what one account allows one client.
    ConsentEvent { ConsentGiven = 1, ConsentDenied = 1, ConsentWithdrawn = 1 }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    pub account: AccountId,
    pub client: ClientId,
    /// Everything allowed so far and not withdrawn.
    pub scope: Scope,
    pub given_at: Option<Timestamp>,
    /// Grants made before this moment are dead.
    pub withdrawn_at: Option<Timestamp>,
}

impl Consent {
    /// Does it cover all of this?
    pub fn covers(&self, scope: &Scope) -> bool {
        self.given_at.is_some() && scope.is_within(&self.scope)
    }

    /// Does a grant that began at this moment still stand on it?
    pub fn carries(&self, granted_at: Timestamp) -> bool {
        self.withdrawn_at.is_none_or(|withdrawn| granted_at > withdrawn)
    }
}

impl Stream for Consent {
    const KIND: &'static str = "consent";
    type Event = ConsentEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, ConsentEvent>) -> Result<Self, FoldError> {
        let fresh = |account, client: &ClientId| Self {
            account,
            client: client.clone(),
            scope: Scope::default(),
            given_at: None,
            withdrawn_at: None,
        };
        match (state, fact.event) {
            (state, ConsentEvent::ConsentGiven(event)) => {
                let mut consent = state.unwrap_or_else(|| fresh(event.account, &event.client));
                consent.scope = consent.scope.union(&event.scope);
                consent.given_at = Some(event.at);
                Ok(consent)
            }
            (state, ConsentEvent::ConsentDenied(event)) => Ok(state.unwrap_or_else(|| fresh(event.account, &event.client))),
            (Some(mut consent), ConsentEvent::ConsentWithdrawn(event)) => {
                consent.scope = Scope::default();
                (consent.given_at, consent.withdrawn_at) = (None, Some(event.at));
                Ok(consent)
            }
            (None, event @ ConsentEvent::ConsentWithdrawn(_)) => Err(FoldError::OutOfOrder { name: event.event_type().name }),
        }
    }
}

/// The person's answer to the consent page.
pub struct Answer {
    pub account: AccountId,
    pub client: ClientId,
    pub scope: Scope,
    pub text: Digest,
    pub allow: bool,
    pub context: Option<alloc::string::String>,
    pub at: Timestamp,
}

/// Records the answer; Deny is evidence too and is refused with `access_denied` (RFC 6749 §4.1.2.1).
pub fn answer(cmd: &Answer) -> Decision<ConsentEvent, ()> {
    let (account, client, scope, text, at) = (cmd.account, cmd.client.clone(), cmd.scope.clone(), cmd.text, cmd.at);
    let personal = Personal::default().with("context", cmd.context.as_deref());
    if cmd.allow {
        let event = ConsentGiven { account, client, scope, text, at };
        Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
    } else {
        let event = ConsentDenied { account, client, scope, text, at };
        Decision::refuse(OAuthError::access_denied("the person pressed Deny")).recording(Draft::new(event.into(), personal))
    }
}

/// Withdraws everything. Withdrawing nothing says nothing.
pub fn withdraw(consent: &Consent, at: Timestamp) -> Decision<ConsentEvent, ()> {
    let events = if consent.given_at.is_some() { alloc::vec![ConsentWithdrawn { at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}
