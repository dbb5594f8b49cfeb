//! Grants: one authorization, from its code to the end of its last token.
//!
//! | Room | What |
//! |---|---|
//! | `issue` | a code for a person's answer, a token for a client alone, a token for an operator |
//! | `redeem` | the code becomes tokens, once |
//! | `assertion` | a token for what a trusted issuer says |
//! | `backchannel` | the tokens of a request on the back channel |
//! | `credentials` | credentials for who holds an access token |
//! | `device` | the tokens of a device that a person allowed |
//! | `pre_authorized` | the token of an offer of credentials |
//! | `exchange`, `exchanged` | a token becomes another one, for somebody else |
//! | `refresh` | a refresh token becomes fresh tokens |
//! | `revoke` | an access token or everything ends |
//! | `standing` | is this access token alive? |
//! | `target` | which resource server is it for? |
//!
//! A token is alive when its grant and its session (if bound), consent, account and client are all alive: ending a parent is one
//! event and never fans out. The state of a grant stays small however often it was refreshed.

pub mod assertion;
pub mod backchannel;
mod beginning;
pub mod credentials;
pub mod device;
pub mod event;
pub mod exchange;
pub mod exchanged;
pub mod issue;
pub mod pre_authorized;
pub mod redeem;
pub mod refresh;
pub mod revoke;
pub mod standing;
pub mod target;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::claims::ClaimsRequest;
use crate::digest::Digest;
use crate::dpop::Confirmation;
use crate::id::{AccountId, ClientId, GrantId, OfferId, SessionId};
use crate::offer::ANONYMOUS;
use crate::resource::ResourceId;
use crate::scope::Scope;
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::{Seconds, Timestamp};
pub use event::{EndReason, GrantEvent};
use exchanged::Exchanged;

/// Live access tokens that one grant keeps; issuing another ends the oldest, so that a grant refreshed in a loop stays small.
pub const MOST_ACCESS_TOKENS: usize = 16;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub client: ClientId,
    /// What was granted; an access token may have less.
    pub scope: Scope,
    /// The resource servers that its access tokens may be for (RFC 8707 §2.2).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub granted_at: Timestamp,
    /// The authorization details that were granted (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Sealed>,
    pub kind: GrantKind,
    /// What it was exchanged for (RFC 8693); most are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanged: Option<Box<Exchanged>>,
    /// The offer of credentials that it comes from (OpenID4VCI §3.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    #[serde(default)]
    pub access: Vec<Access>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndReason>,
    /// Misuses that are recorded once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub misused: BTreeSet<event::Misuse>,
}

/// For whom the tokens speak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "nearly every grant is a person's: a box would cost an allocation and save nothing")]
pub enum GrantKind {
    Person(Person),
    /// The client itself (RFC 6749 §4.4).
    Client,
    /// An operator of this server, on Chancery's own management interface.
    Operator,
}

/// A person's part of a grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    pub account: AccountId,
    pub session: SessionId,
    /// Survives logout (`offline_access`), or began without a session.
    pub offline: bool,
    pub auth_time: Timestamp,
    /// Empty: the person did not sign in here, and nothing is said of when and how they did.
    pub amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Sealed>,
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    /// The values that claims were asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_values: Option<Sealed>,
    /// Whether `auth_time` was asked for (OpenID Connect Core 1.0 §2).
    pub wants_auth_time: bool,
    /// How often the consent had been withdrawn before.
    pub consent_epoch: u32,
}

/// The authorization code of a grant; its digest stays, so that a replay is recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    pub digest: Digest,
    pub expires_at: Timestamp,
    pub redirect_uri: String,
    #[serde(default, skip_serializing_if = "crate::request::is_false")]
    pub redirect_uri_omitted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    pub redeemed: bool,
    pub wrong_verifiers: u8,
    /// Thumbprint of the key that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Digest>,
    /// Thumbprint of the key of the instance that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Digest>,
}

/// The refresh token of a grant: only the newest is known, older ones are told by their generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refresh {
    pub digest: Digest,
    pub generation: u32,
    /// Idle expiry: moves with each use.
    pub expires_at: Timestamp,
    /// Absolute expiry of the family.
    pub ends_at: Timestamp,
    /// The key that each use has to prove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// The first generation that is bound to it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub bound_from: u32,
    /// The immediate predecessor, for the grace window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Predecessor>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_first(generation: &u32) -> bool {
    *generation == 0
}

impl Refresh {
    fn next_generation(&self) -> u32 {
        self.generation.saturating_add(1)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predecessor {
    pub digest: Digest,
    pub replaced_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// The resource server that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<ResourceId>,
    /// The key that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    pub digest: Digest,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// When it has less than the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// When it has fewer authorization details than the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Sealed>,
}

impl Grant {
    /// The authorization details of one of its access tokens.
    pub fn details_of<'a>(&'a self, access: &'a Access) -> Option<&'a Sealed> {
        access.details.as_ref().or(self.details.as_ref())
    }

    fn person(&self) -> Option<&Person> {
        match &self.kind {
            GrantKind::Person(person) => Some(person),
            GrantKind::Client | GrantKind::Operator => None,
        }
    }

    /// The account that it speaks for.
    pub fn account(&self) -> Option<AccountId> {
        self.person().map(|person| person.account)
    }

    /// The client whose consent it rests on: its own, or the one whose token was exchanged.
    pub fn allowed_client(&self) -> &ClientId {
        self.exchanged.as_ref().map_or(&self.client, |own| &own.source.client)
    }

    /// Whose proofs name it in `iss`; `None` for a wallet that never said who it is (OpenID4VCI §6.1, Appendix F.1).
    pub fn named_client(&self) -> Option<&ClientId> {
        Some(&self.client).filter(|own| own.as_str() != ANONYMOUS)
    }

    /// How often the consent had been withdrawn when the grant began.
    pub fn consent_epoch(&self) -> u32 {
        self.person().map_or(0, |person| person.consent_epoch)
    }

    /// The session that it dies with; `None` when it survives logout or has no person.
    pub fn bound_session(&self) -> Option<SessionId> {
        self.person().filter(|person| !person.offline).map(|person| person.session)
    }

    /// The moment after which nothing of it can be used: housekeeping may drop the row then.
    pub fn over_at(&self) -> Timestamp {
        let access = self.access.iter().map(|access| access.expires_at).max();
        let code = self.code.as_ref().map(|code| code.expires_at);
        let refresh = self.refresh.as_ref().map(|refresh| refresh.expires_at);
        [access, code, refresh].into_iter().flatten().max().unwrap_or(self.granted_at)
    }

    fn add_access(&mut self, access: Access) {
        self.access.retain(|own| own.expires_at > access.issued_at);
        if self.access.len() >= MOST_ACCESS_TOKENS {
            self.access.remove(0);
        }
        self.access.push(access);
    }
}

impl Stream for Grant {
    const KIND: &'static str = "grant";
    type Event = GrantEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, GrantEvent>) -> Result<Self, FoldError> {
        let out_of_order = || FoldError::OutOfOrder { name: fact.event.event_type().name };
        let Some(mut grant) = state else {
            return beginning::of(fact).ok_or_else(out_of_order);
        };
        // An ended grant stays ended: after that only misuse by others is recorded.
        if grant.ended.is_some() && !matches!(fact.event, GrantEvent::MisuseRefused(_)) {
            return Err(out_of_order());
        }
        match fact.event {
            GrantEvent::CodeIssued(_)
            | GrantEvent::ImplicitlyGranted(_)
            | GrantEvent::ClientCredentialsGranted(_)
            | GrantEvent::DeviceGranted(_)
            | GrantEvent::BackchannelGranted(_)
            | GrantEvent::TokenExchanged(_)
            | GrantEvent::AssertionGranted(_)
            | GrantEvent::PreAuthorizedGranted(_)
            | GrantEvent::OperatorTokenMinted(_) => return Err(out_of_order()),
            GrantEvent::FrontChannelIssued(event) => {
                if let Some(access) = event.access.clone() {
                    grant.add_access(access.into_access(event.at, event.scope.clone()));
                }
            }
            GrantEvent::CodeRedeemed(event) => {
                let narrowed = fact.sealed(&grant.id.stream(), DETAILS);
                let code = grant.code.as_mut().filter(|code| !code.redeemed).ok_or_else(out_of_order)?;
                code.redeemed = true;
                grant.refresh = event.refresh.clone().map(event::IssuedRefresh::into_family);
                grant.add_access(Access { details: narrowed, ..event.access.clone().into_access(event.at, event.scope.clone()) });
            }
            GrantEvent::CodeVerifierRefused(_) => {
                let code = grant.code.as_mut().ok_or_else(out_of_order)?;
                code.wrong_verifiers = code.wrong_verifiers.saturating_add(1);
            }
            GrantEvent::RefreshTokenRotated(event) => {
                let narrowed = fact.sealed(&grant.id.stream(), DETAILS);
                let refresh =
                    grant.refresh.as_mut().filter(|refresh| refresh.next_generation() == event.generation).ok_or_else(out_of_order)?;
                refresh.predecessor = Some(Predecessor { digest: refresh.digest, replaced_at: event.at });
                refresh.digest = event.refresh;
                refresh.generation = event.generation;
                refresh.expires_at = event.refresh_expires_at;
                if event.cnf.is_some() {
                    (refresh.cnf, refresh.bound_from) = (event.cnf, event.generation);
                }
                grant.add_access(Access { details: narrowed, ..event.access.clone().into_access(event.at, event.scope.clone()) });
            }
            GrantEvent::RefreshTokenUsed(event) => {
                let narrowed = fact.sealed(&grant.id.stream(), DETAILS);
                let refresh = grant.refresh.as_mut().ok_or_else(out_of_order)?;
                refresh.expires_at = event.refresh_expires_at;
                // It was used: whoever holds its predecessor is late, whatever the grace window says.
                refresh.predecessor = None;
                grant.add_access(Access { details: narrowed, ..event.access.clone().into_access(event.at, event.scope.clone()) });
            }
            GrantEvent::RefreshTokenRepeated(event) => {
                grant.refresh.as_ref().ok_or_else(out_of_order)?;
                let narrowed = fact.sealed(&grant.id.stream(), DETAILS);
                grant.add_access(Access { details: narrowed, ..event.access.clone().into_access(event.at, event.scope.clone()) });
            }
            GrantEvent::MisuseRefused(event) => {
                if event.misuse.is_recorded_once() {
                    grant.misused.insert(event.misuse);
                }
            }
            // They are the wallet's from here on: nothing of the grant changes.
            GrantEvent::CredentialsIssued(_) => {}
            GrantEvent::AccessTokenRevoked(event) => grant.access.retain(|own| own.digest != event.access),
            GrantEvent::GrantEnded(event) => {
                grant.ended = Some(event.reason);
                grant.access.clear();
            }
        }
        Ok(grant)
    }
}

/// The ciphertext of authorization details beside an event.
pub const DETAILS: &str = "authorization_details";

/// Lifetimes that the token rules need, resolved by the shell from server, client and resource settings.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    pub code: Seconds,
    pub access_token: Seconds,
    pub client_credentials: Seconds,
    /// Idle time of a refresh token.
    pub refresh_idle: Seconds,
    /// Absolute age of a refresh family.
    pub refresh_absolute: Seconds,
}

#[cfg(test)]
mod tests;
