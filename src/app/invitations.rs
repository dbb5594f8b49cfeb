//! Initial access tokens: issued, listed and taken back by the operator; presented by whoever registers clients. RFC 7591 §3.

use std::sync::Arc;

use chancery_core::error::OAuthError;
use chancery_core::id::InvitationId;
use chancery_core::invitation::{self, Invitation, Issue, Policy};
use chancery_core::time::{Seconds, Timestamp};
use chancery_core::token::opaque::{Kind, Opaque, digest};

use super::context::Context;
use super::registration::Invited;
use super::work::{Loaded, Seal, Stop, Work, decide, unreadable};
use super::{App, random};

/// Invitations listed at most.
const MOST: u32 = 1000;

/// A token that was just issued. Its text is shown this once.
pub struct Issued {
    pub invitation: InvitationId,
    pub token: String,
    pub expires_at: Timestamp,
}

impl App {
    /// Issues a token.
    ///
    /// # Errors
    /// `invalid_request` beyond the bounds.
    pub async fn issue_invitation(&self, context: &Context, policy: Policy, uses: u32, lifetime: Seconds) -> Result<Issued, OAuthError> {
        let invitation = InvitationId(random::uuid_v7(self.clock.now_ms()));
        let token = self.mint.opaque(Kind::InitialAccess, invitation.0);
        let command = Issue { invitation, token: token.digest, policy, uses, lifetime, at: self.now() };
        decide!(self, context, |work| issue_once(work, &command))?;
        Ok(Issued { invitation, token: token.text, expires_at: command.at.plus(lifetime) })
    }

    /// Takes a token back; the clients that came by it stay.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn revoke_invitation(&self, context: &Context, id: &str) -> Result<InvitationId, OAuthError> {
        let id = InvitationId::parse(id).ok_or_else(unknown)?;
        decide!(self, context, |work| revoke_once(work, id, self.now()))?;
        Ok(id)
    }

    /// Every invitation that is still known, spent and revoked ones too, the latest first.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn list_invitations(&self) -> Result<Vec<Invitation>, OAuthError> {
        let rows = self.ledger.rows_all("invitation", None, MOST).await.map_err(unreadable)?;
        let read = |row| chancery_projections::inline::state::<Invitation>(row).map(|own| own.state);
        let all: Result<Vec<_>, _> = rows.iter().map(read).collect();
        let mut all = all.map_err(|why: serde_json::Error| OAuthError::server_error(why.to_string()))?;
        all.sort_by_key(|own| std::cmp::Reverse(own.id));
        Ok(all)
    }

    /// The initial access token in this text; `None` for a token of another kind.
    pub fn invited(&self, token: &str) -> Option<Invited> {
        let parsed = Opaque::parse(Kind::InitialAccess, token)?;
        Some(Invited { invitation: InvitationId(parsed.stream), token: digest(token) })
    }

    /// The invitation, if it lets somebody in at this moment.
    ///
    /// # Errors
    /// `invalid_token`.
    pub(super) async fn invitation(&self, invited: Invited) -> Result<Arc<Invitation>, OAuthError> {
        let own = self.read::<Invitation>(&invited.invitation.stream()).await?;
        let own = own.ok_or_else(|| OAuthError::invalid_token("no such initial access token"))?;
        invitation::check(&own, &invited.token, self.now())?;
        Ok(own)
    }
}

fn unknown() -> OAuthError {
    OAuthError::not_found("no such invitation").saying("There is no initial access token with this id.")
}

async fn issue_once(mut work: Work<'_>, command: &Issue) -> Result<(), Stop> {
    let mut loaded: Loaded<Invitation> = work.fresh(command.invitation.stream());
    let decision = invitation::issue(command);
    decision.outcome?;
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}

async fn revoke_once(mut work: Work<'_>, id: InvitationId, at: Timestamp) -> Result<(), Stop> {
    let mut loaded = work.load::<Invitation>(&id.stream()).await?;
    let decision = invitation::revoke(loaded.or(unknown)?, at);
    decision.outcome?;
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}
