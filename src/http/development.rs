//! Development mode trusts everybody who reaches it, so it makes sure that only this machine does.
//!
//! | Rule | Source |
//! |---|---|
//! | the Host is the issuer's authority: a foreign page that rebinds its name to loopback is refused | FEATURES.md §9 (DNS rebinding) |
//! | no forwarding headers: a proxy in front means that strangers can come in | FEATURES.md §9 |
//!
//! Health stays reachable under every name. Out of scope: which mode it is (`config::mode`).

use std::sync::Arc;

use chancery_core::error::OAuthError;
use poem::http::header;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::client_address::HadForeignForwarding;
use super::error::Refused;

/// The middleware; without an authority it lets everything pass (production).
#[derive(Clone, Default)]
pub struct DevelopmentGuard {
    /// `localhost:3000`.
    pub authority: Option<Arc<str>>,
    /// The same at the listener for client certificates.
    pub other: Option<Arc<str>>,
}

impl<E: Endpoint> Middleware<E> for DevelopmentGuard {
    type Output = DevelopmentGuardEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        DevelopmentGuardEndpoint { inner, guard: self.clone() }
    }
}

/// See [`DevelopmentGuard`].
pub struct DevelopmentGuardEndpoint<E> {
    inner: E,
    guard: DevelopmentGuard,
}

impl<E: Endpoint> Endpoint for DevelopmentGuardEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if let Some(authority) = &self.guard.authority
            && !request.uri().path().starts_with("/health/")
        {
            check(&request, authority, self.guard.other.as_deref()).map_err(Refused::from)?;
        }
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

fn check(request: &Request, authority: &str, other: Option<&str>) -> Result<(), OAuthError> {
    let host = request.uri().authority().map(ToString::to_string);
    let host = host.or_else(|| request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).map(str::to_owned));
    let is_ours = |host: String| [Some(authority), other].into_iter().flatten().any(|own| host.eq_ignore_ascii_case(own));
    if !host.is_some_and(is_ours) {
        let sentence = format!(
            "This server is in development mode and answers only as {authority}; use that address, or set OIDC_ISSUER to the one you want."
        );
        return Err(OAuthError::invalid_request("another Host in development").saying(sentence));
    }
    if request.data::<HadForeignForwarding>().is_some_and(|had| had.0) {
        let sentence = "This server is in development mode and refuses requests that a proxy forwarded; set OIDC_ISSUER to your https address for production.";
        return Err(OAuthError::invalid_request("forwarded request in development").saying(sentence));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use poem::http::StatusCode;
    use poem::test::TestClient;
    use poem::{EndpointExt, Route, get, handler};

    use super::super::client_address::ClientAddresses;
    use super::*;

    #[handler]
    fn fine() -> &'static str {
        "fine"
    }

    async fn status(authority: Option<&str>, path: &str, headers: &[(&'static str, &str)]) -> StatusCode {
        let guard = DevelopmentGuard { authority: authority.map(Into::into), other: None };
        let routes = Route::new().at("/x", get(fine)).at("/health/live", get(fine)).with(guard).with(ClientAddresses::default());
        let client = TestClient::new(routes);
        let mut request = client.get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.0.status()
    }

    #[tokio::test]
    async fn only_the_issuers_own_host_is_answered_in_development() {
        let own = Some("localhost:3000");
        assert_eq!(status(own, "/x", &[("host", "LOCALHOST:3000")]).await, StatusCode::OK);
        for host in ["evil.example:3000", "localhost", "127.0.0.1:3000", ""] {
            assert_eq!(status(own, "/x", &[("host", host)]).await, StatusCode::BAD_REQUEST, "{host}");
        }
        assert_eq!(status(own, "/x", &[]).await, StatusCode::BAD_REQUEST);
        assert_eq!(status(own, "/health/live", &[("host", "evil.example")]).await, StatusCode::OK);
        assert_eq!(status(None, "/x", &[("host", "evil.example")]).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_forwarded_request_is_refused_in_development() {
        let forwarded = [("host", "localhost:3000"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(status(Some("localhost:3000"), "/x", &forwarded).await, StatusCode::BAD_REQUEST);
        assert_eq!(status(None, "/x", &forwarded).await, StatusCode::OK);
    }
}
