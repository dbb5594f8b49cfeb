//! What the operator allows to be exchanged, by client, and the targets that a request may name (RFC 8693 §2.1).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use crate::error::OAuthError;
use crate::grant::exchanged::TokenType;
use crate::id::ClientId;
use crate::resource::ResourceId;
use crate::scope::Scope;

/// What one client may exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Clients whose tokens it may bring, besides its own.
    pub from: BTreeSet<ClientId>,
    pub token_types: BTreeSet<TokenType>,
    /// Without an actor: the new token tells of nobody in between.
    pub impersonation: bool,
    /// With an actor.
    pub delegation: bool,
    /// What the new tokens may be for; nothing: this server's userinfo.
    pub resources: BTreeSet<ResourceId>,
    /// The most that they may do; `None`: what the token has that was brought.
    pub scope: Option<Scope>,
    /// Each token is good for one exchange.
    pub single_use: bool,
    /// Tokens of the clients in `from` say that this one may act (`may_act`).
    pub announced: bool,
}

/// Every rule, by the client that it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub BTreeMap<ClientId, Rule>);

impl Rules {
    /// Who may act for the subjects of this client's tokens (RFC 8693 §4.4).
    pub fn may_act(&self, client: &ClientId) -> Option<&ClientId> {
        self.0.iter().find(|(_, rule)| rule.announced && rule.from.contains(client)).map(|(actor, _)| actor)
    }
}

/// Which resource server the new token is for; `None` is this server's userinfo. `audience` names one as `resource` does.
///
/// # Errors
/// `invalid_target`.
pub fn target(rule: &Rule, resources: &[String], audiences: &[String], userinfo: &str) -> Result<Option<ResourceId>, OAuthError> {
    let invalid = |why: &'static str, sentence: &str| Err(OAuthError::invalid_target(why).saying(sentence));
    let asked: BTreeSet<&str> = resources.iter().chain(audiences).map(String::as_str).collect();
    let (mut asked, mut own) = (asked.into_iter(), rule.resources.iter());
    match (asked.next(), asked.next()) {
        (Some(one), None) if one == userinfo && rule.resources.is_empty() => Ok(None),
        (Some(one), None) => match own.find(|own| own.as_str() == one) {
            Some(found) => Ok(Some(found.clone())),
            None => invalid("the rule does not name it", "This client may not exchange tokens for this resource or audience."),
        },
        // RFC 9700 §2.3: a token for two can be replayed by either.
        (Some(_), Some(_)) => invalid("two targets", "Name one resource or audience for each token."),
        (None, _) => match (own.next(), own.next()) {
            (None, _) => Ok(None),
            (Some(only), None) => Ok(Some(only.clone())),
            (Some(_), Some(_)) => invalid("several targets", "Name the resource or audience that the token is for."),
        },
    }
}
