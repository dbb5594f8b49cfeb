//! Revocation (RFC 7009): a client gives a token back.

use chancery_core::error::OAuthError;
use chancery_core::grant::Grant;
use chancery_core::grant::revoke::{self, Returned, Revoke};

use super::App;
use super::access::Known;
use super::client_auth::Authenticated;
use super::context::Context;
use super::work::{Seal, Stop, Work, decide};

impl App {
    /// Revokes a token of the calling client. Unknown and dead tokens are answered like revoked ones (RFC 7009 §2.2).
    ///
    /// # Errors
    /// `invalid_grant` for another client's token; `temporarily_unavailable`.
    pub async fn revoke(&self, context: &Context, caller: &Authenticated, token: &str) -> Result<(), OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let Some(known) = self.known_token(token).await? else { return self.use_proof_of(context, caller).await };
        let context = context.as_client(&client.id);
        let outcome = decide!(self, &context, |work| self.revoke_once(work, caller, &known));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    async fn revoke_once(&self, mut work: Work<'_>, caller: &Authenticated, known: &Known) -> Result<(), Stop> {
        let client = caller.assert(&mut work).await?;
        let mut loaded = work.load::<Grant>(&known.grant().stream()).await?;
        let Some(state) = loaded.state.clone() else { return Ok(()) };
        let token = match known {
            Known::Access { digest, .. } => Returned::Access(*digest),
            Known::Refresh { .. } => Returned::Refresh,
        };
        let decision = revoke::decide(&state, &Revoke { token, client: client.id.clone(), at: self.now() });
        decision.outcome?;
        let seal = Seal { key: None, subject: state.account().map(|account| account.to_string()) };
        work.record(&mut loaded, decision.events, &seal)?;
        work.commit().await.map(drop)
    }
}
