//! Discovery and keys: OpenID Connect Discovery 1.0 §4, RFC 8414 §3, RFC 7517 §5.

use chancery_core::discovery;
use chancery_core::error::OAuthError;
use poem::Request;
use poem::http::HeaderValue;
use poem_openapi::OpenApi;

use super::Group;
use crate::app::feeds::signals;
use crate::app::published::Published;
use crate::http::document::Document;
use crate::http::error::Refused;
use crate::http::reply::Describe;
use crate::http::server::Server;

/// The metadata changes with the configuration only.
pub(super) const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub struct Discovery {
    server: Server,
    /// What both addresses of the metadata serve.
    metadata: Published,
    /// How long the keys may be cached: half as long as a new one is published before it signs.
    keys_cached: HeaderValue,
    /// About shared signals, where some are sent.
    signals: Option<Published>,
}

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

pub struct Transmitter;

impl Describe for Transmitter {
    const DESCRIPTION: &'static str = "How shared signals are sent.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("spec_version", "string", "1_0."),
        ("issuer", "string", "The iss of every token."),
        ("jwks_uri", "string", "Where the public keys are."),
        ("delivery_methods_supported", "array", "urn:ietf:rfc:8935: by push; urn:ietf:rfc:8936: by poll."),
        ("default_subjects", "string", "ALL: everybody who has allowed the receiver."),
        ("configuration_endpoint", "string", "Where receivers make their streams, if they may."),
        ("status_endpoint", "string", "Where they pause them."),
        ("verification_endpoint", "string", "Where they ask for a verification."),
        ("authorization_schemes", "array", "OAuth 2.0, with the scopes ssf.manage and ssf.read."),
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
    async fn openid_configuration(&self, request: &Request) -> Result<Document<Metadata>, Refused> {
        Ok(Document::of(&self.metadata, request.headers(), &CACHE))
    }

    /// Metadata (RFC 8414)
    #[oai(path = "/.well-known/oauth-authorization-server/oidc", method = "get", operation_id = "oauthAuthorizationServer")]
    async fn oauth_authorization_server(&self, request: &Request) -> Result<Document<Metadata>, Refused> {
        Ok(Document::of(&self.metadata, request.headers(), &CACHE))
    }

    /// Transmitter configuration (OpenID Shared Signals Framework 1.0)
    ///
    /// 404 where the operator has set up no receiver and receivers cannot make streams.
    #[oai(path = "/.well-known/ssf-configuration/oidc", method = "get", operation_id = "ssfConfiguration")]
    async fn ssf_configuration(&self, request: &Request) -> Result<Document<Transmitter>, Refused> {
        let none = || OAuthError::not_found("no receiver").saying("This server sends no shared signals.");
        Ok(Document::of(self.signals.as_ref().ok_or_else(none)?, request.headers(), &CACHE))
    }

    /// Public keys (RFC 7517)
    #[oai(path = "/oidc/jwks", method = "get", operation_id = "jwks")]
    async fn jwks(&self, request: &Request) -> Result<Document<Keys>, Refused> {
        let keys = self.server.app.keys.current().await?;
        Ok(Document::of(&keys.document, request.headers(), &self.keys_cached))
    }
}

impl Discovery {
    pub fn new(server: &Server) -> Self {
        let mut metadata = discovery::document(&server.app.endpoints, server.app.policy());
        discovery::add_types(&mut metadata, &server.app.details);
        for (member, page) in &server.app.config.pages {
            metadata[*member] = page.as_str().into();
        }
        let seconds = server.app.jwks_max_age().0;
        // A number between words is always a header's value.
        let keys_cached = HeaderValue::try_from(format!("public, max-age={seconds}")).unwrap_or(CACHE);
        let endpoints = &server.app.endpoints;
        let are_managed = server.app.config.signal_streams;
        let sends = are_managed || server.app.config.feeds.iter().any(|feed| feed.receiver.is_some());
        let signals = sends.then(|| Published::json(&signals::configuration(&endpoints.issuer, &endpoints.jwks, are_managed)));
        Self { server: server.clone(), metadata: Published::json(&metadata), keys_cached, signals }
    }
}
