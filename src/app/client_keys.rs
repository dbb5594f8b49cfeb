//! The public keys of a client: those that it registered by value.

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use chancery_jose::Jwks;

use super::App;

impl App {
    /// The keys of a client that may check a token with this `kid`; `None` when it has none.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    #[allow(clippy::unused_async)] // keys behind an address are fetched
    pub(super) async fn keys_of(&self, client: &Client, kid: Option<&str>) -> Result<Option<Jwks>, OAuthError> {
        let _ = kid;
        Ok(client.metadata.jwks.as_ref().and_then(|jwks| Jwks::from_value(jwks).ok()))
    }
}
