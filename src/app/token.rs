//! The token endpoint: a grant becomes tokens.
//!
//! | Grant | What is appended |
//! |---|---|
//! | authorization_code | `CodeRedeemed`, or the misuse |
//! | refresh_token | `RefreshTokenRotated` (`Used`, `Repeated`), or the misuse |
//! | client_credentials | `ClientCredentialsGranted` |
//!
//! Tokens are minted and id_tokens signed before the append; after it there is only the reply.
//!
//! Out of scope: the rules (`chancery_core::grant`), parsing (`http`), who is calling (`client_auth`).

use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::grant::issue::{self, IssueToClient};
use chancery_core::grant::redeem::{self, Redeem};
use chancery_core::grant::refresh::{self, Refresh};
use chancery_core::grant::{Grant, standing, target};
use chancery_core::id::GrantId;
use chancery_core::scope::Scope;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use serde::Serialize;

use super::access::Spoken;
use super::client_auth::Authenticated;
use super::context::Context;
use super::mint::Minted;
use super::signing::KeySet;
use super::work::{Loaded, Seal, Stop, Work, decide};
use super::{App, random};

/// A token response (RFC 6749 §5.1, OpenID Connect Core 1.0 §3.1.3.3).
#[derive(Serialize)]
pub struct Tokens {
    pub access_token: String,
    pub token_type: &'static str,
    /// What was issued, after an exchange (RFC 8693 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// Seconds.
    pub expires_in: u32,
    /// Absent where nothing but authorization details was granted (RFC 6749 §3.3: a scope has at least one word).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Seconds until the refresh token ends when it is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_expires_in: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// What was granted beyond scopes (RFC 9396 §7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<serde_json::Value>,
}

/// What a client asks for itself.
pub struct OwnRequest<'a> {
    pub scope: Option<&'a str>,
    /// RFC 8707 §2.
    pub resources: &'a [String],
    /// RFC 9396 §6.
    pub authorization_details: Option<&'a str>,
}

/// A code as it came in.
pub struct CodeRequest<'a> {
    pub code: &'a str,
    pub redirect_uri: Option<&'a str>,
    pub code_verifier: Option<&'a str>,
    /// RFC 8707 §2.2.
    pub resources: &'a [String],
    /// RFC 9396 §6.
    pub authorization_details: Option<&'a str>,
}

/// A refresh token as it came in.
pub struct Refreshing<'a> {
    pub token: &'a str,
    pub scope: Option<&'a str>,
    /// RFC 8707 §2.2.
    pub resources: &'a [String],
    /// RFC 9396 §6.
    pub authorization_details: Option<&'a str>,
}

impl App {
    /// RFC 6749 §4.4.
    ///
    /// # Errors
    /// `unauthorized_client`, `invalid_scope`, `invalid_client`, `temporarily_unavailable`.
    pub async fn client_credentials(
        &self,
        context: &Context,
        caller: &Authenticated,
        asked: &OwnRequest<'_>,
    ) -> Result<Tokens, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let context = context.as_client(&client.id);
        let scope = asked.scope.map(Scope::parse).transpose()?;
        let seal = Seal { key: Some(self.client_key(&client.id).await?), subject: None };
        let outcome = decide!(self, &context, |work| self.client_credentials_once(work, &context, caller, scope.clone(), asked, &seal));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    async fn client_credentials_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        caller: &Authenticated,
        scope: Option<Scope>,
        asked: &OwnRequest<'_>,
        seal: &Seal,
    ) -> Result<Tokens, Stop> {
        let client = caller.assert(&mut work).await?;
        let grant = GrantId(random::uuid_v7(self.clock.now_ms()));
        let aim = self.aim(&mut work, target::choose_for_client(asked.resources, self.usual_target()), Some(&client)).await?;
        let access = self.draft_access(grant, &aim);
        let at = self.now();
        let read = |text| self.details.read(text, &client).and_then(|own| self.details.enrich_for_client(own));
        let details = asked.authorization_details.map(read).transpose();
        let command = IssueToClient {
            authorization_details: details.clone().map(|own| own.map(|own| own.text())),
            grant,
            scope,
            access: access.digest,
            proven: caller.proven(),
            target: aim.target,
            context: context.personal(),
            at,
        };
        let decision = issue::to_client(&client, &command, &self.lifetimes());
        let issued = decision.outcome?;
        let mut loaded: Loaded<Grant> = work.fresh(grant.stream());
        work.record(&mut loaded, decision.events, seal)?;
        let grant = loaded.or(|| OAuthError::server_error("a grant without state"))?;
        let (cnf, details) = (caller.proven(), details?);
        let spoken = Spoken {
            client: &client,
            grant,
            cnf,
            details: details.as_ref(),
            scope: &issued.scope,
            issued_at: at,
            expires_at: issued.expires_at,
        };
        let access_token = self.write_access(access, &spoken).await?;
        work.commit().await?;
        Ok(Tokens {
            access_token,
            issued_token_type: None,
            token_type: Confirmation::token_type(cnf.as_ref()),
            expires_in: at.seconds_until(issued.expires_at),
            scope: issued.scope.to_string(),
            refresh_token: None,
            refresh_token_expires_in: None,
            id_token: None,
            authorization_details: details.map(|own| own.value()),
        })
    }

    /// RFC 6749 §4.1.3.
    ///
    /// # Errors
    /// `invalid_grant` and those of the client.
    pub async fn redeem_code(&self, context: &Context, caller: &Authenticated, asked: &CodeRequest<'_>) -> Result<Tokens, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let context = context.as_client(&client.id);
        let code =
            Opaque::parse(Kind::AuthorizationCode, asked.code).ok_or_else(|| OAuthError::invalid_grant("not a code of this server"))?;
        let keys = self.keys.current().await?;
        let outcome = decide!(self, &context, |work| self.redeem_once(work, &context, caller, asked, GrantId(code.stream), &keys));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    async fn redeem_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        caller: &Authenticated,
        asked: &CodeRequest<'_>,
        id: GrantId,
        keys: &KeySet,
    ) -> Result<Tokens, Stop> {
        let client = caller.assert(&mut work).await?;
        let mut loaded = work.load::<Grant>(&id.stream()).await?;
        let grant = loaded.or(|| OAuthError::invalid_grant("unknown code"))?.clone();
        let standing = self.standing(&mut work, client, &grant).await?;
        let at = self.now();
        let chosen = target::choose(&grant.resources, &grant.scope, asked.resources, self.usual_target());
        let aim = self.aim(&mut work, chosen, None).await?;
        let access = self.draft_access(id, &aim);
        let refresh = self.mint.refresh(id.0);
        let details = self.choose_details(&grant, asked.authorization_details).await?;
        let command = Redeem {
            authorization_details: details.narrowed,
            code: digest(asked.code),
            redirect_uri: asked.redirect_uri.map(str::to_owned),
            code_verifier: asked.code_verifier.map(str::to_owned),
            access: access.digest,
            proven: caller.proven(),
            instance: caller.instance,
            target: aim.target,
            refresh: refresh.digest,
            id_token_kid: self.id_token_kid(&grant.scope, &standing.client, keys)?,
            context: context.personal(),
            at,
        };
        let lifetimes = self.lifetimes_for(&grant.scope, details.all.as_ref(), command.proven);
        let decision = redeem::decide(&grant, &standing.client, &command, &lifetimes);
        let seal = self.grant_seal(&grant).await?;
        let redeemed = match decision.outcome {
            Ok(redeemed) => redeemed,
            // The refusal and the fact: a replay ends the grant *and* is refused.
            Err(error) => return self.refuse_recording(work, loaded, decision.events, &seal, error).await,
        };
        standing::of_grant(&grant, &standing.parents(), at).map_err(|dead| OAuthError::invalid_grant(dead.as_str()))?;
        let cnf = caller.proven();
        let spoken = Spoken {
            client: &standing.client,
            grant: &grant,
            cnf,
            details: details.all.as_ref(),
            scope: &redeemed.scope,
            issued_at: at,
            expires_at: redeemed.access_expires_at,
        };
        let access_token = self.write_access(access, &spoken).await?;
        let nonce = self.nonce(&grant).await?;
        let id_token = self.id_token_beside(&access_token, &grant, &grant.scope, &standing, keys, nonce, at).await?;
        work.record(&mut loaded, decision.events, &seal)?;
        work.commit().await?;
        Ok(Tokens {
            access_token,
            issued_token_type: None,
            token_type: Confirmation::token_type(cnf.as_ref()),
            expires_in: at.seconds_until(redeemed.access_expires_at),
            scope: redeemed.scope.to_string(),
            refresh_token: redeemed.refresh_expires_at.map(|_| refresh.text),
            refresh_token_expires_in: redeemed.refresh_expires_at.map(|expires| at.seconds_until(expires)),
            id_token,
            authorization_details: self.told_details(&redeemed.scope, details.all.as_ref()),
        })
    }

    /// RFC 6749 §6.
    ///
    /// # Errors
    /// `invalid_grant`, `invalid_scope` and those of the client.
    pub async fn refresh_token(&self, context: &Context, caller: &Authenticated, sent: &Refreshing<'_>) -> Result<Tokens, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let context = context.as_client(&client.id);
        let scope = sent.scope.map(Scope::parse).transpose()?;
        // Checksum and MAC first: nobody who only knows a grant's id can end it.
        let (presented, rotation) =
            self.mint.read_refresh(sent.token).ok_or_else(|| OAuthError::invalid_grant("not a refresh token of this server"))?;
        let successor = self.mint.successor(&presented, rotation.generation);
        let keys = self.keys.current().await?;
        let (id, generation) = (GrantId(presented.stream), rotation.generation);
        let asked = RefreshRequest {
            text: sent.token,
            id,
            generation,
            successor,
            scope,
            resources: sent.resources,
            authorization_details: sent.authorization_details,
        };
        let outcome = decide!(self, &context, |work| self.refresh_once(work, &context, caller, &asked, &keys));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    async fn refresh_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        caller: &Authenticated,
        asked: &RefreshRequest<'_>,
        keys: &KeySet,
    ) -> Result<Tokens, Stop> {
        let client = caller.assert(&mut work).await?;
        let mut loaded = work.load::<Grant>(&asked.id.stream()).await?;
        let grant = loaded.or(|| OAuthError::invalid_grant("unknown refresh token"))?.clone();
        let standing = self.standing(&mut work, client, &grant).await?;
        let at = self.now();
        let chosen = target::choose(&grant.resources, &grant.scope, asked.resources, self.usual_target());
        let aim = self.aim(&mut work, chosen, None).await?;
        let access = self.draft_access(asked.id, &aim);
        let narrowed = asked.scope.as_ref().unwrap_or(&grant.scope);
        let details = self.choose_details(&grant, asked.authorization_details).await?;
        let command = Refresh {
            authorization_details: details.narrowed,
            presented: digest(asked.text),
            generation: asked.generation,
            successor: asked.successor.digest,
            scope: asked.scope.clone(),
            access: access.digest,
            proven: caller.proven(),
            instance: caller.instance,
            target: aim.target,
            id_token_kid: self.id_token_kid(narrowed, &standing.client, keys)?,
            context: context.personal(),
            at,
        };
        let lifetimes = self.lifetimes_for(&grant.scope, details.all.as_ref(), command.proven);
        let decision = refresh::decide(&grant, &standing.client, &command, &lifetimes);
        let seal = self.grant_seal(&grant).await?;
        let refreshed = match decision.outcome {
            Ok(refreshed) => refreshed,
            Err(error) => return self.refuse_recording(work, loaded, decision.events, &seal, error).await,
        };
        standing::of_grant(&grant, &standing.parents(), at).map_err(|dead| OAuthError::invalid_grant(dead.as_str()))?;
        let cnf = caller.proven();
        let spoken = Spoken {
            client: &standing.client,
            grant: &grant,
            cnf,
            details: details.all.as_ref(),
            scope: &refreshed.scope,
            issued_at: at,
            expires_at: refreshed.access_expires_at,
        };
        let access_token = self.write_access(access, &spoken).await?;
        // OpenID Connect Core 1.0 §12.2: no nonce in a refreshed id_token.
        let id_token = self.id_token_beside(&access_token, &grant, narrowed, &standing, keys, None, at).await?;
        work.record(&mut loaded, decision.events, &seal)?;
        work.commit().await?;
        let refresh_token = if refreshed.rotated { asked.successor.text.clone() } else { asked.text.to_owned() };
        Ok(Tokens {
            access_token,
            issued_token_type: None,
            token_type: Confirmation::token_type(cnf.as_ref()),
            expires_in: at.seconds_until(refreshed.access_expires_at),
            scope: refreshed.scope.to_string(),
            refresh_token: Some(refresh_token),
            refresh_token_expires_in: Some(at.seconds_until(refreshed.refresh_expires_at)),
            id_token,
            authorization_details: self.told_details(&refreshed.scope, details.all.as_ref()),
        })
    }

    /// Appends what a refusal leaves behind, then refuses.
    async fn refuse_recording<T>(
        &self,
        mut work: Work<'_>,
        mut loaded: Loaded<Grant>,
        events: Vec<chancery_core::decision::Draft<chancery_core::grant::GrantEvent>>,
        seal: &Seal,
        error: OAuthError,
    ) -> Result<T, Stop> {
        work.record(&mut loaded, events, seal)?;
        work.commit().await?;
        Err(error.into())
    }
}

/// A refresh token whose MAC was checked.
struct RefreshRequest<'a> {
    text: &'a str,
    id: GrantId,
    generation: u32,
    successor: Minted,
    scope: Option<Scope>,
    resources: &'a [String],
    authorization_details: Option<&'a str>,
}
