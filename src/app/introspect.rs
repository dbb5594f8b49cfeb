//! Introspection (RFC 7662) and everything else that asks whether a token is alive. Appends nothing; reads fresh.
//!
//! | Rule | Source |
//! |---|---|
//! | active only for the token's own client, its resource server, or one with the `introspect` permission | RFC 7662 §4 |
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
use chancery_core::resource::ResourceServer;
use chancery_core::scope::Scope;
use chancery_core::session::Session;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use serde_json::{Value, json};

use super::App;
use super::access::Known;
use super::client_auth::Authenticated;

/// What an access token speaks for.
pub struct Bearer {
    pub grant: Arc<Grant>,
    pub scope: Scope,
    pub issued_at: i64,
    pub expires_at: i64,
    pub account: Option<Arc<Account>>,
    pub client: Option<Arc<Client>>,
}

/// The states that a grant rests on.
struct Rest {
    client: Option<Arc<Client>>,
    account: Option<Arc<Account>>,
    session: Option<Arc<Session>>,
    consent: Option<Arc<Consent>>,
    resource: Option<Arc<ResourceServer>>,
}

impl Rest {
    fn parents(&self) -> Parents<'_> {
        Parents {
            client: self.client.as_deref(),
            account: self.account.as_deref(),
            session: self.session.as_deref(),
            consent: self.consent.as_deref(),
            resource: self.resource.as_deref(),
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
        // RFC 9068 §4, RFC 9700 §2.3: a token for somebody else opens nothing here.
        if access.audience.is_some() {
            return Err(OAuthError::invalid_token("the token is for a resource server"));
        }
        let (scope, issued_at, expires_at) = (scope.clone(), access.issued_at.numeric_date(), access.expires_at.numeric_date());
        Ok(Bearer { scope, issued_at, expires_at, account: rest.account, client: rest.client, grant })
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
        let Some(known) = self.known_token(token).await? else { return Ok(inactive) };
        let Some(grant) = self.read::<Grant>(&known.grant().stream()).await? else { return Ok(inactive) };
        let mut rest = self.rest_of(&grant).await?;
        let audience = match &known {
            Known::Access { digest, .. } => grant.access.iter().find(|own| own.digest.matches(digest)).and_then(|own| own.audience.clone()),
            Known::Refresh { .. } => None,
        };
        if let Some(audience) = &audience {
            rest.resource = self.read::<ResourceServer>(&audience.stream()).await?;
        }
        let serves_it = rest.resource.as_ref().is_some_and(|server| server.settings.introspected_by.contains(&asker.id));
        if grant.client != asker.id && !asker.metadata.introspect && !serves_it {
            return Ok(inactive);
        }
        let (parents, at) = (rest.parents(), self.now());
        let (scope, issued_at, expires_at, kind) = match &known {
            Known::Access { digest, .. } => match standing::of_access(&grant, digest, &parents, at) {
                Ok((access, scope)) => (scope, Some(access.issued_at.numeric_date()), access.expires_at.numeric_date(), Some("Bearer")),
                Err(_) => return Ok(inactive),
            },
            Known::Refresh { digest, .. } => match standing::of_refresh(&grant, digest, &parents, at) {
                Ok(expires_at) => (&grant.scope, None, expires_at.numeric_date(), None),
                Err(_) => return Ok(inactive),
            },
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
        set("aud", audience.map(|audience| json!(audience)));
        // RFC 7662 §2.2: the subject of a client's own token is the client.
        let sub = match (grant.account(), &rest.client) {
            (Some(account), Some(client)) => self.subject(account, client)?,
            _ => grant.client.to_string(),
        };
        set("sub", Some(json!(sub)));
        Ok(answer)
    }

    async fn rest_of(&self, grant: &Grant) -> Result<Rest, OAuthError> {
        let client = match grant.kind {
            GrantKind::Operator => None,
            GrantKind::Person(_) | GrantKind::Client => self.read::<Client>(&grant.client.stream()).await?,
        };
        let Some(account) = grant.account() else {
            return Ok(Rest { client, account: None, session: None, consent: None, resource: None });
        };
        let session = match grant.bound_session() {
            Some(session) => self.read::<Session>(&session.stream()).await?,
            None => None,
        };
        let consent = self.read::<Consent>(&consent_stream(account, &grant.client)).await?;
        let account = self.read::<Account>(&account.stream()).await?;
        Ok(Rest { client, account, session, consent, resource: None })
    }
}
