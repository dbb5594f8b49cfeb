//! The layers around the routes, in the one order that works.
//!
//! | From outside | Because |
//! |---|---|
//! | request id and access line | sees every answer, with its final status |
//! | security headers | also on errors and preflights |
//! | CORS | also on errors; answers preflights before anything else runs |
//! | errors | turns what is thrown below into answers, panics included |
//! | client address | strips what strangers claim before a handler can read it |
//! | client certificate | hands on what TLS or a trusted proxy says, after what strangers claim is gone |
//! | development guard | needs to know whether a proxy forwarded the request |
//! | deadline | its 503 is an error like any other |
//!
//! Out of scope: the routes.

use std::collections::BTreeSet;
use std::sync::Arc;

use poem::{Endpoint, EndpointExt, Response};
use uuid::Uuid;

use super::client_address::{ClientAddresses, TrustedProxies};
use super::client_certificate::ClientCertificates;
use super::cors::{Cors, OriginOf};
use super::development::DevelopmentGuard;
use super::error::{Errors, RenderPage};
use super::headers::SecurityHeaders;
use super::limits::Deadline;
use super::request_id::RequestIds;
use super::requests::Requests;
use super::surface::Surface;

/// What the layers need to know.
#[derive(Clone)]
pub struct Stack {
    pub surface: Arc<Surface>,
    /// Whether the issuer is https.
    pub https: bool,
    pub allowed_origins: Arc<BTreeSet<String>>,
    pub origin_of: OriginOf,
    pub error_page: RenderPage,
    pub trusted_proxies: Arc<TrustedProxies>,
    pub certificates: ClientCertificates,
    pub deadline: Deadline,
    pub development: DevelopmentGuard,
    /// Makes request ids (UUIDv7).
    pub generate_id: Arc<dyn Fn() -> Uuid + Send + Sync>,
    pub requests: Arc<Requests>,
}

impl Stack {
    /// Puts the layers around the routes.
    pub fn around<E: Endpoint + 'static>(self, routes: E) -> impl Endpoint<Output = Response> + 'static {
        let Self {
            surface,
            https,
            allowed_origins,
            origin_of,
            error_page,
            trusted_proxies,
            certificates,
            deadline,
            development,
            generate_id,
            requests,
        } = self;
        routes
            .with(deadline)
            .with(development)
            .with(certificates)
            .with(ClientAddresses { trusted: trusted_proxies })
            .with(Errors { surface: surface.clone(), page: error_page })
            .with(Cors { surface: surface.clone(), allowed: allowed_origins, origin_of })
            .with(SecurityHeaders { surface: surface.clone(), https })
            .with(RequestIds { surface, generate: generate_id, requests })
    }
}

#[cfg(test)]
mod tests {
    use chancery_core::error::OAuthError;
    use poem::http::{HeaderName, HeaderValue, Method, StatusCode};
    use poem::test::TestClient;
    use poem::web::Path;
    use poem::{Route, RouteMethod, get, handler};
    use proptest::prelude::*;

    use super::super::client_address::ClientAddress;
    use super::super::cookies::{CookieKeys, Cookies};
    use super::super::csrf::is_same_origin;
    use super::super::error::Refused;
    use super::super::form::{FormParams, QueryParams};
    use super::super::surface::Kind;
    use super::*;

    #[handler]
    fn token(FormParams(form): FormParams) -> Result<String, Refused> {
        match form.get("grant_type") {
            Some("panic") => panic!("on purpose"),
            Some(other) => Ok(other.to_owned()),
            None => Err(OAuthError::invalid_request("no grant_type").into()),
        }
    }

    #[handler]
    fn page(request: &poem::Request, QueryParams(query): QueryParams, Path(id): Path<String>) -> String {
        let cookies = Cookies::new(CookieKeys::derive(&["k"]).unwrap(), true);
        let cookie = cookies.get(request.headers(), "s", 0).is_some();
        let address = request.data::<ClientAddress>().is_some();
        format!("{} {} {cookie} {address} {}", id.len(), query.len(), is_same_origin(request.headers(), "https://id.example"))
    }

    fn client() -> TestClient<impl Endpoint> {
        let surface = Surface::new().at("/token", Kind::Protocol, &[Method::POST]).at("/page/:id", Kind::Page, &[Method::GET]);
        let stack = Stack {
            surface: Arc::new(surface),
            https: true,
            allowed_origins: Arc::new(BTreeSet::new()),
            origin_of: Arc::new(|_, _| Box::pin(async { false })),
            error_page: |view| format!("<h1>{}</h1><p>{}", view.code, view.reference.unwrap_or("-")),
            trusted_proxies: Arc::default(),
            certificates: ClientCertificates::default(),
            deadline: Deadline::default(),
            development: DevelopmentGuard::default(),
            generate_id: Arc::new(|| Uuid::from_u128(1)),
            requests: Arc::default(),
        };
        TestClient::new(stack.around(Route::new().at("/token", RouteMethod::new().post(token)).at("/page/:id", get(page))))
    }

    #[tokio::test]
    async fn a_fault_has_reference_headers_and_no_detail() {
        let answer = client().post("/token").content_type("application/x-www-form-urlencoded").body("grant_type=panic").send().await;
        answer.assert_status(StatusCode::INTERNAL_SERVER_ERROR);
        for name in ["x-request-id", "content-security-policy", "vary", "strict-transport-security"] {
            answer.assert_header_exist(name);
        }
        let text = answer.0.into_body().into_string().await.unwrap();
        assert!(text.contains(&format!("Reference: {}", Uuid::from_u128(1))) && !text.contains("purpose"), "{text}");
    }

    #[tokio::test]
    async fn rfc6749_5_2_the_token_endpoint_answers_json_to_everybody() {
        // What an old Java client asks for: text/html first.
        let accept = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
        for (request, status) in [
            (client().post("/token").body("x"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (client().get("/token"), StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let answer = request.header("accept", accept).send().await;
            answer.assert_status(status);
            answer.assert_content_type("application/json");
        }
        let answer = client().get("/nowhere").header("accept", accept).send().await;
        answer.assert_content_type("text/html; charset=utf-8");
        answer.assert_header("cross-origin-opener-policy", "same-origin");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_header_query_or_body_is_a_fault(
            name in prop::sample::select(vec![
                "accept", "authorization", "cookie", "origin", "content-type", "content-length", "x-forwarded-for", "forwarded",
                "sec-fetch-site", "x-request-id", "access-control-request-method", "host",
            ]),
            value in proptest::collection::vec(any::<u8>().prop_map(|byte| if byte < 32 || byte == 127 { b' ' } else { byte }), 0..200),
            query in "[a-z0-9%&=+;/?:@._~!$'()*,-]{0,60}",
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let value = HeaderValue::from_bytes(&value).unwrap();
            let name = HeaderName::from_static(name);
            runtime.block_on(async {
                for request in [client().get(format!("/page/a?{query}")), client().request(Method::OPTIONS, "/token"), client().get("/x")] {
                    let answer = request.header(name.clone(), value.clone()).send().await;
                    assert!(!answer.0.status().is_server_error());
                }
                let client = client();
                let form = client.post("/token").content_type("application/x-www-form-urlencoded").header(name, value);
                assert!(!form.body(body).send().await.0.status().is_server_error());
            });
        }
    }
}
