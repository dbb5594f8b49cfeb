//! A token for an assertion of an issuer whom the operator trusts (RFC 7523 §2.1).
//!
//! | Rule | Source |
//! |---|---|
//! | the client is registered for the grant, and the issuer's rule names it | RFC 6749 §5.2, RFC 7523 §3; our own |
//! | the assertion names its subject: an account here, or the client itself | RFC 7523 §3 |
//! | scope and target are those that the rule allows, and those of the client | RFC 7521 §4.1, RFC 6749 §3.3 |
//! | no refresh token: the client brings another assertion | RFC 7521 §4.1 |
//!
//! Out of scope: signature, audience, times and `jti` of the assertion (`app::assertion`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use super::event::AssertionGranted;
use super::target::Target;
use super::{GrantEvent, Lifetimes};
use crate::client::Client;
use crate::client::metadata::GrantType;
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::dpop::{self, Confirmation};
use crate::error::OAuthError;
use crate::id::{AccountId, ClientId, GrantId};
use crate::resource::ResourceId;
use crate::scope::Scope;
use crate::time::Timestamp;

/// Whom an issuer's `sub` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An account, by its id here.
    Account,
    /// The client that brings it, by its `client_id`.
    Client,
}

impl Subject {
    pub const ALL: &'static [(&'static str, Self)] = &[("account", Self::Account), ("client", Self::Client)];

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(own, _)| *own == word).map(|(_, subject)| *subject)
    }
}

/// What the operator allows an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub subject: Subject,
    /// Who may bring its assertions.
    pub clients: BTreeSet<ClientId>,
    /// The most that tokens may do.
    pub scope: Scope,
    /// What tokens may be for; nothing: this server's userinfo.
    pub resources: BTreeSet<ResourceId>,
}

/// Every issuer, by its `iss`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub BTreeMap<String, Rule>);

/// A client's wish, with an assertion that holds.
pub struct GrantForAssertion {
    pub grant: GrantId,
    pub issuer: String,
    /// The account that it names; `None`: the client itself.
    pub account: Option<AccountId>,
    pub consent_epoch: u32,
    /// Digest of the assertion.
    pub assertion: Digest,
    /// When it was made.
    pub issued_at: Timestamp,
    pub scope: Option<Scope>,
    pub access: Digest,
    pub proven: Option<Confirmation>,
    pub target: Result<Target, OAuthError>,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// What the client gets.
#[derive(Debug)]
pub struct Given {
    pub scope: Scope,
    pub expires_at: Timestamp,
}

/// May this client bring assertions of this issuer?
///
/// # Errors
/// `unauthorized_client`.
pub fn admit(client: &Client, rule: &Rule) -> Result<(), OAuthError> {
    if !client.metadata.grant_types.contains(&GrantType::JwtBearer) {
        return Err(OAuthError::unauthorized_client("jwt-bearer is not registered"));
    }
    if !rule.clients.contains(&client.id) {
        return Err(OAuthError::unauthorized_client("the issuer's rule does not name this client"));
    }
    Ok(())
}

pub fn decide(client: &Client, rule: &Rule, cmd: &GrantForAssertion, lifetimes: &Lifetimes) -> Decision<GrantEvent, Given> {
    if let Err(error) = dpop::check_demand(client, cmd.proven.as_ref()) {
        return Decision::refuse(error);
    }
    let target = match &cmd.target {
        Ok(target) => target,
        Err(error) => return Decision::refuse(error.clone()),
    };
    let most = rule.scope.intersection(&client.metadata.scope).without_all(&["offline_access"]);
    let wanted = match &cmd.scope {
        None => most,
        Some(asked) if asked.is_within(&most) => asked.clone(),
        Some(_) => {
            return Decision::refuse(
                OAuthError::invalid_scope("more than the rule allows").saying("The scope is more than this issuer's assertions give."),
            );
        }
    };
    let scope = target.scope_of(&wanted);
    if scope.is_empty() && !wanted.is_empty() {
        return Decision::refuse(OAuthError::invalid_scope("nothing of it").saying("The target knows none of these scopes."));
    }
    let access = target.issue(cmd.access, cmd.proven, cmd.at, lifetimes.access_token);
    let outcome = Given { scope: scope.clone(), expires_at: access.expires_at };
    let event = AssertionGranted {
        access,
        account: cmd.account,
        assertion: cmd.assertion,
        at: cmd.at,
        client: client.id.clone(),
        consent_epoch: cmd.account.map(|_| cmd.consent_epoch),
        grant: cmd.grant,
        issued_at: cmd.issued_at,
        issuer: cmd.issuer.clone(),
        scope,
    };
    let personal = Personal::default().with("context", cmd.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], outcome)
}
