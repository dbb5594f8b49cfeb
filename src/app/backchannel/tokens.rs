//! The tokens of a request on the back channel: for a client that polls, and for one that gets them pushed.

use std::sync::Arc;

use chancery_core::backchannel::{self, Backchannel, Poll};
use chancery_core::client::Client;
use chancery_core::details::Details;
use chancery_core::device::Approval;
use chancery_core::digest::Digest;
use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::grant::backchannel::GrantBackchannel;
use chancery_core::grant::{self, Grant, GrantKind, standing, target};
use chancery_core::id::{BackchannelId, GrantId};
use chancery_core::polled::wishes::Texts;
use chancery_core::time::Timestamp;
use chancery_core::token::opaque::{Kind, Opaque, digest};

use crate::app::access::Spoken;
use crate::app::accounts::account_seal;
use crate::app::client_auth::Authenticated;
use crate::app::context::Context;
use crate::app::id_token::{IdToken, Pushed};
use crate::app::signing::KeySet;
use crate::app::token::Tokens;
use crate::app::vault::KeyKind;
use crate::app::work::{Loaded, Seal, Stop, Work, decide, vault_trouble};
use crate::app::{App, random};

/// Which tokens are made.
pub(super) struct Wanted<'a> {
    pub grant: GrantId,
    pub approval: Approval,
    /// What the token request names of the resources that were allowed.
    pub resources: &'a [String],
    /// The key that the client proved with it.
    pub proven: Option<Confirmation>,
    /// The key of the instance that was attested with it (ABCA).
    pub instance: Option<Digest>,
    pub keys: &'a KeySet,
    /// The `auth_req_id`, when they are pushed: the id_token vouches for it.
    pub pushed: Option<&'a str>,
    pub context: Option<String>,
    pub at: Timestamp,
}

impl App {
    /// CIBA Core §10.1.
    ///
    /// # Errors
    /// `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, `invalid_grant` and those of the client.
    pub async fn redeem_backchannel(
        &self,
        context: &Context,
        caller: &Authenticated,
        code: &str,
        resources: &[String],
    ) -> Result<Tokens, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let context = context.as_client(&client.id);
        let unknown = || OAuthError::invalid_grant("not an auth_req_id of this server");
        let id = BackchannelId(Opaque::parse(Kind::AuthReqId, code).ok_or_else(unknown)?.stream);
        let own = self.read::<Backchannel>(&id.stream()).await?.ok_or_else(unknown)?;
        let at = self.now();
        // Only a poll with the right id counts, so that nobody can slow another client down: no other instance either.
        let is_its_own = own.code.matches(&digest(code)) && own.client == client.id && own.is_for(caller.instance);
        let before = is_its_own.then(|| self.polls.note(id.0, at.0)).flatten();
        let too_fast = before.is_some_and(|before| at.0 < before + i64::from(own.interval.0) * 1000);
        let poll = Poll { code: digest(code), client: client.id.clone(), instance: caller.instance, too_fast, at };
        let keys = self.keys.current().await?;
        let outcome = decide!(self, &context, |work| self.redeem_backchannel_once(work, &context, caller, &poll, (id, resources), &keys));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    async fn redeem_backchannel_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        caller: &Authenticated,
        poll: &Poll,
        (id, resources): (BackchannelId, &[String]),
        keys: &KeySet,
    ) -> Result<Tokens, Stop> {
        let client = caller.assert(&mut work).await?;
        let mut asked = work.load::<Backchannel>(&id.stream()).await?;
        let state = asked.or(|| OAuthError::invalid_grant("unknown auth_req_id"))?.clone();
        let polled = backchannel::poll(&state, poll);
        let approval = match polled.outcome {
            Ok(approval) => approval,
            Err(error) => {
                work.record(&mut asked, polled.events, &Seal::default())?;
                work.commit().await?;
                return Err(error.into());
            }
        };
        let grant = GrantId(random::uuid_v7(self.clock.now_ms()));
        let seal = Seal { key: None, subject: Some(approval.account.to_string()) };
        work.record(&mut asked, backchannel::redeemed(grant, poll.at).events, &seal)?;
        let (proven, instance) = (caller.proven(), caller.instance);
        let wanted = Wanted { grant, approval, resources, proven, instance, keys, pushed: None, context: context.personal(), at: poll.at };
        let tokens = self.grant_backchannel(&mut work, client, &state, wanted).await?;
        work.commit().await?;
        Ok(tokens)
    }

    /// Records the grant of what the person allowed, and makes its tokens. They leave after the append.
    pub(super) async fn grant_backchannel(
        &self,
        work: &mut Work<'_>,
        client: Arc<Client>,
        asked: &Backchannel,
        wanted: Wanted<'_>,
    ) -> Result<Tokens, OAuthError> {
        let Wanted { grant: grant_id, approval, resources, proven, instance, keys, pushed, context, at } = wanted;
        let chosen = target::choose(&asked.resources, &asked.scope, resources, self.usual_target());
        let aim = self.aim(work, chosen, None).await?;
        let details = self.details_in(asked.details.as_ref()).await?;
        let nonce = self.unseal_optional(asked.texts.nonce.as_ref()).await?;
        let texts = Texts {
            authorization_details: details.as_ref().map(Details::text),
            claim_values: self.unseal_optional(asked.texts.claim_values.as_ref()).await?,
            nonce: nonce.clone(),
        };
        let access = self.draft_access(grant_id, &aim);
        let refresh = self.mint.refresh(grant_id.0);
        let account = approval.account;
        let command = GrantBackchannel {
            grant: grant_id,
            backchannel: asked.id,
            approval,
            scope: asked.scope.clone(),
            resources: asked.resources.clone(),
            access: access.digest,
            proven,
            instance,
            target: aim.target,
            refresh: refresh.digest,
            id_token_kid: self.id_token_kid(&asked.scope, &client, keys)?,
            wants_acr: asked.wants_acr,
            wishes: asked.wishes.clone(),
            texts,
            context,
            at,
        };
        let decision = grant::backchannel::decide(&client, &command, &self.lifetimes());
        let granted = decision.outcome?;
        let key = self.vault.open(KeyKind::Account, &account.to_string()).await.map_err(vault_trouble)?;
        let seal = account_seal(account, key.ok_or_else(|| OAuthError::invalid_grant("the account is erased"))?);
        let mut loaded: Loaded<Grant> = work.fresh(grant_id.stream());
        work.record(&mut loaded, decision.events, &seal)?;
        let grant = loaded.or(|| OAuthError::server_error("a grant without state"))?.clone();
        let standing = self.standing(work, client, &grant).await?;
        standing::of_grant(&grant, &standing.parents(), at).map_err(|dead| OAuthError::invalid_grant(dead.as_str()))?;
        let spoken = Spoken {
            client: &standing.client,
            grant: &grant,
            cnf: proven,
            details: details.as_ref(),
            scope: &granted.scope,
            issued_at: at,
            expires_at: granted.access_expires_at,
        };
        let access_token = self.write_access(access, &spoken).await?;
        let refresh_token = granted.refresh_expires_at.map(|_| refresh.text);
        let id_token = match (&grant.kind, &standing.account) {
            (GrantKind::Person(person), Some(account)) if grant.scope.has("openid") => {
                let token = IdToken {
                    client: &standing.client,
                    account,
                    person,
                    scope: &grant.scope,
                    nonce,
                    access: Some(&access_token),
                    code: None,
                    state: None,
                    pushed: pushed.map(|auth_req_id| Pushed { auth_req_id, refresh: refresh_token.as_deref() }),
                    with_scope_claims: false,
                    at,
                };
                Some(self.id_token(&token, keys).await?)
            }
            _ => None,
        };
        Ok(Tokens {
            access_token,
            issued_token_type: None,
            token_type: Confirmation::token_type(proven.as_ref()),
            expires_in: at.seconds_until(granted.access_expires_at),
            scope: granted.scope.to_string(),
            refresh_token,
            refresh_token_expires_in: granted.refresh_expires_at.map(|expires| at.seconds_until(expires)),
            id_token,
            authorization_details: self.told_details(&granted.scope, details.as_ref()),
        })
    }
}
