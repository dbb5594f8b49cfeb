//! What can happen to a request on the back channel.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::client::metadata::DeliveryMode;
use crate::digest::Digest;
use crate::events;
use crate::id::{AccountId, BackchannelId, ClientId, GrantId, SessionId};
use crate::polled::wishes::Wishes;
use crate::request::object::ObjectUsed;
use crate::resource::ResourceId;
use crate::scope::Scope;
use crate::time::{Seconds, Timestamp};

/// A client asked a person. `personal`: `binding_message`, `request_context`, `authorization_details`, `claim_values`, `nonce`, `context`; where
/// the client is told of the answer, the `auth_req_id` and the `client_notification_token` that go with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelRequested {
    /// Who is asked.
    pub account: AccountId,
    pub at: Timestamp,
    /// The types of its authorization details (RFC 9396).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub authorization_details: BTreeSet<String>,
    pub backchannel: BackchannelId,
    pub client: ClientId,
    /// Digest of the `auth_req_id`.
    pub code: Digest,
    /// How the client learns of the answer.
    pub delivery_mode: DeliveryMode,
    pub expires_at: Timestamp,
    /// Thumbprint of the key of the attested instance that asked (ABCA §9.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Digest>,
    /// The JWT that it stood in, when it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectUsed>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<ResourceId>,
    pub scope: Scope,
    /// The id_token shall say how the person signed in (`acr_values`).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub wants_acr: bool,
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub wishes: Wishes,
}

/// It polled faster than it was told to: from here on it has to wait longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelPollingSlowed {
    pub at: Timestamp,
    pub interval: Seconds,
}

/// The person allowed it. `personal`: `authorization_details` as they are granted, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelApproved {
    pub account: AccountId,
    pub amr: Vec<String>,
    pub at: Timestamp,
    pub auth_time: Timestamp,
    pub consent_epoch: u32,
    pub session: SessionId,
}

/// The person said no.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelDenied {
    pub account: AccountId,
    pub at: Timestamp,
}

/// The person allowed it in an application that the operator named, by a token of that. `personal`: `authorization_details` as they are
/// granted, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelApprovedOnDevice {
    pub account: AccountId,
    pub amr: Vec<String>,
    pub at: Timestamp,
    pub auth_time: Timestamp,
    /// The application.
    pub client: ClientId,
    pub consent_epoch: u32,
    /// Whose token it was.
    pub grant: GrantId,
    pub session: SessionId,
}

/// The person said no there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelDeniedOnDevice {
    pub account: AccountId,
    pub at: Timestamp,
    pub client: ClientId,
    pub grant: GrantId,
}

/// The client got its tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelRedeemed {
    pub at: Timestamp,
    pub grant: GrantId,
}

/// How somebody who knows the `auth_req_id` tried to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Misuse {
    OtherClient,
    /// Of the same client, as well attested.
    OtherInstance,
    /// After it was redeemed: a lost answer, or a copied one.
    Replayed,
}

/// A misuse that was refused; each kind is recorded once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelMisused {
    pub at: Timestamp,
    pub by: ClientId,
    pub misuse: Misuse,
}

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Come and ask.
    Ping,
    Tokens,
    AccessDenied,
    ExpiredToken,
    /// The person allowed it, and what it rests on is gone.
    TransactionFailed,
}

/// Why nobody tells it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Abandoned {
    /// It is over for some minutes.
    TooLate,
    /// The client is disabled, gone, or has no address any more.
    ClientGone,
    /// The person was erased, and with their key what the client is told with.
    PersonGone,
}

/// The client is about to be told; should nobody say more, another attempt is due at `next_at`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelNotificationAttempted {
    pub at: Timestamp,
    /// 1 for the first.
    pub attempt: u32,
    /// The tokens that go with it: made for this attempt, and dead when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    pub message: Message,
    pub next_at: Timestamp,
}

/// It was told and said yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelNotified {
    pub at: Timestamp,
    /// The tokens that it has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// HTTP status of the answer.
    pub status: u16,
}

/// The attempt failed; the next one is due at `next_at` of the attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelNotificationFailed {
    pub at: Timestamp,
    pub why: String,
}

/// Nobody will tell it any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackchannelNotificationAbandoned {
    pub at: Timestamp,
    pub reason: Abandoned,
}

events! {
    /// The history of a request on the back channel.
    BackchannelEvent {
        BackchannelRequested = 1,
        BackchannelPollingSlowed = 1,
        BackchannelApproved = 1,
        BackchannelDenied = 1,
        BackchannelApprovedOnDevice = 1,
        BackchannelDeniedOnDevice = 1,
        BackchannelRedeemed = 1,
        BackchannelMisused = 1,
        BackchannelNotificationAttempted = 1,
        BackchannelNotified = 1,
        BackchannelNotificationFailed = 1,
        BackchannelNotificationAbandoned = 1,
    }
}
