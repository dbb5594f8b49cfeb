//! UserInfo (OpenID Connect Core 1.0 §5.3): the claims that an access token may read. Appends nothing.
//!
//! | Rule | Source |
//! |---|---|
//! | JSON, or a JWT with iss and aud for a client that registered an algorithm; encrypted, signed or not, for one that registered that | §5.3.2 |
//! | `sub` is the one that this client reads everywhere | §5.3.2, §8 |
//!
//! Out of scope: what the token is bound to (`bearer`).

use chancery_core::claims::wanted::Place;
use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use chancery_core::grant::GrantKind;
use chancery_core::id::ClientId;
use serde_json::{Map, Value, json};

use super::App;
use super::bearer::Brought;
use super::claims::Telling;
use super::context::Context;

/// The answer, and the client that it is for.
pub struct Told {
    pub client: ClientId,
    pub info: UserInfo,
}

/// The answer in the form that the client registered.
pub enum UserInfo {
    Json(Map<String, Value>),
    Jwt(String),
}

impl App {
    /// The claims of the token's person.
    ///
    /// # Errors
    /// `invalid_token`, `insufficient_scope` without `openid`.
    pub async fn userinfo(&self, context: &Context, token: &str, brought: &Brought<'_>) -> Result<Told, OAuthError> {
        let bearer = self.bearer(context, token, brought).await?;
        let (Some(account), Some(client)) = (bearer.account.as_ref().filter(|_| bearer.scope.has("openid")), &bearer.client) else {
            return Err(OAuthError::insufficient_scope("openid").saying("This needs an access token with the scope openid."));
        };
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(self.subject(account.id, client)?));
        claims.append(&mut self.scope_claims(account, &bearer.scope).await?);
        if let GrantKind::Person(person) = &bearer.grant.kind {
            claims.append(&mut self.single_claims(account, &person.claims.userinfo).await?);
            let to = Telling { account, person, place: Place::Userinfo, scope: Some(&bearer.scope) };
            self.settle(&mut claims, &to).await?;
        }
        let info = self.in_its_form(client, claims).await?;
        Ok(Told { client: client.id.clone(), info })
    }

    async fn in_its_form(&self, client: &Client, mut claims: Map<String, Value>) -> Result<UserInfo, OAuthError> {
        let metadata = &client.metadata;
        let signed = match metadata.userinfo_signed_response_alg {
            None => None,
            Some(alg) => {
                claims.insert("iss".to_owned(), json!(self.endpoints.issuer));
                claims.insert("aud".to_owned(), json!(client.id));
                Some(self.keys.current().await?.sign(alg, &Value::Object(claims.clone())).await?)
            }
        };
        let Some(alg) = metadata.userinfo_encrypted_response_alg else { return Ok(signed.map_or(UserInfo::Json(claims), UserInfo::Jwt)) };
        let enc = metadata.userinfo_encrypted_response_enc;
        let (content, cty) = match signed {
            Some(signed) => (signed, Some("JWT")),
            None => (Value::Object(claims).to_string(), None),
        };
        self.encrypt_for(client, (alg, enc), cty, content.as_bytes()).await.map(UserInfo::Jwt)
    }
}
