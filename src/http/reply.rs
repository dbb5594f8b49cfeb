//! A successful JSON answer, with what the OpenAPI document says about it.

use std::marker::PhantomData;

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Request, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use serde::Serialize;

use super::cors::AnsweredClient;
use crate::app::receipt::Receipt;

/// What a document's reader wants to know about an answer.
pub trait Describe {
    const STATUS: u16 = 200;
    const DESCRIPTION: &'static str;
    /// Some callers get it as a signed JWT.
    const MAY_BE_JWT: bool = false;
    /// (member, JSON type, sentence).
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)];
}

/// A JSON answer described by `D`. Never cached unless it says so.
pub struct Reply<D> {
    body: Vec<u8>,
    client: Option<AnsweredClient>,
    cache_control: &'static str,
    receipt: Option<Receipt>,
    nonce: Option<String>,
    media_type: &'static str,
    described: PhantomData<D>,
}

impl<D: Describe> Reply<D> {
    /// An answer with this body. What serialises was built by us; should it not, the answer is an empty object and a test fails.
    pub fn new(body: &impl Serialize) -> Self {
        Self::bytes(serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec()))
    }

    /// An answer that was serialised before.
    pub fn bytes(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            client: None,
            cache_control: "no-store",
            receipt: None,
            nonce: None,
            media_type: "application/json",
            described: PhantomData,
        }
    }

    /// An answer without a body.
    pub fn empty() -> Self {
        Self::bytes(Vec::new())
    }

    /// For a client, whose origins may read it.
    #[must_use]
    pub fn for_client(mut self, client: &str) -> Self {
        self.client = Some(AnsweredClient(client.to_owned()));
        self
    }

    /// With what the client keeps to prove it later.
    #[must_use]
    pub fn with_receipt(mut self, receipt: Option<Receipt>) -> Self {
        self.receipt = receipt;
        self
    }

    /// With the nonce for the next DPoP proof.
    #[must_use]
    pub fn with_nonce(mut self, nonce: Option<String>) -> Self {
        self.nonce = nonce;
        self
    }

    /// A signed JWT, as text.
    pub fn jwt(token: String) -> Self {
        Self { media_type: "application/jwt", ..Self::bytes(token) }
    }

    /// The same of another media type.
    #[must_use]
    pub fn of_type(mut self, media_type: &'static str) -> Self {
        self.media_type = media_type;
        self
    }

    #[must_use]
    pub fn cached(mut self, cache_control: &'static str) -> Self {
        self.cache_control = cache_control;
        self
    }
}

impl<D: Describe + Send> IntoResponse for Reply<D> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(D::STATUS).unwrap_or(StatusCode::OK);
        // RFC 9110 §15.3.5: what has no content has no type.
        let builder = Response::builder().status(status);
        let builder = if self.body.is_empty() { builder } else { builder.content_type(self.media_type) };
        let mut response = builder.body(self.body);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        if let Some(client) = self.client {
            response.set_data(client);
        }
        if let Some(nonce) = self.nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
            response.headers_mut().insert("dpop-nonce", nonce);
        }
        attach(&mut response, self.receipt);
        response
    }
}

/// Does the caller ask for a receipt of this one request? `Chancery-Receipt: ?1`, a structured field (RFC 9651 §3.3.6): for operators' tokens, which no
/// registration stands behind.
pub fn asks_for_receipt(request: &Request) -> bool {
    request.headers().get("chancery-receipt").is_some_and(|value| value.as_bytes().trim_ascii() == b"?1")
}

/// Puts a receipt on a successful answer: `Chancery-Position` and `Chancery-Receipt` (RFC 9651).
pub fn attach(response: &mut Response, receipt: Option<Receipt>) {
    let Some(receipt) = receipt else { return };
    // Base64 and digits only, so it is a value.
    if let Ok(field) = HeaderValue::try_from(receipt.field()) {
        response.headers_mut().insert("chancery-position", HeaderValue::from(receipt.position));
        response.headers_mut().insert("chancery-receipt", field);
    }
}

impl<D: Describe> ApiResponse for Reply<D> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![described::<D>()] }
    }

    fn register(_: &mut Registry) {}
}

/// What the document says about an answer of this kind.
pub fn described<D: Describe>() -> MetaResponse {
    let member = |kind: &'static str, sentence: &'static str| {
        MetaSchemaRef::Inline(Box::new(MetaSchema { description: Some(sentence), ..MetaSchema::new(kind) }))
    };
    let schema = MetaSchema {
        properties: D::MEMBERS.iter().map(|(name, kind, sentence)| (*name, member(kind, sentence))).collect(),
        ..MetaSchema::new("object")
    };
    if D::STATUS == StatusCode::NO_CONTENT.as_u16() {
        let (content, headers) = (Vec::new(), Vec::new());
        return MetaResponse { description: D::DESCRIPTION, status: Some(D::STATUS), status_range: None, content, headers };
    }
    let mut content = vec![MetaMediaType { content_type: "application/json", schema: MetaSchemaRef::Inline(Box::new(schema)) }];
    if D::MAY_BE_JWT {
        let text = MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        content.push(MetaMediaType { content_type: "application/jwt", schema: text });
    }
    MetaResponse { description: D::DESCRIPTION, status: Some(D::STATUS), status_range: None, content, headers: Vec::new() }
}
