//! Grants that begin with what a client brought: another token, or an assertion of somebody else.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::IssuedAccess;
use crate::claims::ClaimsRequest;
use crate::digest::Digest;
use crate::grant::exchanged::{Actor, Source};
use crate::grant::{GrantKind, Person};
use crate::id::{AccountId, ClientId, GrantId, SessionId};
use crate::scope::Scope;
use crate::time::Timestamp;

/// A token for an assertion of an issuer whom the operator trusts (RFC 7523 §2.1). `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AssertionGranted {
    pub access: IssuedAccess,
    /// Whom the assertion names; absent: the client itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Digest of the assertion.
    pub assertion: Digest,
    pub at: Timestamp,
    pub client: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_epoch: Option<u32>,
    pub grant: GrantId,
    /// When the issuer made it.
    pub issued_at: Timestamp,
    /// Who says so.
    pub issuer: String,
    pub scope: Scope,
}

/// A token became another one (RFC 8693): for whom it speaks, who acts, and what was brought. `personal`: `authorization_details`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenExchanged {
    pub access: IssuedAccess,
    /// Absent where no person is behind it, as the next ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Who acts, the last one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<Actor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// Who exchanged it and gets the new one.
    pub client: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_epoch: Option<u32>,
    pub grant: GrantId,
    /// What was brought survives a logout, and so does this.
    #[serde(default, skip_serializing_if = "crate::request::is_false")]
    pub offline: bool,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What was brought can be exchanged no more.
    #[serde(default, skip_serializing_if = "crate::request::is_false")]
    pub single_use: bool,
    pub source: Source,
}

impl TokenExchanged {
    /// For whom the new token speaks.
    pub(in crate::grant) fn kind(&self) -> GrantKind {
        match (self.account, self.session, self.auth_time) {
            (Some(account), Some(session), Some(auth_time)) => GrantKind::Person(Person {
                account,
                session,
                offline: self.offline,
                auth_time,
                amr: self.amr.clone(),
                nonce: None,
                claims: ClaimsRequest::default(),
                claim_values: None,
                wants_auth_time: false,
                consent_epoch: self.consent_epoch.unwrap_or(0),
            }),
            _ => GrantKind::Client,
        }
    }
}
