//! The correlation id of a request, its span, and one line when it is answered.
//!
//! | Rule | Source |
//! |---|---|
//! | every request has an id of ours; one from outside is not believed | DESIGN.md §4 `correlation` |
//! | the line has method, path pattern, status and duration; never a query, body, or the path that was typed | DESIGN.md §1 rule 7 |
//!
//! Out of scope: where lines go (`cli`).

use std::fmt;
use std::sync::Arc;

use poem::http::{HeaderName, HeaderValue, Method};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};
use tracing::Instrument;
use uuid::Uuid;

use super::requests::Requests;
use super::surface::Surface;

/// The id of a request; request data of every request behind [`RequestIds`], and the header `X-Request-Id` of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(formatter)
    }
}

/// The middleware. Ids come from the caller: randomness and time are values.
#[derive(Clone)]
pub struct RequestIds {
    pub surface: Arc<Surface>,
    pub generate: Arc<dyn Fn() -> Uuid + Send + Sync>,
    pub requests: Arc<Requests>,
}

impl<E: Endpoint> Middleware<E> for RequestIds {
    type Output = RequestIdsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequestIdsEndpoint { inner, given: self.clone() }
    }
}

/// See [`RequestIds`].
pub struct RequestIdsEndpoint<E> {
    inner: E,
    given: RequestIds,
}

impl<E: Endpoint> Endpoint for RequestIdsEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let id = RequestId((self.given.generate)());
        let _under_way = self.given.requests.begin();
        let route = self.given.surface.route(request.uri().path());
        let method = method(request.method());
        let span = tracing::info_span!("request", %id, method, path = route.as_deref().unwrap_or("unknown"));
        request.set_data(id);
        let started = tokio::time::Instant::now();
        let mut response = match self.inner.call(request).instrument(span.clone()).await {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_response(),
        };
        let (status, took) = (response.status().as_u16(), started.elapsed());
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        span.in_scope(|| tracing::debug!(target: "chancery::access", status, milliseconds, "answered"));
        self.given.requests.answered(route, method, status, took);
        if let Ok(value) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
        }
        Ok(response)
    }
}

/// A method that nobody registered was made up by the caller, and stays out of the log.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use poem::test::TestClient;
    use poem::{EndpointExt, Route, handler};
    use tracing::instrument::WithSubscriber;

    use super::super::surface::Kind;
    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[handler]
    fn shows(request: &Request) -> String {
        tracing::info!("inside");
        request.data::<RequestId>().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_request_has_an_id_and_one_line_without_what_the_caller_chose() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone()).finish();
        let surface = Arc::new(Surface::new().at("/clients/{id}", Kind::Api, &[Method::GET]));
        let (id, requests) = (Uuid::from_u128(7), Arc::<Requests>::default());
        let routes =
            Route::new().at("/clients/:id", shows).with(RequestIds { surface, generate: Arc::new(move || id), requests: requests.clone() });
        let client = TestClient::new(routes);
        async {
            let answer = client.get("/clients/hidden-1?code=hidden-2").header("x-request-id", "hidden-3").body("hidden-4").send().await;
            answer.assert_header("x-request-id", id.to_string());
            answer.assert_text(id.to_string()).await;
            client.get("/hidden-5").send().await.assert_status(poem::http::StatusCode::NOT_FOUND);
        }
        .with_subscriber(subscriber)
        .await;
        // The same in numbers: by pattern, never by what was typed.
        let (counted, under_way) = requests.look();
        let told: Vec<_> = counted.iter().map(|((route, method, status), own)| (route.as_deref(), *method, *status, own.count)).collect();
        assert_eq!((told, under_way), (vec![(None, "GET", 404, 1), (Some("/clients/{id}"), "GET", 200, 1)], 0));
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("hidden"), "{text}");
        assert_eq!(text.matches("\"message\":\"answered\"").count(), 2, "{text}");
        assert!(text.contains("/clients/{id}") && text.contains("\"status\":200") && text.contains(&id.to_string()), "{text}");
    }
}
