//! Revocation: a client gives a token back.
//!
//! | Rule | Source |
//! |---|---|
//! | a token of another client is refused | RFC 7009 §2.1 |
//! | revoking a refresh token ends its grant's tokens | RFC 7009 §2.1 |
//! | revoking an access token ends that token | RFC 7009 §2.1 |
//! | an unknown or dead token is answered like a revoked one | RFC 7009 §2.2 |
//!
//! The consent stays: taking that back is the person's business.

use alloc::vec::Vec;

use super::event::{AccessTokenRevoked, EndReason, GrantEnded};
use super::{Grant, GrantEvent};
use crate::decision::Decision;
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::id::ClientId;
use crate::time::Timestamp;

/// The token that came back.
pub enum Returned {
    Access(Digest),
    /// Its MAC was checked, so that any generation of the family may end it.
    Refresh,
}

pub struct Revoke {
    pub token: Returned,
    pub client: ClientId,
    pub at: Timestamp,
}

pub fn decide(grant: &Grant, cmd: &Revoke) -> Decision<GrantEvent, ()> {
    if grant.client != cmd.client {
        return Decision::refuse(OAuthError::invalid_grant("the token belongs to another client"));
    }
    if grant.ended.is_some() {
        return Decision::accept(Vec::new(), ());
    }
    let event: Option<GrantEvent> = match &cmd.token {
        Returned::Access(digest) => {
            grant.access.iter().any(|own| own.digest.matches(digest)).then(|| AccessTokenRevoked { access: *digest, at: cmd.at }.into())
        }
        Returned::Refresh => grant.refresh.is_some().then(|| GrantEnded { reason: EndReason::Revoked, at: cmd.at }.into()),
    };
    Decision::accept(event.into_iter().map(Into::into).collect(), ())
}
