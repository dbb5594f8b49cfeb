//! How a client's page learns in the browser that somebody signed out: frames of Front-Channel Logout 1.0 and the watching frame of
//! OpenID Connect Session Management 1.0. Both only where they are switched on.
//!
//! | Rule | Source |
//! |---|---|
//! | every client that got tokens in the session and registered an address is loaded once, with `iss` and `sid` | Front-Channel Logout 1.0 §3 |
//! | `session_state` binds client, origin and what the browser keeps, with a salt | Session Management 1.0 §4.2 |
//! | what the browser keeps says nothing: it is a MAC of the ids of its sessions | our own |

use chancery_core::base64url;
use chancery_core::client::Client;
use chancery_core::client::metadata::origin_of;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::{ClientId, SessionId};
use chancery_core::session::Session;

use super::vault::mac;
use super::{App, random};

impl App {
    /// What the frames of the page load when this session is over.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn front_channel_logouts(&self, session: &Session) -> Result<Vec<String>, OAuthError> {
        let mut addresses = Vec::new();
        if !self.config.front_channel_logout {
            return Ok(addresses);
        }
        for id in &session.front_clients {
            let client = self.read::<Client>(&id.stream()).await?.filter(|own| own.is_active());
            let Some(uri) = client.and_then(|own| own.metadata.frontchannel_logout_uri.clone()) else { continue };
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("iss", &self.endpoints.issuer).append_pair("sid", &self.sid(session.id, id));
            let separator = if uri.contains('?') { '&' } else { '?' };
            addresses.push(format!("{uri}{separator}{}", query.finish()));
        }
        Ok(addresses)
    }

    /// What the browser keeps while these sessions are there, the one in use first.
    pub(super) fn browser_state(&self, sessions: &[SessionId]) -> String {
        let parts: Vec<&[u8]> =
            std::iter::once(b"browser state".as_slice()).chain(sessions.iter().map(|own| own.0.as_bytes().as_slice())).collect();
        base64url::encode(&mac(&self.names.sid, &parts)[..16])
    }

    /// `None` for a redirect URI without an origin, whose app has no page that could watch.
    pub(super) fn session_state(&self, client: &ClientId, redirect_uri: &str, browser_state: &str) -> Option<String> {
        let salt = base64url::encode(&random::bytes::<12>());
        let origin = origin_of(redirect_uri)?;
        let digest = Digest::of(format!("{client} {origin} {browser_state} {salt}").as_bytes());
        Some(format!("{digest}.{salt}"))
    }
}
