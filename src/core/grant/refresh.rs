//! Refreshing: a client trades a refresh token for fresh tokens.
//!
//! | Rule | Source |
//! |---|---|
//! | only the client it was issued to may use it | RFC 6749 §6 |
//! | the asked scope may shrink, never grow | RFC 6749 §6 |
//! | a token is replaced at each use, unless the client is registered otherwise | RFC 9700 §2.2.2 |
//! | a replaced token that comes back ends the whole grant | RFC 9700 §4.14.2 |
//! | the key of a bound token has to be proven at each use; the new access token is bound to the key proven now | RFC 9449 §5 |
//! | a public client that proves a key for the first time gets a token that is bound to it | RFC 9449 §5 |
//! | within the grace window the immediate predecessor gets the same successor, while that is unused | our own; several tabs |
//!
//! Out of scope: client authentication (`client::authenticate`), minting (`app::mint`).

use alloc::string::String;

use super::event::{EndReason, GrantEnded, Misuse, MisuseRefused, RefreshTokenRepeated, RefreshTokenRotated, RefreshTokenUsed};
use super::target::Target;
use super::{DETAILS, Grant, GrantEvent, Lifetimes, Refresh as Family};
use crate::client::metadata::{GrantType, Rotation};
use crate::client::{Client, attestation};
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::dpop::{self, Confirmation};
use crate::error::OAuthError;
use crate::scope::Scope;
use crate::time::Timestamp;

/// A client's wish to use its refresh token. Exists only after MAC and checksum of the token were checked.
pub struct Refresh {
    /// The digest of the presented token: never the token itself.
    pub presented: Digest,
    pub generation: u32,
    /// Digest of the token of the next generation.
    pub successor: Digest,
    pub scope: Option<Scope>,
    pub access: Digest,
    /// The key that the client proved with this request.
    pub proven: Option<Confirmation>,
    /// The key of the instance that was attested (ABCA).
    pub instance: Option<Digest>,
    /// What the access token is for.
    pub target: Result<Target, OAuthError>,
    /// What the access token has of the authorization details, when that is less than was granted (RFC 9396 §6).
    pub authorization_details: Result<Option<String>, OAuthError>,
    pub id_token_kid: Option<String>,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// What the client gets.
#[derive(Debug)]
pub struct Refreshed {
    /// What the access token may do.
    pub scope: Scope,
    pub access_expires_at: Timestamp,
    pub refresh_expires_at: Timestamp,
    /// Hand out the successor; otherwise the presented token stays.
    pub rotated: bool,
}

pub fn decide(grant: &Grant, client: &Client, cmd: &Refresh, lifetimes: &Lifetimes) -> Decision<GrantEvent, Refreshed> {
    let refuse = |why| Decision::refuse(OAuthError::invalid_grant(why));
    // First, so that another client can neither learn anything nor end a grant. RFC 6749 §6.
    if grant.client != client.id {
        let event = MisuseRefused { misuse: Misuse::RefreshTokenByOtherClient, by: client.id.clone(), at: cmd.at };
        return refuse("issued to another client").recording(event);
    }
    if !client.metadata.grant_types.contains(&GrantType::RefreshToken) {
        return Decision::refuse(OAuthError::unauthorized_client("refresh_token is not registered"));
    }
    if grant.ended.is_some() {
        return refuse("the grant has ended");
    }
    let Some(family) = &grant.refresh else { return refuse("the grant has no refresh token") };
    if let Err(error) = dpop::check_demand(client, cmd.proven.as_ref()) {
        return Decision::refuse(error);
    }
    let shown = attestation::shown(client, cmd.proven, cmd.instance);
    let without_key = || {
        let refusal = refuse("proof of another key");
        if grant.misused.contains(&Misuse::RefreshTokenWithOtherKey) {
            return refusal;
        }
        refusal.recording(MisuseRefused { misuse: Misuse::RefreshTokenWithOtherKey, by: client.id.clone(), at: cmd.at })
    };
    let lacks_key = family.cnf.is_some() && family.cnf != shown;
    // Before the family is looked at: who has a token without its key can end nothing. RFC 9449 §5. A token of before there was a key is bound
    // to none: it ends the grant like any other, or else its thief could bind the family and be rid of the owner.
    if lacks_key && cmd.generation >= family.bound_from {
        return without_key();
    }
    let repeated = match family.state_of(cmd, client) {
        Presented::Current => false,
        // Its successor is bound.
        Presented::WithinGrace if lacks_key => return without_key(),
        Presented::WithinGrace => true,
        // We cannot tell thief from owner, so both lose. The refusal *and* the fact are recorded. RFC 9700 §4.14.2.
        Presented::Spent => return refuse("already used").recording(GrantEnded { reason: EndReason::RefreshTokenReused, at: cmd.at }),
        Presented::Unknown => return refuse("unknown"),
    };
    if cmd.at >= family.expires_at {
        return refuse("expired");
    }
    // RFC 6749 §6: an omitted scope means the one first granted; a narrower one is for this access token only.
    let scope = match &cmd.scope {
        None => grant.scope.clone(),
        Some(asked) if asked.is_within(&grant.scope) => asked.clone(),
        Some(_) => return Decision::refuse(OAuthError::invalid_scope("more than was granted")),
    };
    let target = match &cmd.target {
        Ok(target) => target,
        Err(error) => return Decision::refuse(error.clone()),
    };
    let details = match &cmd.authorization_details {
        Ok(details) => details.as_deref(),
        Err(error) => return Decision::refuse(error.clone()),
    };
    let scope = target.scope_of(&scope);
    let narrowed = (scope != grant.scope).then(|| scope.clone());
    let access = target.issue(cmd.access, cmd.proven, cmd.at, lifetimes.access_token);
    let (access_expires_at, id_token_kid, at) = (access.expires_at, cmd.id_token_kid.clone(), cmd.at);
    let moved = cmd.at.plus(lifetimes.refresh_idle).min(family.ends_at);
    let rotates = client.metadata.refresh_token_rotation == Rotation::Always;
    let (event, refresh_expires_at): (GrantEvent, _) = if repeated {
        // It extends no expiry: else two tabs could keep a stolen family alive.
        (RefreshTokenRepeated { access, scope: narrowed, id_token_kid, at }.into(), family.expires_at)
    } else if rotates {
        let event = RefreshTokenRotated {
            // RFC 9449 §5: it is issued to a public client that proves a key.
            cnf: shown.filter(|_| family.cnf.is_none() && attestation::binds_refresh_tokens(client)),
            generation: family.next_generation(),
            refresh: cmd.successor,
            refresh_expires_at: moved,
            access,
            scope: narrowed,
            id_token_kid,
            at,
        };
        (event.into(), moved)
    } else {
        (RefreshTokenUsed { refresh_expires_at: moved, access, scope: narrowed, id_token_kid, at }.into(), moved)
    };
    let personal = Personal::default().with("context", cmd.context.as_deref()).with_whole(DETAILS, details);
    let outcome = Refreshed { scope, access_expires_at, refresh_expires_at, rotated: rotates || repeated };
    Decision::accept(alloc::vec![Draft::new(event, personal)], outcome)
}

enum Presented {
    Current,
    WithinGrace,
    Spent,
    Unknown,
}

impl Family {
    fn state_of(&self, cmd: &Refresh, client: &Client) -> Presented {
        if cmd.generation == self.generation {
            return if self.digest.matches(&cmd.presented) { Presented::Current } else { Presented::Unknown };
        }
        if cmd.generation > self.generation {
            return Presented::Unknown;
        }
        let grace = client.metadata.refresh_grace_seconds;
        let in_grace = self.predecessor.as_ref().is_some_and(|predecessor| {
            cmd.generation + 1 == self.generation
                && predecessor.digest.matches(&cmd.presented)
                && cmd.at < predecessor.replaced_at.plus(grace)
        });
        // The successor is unused as long as it is the newest, which it is here: its own use would have moved the generation on.
        if in_grace && self.digest.matches(&cmd.successor) { Presented::WithinGrace } else { Presented::Spent }
    }
}
