//! The one place where a refusal or fault becomes status, headers and body.
//!
//! | Rule | Source |
//! |---|---|
//! | machines read `{"error","error_description"}`, browsers a page | RFC 6749 §5.2; DESIGN.md §7 |
//! | nothing of it is cached | RFC 6749 §5.1 and §5.2 |
//! | 401 challenges, 405 has Allow, 503 and 429 have Retry-After | RFC 9110 §11.6.1, §15.5.6, §10.2.3 |
//! | input is never echoed; a fault shows a reference, its detail goes to the log | DESIGN.md §7 |
//!
//! A handler returns `Result<_, Refused>`; `?` turns an [`OAuthError`] into it. What poem itself throws is mapped by status.
//! Out of scope: redirected errors (the authorization routes), the look of the page (a function handed in).

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use chancery_core::error::{Code, OAuthError};
use poem::error::ResponseError;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::web::Accept;
use poem::{Endpoint, FromRequest, IntoResponse, Middleware, Request, Response, Result};
use poem_openapi::ApiResponse;
use poem_openapi::error::{ParseParamError, ParsePathError};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};

use super::challenge::Challenge;
pub use super::refused::Refused;
use super::request_id::RequestId;
use super::surface::Surface;

impl ResponseError for Refused {
    fn status(&self) -> StatusCode {
        match (self.refusal.code, self.challenge.as_deref()) {
            // RFC 9449 §7.1: what a client endpoint refuses with 400, a protected resource refuses with 401.
            (Code::InvalidDpopProof | Code::UseDpopNonce, Some(Challenge::Resource { .. })) => StatusCode::UNAUTHORIZED,
            (code, _) => status(code),
        }
    }

    /// Used only where no [`Errors`] stands in front.
    fn as_response(&self) -> Response {
        answer(&Answer { refused: self, status: self.status(), reference: None, allow: None, tried_basic: false }, None)
    }
}

impl ApiResponse for Refused {
    fn meta() -> MetaResponses {
        let text = |description| {
            let schema = MetaSchema { description: Some(description), ..MetaSchema::new("string") };
            MetaSchemaRef::Inline(Box::new(schema))
        };
        let schema = MetaSchema {
            required: vec!["error", "error_description"],
            properties: vec![("error", text("The code.")), ("error_description", text("A sentence that helps."))],
            ..MetaSchema::new("object")
        };
        let content = vec![MetaMediaType { content_type: "application/json", schema: MetaSchemaRef::Inline(Box::new(schema)) }];
        MetaResponses {
            responses: vec![MetaResponse { description: "A refusal.", status: None, status_range: None, content, headers: Vec::new() }],
        }
    }

    fn register(_: &mut Registry) {}
}

/// What an error page shows. Nothing in it was chosen by the caller.
#[derive(Clone, Copy, Debug)]
pub struct ErrorView<'a> {
    pub status: u16,
    pub code: &'a str,
    pub sentence: &'a str,
    /// For faults: what to quote to the operator; the log has it.
    pub reference: Option<&'a str>,
    /// Seconds to wait.
    pub retry_after: Option<u64>,
}

/// Renders an error page; the answer must be whole HTML.
pub type RenderPage = fn(ErrorView<'_>) -> String;

/// The middleware: catches every error and panic behind it.
#[derive(Clone)]
pub struct Errors {
    pub surface: Arc<Surface>,
    pub page: RenderPage,
}

impl<E: Endpoint> Middleware<E> for Errors {
    type Output = ErrorsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ErrorsEndpoint { inner, errors: self.clone() }
    }
}

/// See [`Errors`].
pub struct ErrorsEndpoint<E> {
    inner: E,
    errors: Errors,
}

impl<E: Endpoint> Endpoint for ErrorsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let page = (self.errors.surface.kind(request.uri().path()).has_pages() && prefers_html(&request).await).then_some(self.errors.page);
        let tried_basic = request.header("authorization").is_some_and(|value| {
            value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic ")) || value.eq_ignore_ascii_case("basic")
        });
        let path = request.uri().path().to_owned();
        let id = request.data::<RequestId>().cloned();
        let error = match unpanicked(Box::pin(self.inner.call(request))).await {
            Ok(Ok(response)) => return Ok(response.into_response()),
            Ok(Err(error)) if error.is_from_response() => return Ok(error.into_response()),
            Ok(Err(error)) => error,
            Err(Panicked) => Refused::from(OAuthError::server_error("a handler panicked")).into(),
        };
        let (status, refused) = read(&error);
        let reference = status.is_server_error().then(|| id.map(|id| id.to_string())).flatten();
        let (code, detail) = (refused.refusal.code(), refused.refusal.detail.as_ref());
        match status.as_u16() {
            // 503 is load or an outage, which is logged where it is found; each refused request is not a fault of its own.
            503 => tracing::warn!(code, detail, "unavailable"),
            500.. => tracing::error!(code, detail, reference, "fault"),
            _ => tracing::debug!(code, detail, "refused"),
        }
        let allow = (status == StatusCode::METHOD_NOT_ALLOWED).then(|| self.errors.surface.allow(&path));
        Ok(answer(&Answer { refused: &refused, status, reference: reference.as_deref(), allow, tried_basic }, page))
    }
}

struct Panicked;

/// Polls to the end or to the first panic. A future that panicked is never polled again.
///
/// Boxed: the layers around this one would else hold, and move, all that is below.
async fn unpanicked<F: Future>(mut future: Pin<Box<F>>) -> Result<F::Output, Panicked> {
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(payload) => {
            forget(payload);
            Poll::Ready(Err(Panicked))
        }
    })
    .await
}

/// A payload whose destructor panics would tear down the connection's task.
fn forget(payload: Box<dyn Any + Send>) {
    drop(catch_unwind(AssertUnwindSafe(move || drop(payload))));
}

/// Our refusals as they are; anything else by its status, without its text, which may quote input.
fn read(error: &poem::Error) -> (StatusCode, Refused) {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return (refused.status(), refused.clone());
    }
    let given = error.status();
    let refusal = match given.as_u16() {
        401 => OAuthError::invalid_token("no credentials"),
        403 => OAuthError::access_denied("forbidden"),
        404 => OAuthError::not_found("no route"),
        405 => OAuthError::method_not_allowed("no such method"),
        409 => OAuthError::conflict("conflict"),
        413 => OAuthError::payload_too_large("body over the limit"),
        415 => OAuthError::unsupported_media_type("another Content-Type"),
        429 => OAuthError::slow_down("too many requests"),
        503 => OAuthError::temporarily_unavailable(error.to_string()),
        400..=499 => OAuthError::invalid_request("not parsed").saying(malformed(error)),
        _ => OAuthError::server_error(error.to_string()),
    };
    let status = if given.is_client_error() || given.is_server_error() { given } else { StatusCode::INTERNAL_SERVER_ERROR };
    let refused = Refused::from(refusal);
    if status == StatusCode::UNAUTHORIZED { (status, refused.challenging(Challenge::BearerAbsent)) } else { (status, refused) }
}

/// The names in these two errors are ours (`&'static str`), so they may be shown; their reasons may not.
fn malformed(error: &poem::Error) -> String {
    let name = error.downcast_ref::<ParseParamError>().map(|error| error.name);
    match name.or_else(|| error.downcast_ref::<ParsePathError>().map(|error| error.name)) {
        Some(name) => format!("The parameter {name} is missing or malformed."),
        None => "The request is malformed.".to_owned(),
    }
}

struct Answer<'a> {
    refused: &'a Refused,
    status: StatusCode,
    reference: Option<&'a str>,
    allow: Option<String>,
    tried_basic: bool,
}

fn answer(given: &Answer<'_>, page: Option<RenderPage>) -> Response {
    let refusal = &given.refused.refusal;
    let retry_after = given.refused.retry_after.or(match given.status.as_u16() {
        503 => Some(5),
        429 => Some(60),
        _ => None,
    });
    let view = ErrorView {
        status: given.status.as_u16(),
        code: refusal.code(),
        sentence: &refusal.description,
        reference: given.reference,
        retry_after,
    };
    let mut response = match page {
        Some(render) => Response::builder().content_type("text/html; charset=utf-8").body(render(view)),
        None => Response::builder().content_type("application/json").body(json(view)),
    };
    response.set_status(given.status);
    let challenge = given.refused.challenge.as_deref().cloned().or_else(|| Challenge::of(refusal.code));
    let mut set = |name: HeaderName, value: Option<HeaderValue>| value.map(|value| response.headers_mut().insert(name, value));
    set(header::CACHE_CONTROL, Some(HeaderValue::from_static("no-store")));
    set(header::RETRY_AFTER, retry_after.map(HeaderValue::from));
    let nonce_of = if refusal.code == Code::UseAttestationChallenge { "oauth-client-attestation-challenge" } else { "dpop-nonce" };
    set(HeaderName::from_static(nonce_of), given.refused.nonce.as_ref().and_then(|nonce| HeaderValue::try_from(&**nonce).ok()));
    set(header::ALLOW, given.allow.as_ref().and_then(|allow| HeaderValue::try_from(allow).ok()));
    for value in challenge.into_iter().flat_map(|challenge| challenge.headers(refusal, given.tried_basic)) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, value);
    }
    if let Some(client) = &given.refused.client {
        response.set_data(client.clone());
    }
    response
}

fn json(view: ErrorView<'_>) -> String {
    let description = match view.reference {
        Some(reference) => format!("{} Reference: {reference}", view.sentence),
        None => view.sentence.to_owned(),
    };
    serde_json::json!({ "error": view.code, "error_description": description }).to_string()
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Only a caller that names text/html before JSON is a browser; `*/*` is a script.
async fn prefers_html(request: &Request) -> bool {
    let Ok(Accept(types)) = Accept::from_request_without_body(request).await else { return false };
    types.iter().map(|mime| mime.essence_str()).find(|essence| matches!(*essence, "text/html" | "application/json" | "*/*"))
        == Some("text/html")
}

#[cfg(test)]
mod tests {
    use poem::http::Method;
    use poem::test::{TestClient, TestResponse};
    use poem::{EndpointExt, Route, RouteMethod, get, handler};
    use serde_json::Value;

    use super::super::surface::Kind;
    use super::*;

    #[handler]
    fn refuses() -> Result<(), Refused> {
        Err(OAuthError::invalid_client("secret detail").into())
    }

    #[handler]
    fn panics() {
        panic!("secret detail");
    }

    #[handler]
    fn breaks() -> Result<()> {
        Err(poem::error::InternalServerError(std::io::Error::other("secret detail")))
    }

    #[handler]
    fn unavailable() -> Result<()> {
        Err(Refused::from(OAuthError::temporarily_unavailable("busy")).retry_after(7).into())
    }

    fn client() -> TestClient<impl Endpoint> {
        let surface = Surface::new().at("/token", Kind::Protocol, &[Method::POST]).at("/page", Kind::Page, &[Method::GET]);
        let routes = Route::new()
            .at("/token", RouteMethod::new().post(refuses))
            .at("/page", get(panics))
            .at("/breaks", get(breaks))
            .at("/busy", get(unavailable));
        let page: RenderPage = |view| format!("<h1>{} {} {:?}</h1>", view.code, view.sentence, view.reference);
        TestClient::new(routes.with(Errors { surface: Arc::new(surface), page }))
    }

    async fn body(answer: TestResponse) -> Value {
        answer.assert_content_type("application/json");
        answer.assert_header("cache-control", "no-store");
        let text = answer.0.into_body().into_string().await.unwrap();
        assert!(!text.contains("secret"), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[tokio::test]
    async fn rfc6749_5_2_a_refusal_is_json_and_challenges_basic() {
        let answer = client().post("/token").header("authorization", "bAsIc x").header("accept", "text/html").send().await;
        answer.assert_status(StatusCode::UNAUTHORIZED);
        answer.assert_header("www-authenticate", "Basic realm=\"chancery\", charset=\"UTF-8\"");
        assert_eq!(body(answer).await["error"], "invalid_client");
        client().post("/token").send().await.assert_header_is_not_exist("www-authenticate");
    }

    #[tokio::test]
    async fn rfc9110_15_5_6_a_405_has_allow() {
        let answer = client().get("/token").send().await;
        answer.assert_status(StatusCode::METHOD_NOT_ALLOWED);
        answer.assert_header("allow", "OPTIONS, POST");
        assert_eq!(body(answer).await["error"], "method_not_allowed");
    }

    #[tokio::test]
    async fn a_panic_and_a_fault_are_500_without_detail() {
        for path in ["/page", "/breaks"] {
            let answer = client().get(path).send().await;
            answer.assert_status(StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(body(answer).await["error"], "server_error");
        }
    }

    #[tokio::test]
    async fn a_browser_gets_a_page_and_a_script_gets_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let answer = client().get("/nowhere?x=%3Cscript%3E").header("accept", browser).send().await;
        answer.assert_status(StatusCode::NOT_FOUND);
        answer.assert_content_type("text/html; charset=utf-8");
        answer.assert_text("<h1>not_found There is nothing here. None</h1>").await;
        for accept in ["*/*", "application/json, text/html;q=0.5", "", "garbage;;;q=x"] {
            let answer = client().get("/nowhere").header("accept", accept).send().await;
            assert_eq!(body(answer).await["error"], "not_found", "{accept}");
        }
    }

    #[tokio::test]
    async fn rfc9110_10_2_3_unavailable_says_when_to_come_back() {
        let answer = client().get("/busy").send().await;
        answer.assert_status(StatusCode::SERVICE_UNAVAILABLE);
        answer.assert_header("retry-after", "7");
        assert_eq!(body(answer).await["error"], "temporarily_unavailable");
    }
}
