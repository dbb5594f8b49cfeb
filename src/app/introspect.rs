//! Introspection (RFC 7662) and everything else that asks whether a token is alive. Appends nothing; reads fresh.
//!
//! | Rule | Source |
//! |---|---|
//! | active only for the token's own client, or one with the `introspect` permission | RFC 7662 §4 |
//! | everybody else, and every dead or unknown token, gets `{"active":false}` and nothing more | RFC 7662 §2.2 |
//! | a public client cannot ask | RFC 7662 §2.1 |

use std::sync::Arc;

use chancery_core::account::Account;
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::error::OAuthError;
use chancery_core::grant::standing::{self, Dead, Parents};
use chancery_core::grant::{Grant, GrantKind};
use chancery_core::id::{GrantId, consent_stream};
use chancery_core::scope::Scope;
use chancery_core::session::Session;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use serde_json::{Value, json};

use super::App;
use super::client_auth::Authenticated;

/// What an access token speaks for.
pub struct Bearer {
    pub grant: Arc<Grant>,
    pub scope: Scope,
    pub issued_at: i64,
    pub expires_at: i64,
    pub account: Option<Arc<Account>>,
}

/// The states that a grant rests on.
struct Rest {
    client: Option<Arc<Client>>,
    account: Option<Arc<Account>>,
    session: Option<Arc<Session>>,
    consent: Option<Arc<Consent>>,
}

impl Rest {
    fn parents(&self) -> Parents<'_> {
        Parents {
            client: self.client.as_deref(),
            account: self.account.as_deref(),
            session: self.session.as_deref(),
            consent: self.consent.as_deref(),
        }
    }
}

impl App {
    /// Reads an access token.
    ///
    /// # Errors
    /// `invalid_token` for everything that is not alive; `temporarily_unavailable`.
    pub async fn bearer(&self, token: &str) -> Result<Bearer, OAuthError> {
        let refuse = |dead: Dead| OAuthError::invalid_token(dead.as_str());
        let opaque = Opaque::parse(Kind::AccessToken, token).ok_or_else(|| refuse(Dead::Unknown))?;
        let grant = self.read::<Grant>(&GrantId(opaque.stream).stream()).await?.ok_or_else(|| refuse(Dead::Unknown))?;
        let rest = self.rest_of(&grant).await?;
        let (access, scope) = standing::of_access(&grant, &digest(token), &rest.parents(), self.now()).map_err(refuse)?;
        let (scope, issued_at, expires_at) = (scope.clone(), access.issued_at.numeric_date(), access.expires_at.numeric_date());
        Ok(Bearer { scope, issued_at, expires_at, account: rest.account, grant })
    }

    /// An operator's token with a management scope. Tokens of clients never have one, whatever their scope says.
    ///
    /// # Errors
    /// `invalid_token`, `insufficient_scope`.
    pub async fn operator(&self, token: Option<&str>, scope: &'static str) -> Result<Bearer, OAuthError> {
        let token = token.ok_or_else(|| OAuthError::invalid_token("no token"))?;
        let bearer = self.bearer(token).await?;
        if bearer.grant.kind != GrantKind::Operator {
            return Err(OAuthError::insufficient_scope("not an operator's token"));
        }
        if !bearer.scope.has(scope) {
            return Err(OAuthError::insufficient_scope(scope).saying(format!("This needs a token with the scope {scope}.")));
        }
        Ok(bearer)
    }

    /// Answers an introspection request of an authenticated client.
    ///
    /// # Errors
    /// `unauthorized_client` for a public one, `temporarily_unavailable`.
    pub async fn introspect(&self, caller: &Authenticated, token: &str) -> Result<Value, OAuthError> {
        let asker = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        if asker.is_public() {
            return Err(OAuthError::invalid_client("public clients cannot introspect"));
        }
        let inactive = json!({ "active": false });
        let Some(id) = self.grant_of(token) else { return Ok(inactive) };
        let Some(grant) = self.read::<Grant>(&id.stream()).await? else { return Ok(inactive) };
        if grant.client != asker.id && !asker.metadata.introspect {
            return Ok(inactive);
        }
        let rest = self.rest_of(&grant).await?;
        let (token_digest, parents, at) = (digest(token), rest.parents(), self.now());
        let (scope, issued_at, expires_at, kind) = if Opaque::parse(Kind::AccessToken, token).is_some() {
            match standing::of_access(&grant, &token_digest, &parents, at) {
                Ok((access, scope)) => (scope, Some(access.issued_at.numeric_date()), access.expires_at.numeric_date(), Some("Bearer")),
                Err(_) => return Ok(inactive),
            }
        } else {
            match standing::of_refresh(&grant, &token_digest, &parents, at) {
                Ok(expires_at) => (&grant.scope, None, expires_at.numeric_date(), None),
                Err(_) => return Ok(inactive),
            }
        };
        let mut answer = json!({
            "active": true,
            "scope": scope.to_string(),
            "client_id": grant.client,
            "exp": expires_at,
            "iss": self.endpoints.issuer,
        });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                answer[name] = value;
            }
        };
        set("iat", issued_at.map(|at| json!(at)));
        set("token_type", kind.map(|kind| json!(kind)));
        // RFC 7662 §2.2: the subject of a client's own token is the client.
        set("sub", Some(grant.account().map_or_else(|| json!(grant.client), |account| json!(account))));
        Ok(answer)
    }

    /// The grant that a token of ours names.
    pub(super) fn grant_of(&self, token: &str) -> Option<GrantId> {
        if let Some(access) = Opaque::parse(Kind::AccessToken, token) {
            return Some(GrantId(access.stream));
        }
        self.mint.read_refresh(token).map(|(refresh, _)| GrantId(refresh.stream))
    }

    async fn rest_of(&self, grant: &Grant) -> Result<Rest, OAuthError> {
        let client = match grant.kind {
            GrantKind::Operator => None,
            GrantKind::Person(_) | GrantKind::Client => self.read::<Client>(&grant.client.stream()).await?,
        };
        let Some(account) = grant.account() else { return Ok(Rest { client, account: None, session: None, consent: None }) };
        let session = match grant.bound_session() {
            Some(session) => self.read::<Session>(&session.stream()).await?,
            None => None,
        };
        let consent = self.read::<Consent>(&consent_stream(account, &grant.client)).await?;
        let account = self.read::<Account>(&account.stream()).await?;
        Ok(Rest { client, account, session, consent })
    }
}
