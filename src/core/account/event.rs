//! What can happen to an account.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Role;
use super::hold::{ErasureRefused, LegalHoldLifted, LegalHoldPlaced};
use super::request_code::{RequestCodeChosen, RequestCodeRefused, RequestCodeRemoved};
use crate::digest::Digest;
use crate::events;
use crate::id::AccountId;
use crate::time::Timestamp;

/// `personal`: `email`, `name`, `password_hash`, `email_index`; of an account that begins with claims also `profile`,
/// `email_verified`, `address`, `phone`, `lists`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountRegistered {
    pub account: AccountId,
    pub at: Timestamp,
    /// Commitment to the account's data key, so that an erasure can be told from a loss.
    pub key_commitment: Digest,
    pub roles: BTreeSet<Role>,
    /// Owned by the configuration file: removing it there disables the account.
    pub declared: bool,
}

/// The password was replaced, or hashed again with stronger parameters. `personal`: `password_hash`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PasswordChanged {
    pub at: Timestamp,
    pub reason: PasswordChange,
}

/// Why a password hash is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PasswordChange {
    Declared,
    StrongerParameters,
    /// The person chose another one.
    Chosen,
}

/// What is said of the person changed; the actor tells who changed it. `personal`: `name`, `profile`, `email_verified`, `address`,
/// `phone`, `lists`: all of it as it is from here on, so that nobody can see from outside what there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProfileChanged {
    pub at: Timestamp,
}

/// What other providers assert of the person, or where it is found, is another from here on, as the operator says. `personal`:
/// `claim_names`, `claim_sources`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimSourcesChanged {
    pub at: Timestamp,
}

/// The person has another e-mail address, which nobody has verified. `personal`: `email`, `email_index`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EmailChanged {
    pub at: Timestamp,
}

/// The operator gave the account a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoleGranted {
    pub at: Timestamp,
    pub role: Role,
}

/// The operator took a role back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoleWithdrawn {
    pub at: Timestamp,
    pub role: Role,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountDisabled {
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountEnabled {
    pub at: Timestamp,
}

/// The owner of the account or the operator ordered its erasure; the data key is destroyed after this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureOrdered {
    pub at: Timestamp,
}

/// The account's data key is gone: its personal data can be read by nobody any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DataKeyDestroyed {
    pub at: Timestamp,
}

events! {
    /// The history of an account.
    AccountEvent {
        AccountRegistered = 1,
        PasswordChanged = 1,
        ProfileChanged = 1,
        ClaimSourcesChanged = 1,
        EmailChanged = 1,
        RoleGranted = 1,
        RoleWithdrawn = 1,
        AccountDisabled = 1,
        AccountEnabled = 1,
        LegalHoldPlaced = 1,
        LegalHoldLifted = 1,
        ErasureRefused = 1,
        RequestCodeChosen = 1,
        RequestCodeRemoved = 1,
        RequestCodeRefused = 1,
        ErasureOrdered = 1,
        DataKeyDestroyed = 1,
    }
}
