//! UserInfo (OpenID Connect Core 1.0 §5.3): the claims that an access token may read. Appends nothing.

use chancery_core::error::OAuthError;
use serde_json::{Map, Value, json};

use super::App;

impl App {
    /// The claims of the token's person.
    ///
    /// # Errors
    /// `invalid_token`, `insufficient_scope` without `openid`.
    pub async fn userinfo(&self, token: &str) -> Result<Map<String, Value>, OAuthError> {
        let bearer = self.bearer(token).await?;
        let Some(account) = bearer.account.as_ref().filter(|_| bearer.scope.has("openid")) else {
            return Err(OAuthError::insufficient_scope("openid").saying("This needs an access token with the scope openid."));
        };
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(account.id));
        claims.append(&mut self.scope_claims(account, &bearer.scope).await?);
        Ok(claims)
    }
}
