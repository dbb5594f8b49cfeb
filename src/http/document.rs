//! An answer that is the same for everybody: bytes made before, with an entity tag, so that a caller who has them gets 304.
//!
//! | Rule | Source |
//! |---|---|
//! | a caller whose `If-None-Match` names the tag gets 304 without a body | RFC 9110 §13.1.2, §15.4.5 |
//! | the 304 carries what the 200 would: tag and Cache-Control | RFC 9110 §15.4.5 |

use std::marker::PhantomData;

use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};

use super::reply::{self, Describe};
use crate::app::published::Published;

/// A published document described by `D`, or that the caller has it already.
pub struct Document<D> {
    published: Published,
    known: bool,
    cache_control: HeaderValue,
    described: PhantomData<D>,
}

impl<D: Describe> Document<D> {
    pub fn of(published: &Published, sent: &HeaderMap, cache_control: &HeaderValue) -> Self {
        let mut tags = sent.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let known = tags.any(|tags| published.is_known(tags));
        Self { published: published.clone(), known, cache_control: cache_control.clone(), described: PhantomData }
    }
}

impl<D: Describe + Send> IntoResponse for Document<D> {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        if self.known {
            response.set_status(StatusCode::NOT_MODIFIED);
        } else {
            response.set_body(Body::from(self.published.body));
        }
        let headers = response.headers_mut();
        if !self.known {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(header::CACHE_CONTROL, self.cache_control);
        // base64url between quotes is always a header's value.
        headers.extend(HeaderValue::try_from(self.published.etag).ok().map(|etag| (header::ETAG, etag)));
        response
    }
}

impl<D: Describe> ApiResponse for Document<D> {
    fn meta() -> MetaResponses {
        let unchanged = MetaResponse {
            description: "The caller has it already (If-None-Match).",
            status: Some(304),
            status_range: None,
            content: Vec::new(),
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![reply::described::<D>(), unchanged] }
    }

    fn register(_: &mut Registry) {}
}
