//! The device grant (RFC 8628): somebody allows on one screen what another asked for.
//!
//! | Rule | Source |
//! |---|---|
//! | the device code is known by its digest, the user code only as ciphertext: it has too few bits for a digest | RFC 8628 §5.1, §5.2; DESIGN: rule 7 |
//! | waiting: `authorization_pending`; too fast: `slow_down`, and five seconds more from then on | RFC 8628 §3.5 |
//! | denied: `access_denied`; too late: `expired_token` | RFC 8628 §3.5 |
//! | only for the client that asked | RFC 6749 §5.2, RFC 8628 §3.4 |
//! | tokens once | RFC 8628 §3.5, §5.2 |
//! | one answer by one person, while it waits | RFC 8628 §3.3 |
//! | by a sign-in that does for what was asked | OpenID Connect Core 1.0 §3.1.2.1 |
//!
//! Out of scope: what the tokens are (`grant::device`), how often somebody may guess (`http`), how fast a device asked (the shell).

pub mod user_code;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::grant::DETAILS;
use crate::id::{AccountId, ClientId, DeviceId, GrantId, SessionId};
use crate::polled::wishes::{Login, SealedTexts, Texts, Wishes};
pub use crate::polled::{Answer, Approval, INTERVAL, Poll};
use crate::polled::{Polled, Trace};
use crate::request::Parameters;
use crate::request::object::ObjectUsed;
use crate::resource::ResourceId;
use crate::scope::Scope;
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::{Seconds, Timestamp};

/// A device asked for a code. `personal`: `user_code`, `authorization_details`, `claim_values`, `nonce`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceAuthorizationRequested {
    pub at: Timestamp,
    /// The types of its authorization details (RFC 9396).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub authorization_details: BTreeSet<String>,
    pub client: ClientId,
    /// Digest of the device code.
    pub code: Digest,
    pub device: DeviceId,
    pub expires_at: Timestamp,
    /// Thumbprint of the key of the attested instance that asked (ABCA §9.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Digest>,
    /// The request object that the parameters stood in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectUsed>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub wishes: Wishes,
}

/// It polled faster than it was told to: from here on it has to wait longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DevicePollingSlowed {
    pub at: Timestamp,
    pub interval: Seconds,
}

/// A person allowed it. `personal`: `authorization_details` as they were granted (RFC 9396 §7.1), `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceApproved {
    pub account: AccountId,
    pub amr: Vec<String>,
    pub at: Timestamp,
    pub auth_time: Timestamp,
    pub consent_epoch: u32,
    pub session: SessionId,
}

/// A person said no.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceDenied {
    pub account: AccountId,
    pub at: Timestamp,
}

/// The device got its tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceCodeRedeemed {
    pub at: Timestamp,
    pub grant: GrantId,
}

/// How somebody who knows the device code tried to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Misuse {
    OtherClient,
    /// Of the same client, as well attested.
    OtherInstance,
    /// After it was redeemed: a lost answer, or a copied code.
    Replayed,
}

/// A misuse that was refused; each kind is recorded once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceCodeMisused {
    pub at: Timestamp,
    pub by: ClientId,
    pub misuse: Misuse,
}

events! {
    /// The history of a device's request.
    DeviceEvent {
        DeviceAuthorizationRequested = 1,
        DevicePollingSlowed = 1,
        DeviceApproved = 1,
        DeviceDenied = 1,
        DeviceCodeRedeemed = 1,
        DeviceCodeMisused = 1,
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    pub id: DeviceId,
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
    pub user_code: Option<Sealed>,
    /// What it asks for beyond scopes (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub wishes: Wishes,
    #[serde(default, skip_serializing_if = "SealedTexts::is_empty")]
    pub texts: SealedTexts,
    /// Where it came from.
    pub context: Option<Sealed>,
    pub answer: Answer,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub misused: BTreeSet<Misuse>,
}

impl Device {
    /// May this instance have what comes of it? ABCA §9.4.
    pub fn is_for(&self, instance: Option<Digest>) -> bool {
        self.instance.is_none() || self.instance == instance
    }
}

impl Stream for Device {
    const KIND: &'static str = "device";
    type Event = DeviceEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, DeviceEvent>) -> Result<Self, FoldError> {
        let out_of_order = Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
        let Some(mut device) = state else {
            let DeviceEvent::DeviceAuthorizationRequested(event) = fact.event else { return out_of_order };
            let stream = event.device.stream();
            return Ok(Self {
                id: event.device,
                client: event.client.clone(),
                code: event.code,
                instance: event.instance,
                scope: event.scope.clone(),
                resources: event.resources.clone(),
                requested_at: event.at,
                expires_at: event.expires_at,
                interval: INTERVAL,
                user_code: fact.sealed(&stream, "user_code"),
                details: fact.sealed(&stream, DETAILS),
                wishes: event.wishes.clone(),
                texts: SealedTexts::of(fact, &stream),
                context: fact.sealed(&stream, "context"),
                answer: Answer::Waiting,
                misused: BTreeSet::new(),
            });
        };
        match (fact.event, &device.answer) {
            (DeviceEvent::DevicePollingSlowed(event), Answer::Waiting) => device.interval = event.interval,
            (DeviceEvent::DeviceApproved(event), Answer::Waiting) => {
                device.details = fact.sealed(&device.id.stream(), DETAILS).or(device.details);
                device.answer = Answer::Approved(Approval {
                    account: event.account,
                    session: event.session,
                    auth_time: event.auth_time,
                    amr: event.amr.clone(),
                    consent_epoch: event.consent_epoch,
                });
            }
            (DeviceEvent::DeviceDenied(_), Answer::Waiting) => device.answer = Answer::Denied,
            (DeviceEvent::DeviceCodeRedeemed(_), Answer::Approved(_)) => device.answer = Answer::Redeemed,
            (DeviceEvent::DeviceCodeMisused(event), _) => drop(device.misused.insert(event.misuse)),
            _ => return out_of_order,
        }
        Ok(device)
    }
}

/// A device's wish for a code.
pub struct Ask {
    pub device: DeviceId,
    pub client: ClientId,
    pub code: Digest,
    /// The key of the instance that was attested (ABCA).
    pub instance: Option<Digest>,
    pub user_code: String,
    pub scope: Scope,
    pub resources: BTreeSet<ResourceId>,
    /// The types of its authorization details.
    pub types: BTreeSet<String>,
    pub wishes: Wishes,
    pub texts: Texts,
    pub object: Option<ObjectUsed>,
    pub lifetime: Seconds,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn ask(cmd: &Ask) -> Decision<DeviceEvent, ()> {
    let event = DeviceAuthorizationRequested {
        authorization_details: cmd.types.clone(),
        device: cmd.device,
        client: cmd.client.clone(),
        code: cmd.code,
        instance: cmd.instance,
        scope: cmd.scope.clone(),
        resources: cmd.resources.clone(),
        wishes: cmd.wishes.clone(),
        object: cmd.object.clone(),
        expires_at: cmd.at.plus(cmd.lifetime),
        at: cmd.at,
    };
    let personal = Personal::default().with("user_code", Some(cmd.user_code.as_str())).with("context", cmd.context.as_deref());
    let personal = cmd.texts.beside(personal);
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// What a device cannot ask for; other parameters are those of every request without a browser (`request`).
///
/// # Errors
/// `invalid_request`.
pub fn check_parameters(sent: &Parameters) -> Result<(), OAuthError> {
    // A hint that is shown to whoever types the code would tell them whom the device knows.
    if sent.contains_key("login_hint") {
        return Err(OAuthError::invalid_request("login_hint")
            .saying("login_hint is not for this endpoint: whoever types the code has signed in by then; id_token_hint says who has to."));
    }
    Ok(())
}

/// May a person still answer it? Answered and expired look the same: the code is over.
///
/// # Errors
/// `invalid_request`.
pub fn check_open(device: &Device, at: Timestamp) -> Result<(), OAuthError> {
    let over = |why: &'static str| Err(OAuthError::invalid_request(why).saying("This code is over; ask the device for a new one."));
    match device.answer {
        Answer::Waiting if at < device.expires_at => Ok(()),
        Answer::Waiting => over("expired"),
        _ => over("answered already"),
    }
}

/// What is sealed beside an approval.
#[derive(Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The details as they are granted, in their one text.
    pub details: Option<&'a str>,
    pub context: Option<&'a str>,
}

/// The person allows it.
pub fn approve(device: &Device, approval: &Approval, beside: Beside<'_>, at: Timestamp) -> Decision<DeviceEvent, ()> {
    if let Err(error) = check_open(device, at) {
        return Decision::refuse(error);
    }
    let login = Login { account: approval.account, auth_time: approval.auth_time };
    if let Err(why) = device.wishes.check_login(login, device.requested_at, at) {
        return Decision::refuse(why.into());
    }
    let event = DeviceApproved {
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
pub fn deny(device: &Device, account: AccountId, at: Timestamp) -> Decision<DeviceEvent, ()> {
    match check_open(device, at) {
        Ok(()) => Decision::accept(alloc::vec![DeviceDenied { account, at }.into()], ()),
        Err(error) => Decision::refuse(error),
    }
}

/// Who allowed it, when somebody has.
pub fn poll(device: &Device, cmd: &Poll) -> Decision<DeviceEvent, Approval> {
    let polled = Polled {
        code: &device.code,
        client: &device.client,
        instance: device.instance,
        answer: &device.answer,
        expires_at: device.expires_at,
        interval: device.interval,
    };
    let (error, trace) = match cmd.verdict(&polled) {
        Ok(approval) => return Decision::accept(Vec::new(), approval),
        Err(refused) => refused,
    };
    let refusal = Decision::refuse(error);
    let misuse = match trace {
        Some(Trace::Slowed(interval)) => return refusal.recording(DevicePollingSlowed { interval, at: cmd.at }),
        Some(Trace::OtherClient) => Misuse::OtherClient,
        Some(Trace::OtherInstance) => Misuse::OtherInstance,
        Some(Trace::Replayed) => Misuse::Replayed,
        None => return refusal,
    };
    if device.misused.contains(&misuse) {
        return refusal;
    }
    refusal.recording(DeviceCodeMisused { misuse, by: cmd.client.clone(), at: cmd.at })
}

/// The tokens leave.
pub fn redeemed(grant: GrantId, at: Timestamp) -> Decision<DeviceEvent, ()> {
    Decision::accept(alloc::vec![DeviceCodeRedeemed { grant, at }.into()], ())
}

#[cfg(test)]
mod tests;
