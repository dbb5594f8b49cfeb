//! Is this token alive?
//!
//! | Rule | Source |
//! |---|---|
//! | alive means: known, not expired, not revoked | RFC 7662 §2.2 |
//! | and its session (if bound), consent, account and client are alive too | DESIGN: events |
//! | and, where a token was exchanged for it, the grant and the client that this token came from | RFC 8693 §5; our own |
//!
//! Expiry is decided by the time in the question, never by a missing row.

use alloc::string::String;

use super::{Access, Grant};
use crate::account::Account;
use crate::client::Client;
use crate::consent::Consent;
use crate::digest::Digest;
use crate::resource::ResourceServer;
use crate::scope::Scope;
use crate::session::Session;
use crate::time::Timestamp;

/// What a token rests on. Absent means: does not exist, or is not needed for this grant.
#[derive(Clone, Copy)]
pub struct Parents<'a> {
    pub client: Option<&'a Client>,
    pub account: Option<&'a Account>,
    pub session: Option<&'a Session>,
    pub consent: Option<&'a Consent>,
    /// The audience of the token.
    pub resource: Option<&'a ResourceServer>,
    /// Of a grant that a token was exchanged for: where that token came from.
    pub origin: Origin<'a>,
}

/// Where the first token of an exchange came from.
#[derive(Clone, Copy, Default)]
pub struct Origin<'a> {
    pub grant: Option<&'a Grant>,
    pub client: Option<&'a Client>,
}

/// Why a token is dead: for the log line, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    Unknown,
    Expired,
    GrantEnded,
    ClientGone,
    AccountGone,
    SessionOver,
    ConsentWithdrawn,
    ResourceGone,
    SourceGone,
}

impl Dead {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown token",
            Self::Expired => "expired",
            Self::GrantEnded => "the grant has ended",
            Self::ClientGone => "the client is disabled or gone",
            Self::AccountGone => "the account is disabled or gone",
            Self::SessionOver => "the session is over",
            Self::ConsentWithdrawn => "the consent was withdrawn",
            Self::ResourceGone => "the resource server is disabled or gone",
            Self::SourceGone => "what it was exchanged for has ended",
        }
    }
}

/// Does the grant itself stand?
///
/// # Errors
/// The first reason found.
pub fn of_grant(grant: &Grant, parents: &Parents<'_>, at: Timestamp) -> Result<(), Dead> {
    if grant.ended.is_some() {
        return Err(Dead::GrantEnded);
    }
    // An operator's token names no registered client: it was minted on the machine itself.
    let needs_client = !matches!(grant.kind, super::GrantKind::Operator);
    if needs_client && !parents.client.is_some_and(Client::is_active) {
        return Err(Dead::ClientGone);
    }
    // Else whoever exchanged a token in time would keep what the person has taken back.
    if let Some(exchanged) = &grant.exchanged {
        let stands = exchanged.source.grant.is_none() || parents.origin.grant.is_some_and(|own| own.ended.is_none());
        if !stands || !parents.origin.client.is_some_and(Client::is_active) {
            return Err(Dead::SourceGone);
        }
    }
    if grant.account().is_some() {
        if !parents.account.is_some_and(Account::is_active) {
            return Err(Dead::AccountGone);
        }
        // No consent stream means that none was needed, so that none can be withdrawn.
        if !parents.consent.is_none_or(|consent| consent.carries(grant.consent_epoch())) {
            return Err(Dead::ConsentWithdrawn);
        }
    }
    if grant.bound_session().is_some() && !parents.session.is_some_and(|session| session.is_alive(at)) {
        return Err(Dead::SessionOver);
    }
    Ok(())
}

/// Does this access token stand, and with which scope?
///
/// # Errors
/// The first reason found.
pub fn of_access<'a>(grant: &'a Grant, token: &Digest, parents: &Parents<'_>, at: Timestamp) -> Result<(&'a Access, &'a Scope), Dead> {
    let access = grant.access.iter().find(|own| own.digest.matches(token)).ok_or(Dead::Unknown)?;
    if at >= access.expires_at {
        return Err(Dead::Expired);
    }
    if access.audience.is_some() && !parents.resource.is_some_and(ResourceServer::is_active) {
        return Err(Dead::ResourceGone);
    }
    of_grant(grant, parents, at)?;
    Ok((access, access.scope.as_ref().unwrap_or(&grant.scope)))
}

/// Does this refresh token stand? Only the newest of its family does.
///
/// # Errors
/// The first reason found.
pub fn of_refresh(grant: &Grant, token: &Digest, parents: &Parents<'_>, at: Timestamp) -> Result<Timestamp, Dead> {
    let family = grant.refresh.as_ref().filter(|family| family.digest.matches(token)).ok_or(Dead::Unknown)?;
    if at >= family.expires_at {
        return Err(Dead::Expired);
    }
    of_grant(grant, parents, at)?;
    Ok(family.expires_at)
}

impl core::fmt::Display for Dead {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Dead> for String {
    fn from(dead: Dead) -> Self {
        dead.as_str().into()
    }
}
