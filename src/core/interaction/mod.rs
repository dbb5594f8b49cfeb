//! Interactions: one authorization request from its arrival to its answer.
//!
//! | Rule | Source |
//! |---|---|
//! | requested -> chosen, authenticated -> answered, and never back | our own |
//! | bound to the browser that brought it, by the digest of one cookie | RFC 9700 §4.7 |
//! | what has to happen next | `next` |
//!
//! A request that needs nothing from the person is answered at once: one event here, one on the grant.

pub mod next;

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::claims::wanted::CLAIM_VALUES;
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{AccountId, ClientId, GrantId, InteractionId, SessionId};
use crate::request::Request;
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::{Seconds, Timestamp};

/// A valid request that waits for its person. `personal`: `state`, `nonce`, `login_hint`, `authorization_details`,
/// `claim_values`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthorizationRequested {
    pub at: Timestamp,
    /// Digest of the cookie that every further step must bring.
    pub browser: Digest,
    pub client: ClientId,
    pub expires_at: Timestamp,
    pub interaction: InteractionId,
    /// Commitment to the interaction's data key.
    pub key_commitment: Digest,
    /// It was pushed before (RFC 9126); the stream `pushed-` with the same id tells how.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub pushed: bool,
    pub request: Request,
}

/// A valid request that needed nothing from the person. `personal`: `state`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthorizationAnsweredAtOnce {
    pub account: AccountId,
    pub at: Timestamp,
    pub client: ClientId,
    /// Absent when nothing was asked for (`response_type=none`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    pub interaction: InteractionId,
    /// It was pushed before (RFC 9126).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub pushed: bool,
    pub request: Request,
    pub session: SessionId,
}

/// The person signed in for this request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PersonAuthenticated {
    pub account: AccountId,
    pub at: Timestamp,
    pub session: SessionId,
}

/// The person chose, among those who are signed in in this browser, who answers this request (`prompt=select_account`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountChosen {
    pub account: AccountId,
    pub at: Timestamp,
    pub session: SessionId,
}

/// The answer left for the client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthorizationGranted {
    pub account: AccountId,
    pub at: Timestamp,
    /// Absent when nothing was asked for (`response_type=none`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthorizationRefused {
    pub at: Timestamp,
    /// A code of the error registry.
    pub error: String,
}

events! {
    /// The history of an authorization request.
    InteractionEvent {
        AuthorizationRequested = 1,
        AuthorizationAnsweredAtOnce = 1,
        PersonAuthenticated = 1,
        AccountChosen = 1,
        AuthorizationGranted = 1,
        AuthorizationRefused = 1,
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    pub id: InteractionId,
    pub client: ClientId,
    pub request: Request,
    pub browser: Option<Digest>,
    /// Who signed in for this request, in which session.
    pub authenticated: Option<(AccountId, SessionId)>,
    /// Whom the person chose among those who were signed in, in which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<(AccountId, SessionId)>,
    pub answered: bool,
    /// The answer spends what was pushed.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub pushed: bool,
    pub expires_at: Timestamp,
    pub state: Option<Sealed>,
    pub nonce: Option<Sealed>,
    pub login_hint: Option<Sealed>,
    /// What exactly is asked for (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<Sealed>,
    /// The values that claims were asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_values: Option<Sealed>,
}

impl Stream for Interaction {
    const KIND: &'static str = "interaction";
    type Event = InteractionEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, InteractionEvent>) -> Result<Self, FoldError> {
        let out_of_order = Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
        let Some(mut interaction) = state else {
            return match fact.event {
                InteractionEvent::AuthorizationRequested(event) => {
                    let stream = event.interaction.stream();
                    Ok(Self {
                        id: event.interaction,
                        client: event.client.clone(),
                        request: event.request.clone(),
                        browser: Some(event.browser),
                        authenticated: None,
                        chosen: None,
                        answered: false,
                        pushed: event.pushed,
                        expires_at: event.expires_at,
                        state: fact.sealed(&stream, "state"),
                        nonce: fact.sealed(&stream, "nonce"),
                        login_hint: fact.sealed(&stream, "login_hint"),
                        authorization_details: fact.sealed(&stream, "authorization_details"),
                        claim_values: fact.sealed(&stream, CLAIM_VALUES),
                    })
                }
                InteractionEvent::AuthorizationAnsweredAtOnce(event) => Ok(Self {
                    id: event.interaction,
                    client: event.client.clone(),
                    request: event.request.clone(),
                    browser: None,
                    authenticated: Some((event.account, event.session)),
                    chosen: None,
                    answered: true,
                    pushed: event.pushed,
                    expires_at: event.at,
                    state: None,
                    nonce: None,
                    login_hint: None,
                    authorization_details: None,
                    claim_values: None,
                }),
                _ => out_of_order,
            };
        };
        if interaction.answered {
            return out_of_order;
        }
        match fact.event {
            InteractionEvent::PersonAuthenticated(event) => interaction.authenticated = Some((event.account, event.session)),
            InteractionEvent::AccountChosen(event) => interaction.chosen = Some((event.account, event.session)),
            InteractionEvent::AuthorizationGranted(_) | InteractionEvent::AuthorizationRefused(_) => interaction.answered = true,
            InteractionEvent::AuthorizationRequested(_) | InteractionEvent::AuthorizationAnsweredAtOnce(_) => return out_of_order,
        }
        Ok(interaction)
    }
}

/// What travels with a request besides its public parameters: for the vault only.
#[derive(Clone, Default)]
pub struct Private {
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub login_hint: Option<String>,
    /// In its one text (`details`).
    pub authorization_details: Option<String>,
    /// In their one text (`claims::wanted`).
    pub claim_values: Option<String>,
    pub context: Option<String>,
}

/// A request that waits for its person.
pub struct Open {
    pub interaction: InteractionId,
    pub client: ClientId,
    pub request: Request,
    pub browser: Digest,
    pub key_commitment: Digest,
    pub pushed: bool,
    pub private: Private,
    pub lifetime: Seconds,
    pub at: Timestamp,
}

pub fn open(cmd: &Open) -> Decision<InteractionEvent, ()> {
    let event = AuthorizationRequested {
        interaction: cmd.interaction,
        client: cmd.client.clone(),
        request: cmd.request.clone(),
        browser: cmd.browser,
        key_commitment: cmd.key_commitment,
        pushed: cmd.pushed,
        expires_at: cmd.at.plus(cmd.lifetime),
        at: cmd.at,
    };
    let personal = Personal::default()
        .with("state", cmd.private.state.as_deref())
        .with("nonce", cmd.private.nonce.as_deref())
        .with("login_hint", cmd.private.login_hint.as_deref())
        .with_whole("authorization_details", cmd.private.authorization_details.as_deref())
        .with_whole(CLAIM_VALUES, cmd.private.claim_values.as_deref())
        .with("context", cmd.private.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// A request that is granted without asking anybody.
pub struct AnswerAtOnce {
    pub interaction: InteractionId,
    pub client: ClientId,
    pub request: Request,
    pub account: AccountId,
    pub session: SessionId,
    pub grant: Option<GrantId>,
    pub pushed: bool,
    pub private: Private,
    pub at: Timestamp,
}

pub fn answer_at_once(cmd: &AnswerAtOnce) -> Decision<InteractionEvent, ()> {
    let event = AuthorizationAnsweredAtOnce {
        interaction: cmd.interaction,
        client: cmd.client.clone(),
        request: cmd.request.clone(),
        account: cmd.account,
        session: cmd.session,
        grant: cmd.grant,
        pushed: cmd.pushed,
        at: cmd.at,
    };
    let personal = Personal::default().with("state", cmd.private.state.as_deref()).with("context", cmd.private.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// May a step of this interaction happen now, in this browser?
///
/// # Errors
/// `invalid_request` with one sentence: answered, expired and foreign look the same.
pub fn check_step(interaction: &Interaction, browser: Option<&Digest>, at: Timestamp) -> Result<(), OAuthError> {
    let refuse = |why: &'static str| {
        Err(OAuthError::invalid_request(why)
            .saying("This sign-in is over or was begun in another browser; go back to the application and start again."))
    };
    if !browser.zip(interaction.browser.as_ref()).is_some_and(|(brought, bound)| bound.matches(brought)) {
        return refuse("another browser");
    }
    if interaction.answered {
        return refuse("answered already");
    }
    if at >= interaction.expires_at {
        return refuse("expired");
    }
    Ok(())
}

/// The person proved who they are.
pub fn authenticated(account: AccountId, session: SessionId, at: Timestamp) -> Decision<InteractionEvent, ()> {
    Decision::accept(alloc::vec![PersonAuthenticated { account, session, at }.into()], ())
}

/// The person chose one of those who are signed in in this browser.
pub fn chosen(account: AccountId, session: SessionId, at: Timestamp) -> Decision<InteractionEvent, ()> {
    Decision::accept(alloc::vec![AccountChosen { account, session, at }.into()], ())
}

/// The answer is a code.
pub fn granted(account: AccountId, grant: Option<GrantId>, at: Timestamp) -> Decision<InteractionEvent, ()> {
    Decision::accept(alloc::vec![AuthorizationGranted { account, grant, at }.into()], ())
}

/// The answer is an error.
pub fn refused(error: &OAuthError, at: Timestamp) -> Decision<InteractionEvent, ()> {
    let events: Vec<Draft<_>> = alloc::vec![AuthorizationRefused { error: error.code().into(), at }.into()];
    Decision::accept(events, ())
}

#[cfg(test)]
mod tests;
