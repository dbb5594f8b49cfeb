//! Consent: what a person allowed a client, and no longer allows.
//!
//! | Rule | Source |
//! |---|---|
//! | asked again when more is wanted | OpenID Connect Core 1.0 §3.1.2.4 |
//! | and when a client that describes itself is described otherwise | CIMD §8.4 |
//! | what was shown is in the event by its hash | our own |
//! | withdrawing it ends every token that rests on it, by one event | GDPR art. 7(3); our own |

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::client::Client;
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
    pub at: Timestamp,
    /// What the person chose besides, by type of authorization details: the members, and not their values (RFC 9396 §7.1).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chosen: BTreeMap<String, BTreeSet<String>>,
    pub client: ClientId,
    pub scope: Scope,
    /// SHA-256 of the text that the person read.
    pub text: Digest,
}

/// The person pressed Deny. `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConsentDenied {
    pub account: AccountId,
    pub at: Timestamp,
    pub client: ClientId,
    pub scope: Scope,
    pub text: Digest,
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
    /// How often everything was withdrawn. A grant names the number that it began with: clocks of several nodes may differ.
    pub withdrawals: u32,
}

impl Consent {
    /// Does it cover all of this?
    pub fn covers(&self, scope: &Scope) -> bool {
        self.given_at.is_some() && scope.is_within(&self.scope)
    }

    /// The same for a client that says itself what it is: what was allowed before it called itself so, or sent people there, was allowed
    /// to another (CIMD §8.4).
    pub fn covers_of(&self, client: &Client, scope: &Scope) -> bool {
        let is_known = |at: Timestamp| client.document.as_ref().is_none_or(|own| own.told_at <= at);
        self.given_at.is_some_and(is_known) && self.covers(scope)
    }

    /// Does a grant that began after this many withdrawals still stand on it?
    pub fn carries(&self, consent_epoch: u32) -> bool {
        self.withdrawals == consent_epoch
    }
}

impl Stream for Consent {
    const KIND: &'static str = "consent";
    type Event = ConsentEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, ConsentEvent>) -> Result<Self, FoldError> {
        let fresh =
            |account, client: &ClientId| Self { account, client: client.clone(), scope: Scope::default(), given_at: None, withdrawals: 0 };
        match (state, fact.event) {
            (state, ConsentEvent::ConsentGiven(event)) => {
                let mut consent = state.unwrap_or_else(|| fresh(event.account, &event.client));
                consent.scope = consent.scope.union(&event.scope);
                consent.given_at = Some(event.at);
                Ok(consent)
            }
            (state, ConsentEvent::ConsentDenied(event)) => Ok(state.unwrap_or_else(|| fresh(event.account, &event.client))),
            (Some(mut consent), ConsentEvent::ConsentWithdrawn(_)) => {
                consent.scope = Scope::default();
                consent.given_at = None;
                consent.withdrawals = consent.withdrawals.saturating_add(1);
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
    /// The members that were left to the person (`details::Types::chosen`).
    pub chosen: BTreeMap<String, BTreeSet<String>>,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// Records the answer; Deny is evidence too and is refused with `access_denied` (RFC 6749 §4.1.2.1).
pub fn answer(cmd: &Answer) -> Decision<ConsentEvent, ()> {
    let (account, client, scope, text, at) = (cmd.account, cmd.client.clone(), cmd.scope.clone(), cmd.text, cmd.at);
    let personal = Personal::default().with("context", cmd.context.as_deref());
    if cmd.allow {
        let event = ConsentGiven { account, chosen: cmd.chosen.clone(), client, scope, text, at };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use alloc::vec;

    fn asked(scopes: &str, allow: bool, at: i64) -> (Vec<ConsentEvent>, &'static str) {
        let (account, client, text) = (alice(), client_id("app"), digest("text"));
        said(&answer(&Answer { account, client, scope: scope(scopes), text, allow, chosen: BTreeMap::new(), context: None, at: t(at) }))
    }

    fn given(scopes: &str, at: i64) -> ConsentEvent {
        asked(scopes, true, at).0.remove(0)
    }

    fn withdrawn(at: i64) -> ConsentEvent {
        ConsentWithdrawn { at: t(at) }.into()
    }

    #[test]
    fn oidc_core_3_1_2_4_what_was_allowed_adds_up() {
        let consent: Consent = fold([given("openid", 1), given("email", 2)]);
        assert!(consent.covers(&scope("openid email")) && !consent.covers(&scope("openid phone")));
    }

    #[test]
    fn rfc6749_4_1_2_1_a_denial_is_evidence_and_access_denied() {
        let (events, code) = asked("openid", false, 1);
        assert!(matches!(events.as_slice(), [ConsentEvent::ConsentDenied(event)] if event.text == digest("text")));
        assert_eq!(code, "access_denied");
        let denied: Consent = fold(events.clone());
        assert!(!denied.covers(&scope("openid")) && denied.carries(0));
        // It takes nothing away that was allowed before.
        assert!(fold::<Consent>([given("openid", 0)].into_iter().chain(events)).covers(&scope("openid")));
    }

    #[test]
    fn rfc9396_7_1_a_consent_says_what_was_left_to_the_person() {
        let chosen: BTreeMap<_, _> = [("payment".into(), ["account".into()].into())].into();
        let (account, client, text) = (alice(), client_id("app"), digest("text"));
        let cmd = Answer { account, client, scope: scope(""), text, allow: true, chosen: chosen.clone(), context: None, at: t(1) };
        assert!(matches!(said(&answer(&cmd)).0.as_slice(), [ConsentEvent::ConsentGiven(event)] if event.chosen == chosen));
    }

    #[test]
    fn gdpr_7_3_withdrawing_kills_older_grants_and_no_newer_ones() {
        let consent: Consent = fold([given("openid", 1), withdrawn(5), given("openid", 7)]);
        assert!(consent.covers(&scope("openid")));
        assert!(!consent.carries(0) && consent.carries(1));
        assert!(!fold::<Consent>([given("openid", 1), withdrawn(5)]).covers(&scope("openid")));
    }

    #[test]
    fn withdrawing_nothing_says_nothing() {
        assert_eq!(said(&withdraw(&fold([given("openid", 1)]), t(5))), (vec![withdrawn(5)], "ok"));
        assert_eq!(said(&withdraw(&fold([given("openid", 1), withdrawn(5)]), t(6))), (vec![], "ok"));
        assert!(matches!(evolve::<Consent>(None, 1, &withdrawn(1), &[]), Err(FoldError::OutOfOrder { name: "ConsentWithdrawn" })));
    }

    #[test]
    fn what_was_allowed_over_the_years_may_be_longer_than_a_scope_parameter() {
        let long = |letter: &str| (0..200).map(|n| alloc::format!("{letter}{n:08}")).collect::<Vec<String>>().join(" ");
        assert_survives_the_row(&fold::<Consent>([given(&long("a"), 1), given(&long("b"), 2)]));
    }
}
