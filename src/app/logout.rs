//! RP-initiated logout: what a logout request may ask, before the person confirms it.
//!
//! | Rule | Source |
//! |---|---|
//! | `post_logout_redirect_uri` only of a known client, registered, byte for byte | OpenID Connect RP-Initiated Logout 1.0 §2, §3 |
//! | `client_id` and `id_token_hint` must agree | §2 |
//! | the person is asked: anybody can send a browser here | §2, §6 |

use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::client::metadata::redirect_uri_matches;
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, ClientId};
use chancery_core::request::Parameters;

use super::App;

/// A logout request that was checked.
pub struct LogoutRequest {
    pub client: Option<Arc<Client>>,
    /// The person that `id_token_hint` names.
    pub hinted: Option<AccountId>,
    /// Where to go afterwards, with `state` still to be added.
    pub return_to: Option<String>,
    pub state: Option<String>,
}

impl App {
    /// Checks a logout request.
    ///
    /// # Errors
    /// `invalid_request` with a sentence; shown on a page, never redirected.
    pub async fn logout_request(&self, parameters: &Parameters) -> Result<LogoutRequest, OAuthError> {
        let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_request(why).saying(sentence));
        let hint = match parameters.get("id_token_hint") {
            Some(hint) => match self.read_hint(hint).await? {
                Some((account, audience)) => Some((account, audience)),
                None => return refuse("id_token_hint", "id_token_hint is not an id_token of this server."),
            },
            None => None,
        };
        let (hinted, hint) = hint.unzip();
        let named = parameters.get("client_id").cloned();
        if let (Some(audience), Some(named)) = (&hint, &named)
            && !audience.contains(named)
        {
            return refuse("client_id", "client_id and id_token_hint name different clients.");
        }
        let named = named.or_else(|| hint.and_then(|audience| audience.into_iter().next()));
        let client = match named.as_deref().map(ClientId::parse) {
            Some(Some(id)) => self.load_client(&id.stream()).await?.state,
            _ => None,
        };
        let return_to = match parameters.get("post_logout_redirect_uri") {
            None => None,
            Some(uri) => {
                let Some(client) = &client else {
                    return refuse(
                        "no client",
                        "post_logout_redirect_uri needs a client_id or an id_token_hint of a client that is known here.",
                    );
                };
                let (metadata, localhost) = (&client.metadata, self.policy().localhost_ports);
                let matches = |own: &String| redirect_uri_matches(own, uri, metadata.application_type, localhost);
                if !metadata.post_logout_redirect_uris.iter().any(matches) {
                    return refuse("not registered", "This post_logout_redirect_uri is not registered for the client.");
                }
                Some(uri.clone())
            }
        };
        Ok(LogoutRequest { client, hinted, return_to, state: parameters.get("state").cloned() })
    }
}
