//! Discovery and keys: OpenID Connect Discovery 1.0 §4, RFC 8414 §3, RFC 7517 §5.

use chancery_core::discovery;
use poem_openapi::OpenApi;

use super::Group;
use crate::http::error::Refused;
use crate::http::reply::{Describe, Reply};
use crate::http::server::Server;

/// Both documents change with the configuration or a key rotation only.
const CACHE: &str = "public, max-age=300";

pub struct Discovery(pub Server);

pub struct Metadata;

impl Describe for Metadata {
    const DESCRIPTION: &'static str = "The server's metadata, computed from what it does.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("issuer", "string", "The issuer, compared byte for byte."),
        ("authorization_endpoint", "string", "Where the person is sent."),
        ("token_endpoint", "string", "Where codes become tokens."),
        ("jwks_uri", "string", "Where the public keys are."),
    ];
}

pub struct Keys;

impl Describe for Keys {
    const DESCRIPTION: &'static str = "The public signing keys.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[("keys", "array", "JWKs (RFC 7517 section 4).")];
}

#[OpenApi(tag = "Group::Protocol")]
impl Discovery {
    /// Metadata (OpenID Connect Discovery 1.0)
    #[oai(path = "/oidc/.well-known/openid-configuration", method = "get", operation_id = "openidConfiguration")]
    async fn openid_configuration(&self) -> Result<Reply<Metadata>, Refused> {
        Ok(self.document())
    }

    /// Metadata (RFC 8414)
    #[oai(path = "/.well-known/oauth-authorization-server/oidc", method = "get", operation_id = "oauthAuthorizationServer")]
    async fn oauth_authorization_server(&self) -> Result<Reply<Metadata>, Refused> {
        Ok(self.document())
    }

    /// Public keys (RFC 7517)
    #[oai(path = "/oidc/jwks", method = "get", operation_id = "jwks")]
    async fn jwks(&self) -> Result<Reply<Keys>, Refused> {
        let keys = self.0.app.keys.current().await?;
        Ok(Reply::bytes(keys.document.to_vec()).cached(CACHE))
    }
}

impl Discovery {
    fn document(&self) -> Reply<Metadata> {
        let document = discovery::document(&self.0.app.endpoints, self.0.app.policy().pkce_for_all);
        Reply::new(&document).cached(CACHE)
    }
}
