//! The HTTP interface of a witness.
//!
//! | Path | Answers | Source |
//! |---|---|---|
//! | `POST /add-checkpoint` | 200 with signature lines; 400, 403, 404, 409 with the size, 422 | C2SP tlog-witness, add-checkpoint |
//! | `GET /<origin hash>/checkpoint` | the last cosigned checkpoint, or 404 | the same, monitor retrieval |
//!
//! Plain text: the client is a program of the log. Integrity is in the signatures, so TLS is left to whatever stands in front.

use std::sync::Arc;

use poem::http::{Method, StatusCode, header};
use poem::{Body, Endpoint, Request, Response, Result};

use super::limits;
use crate::app::clock::Clock;
use crate::app::witness::{MOST_BYTES, Refusal, Witness};

/// Content type of a size (C2SP tlog-witness).
const SIZE: &str = "text/x.tlog.size";
const TEXT: &str = "text/plain; charset=utf-8";

/// Every route of a witness.
pub struct Routes {
    pub witness: Arc<Witness>,
    pub clock: Clock,
}

impl Endpoint for Routes {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let path = request.uri().path().to_owned();
        Ok(match (request.method(), path.as_str()) {
            (&Method::POST, "/add-checkpoint") => self.add_checkpoint(request.take_body()).await,
            (_, "/add-checkpoint") => not_allowed("POST"),
            (method, path) => match path.strip_prefix('/').and_then(|rest| rest.strip_suffix("/checkpoint")) {
                Some(_) if method != Method::GET && method != Method::HEAD => not_allowed("GET, HEAD"),
                Some(hash) => match self.witness.checkpoint(hash) {
                    Some(note) => Response::builder().content_type(TEXT).header(header::CACHE_CONTROL, "no-cache").body(note),
                    None => text(StatusCode::NOT_FOUND, "this witness has cosigned no such log"),
                },
                None => text(StatusCode::NOT_FOUND, "no such path"),
            },
        })
    }
}

impl Routes {
    async fn add_checkpoint(&self, body: Body) -> Response {
        let Ok(body) = limits::read_bounded(body, MOST_BYTES).await else {
            return text(StatusCode::BAD_REQUEST, "the body is too large or broken off");
        };
        let now = u64::try_from(self.clock.now_ms() / 1000).unwrap_or(0);
        let witness = self.witness.clone();
        // Writing the state to the disk blocks.
        let outcome = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now)).await;
        match outcome.unwrap_or_else(|_| Err(Refusal::State("interrupted".to_owned()))) {
            Ok(lines) => text(StatusCode::OK, &lines),
            Err(refusal) => refused(&refusal),
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::Untrusted => StatusCode::FORBIDDEN,
        Refusal::UnknownLog => StatusCode::NOT_FOUND,
        Refusal::Conflict(size) => {
            return Response::builder().status(StatusCode::CONFLICT).content_type(SIZE).body(format!("{size}\n"));
        }
        Refusal::Inconsistent(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::State(why) => {
            tracing::error!(why, "a checkpoint was not cosigned");
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the state cannot be written");
        }
    };
    tracing::warn!(%refusal, "a checkpoint was not cosigned");
    text(status, &refusal.to_string())
}

fn text(status: StatusCode, body: &str) -> Response {
    let body = if body.ends_with('\n') { body.to_owned() } else { format!("{body}\n") };
    Response::builder().status(status).content_type(TEXT).body(body)
}

fn not_allowed(allow: &'static str) -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "another method");
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allow));
    response
}
