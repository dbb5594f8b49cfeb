//! What the tokens of a grant rest on: loaded with their versions, so that whoever ends one of them first wins.

use std::sync::Arc;

use chancery_core::account::Account;
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::decision::Draft;
use chancery_core::error::OAuthError;
use chancery_core::grant::standing::{self, Origin, Parents};
use chancery_core::grant::{Grant, GrantEvent, GrantKind};
use chancery_core::id::{AccountId, GrantId, consent_stream};
use chancery_core::scope::Scope;
use chancery_core::session::Session;
use chancery_core::time::Timestamp;

use super::App;
use super::accounts::account_seal;
use super::id_token::IdToken;
use super::signing::KeySet;
use super::vault::KeyKind;
use super::work::{Loaded, Seal, Stop, Work, vault_trouble};

/// Everything that a person's tokens rest on, loaded and asserted together.
pub(super) struct Standing {
    pub client: Arc<Client>,
    pub account: Option<Arc<Account>>,
    pub session: Option<Arc<Session>>,
    pub consent: Option<Arc<Consent>>,
    /// Of the fruit of an exchange: where the first token came from.
    pub origin: (Option<Arc<Grant>>, Option<Arc<Client>>),
}

impl Standing {
    pub fn parents(&self) -> Parents<'_> {
        Parents {
            client: Some(&self.client),
            account: self.account.as_deref(),
            session: self.session.as_deref(),
            consent: self.consent.as_deref(),
            resource: None,
            origin: Origin { grant: self.origin.0.as_deref(), client: self.origin.1.as_deref() },
        }
    }
}

impl App {
    /// Begins a grant. What it rests on is loaded and asked in the same unit of work: nobody gets tokens of what has just ended. `refuse` says how the
    /// client hears of that.
    pub(super) async fn begin(
        &self,
        work: &mut Work<'_>,
        client: Arc<Client>,
        (id, events): (GrantId, Vec<Draft<GrantEvent>>),
        seal: &Seal,
        refuse: fn(&'static str) -> OAuthError,
    ) -> Result<(Grant, Standing), Stop> {
        let mut loaded: Loaded<Grant> = work.fresh(id.stream());
        work.record(&mut loaded, events, seal)?;
        let grant = loaded.or(|| OAuthError::server_error("a grant without state"))?.clone();
        let standing = self.standing(work, client, &grant).await?;
        standing::of_grant(&grant, &standing.parents(), self.now()).map_err(|dead| refuse(dead.as_str()))?;
        Ok((grant, standing))
    }

    /// What seals for a person; `gone` refuses once their key is destroyed.
    pub(super) async fn person_seal(&self, account: AccountId, gone: fn(&'static str) -> OAuthError) -> Result<Seal, OAuthError> {
        let key = self.vault.open(KeyKind::Account, &account.to_string()).await.map_err(vault_trouble)?;
        Ok(account_seal(account, key.ok_or_else(|| gone("the account is erased"))?))
    }

    /// Loads and asserts what a grant rests on, so that a revocation committed anywhere beats a token decided before it.
    pub(super) async fn standing(&self, work: &mut Work<'_>, client: Arc<Client>, grant: &Grant) -> Result<Standing, OAuthError> {
        let origin = match grant.exchanged.as_deref() {
            None => (None, None),
            Some(exchanged) => {
                let from = match exchanged.source.grant {
                    Some(from) => work.load::<Grant>(&from.stream()).await?.state,
                    None => None,
                };
                (from, work.load::<Client>(&exchanged.source.client.stream()).await?.state)
            }
        };
        let Some(account) = grant.account() else { return Ok(Standing { client, account: None, session: None, consent: None, origin }) };
        let session = match grant.bound_session() {
            Some(session) => work.load::<Session>(&session.stream()).await?.state,
            None => None,
        };
        let consent = work.load::<Consent>(&consent_stream(account, grant.allowed_client())).await?.state;
        let account = work.load::<Account>(&account.stream()).await?.state;
        Ok(Standing { client, account, session, consent, origin })
    }

    /// The key that seals a grant's personal data; none once the person is erased.
    pub(super) async fn grant_seal(&self, grant: &Grant) -> Result<Seal, OAuthError> {
        match grant.account() {
            Some(account) => {
                let key = self.vault.open(KeyKind::Account, &account.to_string()).await.map_err(vault_trouble)?;
                Ok(Seal { key, subject: Some(account.to_string()) })
            }
            None => Ok(Seal { key: Some(self.client_key(&grant.client).await?), subject: None }),
        }
    }

    pub(super) async fn nonce(&self, grant: &Grant) -> Result<Option<String>, OAuthError> {
        match &grant.kind {
            GrantKind::Person(person) => self.unseal_optional(person.nonce.as_ref()).await,
            GrantKind::Client | GrantKind::Operator => Ok(None),
        }
    }

    /// The id_token that belongs to these tokens, when the scope asks for one.
    #[allow(clippy::too_many_arguments)] // each is one member of the claims
    pub(super) async fn id_token_beside(
        &self,
        access: &str,
        grant: &Grant,
        scope: &Scope,
        standing: &Standing,
        keys: &KeySet,
        nonce: Option<String>,
        at: Timestamp,
    ) -> Result<Option<String>, OAuthError> {
        let (GrantKind::Person(person), Some(account)) = (&grant.kind, &standing.account) else { return Ok(None) };
        if !scope.has("openid") {
            return Ok(None);
        }
        let token = IdToken {
            client: &standing.client,
            account,
            person,
            scope,
            nonce,
            access: Some(access),
            code: None,
            state: None,
            pushed: None,
            with_scope_claims: false,
            at,
        };
        self.id_token(&token, keys).await.map(Some)
    }
}
