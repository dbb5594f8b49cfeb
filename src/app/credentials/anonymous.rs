//! Wallets that do not say who they are when they redeem an offer (OpenID4VCI §6.1, §12.3).
//!
//! | Rule | Source |
//! |---|---|
//! | without a name there is this one grant, where the operator allows it | OpenID4VCI §6.1, §12.3 |
//! | they act as one client of the server's own: what they got ends with it, and the log names it | our own |
//! | nobody comes under its name | our own |
//!
//! Out of scope: which requests are such ones (`http`), what their token opens (`chancery_core::grant::pre_authorized`).

use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;
use chancery_core::offer::ANONYMOUS;
use chancery_core::profile::demands;

use crate::app::App;
use crate::app::client_auth::Authenticated;

impl App {
    /// A wallet without a name, as the client that stands for all of them.
    ///
    /// # Errors
    /// `invalid_client` where they are not let in.
    pub async fn anonymous_wallet(&self) -> Result<Authenticated, OAuthError> {
        let refused = |why: &'static str| OAuthError::invalid_client(why);
        let id = ClientId::parse(ANONYMOUS).filter(|_| self.details.credentials.anonymous).ok_or_else(|| refused("no anonymous access"))?;
        let loaded = self.load_client(&id.stream()).await?;
        let client = loaded.or(|| refused("no anonymous access"))?;
        if !client.is_active() || !demands::is_met(&client.metadata, &self.policy()) {
            return Err(refused("no anonymous access any more"));
        }
        Ok(Authenticated { client: loaded, assertion: None, signal: None, proof: None, certificate: None, instance: None })
    }
}
