//! id_tokens that come back: as hints, or to be exchanged.

use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, ClientId};
use chancery_jose::{RegisteredClaims, jws};

use super::App;
use super::signing::ALGORITHMS;

/// An id_token that we signed, expired or not.
pub(super) struct IdTokenRead {
    pub account: AccountId,
    /// The first in its audience: for whom it was made.
    pub client: ClientId,
    pub claims: RegisteredClaims,
    pub sid: Option<String>,
}

impl App {
    /// Account and audience of an id_token that we signed, expired or not.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn read_hint(&self, hint: &str) -> Result<Option<(AccountId, Vec<String>)>, OAuthError> {
        Ok(self.read_id_token(hint).await?.map(|read| (read.account, read.claims.aud)))
    }

    /// Reads an id_token that we signed; `None` for any other text.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn read_id_token(&self, text: &str) -> Result<Option<IdTokenRead>, OAuthError> {
        let keys = self.keys.current().await?;
        let Ok(parsed) = jws::parse(text) else { return Ok(None) };
        // An access token or logout token names a person too, and is no id_token (RFC 8725 §3.11).
        if parsed.header().typ().is_some_and(|_| !parsed.header().is_typ("JWT")) {
            return Ok(None);
        }
        let Ok(verified) = parsed.verify(&keys.published, ALGORITHMS) else { return Ok(None) };
        let Ok(claims) = RegisteredClaims::parse(&verified.payload) else { return Ok(None) };
        if claims.iss.as_deref() != Some(self.endpoints.issuer.as_str()) {
            return Ok(None);
        }
        let Some(client) = claims.aud.first().and_then(|aud| ClientId::parse(aud)) else { return Ok(None) };
        let Some(known) = self.load_client(&client.stream()).await?.state else { return Ok(None) };
        let sid = claims.all.get("sid").and_then(|sid| sid.as_str()).map(str::to_owned);
        let account = claims.sub.as_deref().and_then(|sub| self.account_of_subject(sub, &known));
        Ok(account.map(|account| IdTokenRead { account, client, claims, sid }))
    }
}
