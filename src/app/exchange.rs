//! The token exchange (RFC 8693): a token that a client holds becomes one for somebody else.
//!
//! | Step | What is appended |
//! |---|---|
//! | [`App::exchange_token`] | `TokenExchanged` |
//! | a token that the client may not bring | `MisuseRefused` on its grant, once |
//! | a refresh token that was used before | `GrantEnded`, as at a refresh |
//! | a second exchange where one is allowed | `SubjectTokenReplayed` |
//!
//! Out of scope: the rules (`chancery_core::grant::exchange`), what stands behind a token (`subject`).

mod rules;
mod subject;

use chancery_core::client::Client;
use chancery_core::decision::{Draft, Personal};
use chancery_core::details::Details;
use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, EvidenceEvent, SubjectTokenReplayed};
use chancery_core::grant::event::{Misuse, MisuseRefused};
use chancery_core::grant::exchange::{self, Exchange, Refused, Rule, Subject};
use chancery_core::grant::exchanged::{ACCESS_TOKEN, TokenType};
use chancery_core::grant::{Grant, GrantEvent};
use chancery_core::id::GrantId;
use chancery_core::scope::Scope;
use serde_json::{Value, json};

use super::access::Spoken;
use super::client_auth::Authenticated;
use super::context::Context;
use super::once::Once;
use super::token::Tokens;
use super::words::EXCHANGED;
use super::work::{Loaded, Seal, Stop, Work, decide};
use super::{App, random};
pub use rules::rules;
use subject::Found;

/// An exchange as it came in.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub subject_token: &'a str,
    pub subject_token_type: &'a str,
    pub actor_token: Option<&'a str>,
    pub actor_token_type: Option<&'a str>,
    pub requested_token_type: Option<&'a str>,
    pub scope: Option<&'a str>,
    pub resources: &'a [String],
    pub audiences: &'a [String],
    /// RFC 9396 §6.
    pub authorization_details: Option<&'a str>,
}

impl App {
    /// RFC 8693 §2.
    ///
    /// # Errors
    /// `unauthorized_client`, `invalid_request`, `invalid_target`, `invalid_scope`, `invalid_authorization_details`,
    /// `temporarily_unavailable`.
    pub async fn exchange_token(&self, context: &Context, caller: &Authenticated, asked: &Asked<'_>) -> Result<Tokens, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        exchange::rule_of(client, &self.exchanges)?;
        let token_type = types(asked)?;
        let scope = asked.scope.map(Scope::parse).transpose()?;
        let context = context.as_client(&client.id);
        let outcome = decide!(self, &context, |work| self.exchange_once(work, &context, caller, (asked, token_type), scope.clone()));
        if matches!(&outcome, Err(Stop::Taken(kind)) if *kind == EXCHANGED.word) {
            let token = subject::digest_of(self, asked.subject_token).await?;
            let event = SubjectTokenReplayed { at: self.now(), client: client.id.clone(), token };
            let seal = Seal { key: Some(self.epoch_key().await?), subject: None };
            decide!(self, &context, |work| record_replay(work, &event, &context, &seal))?;
        }
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    async fn exchange_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        caller: &Authenticated,
        (asked, token_type): (&Asked<'_>, TokenType),
        scope: Option<Scope>,
    ) -> Result<Tokens, Stop> {
        let client = caller.assert(&mut work).await?;
        let rule = exchange::rule_of(&client, &self.exchanges)?;
        let mut found = self.find_subject(&mut work, &client, asked.subject_token, token_type).await?;
        let actor = match asked.actor_token {
            Some(token) => Some(self.find_actor(&mut work, &client, token, caller.proven()).await?),
            None => None,
        };
        if found.spent {
            return self.end_spent(work, caller, found).await;
        }
        let proven = exchange::proven_for(&client, &found.subject, caller.proven(), caller.instance);
        if let Err(refused) = exchange::admit(&client, rule, (&found.subject, actor.as_ref()), proven) {
            return self.refuse_subject(work, &client, found, refused).await;
        }
        let id = GrantId(random::uuid_v7(self.clock.now_ms()));
        let chosen = exchange::target(rule, asked.resources, asked.audiences, &self.endpoints.userinfo);
        let aim = self.aim(&mut work, chosen, None).await?;
        let access = self.draft_access(id, &aim);
        let narrowed = self.details.narrow(found.details.as_ref(), asked.authorization_details);
        let all = match &narrowed {
            Ok(Some(less)) => Some(less.clone()),
            _ => found.details.take(),
        };
        let at = self.now();
        let command = Exchange {
            grant: id,
            subject: found.subject.clone(),
            actor,
            scope,
            access: access.digest,
            proven: caller.proven(),
            target: aim.target,
            authorization_details: narrowed.map(|_| all.as_ref().map(Details::text)),
            context: context.personal(),
            at,
        };
        let decision = exchange::decide(&client, rule, &command, &self.lifetimes());
        let given = decision.outcome?;
        take_once(&mut work, rule, &found.subject, &client);
        let seal = self.exchange_seal(&found.subject, &client).await?;
        let mut loaded: Loaded<Grant> = work.fresh(id.stream());
        work.record(&mut loaded, decision.events, &seal)?;
        let grant = loaded.or(|| OAuthError::server_error("a grant without state"))?;
        let cnf = caller.proven();
        let spoken =
            Spoken { client: &client, grant, cnf, details: all.as_ref(), scope: &given.scope, issued_at: at, expires_at: given.expires_at };
        let access_token = self.write_access(access, &spoken).await?;
        work.commit().await?;
        Ok(Tokens {
            access_token,
            issued_token_type: Some(ACCESS_TOKEN),
            token_type: Confirmation::token_type(cnf.as_ref()),
            expires_in: at.seconds_until(given.expires_at),
            scope: given.scope.to_string(),
            refresh_token: None,
            refresh_token_expires_in: None,
            id_token: None,
            authorization_details: all.map(|own| own.value()),
        })
    }

    /// Under the key of whom the new token speaks for.
    async fn exchange_seal(&self, subject: &Subject, client: &Client) -> Result<Seal, OAuthError> {
        let Some(person) = &subject.person else {
            return Ok(Seal { key: Some(self.client_key(&client.id).await?), subject: None });
        };
        self.person_seal(person.account, exchange::unknown_token).await
    }

    /// A refusal, with what of it is evidence on the grant of the token.
    async fn refuse_subject(&self, mut work: Work<'_>, client: &Client, found: Found, refused: Refused) -> Result<Tokens, Stop> {
        if let (Some(misuse), Some(mut loaded)) = (refused.misuse, found.loaded) {
            let is_known = loaded.state.as_deref().is_none_or(|grant| grant.misused.contains(&misuse));
            if !is_known {
                let seal = Seal { key: None, subject: found.subject.person.as_ref().map(|own| own.account.to_string()) };
                work.record(&mut loaded, vec![misused(misuse, client, self.now()).into()], &seal)?;
                work.commit().await?;
            }
        }
        Err(refused.error.into())
    }

    /// RFC 9700 §4.14.2: a refresh token that was replaced is somewhere where it should not be.
    async fn end_spent(&self, mut work: Work<'_>, caller: &Authenticated, found: Found) -> Result<Tokens, Stop> {
        let is_own = caller.client.state.as_deref().is_some_and(|client| found.subject.client == client.id);
        // Who has it without its key can end nothing (RFC 9449 §5).
        let holds_key = found.subject.cnf.is_none() || found.subject.cnf == caller.proven();
        if let Some(mut loaded) = found.loaded.filter(|_| is_own && holds_key) {
            let seal = Seal { key: None, subject: found.subject.person.as_ref().map(|own| own.account.to_string()) };
            work.record(&mut loaded, exchange::spent(self.now()).events, &seal)?;
            work.commit().await?;
        }
        Err(exchange::unknown_token("the refresh token was replaced").into())
    }

    /// `act`: who acts, and for whom that one acts before (RFC 8693 §4.1).
    ///
    /// # Errors
    /// `server_error` for a pairwise client without a sector.
    pub(super) fn act(&self, grant: &Grant, client: &Client) -> Result<Option<Value>, OAuthError> {
        let mut act = None;
        for actor in grant.exchanged.iter().flat_map(|own| &own.actors).rev() {
            let mut outer = match actor.account {
                Some(account) => json!({ "sub": self.subject(account, client)?, "client_id": actor.client }),
                None => json!({ "sub": actor.client }),
            };
            if let Some(inner) = act {
                outer["act"] = inner;
            }
            act = Some(outer);
        }
        Ok(act)
    }

    /// `may_act`: who may exchange it, where the operator has that told (RFC 8693 §4.4).
    pub(super) fn may_act(&self, grant: &Grant) -> Option<Value> {
        self.exchanges.may_act(&grant.client).map(|actor| json!({ "sub": actor }))
    }
}

/// RFC 8693 §2.1: which types are named, and where they have to be.
fn types(asked: &Asked<'_>) -> Result<TokenType, OAuthError> {
    let wrong = |why: &'static str, sentence: &str| OAuthError::invalid_request(why).saying(sentence);
    if asked.requested_token_type.is_some_and(|asked| asked != ACCESS_TOKEN) {
        return Err(wrong("requested_token_type", "This server issues urn:ietf:params:oauth:token-type:access_token only."));
    }
    match (asked.actor_token, asked.actor_token_type.map(TokenType::parse)) {
        (None, None) | (Some(_), Some(Some(TokenType::AccessToken))) => {}
        (None, Some(_)) => return Err(wrong("actor_token_type", "actor_token_type comes with an actor_token, and not without.")),
        (Some(_), None) => return Err(wrong("actor_token_type", "actor_token needs an actor_token_type.")),
        (Some(_), Some(_)) => return Err(wrong("actor_token_type", "An actor_token is an access_token here.")),
    }
    TokenType::parse(asked.subject_token_type).ok_or_else(|| {
        wrong("subject_token_type", "subject_token_type is urn:ietf:params:oauth:token-type: and access_token, id_token or refresh_token.")
    })
}

/// Where the rule allows one exchange, the append of it uses the token up.
fn take_once(work: &mut Work<'_>, rule: &Rule, subject: &Subject, client: &Client) {
    if rule.single_use {
        Once::new(&EXCHANGED, subject.token.0, subject.expires_at.numeric_date()).take(work, client.id.as_str());
    }
}

fn misused(misuse: Misuse, client: &Client, at: chancery_core::time::Timestamp) -> GrantEvent {
    MisuseRefused { misuse, by: client.id.clone(), at }.into()
}

async fn record_replay(mut work: Work<'_>, event: &SubjectTokenReplayed, context: &Context, seal: &Seal) -> Result<(), Stop> {
    let personal = Personal::default().with("context", context.personal());
    work.record_evidence(evidence::ANONYMOUS, vec![Draft::new(EvidenceEvent::from(event.clone()), personal)], seal)?;
    work.commit().await.map(drop)
}
