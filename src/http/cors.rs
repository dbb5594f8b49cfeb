//! Which scripts of other origins may read an answer.
//!
//! | Rule | Source |
//! |---|---|
//! | the preflight of public and protocol endpoints is always answered | FEATURES.md §9; Fetch, "CORS-preflight fetch" |
//! | discovery and keys allow `*` | FEATURES.md §9 |
//! | other protocol endpoints allow the Origin of the client that was answered, or of `ALLOWED_ORIGINS` | FEATURES.md §9 |
//! | a mismatch omits the header, and is never a 403 | FEATURES.md §9 |
//! | never credentials | RFC 9700 §2.6 |
//!
//! Out of scope: same-origin checks of our own forms (`csrf`). Pages, logout and `/auth/*` have no CORS at all.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::surface::{Kind, Surface};

/// The client that an answer is for; a handler puts it on the response (`set_data`) or the refusal (`for_client`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredClient(pub String);

/// Whether the origin (second) is one of the client's (first).
pub type OriginOf = Arc<dyn Fn(AnsweredClient, String) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What a script may send, and read, beyond the safe lists of Fetch.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, DPoP, OAuth-Client-Attestation, OAuth-Client-Attestation-PoP";
const RESPONSE_HEADERS: &str = "WWW-Authenticate, DPoP-Nonce, OAuth-Client-Attestation-Challenge, Retry-After";

/// How long a browser may remember a preflight: ten minutes, Chromium's limit is two hours.
const PREFLIGHT_SECONDS: &str = "600";

/// The middleware.
#[derive(Clone)]
pub struct Cors {
    pub surface: Arc<Surface>,
    /// `ALLOWED_ORIGINS`, serialised as browsers do (`https://app.example`).
    pub allowed: Arc<BTreeSet<String>>,
    pub origin_of: OriginOf,
}

impl<E: Endpoint> Middleware<E> for Cors {
    type Output = CorsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        CorsEndpoint { inner, cors: self.clone() }
    }
}

/// See [`Cors`].
pub struct CorsEndpoint<E> {
    inner: E,
    cors: Cors,
}

impl<E: Endpoint> Endpoint for CorsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let path = request.uri().path();
        let kind = self.cors.surface.kind(path);
        if !matches!(kind, Kind::Public | Kind::Protocol) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        if request.method() == Method::OPTIONS {
            return Ok(preflight(kind, origin, &self.cors.surface.allow(path)));
        }
        let mut response = match self.inner.call(request).await {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_response(),
        };
        let allowed = match (kind, origin) {
            (Kind::Public, _) => Some(HeaderValue::from_static("*")),
            (_, Some(origin)) if self.cors.allows(&origin, response.data::<AnsweredClient>()).await => Some(origin),
            _ => None,
        };
        if let Some(origin) = allowed {
            set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, Some(origin));
            set(&mut response, header::ACCESS_CONTROL_EXPOSE_HEADERS, Some(HeaderValue::from_static(RESPONSE_HEADERS)));
        }
        vary(&mut response, kind);
        Ok(response)
    }
}

impl Cors {
    async fn allows(&self, origin: &HeaderValue, client: Option<&AnsweredClient>) -> bool {
        // `null` is what sandboxed frames and local files send: everybody's, so nobody's.
        let Some(origin) = origin.to_str().ok().filter(|origin| *origin != "null" && origin.len() <= 2048) else { return false };
        if self.allowed.contains(origin) {
            return true;
        }
        match client {
            Some(client) => (self.origin_of)(client.clone(), origin.to_owned()).await,
            None => false,
        }
    }
}

/// A preflight carries no credentials and no client_id, so it cannot be decided by client; the actual answer is.
fn preflight(kind: Kind, origin: Option<HeaderValue>, methods: &str) -> Response {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    let origin = if kind == Kind::Public { Some(HeaderValue::from_static("*")) } else { origin };
    set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::try_from(methods).ok());
    set(&mut response, header::ALLOW, HeaderValue::try_from(methods).ok());
    set(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, Some(HeaderValue::from_static(REQUEST_HEADERS)));
    set(&mut response, header::ACCESS_CONTROL_MAX_AGE, Some(HeaderValue::from_static(PREFLIGHT_SECONDS)));
    vary(&mut response, kind);
    response
}

fn set(response: &mut Response, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        response.headers_mut().insert(name, value);
    }
}

/// Also where the header is omitted: a cache must not hand this answer to another origin.
fn vary(response: &mut Response, kind: Kind) {
    if kind == Kind::Protocol {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

#[cfg(test)]
mod tests {
    use chancery_core::error::OAuthError;
    use poem::test::{TestClient, TestResponse};
    use poem::{EndpointExt, Route, RouteMethod, get, handler};

    use super::super::error::{Errors, Refused};
    use super::*;

    #[handler]
    fn answers() -> Response {
        let mut response = Response::builder().body("{}");
        response.set_data(AnsweredClient("spa".into()));
        response
    }

    #[handler]
    fn refuses() -> Result<(), Refused> {
        Err(Refused::from(OAuthError::invalid_grant("")).for_client(AnsweredClient("spa".into())))
    }

    #[handler]
    fn open() -> &'static str {
        "{}"
    }

    fn client() -> TestClient<impl Endpoint> {
        let surface = Arc::new(
            Surface::new()
                .at("/token", Kind::Protocol, &[Method::POST])
                .at("/refused", Kind::Protocol, &[Method::POST])
                .at("/jwks", Kind::Public, &[Method::GET])
                .at("/page", Kind::Page, &[Method::GET]),
        );
        let origin_of: OriginOf = Arc::new(|client, origin| Box::pin(async move { client.0 == "spa" && origin == "https://spa.example" }));
        let routes = Route::new()
            .at("/token", RouteMethod::new().post(answers))
            .at("/refused", RouteMethod::new().post(refuses))
            .at("/jwks", get(open))
            .at("/page", get(open));
        let allowed = Arc::new(BTreeSet::from(["https://ops.example".to_owned()]));
        let errors = Errors { surface: surface.clone(), page: |_| String::new() };
        TestClient::new(routes.with(errors).with(Cors { surface, allowed, origin_of }))
    }

    async fn send(method: Method, path: &str, origin: &str) -> TestResponse {
        client().request(method, path.to_owned()).header("origin", origin).send().await
    }

    #[tokio::test]
    async fn the_preflight_of_protocol_endpoints_is_always_answered() {
        let answer = send(Method::OPTIONS, "/token", "https://evil.example").await;
        answer.assert_status(StatusCode::NO_CONTENT);
        answer.assert_header(
            "access-control-allow-headers",
            "Authorization, Content-Type, DPoP, OAuth-Client-Attestation, OAuth-Client-Attestation-PoP",
        );
        answer.assert_header("access-control-allow-methods", "OPTIONS, POST");
        answer.assert_header("vary", "Origin");
        send(Method::OPTIONS, "/page", "https://spa.example").await.assert_header_is_not_exist("access-control-allow-origin");
    }

    #[tokio::test]
    async fn an_answer_may_be_read_by_its_client_and_the_operators_origins() {
        for path in ["/token", "/refused"] {
            for origin in ["https://spa.example", "https://ops.example"] {
                let answer = send(Method::POST, path, origin).await;
                answer.assert_header("access-control-allow-origin", origin);
                answer.assert_header("access-control-expose-headers", RESPONSE_HEADERS);
                answer.assert_header_is_not_exist("access-control-allow-credentials");
            }
        }
    }

    #[tokio::test]
    async fn a_mismatch_omits_the_header_and_is_no_403() {
        for origin in ["https://evil.example", "null", "https://spa.example.evil", ""] {
            let answer = send(Method::POST, "/token", origin).await;
            answer.assert_status_is_ok();
            answer.assert_header_is_not_exist("access-control-allow-origin");
            answer.assert_header("vary", "Origin");
        }
    }

    #[tokio::test]
    async fn discovery_and_keys_are_for_everybody_and_pages_for_nobody() {
        send(Method::GET, "/jwks", "https://any.example").await.assert_header("access-control-allow-origin", "*");
        send(Method::GET, "/page", "https://ops.example").await.assert_header_is_not_exist("access-control-allow-origin");
    }
}
