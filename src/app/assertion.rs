//! Assertions as grants (RFC 7523 §2.1): what an issuer says whom the operator trusts becomes a token.
//!
//! | Rule | Source |
//! |---|---|
//! | iss is an issuer of the configuration, the signature is made with one of its keys | RFC 7523 §3 |
//! | aud is this server or its token endpoint | RFC 7523 §3 |
//! | exp is there and near; nbf and iat are not ahead | RFC 7523 §3 |
//! | sub names an account here, or the client | RFC 7523 §3 |
//! | `jti` is there and counts once, in the append of the grant | RFC 7523 §3; our own |
//! | whatever is wrong with it is `invalid_grant` | RFC 7523 §3.1 |
//!
//! Out of scope: the rules (`chancery_core::grant::assertion`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use chancery_core::account::Account;
use chancery_core::client::Client;
use chancery_core::client::metadata::AssertionAlg;
use chancery_core::consent::Consent;
use chancery_core::digest::Digest;
use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::grant::assertion::{self, GrantForAssertion, Rule, Rules, Subject};
use chancery_core::grant::exchange;
use chancery_core::id::{AccountId, ClientId, GrantId, consent_stream};
use chancery_core::resource::ResourceId;
use chancery_core::scope::Scope;
use chancery_core::time::Timestamp;
use chancery_jose::{Algorithm, Jwks, RegisteredClaims, jws};

use super::access::Spoken;
use super::client_auth::Authenticated;
use super::context::Context;
use super::once::Once;
use super::token::Tokens;
use super::words::BEARER_ASSERTION;
use super::work::{Seal, Stop, Work, decide};
use super::{App, random, seconds};
use crate::config::DeclaredIssuer;

/// The issuers of the configuration, with their keys.
#[derive(Default)]
pub struct Issuers {
    pub rules: Rules,
    keys: BTreeMap<String, Jwks>,
}

/// Reads the issuers of the configuration.
///
/// # Errors
/// The first that is wrong, with a sentence for the operator.
pub fn issuers(declared: &[DeclaredIssuer]) -> Result<Issuers, String> {
    let mut issuers = Issuers::default();
    for own in declared {
        let wrong = |why: String| format!("the configuration file's assertion_issuer {} is not acceptable: {why}.", own.issuer);
        let client = |text: &String| ClientId::parse(text).ok_or_else(|| wrong(format!("{text} is no client_id")));
        let resource = |text: &String| ResourceId::parse(text).ok_or_else(|| wrong(format!("{text} is no absolute URI")));
        let rule = Rule {
            subject: Subject::of_word(&own.subject).ok_or_else(|| wrong(format!("{} is neither account nor client", own.subject)))?,
            clients: own.clients.iter().map(client).collect::<Result<_, _>>()?,
            scope: Scope::parse(&own.scope).map_err(|why| wrong(why.description.to_string()))?,
            resources: own.resources.iter().map(resource).collect::<Result<_, _>>()?,
        };
        let keys = Jwks::parse_some(own.jwks.as_bytes()).map_err(|why| wrong(format!("its keys: {why}")))?;
        issuers.keys.insert(own.issuer.clone(), keys);
        issuers.rules.0.insert(own.issuer.clone(), rule);
    }
    Ok(issuers)
}

impl Issuers {
    /// What one of the issuers says, and by which rule; the time and the audience are for the caller to check.
    ///
    /// # Errors
    /// A sentence for the log.
    pub(super) fn verify(&self, text: &str, allowed: &[Algorithm]) -> Result<(String, &Rule, RegisteredClaims), Cow<'static, str>> {
        let parsed = jws::parse(text).map_err(|why| why.to_string())?;
        let unproven = RegisteredClaims::parse(parsed.unverified_payload()).map_err(|why| why.to_string())?;
        let issuer = unproven.iss.ok_or("no iss")?;
        let (Some(rule), Some(keys)) = (self.rules.0.get(&issuer), self.keys.get(&issuer)) else { return Err("an unknown issuer".into()) };
        let verified = parsed.verify(keys, allowed).map_err(|why| why.to_string())?;
        let claims = RegisteredClaims::parse(&verified.payload).map_err(|why| why.to_string())?;
        Ok((issuer, rule, claims))
    }
}

/// An assertion as it came in.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub assertion: &'a str,
    pub scope: Option<&'a str>,
    pub resources: &'a [String],
}

/// An assertion that holds.
struct Held<'a> {
    issuer: String,
    rule: &'a Rule,
    /// `None`: the client itself.
    account: Option<AccountId>,
    digest: Digest,
    issued_at: Timestamp,
    once: Once,
}

pub(super) fn invalid(why: impl Into<Cow<'static, str>>) -> OAuthError {
    OAuthError::invalid_grant(why).saying("The assertion is invalid, expired or used, or its issuer or subject is unknown here.")
}

impl App {
    /// RFC 7523 §2.1.
    ///
    /// # Errors
    /// `invalid_grant`, `unauthorized_client`, `invalid_scope`, `invalid_target`, `temporarily_unavailable`.
    pub async fn grant_for_assertion(&self, context: &Context, caller: &Authenticated, asked: &Asked<'_>) -> Result<Tokens, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let held = self.read_assertion(client, asked.assertion)?;
        let scope = asked.scope.map(Scope::parse).transpose()?;
        let context = context.as_client(&client.id);
        let outcome = decide!(self, &context, |work| self.assertion_once(work, &context, caller, &held, (asked, scope.clone())));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    fn read_assertion<'a>(&'a self, client: &Client, text: &str) -> Result<Held<'a>, OAuthError> {
        let policy = self.policy();
        let allowed: Vec<_> = AssertionAlg::ALL
            .iter()
            .filter(|alg| !alg.is_mac() && policy.allows_for(client, alg.as_str()))
            .filter_map(|alg| Algorithm::parse(alg.as_str()))
            .collect();
        let (issuer, rule, claims) = self.issuers.verify(text, &allowed).map_err(invalid)?;
        assertion::admit(client, rule)?;
        if ![&self.endpoints.issuer, &self.endpoints.token].iter().any(|own| claims.is_for(own)) {
            return Err(invalid("aud is not this server"));
        }
        let (now, tolerance) = (self.now(), seconds(self.config.lifetimes.clock_tolerance).0);
        claims.validate_times(now.numeric_date(), tolerance).map_err(|_| invalid("expired or not yet valid"))?;
        let exp = claims.exp.ok_or_else(|| invalid("exp is missing"))?.0;
        let longest = i64::from(seconds(self.config.lifetimes.assertion).0) + i64::from(tolerance);
        if exp > now.numeric_date().saturating_add(longest) {
            return Err(invalid("exp is too far ahead"));
        }
        let iat = claims.iat.map_or(now.numeric_date(), |iat| iat.0);
        if iat > now.numeric_date().saturating_add(i64::from(tolerance)) {
            return Err(invalid("iat is ahead"));
        }
        let jti = claims.jti.as_deref().filter(|jti| !jti.is_empty()).ok_or_else(|| invalid("jti is missing"))?;
        let sub = claims.sub.as_deref().ok_or_else(|| invalid("sub is missing"))?;
        let account = match rule.subject {
            Subject::Account => Some(AccountId::parse(sub).ok_or_else(|| invalid("sub is no account"))?),
            Subject::Client if sub == client.id.as_str() => None,
            Subject::Client => return Err(invalid("sub is another client")),
        };
        let word = Digest::of(format!("{} {issuer} {jti}", issuer.len()).as_bytes()).0;
        let once = Once::new(&BEARER_ASSERTION, word, exp.saturating_add(i64::from(tolerance)));
        let issued_at = Timestamp(iat.saturating_mul(1000));
        Ok(Held { issuer, rule, account, digest: Digest::of(text.as_bytes()), issued_at, once })
    }

    async fn assertion_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        caller: &Authenticated,
        held: &Held<'_>,
        (asked, scope): (&Asked<'_>, Option<Scope>),
    ) -> Result<Tokens, Stop> {
        let client = caller.assert(&mut work).await?;
        assertion::admit(&client, held.rule)?;
        let consent_epoch = match held.account {
            Some(account) => {
                work.load::<Account>(&account.stream())
                    .await?
                    .state
                    .filter(|own| own.is_active())
                    .ok_or_else(|| invalid("no such account"))?;
                work.load::<Consent>(&consent_stream(account, &client.id)).await?.state.map_or(0, |own| own.withdrawals)
            }
            None => 0,
        };
        let id = GrantId(random::uuid_v7(self.clock.now_ms()));
        // The targets of a rule, as in an exchange.
        let targets = exchange::Rule { resources: held.rule.resources.clone(), ..exchange::Rule::default() };
        let chosen = exchange::target(&targets, asked.resources, &[], &self.endpoints.userinfo);
        let aim = self.aim(&mut work, chosen, None).await?;
        let access = self.draft_access(id, &aim);
        let at = self.now();
        let command = GrantForAssertion {
            grant: id,
            issuer: held.issuer.clone(),
            account: held.account,
            consent_epoch,
            assertion: held.digest,
            issued_at: held.issued_at,
            scope,
            access: access.digest,
            proven: caller.proven(),
            target: aim.target,
            context: context.personal(),
            at,
        };
        let decision = assertion::decide(&client, held.rule, &command, &self.lifetimes());
        let given = decision.outcome?;
        held.once.take(&mut work, client.id.as_str());
        let seal = match held.account {
            Some(account) => self.person_seal(account, invalid).await?,
            None => Seal { key: Some(self.client_key(&client.id).await?), subject: None },
        };
        let (grant, standing) = self.begin(&mut work, client, (id, decision.events), &seal, invalid).await?;
        let cnf = caller.proven();
        let spoken = Spoken {
            client: &standing.client,
            grant: &grant,
            cnf,
            details: None,
            scope: &given.scope,
            issued_at: at,
            expires_at: given.expires_at,
        };
        let access_token = self.write_access(access, &spoken).await?;
        work.commit().await?;
        Ok(Tokens {
            access_token,
            issued_token_type: None,
            token_type: Confirmation::token_type(cnf.as_ref()),
            expires_in: at.seconds_until(given.expires_at),
            scope: given.scope.to_string(),
            refresh_token: None,
            refresh_token_expires_in: None,
            id_token: None,
            authorization_details: None,
        })
    }
}
