//! Backchannel authentication (CIBA): a client that knows a person asks them on their own screen.
//!
//! | Rule | Source |
//! |---|---|
//! | the `auth_req_id` is known by its digest | OpenID Connect CIBA Core 1.0 §7.3 |
//! | what its parameters may say (`parameters`) | CIBA Core §7.1, FAPI-CIBA §5.3 |
//! | waiting: `authorization_pending`; too fast: `slow_down`, and five seconds more from then on | CIBA Core §11 |
//! | denied: `access_denied`; too late: `expired_token` | CIBA Core §11 |
//! | only for the client that asked | CIBA Core §11 |
//! | tokens once | CIBA Core §10.1, §11 |
//! | one answer, by the person who was asked, while it waits, in a sign-in that does for what was asked | CIBA Core §8, OpenID Connect Core 1.0 §3.1.2.1 |
//! | a client that gets its tokens pushed does not poll | CIBA Core §11 |
//! | where the person set a code, only who knows it may ask | CIBA Core §7.1, §13 |
//! | few requests wait for one person: nobody is worn down until they press Allow | CIBA Core §14; our own |
//!
//! Out of scope: what the tokens are (`grant::backchannel`), how the client is told of the answer (`notification`), answers through an application of the operator's (`own_device`), who a hint names and how fast a client asked (the shell).

mod event;
pub mod notification;
pub mod own_device;
mod parameters;
pub mod signed;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use self::event::*;
use self::notification::Notice;
pub use self::parameters::*;
use crate::client::metadata::DeliveryMode;
use crate::decision::{Decision, Draft, Personal};
use crate::device::Beside;
use crate::digest::Digest;
use crate::error::{Code, OAuthError};
use crate::grant::DETAILS;
use crate::id::{AccountId, BackchannelId, ClientId, GrantId};
use crate::polled::wishes::{Login, SealedTexts, Texts, Wishes};
pub use crate::polled::{Answer, INTERVAL, Poll};
use crate::polled::{Approval, Polled, Trace};
use crate::request::object::ObjectUsed;
use crate::resource::ResourceId;
use crate::scope::Scope;
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::{Seconds, Timestamp};

/// The field of the log that holds a request context as ciphertext.
const CONTEXT: &str = "request_context";
/// Requests that wait for one person.
pub const MOST_WAITING: usize = 5;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backchannel {
    pub id: BackchannelId,
    pub account: AccountId,
    pub client: ClientId,
    pub code: Digest,
    /// Thumbprint of the key of the attested instance that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Digest>,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub requested_at: Timestamp,
    pub expires_at: Timestamp,
    pub interval: Seconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_message: Option<Sealed>,
    /// What the client says of how it came to ask (FAPI-CIBA §5.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_context: Option<Sealed>,
    /// What it asks for beyond scopes (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub wishes: Wishes,
    #[serde(default, skip_serializing_if = "SealedTexts::is_empty")]
    pub texts: SealedTexts,
    pub answer: Answer,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub misused: BTreeSet<Misuse>,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub wants_acr: bool,
    pub delivery_mode: DeliveryMode,
    /// How far telling the client is; `None` for one that polls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

impl Backchannel {
    /// Does it wait for its person?
    pub fn is_waiting(&self, at: Timestamp) -> bool {
        self.answer == Answer::Waiting && at < self.expires_at
    }

    /// May this instance have what comes of it? ABCA §9.4.
    pub fn is_for(&self, instance: Option<Digest>) -> bool {
        self.instance.is_none() || self.instance == instance
    }

    /// Is there something that its client has to be told, now or later?
    pub fn is_to_be_told(&self) -> bool {
        self.notice.as_ref().is_some_and(|notice| notice.due_at.is_some())
    }
}

impl Stream for Backchannel {
    const KIND: &'static str = "backchannel";
    type Event = BackchannelEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, BackchannelEvent>) -> Result<Self, FoldError> {
        let out_of_order = Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
        let Some(mut own) = state else {
            let BackchannelEvent::BackchannelRequested(event) = fact.event else { return out_of_order };
            let stream = event.backchannel.stream();
            return Ok(Self {
                id: event.backchannel,
                account: event.account,
                client: event.client.clone(),
                code: event.code,
                instance: event.instance,
                scope: event.scope.clone(),
                resources: event.resources.clone(),
                requested_at: event.at,
                expires_at: event.expires_at,
                interval: INTERVAL,
                binding_message: fact.sealed(&stream, "binding_message"),
                request_context: fact.sealed(&stream, CONTEXT),
                details: fact.sealed(&stream, DETAILS),
                wishes: event.wishes.clone(),
                texts: SealedTexts::of(fact, &stream),
                answer: Answer::Waiting,
                misused: BTreeSet::new(),
                wants_acr: event.wants_acr,
                delivery_mode: event.delivery_mode,
                notice: (event.delivery_mode != DeliveryMode::Poll).then(|| Notice {
                    auth_req_id: fact.sealed(&stream, "auth_req_id"),
                    token: fact.sealed(&stream, "client_notification_token"),
                    attempts: 0,
                    due_at: Some(event.expires_at),
                    unanswered: None,
                }),
            });
        };
        match (fact.event, &own.answer) {
            (BackchannelEvent::BackchannelPollingSlowed(event), Answer::Waiting) => own.interval = event.interval,
            // Here or in an application: the person has answered.
            (
                BackchannelEvent::BackchannelApproved(BackchannelApproved { account, session, auth_time, amr, consent_epoch, .. })
                | BackchannelEvent::BackchannelApprovedOnDevice(BackchannelApprovedOnDevice {
                    account,
                    session,
                    auth_time,
                    amr,
                    consent_epoch,
                    ..
                }),
                Answer::Waiting,
            ) => {
                let (account, session, auth_time, consent_epoch) = (*account, *session, *auth_time, *consent_epoch);
                // As the person granted them (RFC 9396 §7.1).
                own.details = fact.sealed(&own.id.stream(), DETAILS).or(own.details);
                own.answer = Answer::Approved(Approval { account, session, auth_time, amr: amr.clone(), consent_epoch });
            }
            (BackchannelEvent::BackchannelDenied(_) | BackchannelEvent::BackchannelDeniedOnDevice(_), Answer::Waiting) => {
                own.answer = Answer::Denied;
            }
            (BackchannelEvent::BackchannelRedeemed(_), Answer::Approved(_)) => own.answer = Answer::Redeemed,
            (BackchannelEvent::BackchannelMisused(event), _) => drop(own.misused.insert(event.misuse)),
            (BackchannelEvent::BackchannelNotified(event), Answer::Approved(_)) if event.grant.is_some() => own.answer = Answer::Redeemed,
            (
                BackchannelEvent::BackchannelNotificationAttempted(_)
                | BackchannelEvent::BackchannelNotificationFailed(_)
                | BackchannelEvent::BackchannelNotificationAbandoned(_)
                | BackchannelEvent::BackchannelNotified(_),
                _,
            ) if own.notice.is_some() => {}
            _ => return out_of_order,
        }
        if let Some(notice) = &mut own.notice {
            notice.follow(fact.event);
        }
        Ok(own)
    }
}

/// What a client knows of the code that the person set (CIBA Core §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserCode {
    /// The person set none.
    NotWanted,
    Missing,
    Wrong,
    Right,
}

/// A client's wish to ask somebody.
pub struct Ask {
    pub backchannel: BackchannelId,
    pub account: AccountId,
    pub client: ClientId,
    pub code: Digest,
    /// The key of the instance that was attested (ABCA).
    pub instance: Option<Digest>,
    pub scope: Scope,
    pub resources: BTreeSet<ResourceId>,
    pub binding_message: Option<String>,
    /// As [`check_context`] gave it back.
    pub request_context: Option<String>,
    /// The types of its authorization details.
    pub types: BTreeSet<String>,
    pub wishes: Wishes,
    pub texts: Texts,
    pub user_code: UserCode,
    /// A profile demands one.
    pub needs_message: bool,
    pub wants_acr: bool,
    /// The JWT that the request stood in.
    pub object: Option<ObjectUsed>,
    /// As its client is registered.
    pub delivery_mode: DeliveryMode,
    /// The text whose digest is `code`: kept for telling the client, sealed, and only then.
    pub auth_req_id: String,
    pub client_notification_token: Option<String>,
    /// What the client wishes, when it does.
    pub requested: Option<Seconds>,
    pub lifetime: Seconds,
    /// Requests that wait for this person.
    pub waiting: usize,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn ask(cmd: &Ask) -> Decision<BackchannelEvent, Timestamp> {
    // CIBA Core §7.2, §13: before anything else is said of the person.
    match cmd.user_code {
        UserCode::NotWanted | UserCode::Right => {}
        UserCode::Missing => return Decision::refuse(OAuthError::missing_user_code("the person set a code")),
        UserCode::Wrong => return Decision::refuse(OAuthError::invalid_user_code("wrong, or too many wrong ones")),
    }
    if cmd.waiting >= MOST_WAITING {
        return Decision::refuse(
            OAuthError::access_denied("too many requests wait").saying("Too many requests wait for this person; try again later."),
        );
    }
    if let Some(Err(error)) = cmd.binding_message.as_deref().map(check_message) {
        return Decision::refuse(error);
    }
    // FAPI-CIBA §5.2.2: what the person allows is what the client means.
    if cmd.needs_message && cmd.binding_message.is_none() {
        return Decision::refuse(OAuthError::invalid_binding_message("none").saying("A binding_message is needed here."));
    }
    let is_told = cmd.delivery_mode != DeliveryMode::Poll;
    // CIBA Core §7.1: required where the client is told; no business of one that polls.
    let token = cmd.client_notification_token.as_deref().filter(|_| is_told);
    if is_told && let Err(error) = check_token(token.unwrap_or_default()) {
        return Decision::refuse(error);
    }
    // CIBA Core §7.1: a wish, within our own bound.
    let lifetime = cmd.requested.map_or(cmd.lifetime, |wished| wished.min(cmd.lifetime));
    let expires_at = cmd.at.plus(lifetime);
    let event = BackchannelRequested {
        account: cmd.account,
        at: cmd.at,
        authorization_details: cmd.types.clone(),
        backchannel: cmd.backchannel,
        client: cmd.client.clone(),
        code: cmd.code,
        delivery_mode: cmd.delivery_mode,
        expires_at,
        instance: cmd.instance,
        object: cmd.object.clone(),
        resources: cmd.resources.clone(),
        scope: cmd.scope.clone(),
        wants_acr: cmd.wants_acr,
        wishes: cmd.wishes.clone(),
    };
    let personal = Personal::default()
        .with("binding_message", cmd.binding_message.as_deref())
        .with_whole(CONTEXT, cmd.request_context.as_deref())
        .with("context", cmd.context.as_deref())
        .with_whole("auth_req_id", is_told.then_some(cmd.auth_req_id.as_str()))
        .with_whole("client_notification_token", token);
    let personal = cmd.texts.beside(personal);
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], expires_at)
}

/// May this person still answer it?
///
/// # Errors
/// `invalid_request`; somebody else's and one that is over look the same.
pub fn check_open(own: &Backchannel, account: AccountId, at: Timestamp) -> Result<(), OAuthError> {
    if own.account == account && own.is_waiting(at) {
        return Ok(());
    }
    Err(OAuthError::invalid_request("over, or another person's").saying("This request is over."))
}

/// Does the sign-in in which the person allows it do?
///
/// # Errors
/// `login_required`.
pub fn check_login(own: &Backchannel, approval: &Approval, at: Timestamp) -> Result<(), OAuthError> {
    let login = Login { account: approval.account, auth_time: approval.auth_time };
    own.wishes.check_login(login, own.requested_at, at).map_err(OAuthError::from)
}

/// The person allows it.
pub fn approve(own: &Backchannel, approval: &Approval, beside: Beside<'_>, at: Timestamp) -> Decision<BackchannelEvent, ()> {
    if let Err(error) = check_open(own, approval.account, at).and_then(|()| check_login(own, approval, at)) {
        return Decision::refuse(error);
    }
    let event = BackchannelApproved {
        account: approval.account,
        session: approval.session,
        auth_time: approval.auth_time,
        amr: approval.amr.clone(),
        consent_epoch: approval.consent_epoch,
        at,
    };
    let personal = Personal::default().with_whole(DETAILS, beside.details).with("context", beside.context);
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// The person says no.
pub fn deny(own: &Backchannel, account: AccountId, at: Timestamp) -> Decision<BackchannelEvent, ()> {
    match check_open(own, account, at) {
        Ok(()) => Decision::accept(alloc::vec![BackchannelDenied { account, at }.into()], ()),
        Err(error) => Decision::refuse(error),
    }
}

/// Who allowed it, when somebody has.
pub fn poll(own: &Backchannel, cmd: &Poll) -> Decision<BackchannelEvent, Approval> {
    // CIBA Core §11. What others try with it is evidence as for every client.
    if own.delivery_mode == DeliveryMode::Push && own.client == cmd.client {
        return Decision::refuse(
            OAuthError::unauthorized_client("registered for push").saying("The tokens of this client are pushed to it."),
        );
    }
    let polled = Polled {
        code: &own.code,
        client: &own.client,
        instance: own.instance,
        answer: &own.answer,
        expires_at: own.expires_at,
        interval: own.interval,
    };
    let (error, trace) = match cmd.verdict(&polled) {
        Ok(approval) => return Decision::accept(Vec::new(), approval),
        Err(refused) => refused,
    };
    let refusal = Decision::refuse(asking_again(error));
    let misuse = match trace {
        Some(Trace::Slowed(interval)) => return refusal.recording(BackchannelPollingSlowed { interval, at: cmd.at }),
        Some(Trace::OtherClient) => Misuse::OtherClient,
        Some(Trace::OtherInstance) => Misuse::OtherInstance,
        Some(Trace::Replayed) => Misuse::Replayed,
        None => return refusal,
    };
    if own.misused.contains(&misuse) {
        return refusal;
    }
    refusal.recording(BackchannelMisused { misuse, by: cmd.client.clone(), at: cmd.at })
}

/// The sentence of the registry speaks of a device's code.
fn asking_again(error: OAuthError) -> OAuthError {
    if error.code == Code::ExpiredToken { error.saying("The auth_req_id has expired; ask again.") } else { error }
}

/// The tokens leave.
pub fn redeemed(grant: GrantId, at: Timestamp) -> Decision<BackchannelEvent, ()> {
    Decision::accept(alloc::vec![BackchannelRedeemed { grant, at }.into()], ())
}

#[cfg(test)]
mod tests;
