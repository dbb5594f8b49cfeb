//! A token for an operator: a grant that nobody asked for but who owns the machine.

use chancery_core::error::OAuthError;
use chancery_core::grant::Grant;
use chancery_core::grant::issue::{self, MintForOperator};
use chancery_core::id::{ClientId, GrantId};
use chancery_core::scope::Scope;
use chancery_core::time::Seconds;
use chancery_core::token::opaque::Kind;
use serde_json::{Value, json};

use crate::app::context::Context;
use crate::app::work::{Loaded, Seal, Stop, Work, decide};
use crate::app::{App, random};

/// Longest life of an operator's token in seconds.
const LONGEST_TOKEN: u32 = 24 * 60 * 60;

impl App {
    pub(super) async fn mint_for_operator(&self, context: &Context, scope: &str, seconds: u32) -> Result<Value, OAuthError> {
        let scope = Scope::parse(scope)?;
        let grant = GrantId(random::uuid_v7(self.clock.now_ms()));
        let token = self.mint.opaque(Kind::AccessToken, grant.0);
        let client = ClientId::parse("chancery-operator").ok_or_else(|| OAuthError::server_error("a client_id"))?;
        let at = self.now();
        let command = MintForOperator {
            grant,
            client,
            scope: scope.clone(),
            access: token.digest,
            expires_at: at.plus(Seconds(seconds.clamp(1, LONGEST_TOKEN))),
            at,
        };
        decide!(self, context, |work| mint_once(work, &command))?;
        Ok(
            json!({ "access_token": token.text, "token_type": "Bearer", "scope": scope, "expires_in": at.seconds_until(command.expires_at) }),
        )
    }
}

async fn mint_once(mut work: Work<'_>, command: &MintForOperator) -> Result<(), Stop> {
    let decision = issue::to_operator(command);
    decision.outcome?;
    let mut loaded: Loaded<Grant> = work.fresh(command.grant.stream());
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}
