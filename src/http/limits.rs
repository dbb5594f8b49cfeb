//! Every timeout and size of the HTTP layer in one place, the deadline of a request, and the bounded body.
//!
//! | Rule | Source |
//! |---|---|
//! | a request that is not answered in time is 503 `temporarily_unavailable` | DESIGN.md §1 rule 1 |
//! | a body over the limit is 413, also when it is chunked | RFC 9110 §15.5.14 |
//! | header fields over the limit are 431 | RFC 6585 §5 |
//!
//! Out of scope: how often somebody may ask (`rate_limit`).

use std::time::Duration;

use bytes::Bytes;
use chancery_core::error::OAuthError;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use poem::{Body, Endpoint, IntoResponse, Middleware, Request, RequestBody, Response, Result};

use super::error::Refused;

/// Longest time from a request's head to its answer's head. Longer than a hashed login behind a full queue (about 10 s), shorter than
/// the 30 s after which most clients and proxies give up, so that they read our 503 and not their own.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(15);

/// Largest body. A token request with a signed assertion stays below 8 KiB, a pushed request object below 32 KiB.
pub const BODY: usize = 64 * 1024;

/// Largest registration body: 24 KiB, because the metadata goes into an event, and an event holds at most 60 KiB.
pub const REGISTRATION_BODY: usize = 24 * 1024;

/// Most parameters of one form or query; the longest real request (OIDC with PAR and RAR) has fewer than 40.
pub const PARAMETERS: usize = 100;

/// Deepest nesting of a JSON body; claims requests and key sets need 6.
pub const JSON_DEPTH: usize = 16;

/// Largest request head (line and fields); a big query of 8 KiB plus cookies fits.
pub const HEAD: usize = 32 * 1024;

/// Most header fields; browsers behind proxies send about 40.
pub const HEADER_FIELDS: usize = 100;

/// Most cookies looked at: everything on one host shares them, and hostile neighbours may set many.
pub const COOKIES: usize = 64;

/// What one connection may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at the same time, over all listeners; above it new ones wait in the kernel's queue.
    pub connections: usize,
    /// From TCP accept to the end of the TLS handshake. Two round trips, so 3 s suffice on any link.
    pub handshake: Duration,
    /// From the first byte of a head to its end (slowloris), and from the handshake to the first head.
    pub head: Duration,
    /// Between two requests. Longer than the 60 s for which proxies keep theirs, so that they close first and never race us.
    pub idle: Duration,
    /// A request or answer that makes no progress at all. Longer than the request deadline; a live tail sends a comment every 15 s.
    pub stall: Duration,
    /// From the signal to stop to the end of the process: in-flight requests may finish up to their deadline.
    pub drain: Duration,
    /// HTTP/2 streams of one connection.
    pub streams: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(3),
            head: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(45),
            drain: REQUEST_DEADLINE.saturating_add(Duration::from_secs(2)),
            streams: 100,
        }
    }
}

/// Ends a request that is not answered in time. It covers reading the body, so a body that was announced and never sent ends here.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Duration);

impl Default for Deadline {
    fn default() -> Self {
        Self(REQUEST_DEADLINE)
    }
}

impl<E: Endpoint> Middleware<E> for Deadline {
    type Output = DeadlineEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        DeadlineEndpoint { inner, deadline: self.0 }
    }
}

/// See [`Deadline`].
pub struct DeadlineEndpoint<E> {
    inner: E,
    deadline: Duration,
}

impl<E: Endpoint> Endpoint for DeadlineEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        match tokio::time::timeout(self.deadline, self.inner.call(request)).await {
            Ok(answer) => answer.map(IntoResponse::into_response),
            Err(_) => Err(Refused::from(OAuthError::temporarily_unavailable("request deadline passed")).into()),
        }
    }
}

/// Reads the body, at most `limit` bytes of it. A body that announces more is refused before a byte of it is read.
///
/// Errors: `payload_too_large`; `invalid_request` when the body breaks off.
pub async fn read_body(request: &Request, body: &mut RequestBody, limit: usize) -> Result<Bytes, Refused> {
    let announced = request.header("content-length").and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let body = body.take().map_err(|_| OAuthError::server_error("the body was read twice"))?;
    read_bounded(body, limit).await
}

/// Reads a body that announces nothing, at most `limit` bytes of it.
///
/// Frame by frame: poem's own reading keeps a buffer of 4 KiB in the future of every handler, and each layer moves that future.
///
/// Errors: as [`read_body`].
pub async fn read_bounded(body: Body, limit: usize) -> Result<Bytes, Refused> {
    match Limited::new(BoxBody::from(body), limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(_) => Err(OAuthError::invalid_request("the body broke off").saying("The request body is incomplete.").into()),
    }
}

fn too_large(limit: usize) -> Refused {
    OAuthError::payload_too_large("body over the limit").saying(format!("The request body is larger than {} KiB.", limit / 1024)).into()
}

#[cfg(test)]
mod tests {
    use poem::http::StatusCode;
    use poem::test::TestClient;
    use poem::{Body, EndpointExt, handler};

    use super::*;

    #[handler]
    async fn never() -> &'static str {
        std::future::pending().await
    }

    #[handler]
    async fn length(request: &Request, body: Body) -> Result<String> {
        Ok(read_body(request, &mut RequestBody::new(body), BODY).await?.len().to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_not_answered_in_time_is_503() {
        let answer = TestClient::new(never.with(Deadline::default())).get("/").send().await;
        answer.assert_status(StatusCode::SERVICE_UNAVAILABLE);
        answer.assert_header("retry-after", "5");
    }

    #[tokio::test]
    async fn a_body_is_bounded_with_and_without_content_length() {
        let client = TestClient::new(length);
        client.post("/").body(vec![b'a'; BODY]).send().await.assert_text(BODY.to_string()).await;
        client.post("/").body(vec![b'a'; BODY + 1]).send().await.assert_status(StatusCode::PAYLOAD_TOO_LARGE);
        client.post("/").header("content-length", "99999999").body("a").send().await.assert_status(StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn the_defaults_fit_each_other() {
        let limits = ConnectionLimits::default();
        assert!(limits.stall > REQUEST_DEADLINE && limits.drain > REQUEST_DEADLINE && limits.handshake < limits.idle);
    }
}
