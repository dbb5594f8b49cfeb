//! The paths that exist, and whom each of them is for.

use poem::http::Method;

use crate::http::surface::{Kind, Surface};

/// Which path is for whom; the methods come from the document.
pub(super) fn surface(specification: &str) -> Surface {
    let mut surface = Surface::new();
    for path in [
        "/oidc/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/oidc",
        "/.well-known/ssf-configuration/oidc",
        "/oidc/jwks",
        "/oidc/challenge",
        "/.well-known/openid-credential-issuer/oidc",
        "/.well-known/jwt-vc-issuer/oidc",
        "/oidc/credential/nonce",
        "/oidc/credential/offer/{code}",
    ] {
        surface = surface.at(path, Kind::Public, &[]);
    }
    for path in
        ["/oidc/token", "/oidc/userinfo", "/oidc/revocation", "/oidc/par", "/oidc/device/auth", "/oidc/backchannel", "/oidc/credential"]
    {
        surface = surface.at(path, Kind::Protocol, &[]);
    }
    for path in [
        "/oidc/introspection",
        "/oidc/reg",
        "/oidc/reg/{client_id}",
        "/oidc/ssf/stream",
        "/oidc/ssf/status",
        "/oidc/ssf/verification",
        "/oidc/ssf/poll/{stream_id}",
        "/oidc/backchannel/requests",
        "/oidc/backchannel/requests/{request_id}",
        "/clients",
        "/clients/{client_id}",
        "/accounts/{account_id}",
        "/accounts/{account_id}/erasure",
        "/auth/register",
        "/auth/login",
        "/audit/events",
        "/audit/checkpoint",
        "/audit/proof/{position}",
        "/audit/consistency",
        "/audit/events/{position}",
        "/audit/streams/{stream}",
        "/audit/introspect",
        "/audit/tokens/{id}",
        "/audit/diff",
        "/health/live",
        "/health/ready",
        "/metrics",
    ] {
        surface = surface.at(path, Kind::Api, &[]);
    }
    surface = surface.at("/audit/tile/*", Kind::Api, &[Method::GET]);
    surface.with_openapi(specification).at("/docs", Kind::Docs, &[Method::GET]).at("/docs/*", Kind::Docs, &[Method::GET]).at(
        "/openapi.json",
        Kind::Api,
        &[Method::GET],
    )
}
