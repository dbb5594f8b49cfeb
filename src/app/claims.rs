//! The claims of a person: told to clients by scope, and changed.
//!
//! | Rule | Source |
//! |---|---|
//! | a scope asks for its claims, as far as the account has them | OpenID Connect Core 1.0 §5.4 |
//! | what was asked for with another value is left out | OpenID Connect Core 1.0 §5.5.1 |
//! | what others assert is passed on as it is, where its name is let through | OpenID Connect Core 1.0 §5.6.2 |
//! | only what is told is decrypted | our own |
//! | what changed is one append, and a race is decided again on the claims that won | DESIGN: rule 4 |

use std::collections::BTreeMap;

use chancery_core::account::claims::{By, Claims, FIELDS, Stated};
use chancery_core::account::lists::Lists;
use chancery_core::account::profile::{self, Change};
use chancery_core::account::sources::{self, Sources};
use chancery_core::account::{Account, FieldError};
use chancery_core::claims::through::Through;
use chancery_core::claims::wanted::{Place, Wanted};
use chancery_core::error::OAuthError;
use chancery_core::grant::Person;
use chancery_core::id::AccountId;
use chancery_core::scope::Scope;
use serde_json::{Map, Value, json};

use super::App;
use super::accounts::account_seal;
use super::context::Context;
use super::vault::KeyKind;
use super::work::{Seal, Stop, Work, decide};

/// Why nothing was changed.
#[derive(Debug)]
pub enum NotChanged {
    /// What was stated has problems: all of them.
    Problems(Vec<FieldError>),
    Refused(OAuthError),
}

/// What is told, of whom, and where.
pub(super) struct Telling<'a> {
    pub account: &'a Account,
    pub person: &'a Person,
    pub place: Place,
    /// The scopes whose claims are told there.
    pub scope: Option<&'a Scope>,
}

/// What is stated of a person, and by whom.
struct Said {
    stated: Stated,
    by: By,
    /// What others assert, if anything was said of that.
    others: Option<Sources>,
}

impl From<OAuthError> for NotChanged {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

impl App {
    /// The claims that scopes ask for, `sub` apart.
    ///
    /// # Errors
    /// `server_error` when the account's data cannot be read.
    pub async fn scope_claims(&self, account: &Account, scope: &Scope) -> Result<Map<String, Value>, OAuthError> {
        let mut told = Map::new();
        for (name, _) in FIELDS.iter().filter(|(name, _)| scope.has(name)) {
            told.append(&mut self.claims_for(account, &[name]).await?.told(name));
        }
        if scope.has("profile") {
            told.insert("updated_at".to_owned(), json!(account.updated_at().numeric_date()));
        }
        match self.unseal_optional(account.email.as_ref().filter(|_| scope.has("email"))).await? {
            Some(email) => drop(told.insert("email".to_owned(), json!(email))),
            // Whether nothing was verified is no claim.
            None => drop(told.remove("email_verified")),
        }
        Ok(told)
    }

    /// Leaves out what has another value than the client asked for (OpenID Connect Core 1.0 §5.5.1), and adds what others assert (§5.6.2).
    ///
    /// # Errors
    /// `server_error` when the values or the account's data cannot be read.
    pub(super) async fn settle(&self, told: &mut Map<String, Value>, to: &Telling<'_>) -> Result<(), OAuthError> {
        let wanted = match self.unseal_optional(to.person.claim_values.as_ref()).await? {
            Some(text) => Wanted::read(&text).ok_or_else(|| OAuthError::server_error("claim values that are not ours"))?,
            None => Wanted::default(),
        };
        wanted.keep(to.place, told);
        let asked = match to.place {
            Place::IdToken => &to.person.claims.id_token,
            Place::Userinfo => &to.person.claims.userinfo,
        };
        let through = Through { place: to.place, scope: to.scope, asked, wanted: &wanted };
        told.append(&mut self.sources_of(to.account).await?.told(|name| through.lets(name)));
        Ok(())
    }

    /// What others assert of the person.
    ///
    /// # Errors
    /// `server_error` when the account's data cannot be read.
    pub async fn sources_of(&self, account: &Account) -> Result<Sources, OAuthError> {
        let (names, sources) = (account.claim_names.as_ref(), account.claim_sources.as_ref());
        let (Some(names), Some(sources)) = (self.unseal_optional(names).await?, self.unseal_optional(sources).await?) else {
            return Ok(Sources::default());
        };
        // Without the texts: there are secrets in them.
        Sources::read(&names, &sources).ok_or_else(|| OAuthError::server_error("claim sources that are not ours"))
    }

    /// The claims that others assert, each with the name of its source.
    ///
    /// # Errors
    /// `server_error` when the account's data cannot be read.
    pub async fn asserted_by_others(&self, account: &Account) -> Result<BTreeMap<String, String>, OAuthError> {
        let Some(text) = self.unseal_optional(account.claim_names.as_ref()).await? else { return Ok(BTreeMap::new()) };
        sources::names_in(&text).ok_or_else(|| OAuthError::server_error("claim names that are not ours"))
    }

    /// What the person chooses from.
    ///
    /// # Errors
    /// `server_error` when the account's data cannot be read.
    pub async fn lists_of(&self, account: &Account) -> Result<Lists, OAuthError> {
        let Some(text) = self.unseal_optional(account.lists.as_ref()).await? else { return Ok(Lists::default()) };
        Lists::parse(&text).map_err(|_| OAuthError::server_error(format!("lists of {}", account.id)))
    }

    /// Everything that is said of the person.
    ///
    /// # Errors
    /// `server_error` when the account's data cannot be read.
    pub async fn claims_of(&self, account: &Account) -> Result<Claims, OAuthError> {
        let scopes: Vec<&str> = FIELDS.iter().map(|(scope, _)| *scope).collect();
        let mut claims = self.claims_for(account, &scopes).await?;
        claims.set_lists(self.lists_of(account).await?);
        Ok(claims)
    }

    async fn claims_for(&self, account: &Account, scopes: &[&str]) -> Result<Claims, OAuthError> {
        let mut claims = Claims::default();
        if scopes.contains(&"profile") {
            claims.set_name(self.unseal_optional(account.name.as_ref()).await?);
        }
        for scope in scopes {
            if let Some(text) = self.unseal_optional(account.claims_of(scope)).await? {
                claims.read(&text).map_err(|e| OAuthError::server_error(format!("claims of {}: {e}", account.id)))?;
            }
        }
        Ok(claims)
    }

    /// Changes what is said of a person. Says whether that was news.
    ///
    /// # Errors
    /// Every statement that is not acceptable; `not_found`, `conflict` for the erased; `temporarily_unavailable`.
    pub async fn change_profile(&self, context: &Context, account: AccountId, stated: &Stated, by: By) -> Result<bool, NotChanged> {
        let state = self.read::<Account>(&account.stream()).await?.filter(|own| own.is_there());
        if state.is_none() {
            return Err(OAuthError::not_found("no such account").saying("There is no such account.").into());
        }
        let (stated, others) = sources::apart(stated, by).map_err(NotChanged::Problems)?;
        let said = Said { stated, by, others };
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        let outcome = decide!(self, context, |work| self.change_profile_once(work, account, &said, context, &seal));
        outcome.map_err(OAuthError::from)?.map_err(NotChanged::Problems)
    }

    async fn change_profile_once(
        &self,
        mut work: Work<'_>,
        account: AccountId,
        said: &Said,
        context: &Context,
        seal: &Seal,
    ) -> Result<Result<bool, Vec<FieldError>>, Stop> {
        let mut loaded = work.load::<Account>(&account.stream()).await?;
        let state = loaded.or(|| OAuthError::not_found("no such account"))?.clone();
        let before = self.claims_of(&state).await?;
        let after = match before.stating(&said.stated, said.by) {
            Ok(after) => after,
            Err(problems) => return Ok(Err(problems)),
        };
        let decision = profile::change(&state, &Change { before, after, context: context.personal(), at: self.now() });
        decision.outcome?;
        let mut events = decision.events;
        if let Some(others) = &said.others {
            let (before, after) = (self.sources_of(&state).await?, others.clone());
            let decision = sources::change(&state, &sources::Change { before, after, context: context.personal(), at: self.now() });
            decision.outcome?;
            events.extend(decision.events);
        }
        let is_news = !events.is_empty();
        work.record(&mut loaded, events, seal)?;
        work.commit().await?;
        Ok(Ok(is_news))
    }
}
