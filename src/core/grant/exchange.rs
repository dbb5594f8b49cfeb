//! Exchanging a token for another (RFC 8693).
//!
//! | Rule | Source |
//! |---|---|
//! | a confidential client, registered for the grant, that a rule of the operator names | RFC 8693 §2.1, §5 |
//! | a token of its own, one for a resource server that it answers for, or one of a client that the rule names | RFC 8693 §2.1; our own |
//! | a refresh token only of its own | RFC 6749 §6 |
//! | whom `may_act` names, and nobody else | RFC 8693 §4.4 |
//! | impersonation and delegation as the rule allows; who acted before stays in the chain | RFC 8693 §1.1, §4.1 |
//! | what was bound to a key leads to nothing unbound | RFC 9449 §5; our own |
//! | scope and details shrink, never grow; the target is one that the rule names | RFC 8693 §2.2.1, §5 |
//! | no refresh token, and no life beyond that of the token that was brought | RFC 8693 §2.2.1; our own |
//!
//! Out of scope: whether the tokens are genuine and alive (`app::exchange`, `standing`), single use (a claim of the log).

mod rule;

use alloc::string::String;
use alloc::vec::Vec;

use super::event::{EndReason, GrantEnded, Misuse, TokenExchanged};
use super::exchanged::{Actor, Exchanged, Source, TokenType};
use super::target::Target;
use super::{DETAILS, GrantEvent, Lifetimes, Person};
use crate::client::metadata::GrantType;
use crate::client::{Client, attestation};
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::dpop::{self, Confirmation};
use crate::error::OAuthError;
use crate::id::{ClientId, GrantId};
use crate::scope::Scope;
use crate::time::Timestamp;
pub use rule::{Rule, Rules, target};

/// Actors in a chain.
pub const MOST_ACTORS: usize = 4;

/// The token that was brought: genuine and alive, as the shell found it.
#[derive(Clone, Debug)]
pub struct Subject {
    pub token: Digest,
    pub token_type: TokenType,
    /// To whom it was issued.
    pub client: ClientId,
    /// `None` for an id_token.
    pub grant: Option<GrantId>,
    /// Whom it speaks for; `None`: the client itself.
    pub person: Option<Person>,
    /// When it is the fruit of an exchange itself.
    pub exchanged: Option<Exchanged>,
    pub scope: Scope,
    pub cnf: Option<Confirmation>,
    pub expires_at: Timestamp,
    /// It is for a resource server that the asking client answers for.
    pub is_for_asker: bool,
    /// Whom it names in `may_act`.
    pub may_act: Option<ClientId>,
}

/// A refusal, and what of it is evidence on the grant of the token that was brought.
#[derive(Debug)]
pub struct Refused {
    pub error: OAuthError,
    pub misuse: Option<Misuse>,
}

/// RFC 8693 §2.2.2: whatever is wrong with the tokens is `invalid_request`.
fn unacceptable(why: &'static str) -> OAuthError {
    OAuthError::invalid_request(why).saying("The subject_token or actor_token is invalid, or this client may not exchange it.")
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self { error, misuse: None }
    }
}

/// A token that is not genuine, not alive, or none of the type that was named.
pub fn unknown_token(why: &'static str) -> OAuthError {
    unacceptable(why)
}

/// A refresh token that had been replaced came: its family ends, as at a refresh (RFC 9700 §4.14.2).
pub fn spent(at: Timestamp) -> Decision<GrantEvent, ()> {
    Decision::refuse(unacceptable("the refresh token was replaced")).recording(GrantEnded { reason: EndReason::RefreshTokenReused, at })
}

/// May this client exchange anything at all?
///
/// # Errors
/// `unauthorized_client`.
pub fn rule_of<'a>(client: &Client, rules: &'a Rules) -> Result<&'a Rule, OAuthError> {
    if !client.metadata.grant_types.contains(&GrantType::TokenExchange) {
        return Err(OAuthError::unauthorized_client("token-exchange is not registered"));
    }
    // RFC 8693 §5: else whoever finds a token could have it widened.
    if client.is_public() {
        return Err(OAuthError::unauthorized_client("a public client exchanges nothing"));
    }
    rules.0.get(&client.id).ok_or_else(|| OAuthError::unauthorized_client("no rule names this client"))
}

/// What the client proved of the key that the token is bound to: a refresh token of an attested client is bound to its instance (ABCA §9.3).
pub fn proven_for(client: &Client, subject: &Subject, proven: Option<Confirmation>, instance: Option<Digest>) -> Option<Confirmation> {
    if subject.token_type == TokenType::RefreshToken { attestation::shown(client, proven, instance) } else { proven }
}

/// May this client exchange this token, in this way?
///
/// # Errors
/// `invalid_request`; what is evidence stands beside it.
pub fn admit(
    client: &Client,
    rule: &Rule,
    (subject, actor): (&Subject, Option<&Actor>),
    proven: Option<Confirmation>,
) -> Result<(), Refused> {
    let misused = |why, misuse| Err(Refused { error: unacceptable(why), misuse: Some(misuse) });
    let is_own = subject.client == client.id;
    let reaches_it = match subject.token_type {
        TokenType::RefreshToken => is_own,
        TokenType::AccessToken => is_own || subject.is_for_asker || rule.from.contains(&subject.client),
        TokenType::IdToken => is_own || rule.from.contains(&subject.client),
    };
    // First, so that a stranger learns nothing of the token.
    if !reaches_it {
        return misused("a token of a client that the rule does not name", Misuse::ExchangeByOtherClient);
    }
    // RFC 8693 §4.4.
    if subject.may_act.as_ref().is_some_and(|named| *named != client.id) {
        return misused("may_act names another", Misuse::ExchangeByOtherClient);
    }
    // Whoever answers for the audience has seen the proof and cannot repeat it: there the new key has to do.
    let keeps_binding = match subject.cnf {
        None => true,
        Some(_) if subject.is_for_asker && !is_own => proven.is_some(),
        bound => bound == proven,
    };
    if !keeps_binding {
        return misused("bound to a key that was not proven", Misuse::ExchangeWithOtherKey);
    }
    if !rule.token_types.contains(&subject.token_type) {
        return Err(unacceptable("the rule allows no token of this type").into());
    }
    match actor {
        None if !rule.impersonation => {
            Err(OAuthError::invalid_request("impersonation").saying("This client names who acts: send an actor_token.").into())
        }
        Some(_) if !rule.delegation => {
            Err(OAuthError::invalid_request("delegation").saying("This client may not exchange with an actor_token.").into())
        }
        _ => Ok(()),
    }
}

/// A client's wish, with tokens that it may bring.
pub struct Exchange {
    pub grant: GrantId,
    pub subject: Subject,
    pub actor: Option<Actor>,
    pub scope: Option<Scope>,
    pub access: Digest,
    /// The key that the client proved with this request.
    pub proven: Option<Confirmation>,
    pub target: Result<Target, OAuthError>,
    /// What the new token has of the authorization details (RFC 9396 §6).
    pub authorization_details: Result<Option<String>, OAuthError>,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// What the client gets.
#[derive(Debug)]
pub struct Given {
    pub scope: Scope,
    pub expires_at: Timestamp,
}

pub fn decide(client: &Client, rule: &Rule, cmd: &Exchange, lifetimes: &Lifetimes) -> Decision<GrantEvent, Given> {
    if let Err(error) = dpop::check_demand(client, cmd.proven.as_ref()) {
        return Decision::refuse(error);
    }
    let subject = &cmd.subject;
    let before = subject.exchanged.as_ref();
    let actors: Vec<_> = cmd.actor.iter().chain(before.into_iter().flat_map(|own| &own.actors)).cloned().collect();
    if actors.len() > MOST_ACTORS {
        return Decision::refuse(OAuthError::invalid_request("chain").saying("The chain of actors has grown too long."));
    }
    let target = match &cmd.target {
        Ok(target) => target,
        Err(error) => return Decision::refuse(error.clone()),
    };
    let details = match &cmd.authorization_details {
        Ok(details) => details.as_deref(),
        Err(error) => return Decision::refuse(error.clone()),
    };
    let scope = match scope_of(rule, cmd, target) {
        Ok(scope) => scope,
        Err(error) => return Decision::refuse(error),
    };
    let mut access = target.issue(cmd.access, cmd.proven, cmd.at, lifetimes.access_token);
    access.expires_at = access.expires_at.min(subject.expires_at);
    let outcome = Given { scope: scope.clone(), expires_at: access.expires_at };
    let person = subject.person.as_ref();
    let event = TokenExchanged {
        access,
        account: person.map(|own| own.account),
        actors,
        amr: person.map(|own| own.amr.clone()).unwrap_or_default(),
        at: cmd.at,
        auth_time: person.map(|own| own.auth_time),
        client: client.id.clone(),
        consent_epoch: person.map(|own| own.consent_epoch),
        grant: cmd.grant,
        offline: person.is_some_and(|own| own.offline),
        scope,
        session: person.map(|own| own.session),
        single_use: rule.single_use,
        source: Source {
            client: before.map_or_else(|| subject.client.clone(), |own| own.source.client.clone()),
            digest: subject.token,
            grant: before.map_or(subject.grant, |own| own.source.grant),
            through: before.and(subject.grant),
            token_type: subject.token_type,
        },
    };
    let personal = Personal::default().with("context", cmd.context.as_deref()).with_whole(DETAILS, details);
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], outcome)
}

/// RFC 8693 §5, RFC 6749 §3.3: never more than the token that was brought has.
fn scope_of(rule: &Rule, cmd: &Exchange, target: &Target) -> Result<Scope, OAuthError> {
    // There is no refresh token that it could mean.
    let own = cmd.subject.scope.without_all(&["offline_access"]);
    let most = rule.scope.as_ref().map_or_else(|| own.clone(), |known| own.intersection(known));
    let wanted = match &cmd.scope {
        None => most,
        Some(asked) if asked.is_within(&most) => asked.clone(),
        Some(_) => {
            return Err(OAuthError::invalid_scope("more than the subject_token").saying("The scope is more than the subject_token has."));
        }
    };
    let scope = target.scope_of(&wanted);
    if scope.is_empty() && !wanted.is_empty() {
        return Err(OAuthError::invalid_scope("nothing of it is known to the target").saying("The target knows none of these scopes."));
    }
    Ok(scope)
}
