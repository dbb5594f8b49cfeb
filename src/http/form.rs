//! Form bodies and query strings as extractors: raw for rules, typed for the OpenAPI document.
//!
//! | Type | What it is |
//! |---|---|
//! | [`FormParams`], [`QueryParams`] | poem extractors of the raw [`Params`] |
//! | [`StrictForm<T>`] | poem-openapi payload; `T` is the schema, and holds `String`, `Option<String>` or `Vec<String>` |
//! | [`StrictQuery<T>`] | poem-openapi query parameter of object schema, exploded |
//! | [`DescribedForm<T>`], [`DescribedQuery<T>`] | the raw parameters; `T` is only what the document says about them |
//!
//! A form is `application/x-www-form-urlencoded` or refused with 415 (RFC 6749 Appendix B); parameters of the media type pass.
//! The rules of the parameters are in [`super::params`].

use std::marker::PhantomData;
use std::ops::Deref;

use chancery_core::error::OAuthError;
use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaParamIn, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::error::Refused;
use super::limits;
use super::params::Params;

/// The media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The raw parameters of a form body.
pub struct FormParams(pub Params);

/// The raw parameters of the query string.
pub struct QueryParams(pub Params);

/// A form body, typed, with the raw parameters beside it.
pub struct StrictForm<T> {
    pub typed: T,
    pub params: Params,
}

/// A form body whose rules read the raw parameters: nothing is made of `T`, whose members are all optional.
pub struct DescribedForm<T> {
    pub params: Params,
    described: PhantomData<fn() -> T>,
}

/// The same in a query string.
pub struct DescribedQuery<T> {
    pub params: Params,
    described: PhantomData<fn() -> T>,
}

/// A query string, typed, with the raw parameters beside it.
pub struct StrictQuery<T> {
    pub typed: T,
    pub params: Params,
}

impl<T> Deref for StrictForm<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.typed
    }
}

impl<T> Deref for StrictQuery<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.typed
    }
}

impl<'a> FromRequest<'a> for FormParams {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        Ok(Self(read_form(request, body).await?))
    }
}

impl<'a> FromRequest<'a> for QueryParams {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(Self(read_query(request)?))
    }
}

impl<T: ParseFromJSON> Payload for StrictForm<T> {
    const CONTENT_TYPE: &'static str = FORM;

    fn check_content_type(content_type: &str) -> bool {
        is_media_type(content_type, FORM)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: ParseFromJSON> ParsePayload for StrictForm<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        let params = read_form(request, body).await?;
        Ok(Self { typed: typed(&params)?, params })
    }
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for StrictForm<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: <Self as Payload>::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        <Self as ParsePayload>::from_request(request, body).await
    }
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for StrictQuery<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(T::schema_ref())
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let params = read_query(request)?;
        Ok(Self { typed: typed(&params)?, params })
    }
}

impl<'a, T: Type> ApiExtractor<'a> for DescribedForm<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: FORM, schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        Ok(Self { params: read_form(request, body).await?, described: PhantomData })
    }
}

impl<'a, T: Type> ApiExtractor<'a> for DescribedQuery<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(T::schema_ref())
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        Ok(Self { params: read_query(request)?, described: PhantomData })
    }
}

async fn read_form(request: &Request, body: &mut RequestBody) -> Result<Params, Refused> {
    expect_media_type(request, FORM)?;
    Ok(Params::parse(&limits::read_body(request, body, limits::BODY).await?)?)
}

fn read_query(request: &Request) -> Result<Params, Refused> {
    Ok(Params::parse(request.uri().query().unwrap_or_default().as_bytes())?)
}

/// Refuses with 415 unless the request has exactly one Content-Type, and it is `expected`.
pub(super) fn expect_media_type(request: &Request, expected: &str) -> Result<(), OAuthError> {
    let mut sent = request.headers().get_all("content-type").iter();
    match (sent.next().map(|value| value.to_str()), sent.next()) {
        (Some(Ok(one)), None) if is_media_type(one, expected) => Ok(()),
        _ => Err(OAuthError::unsupported_media_type("another Content-Type").saying(format!("Send the body as {expected}."))),
    }
}

fn is_media_type(sent: &str, expected: &str) -> bool {
    sent.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(expected))
}

/// The typed view. The values are strings already, so the only fault a schema of strings can find is an absent one.
fn typed<T: ParseFromJSON>(params: &Params) -> Result<T, Refused> {
    T::parse_from_json(Some(params.to_json())).map_err(|fault| {
        let sentence = match first_missing::<T>(params) {
            Some(name) => format!("The parameter {name} is missing."),
            None => "A parameter is missing or malformed.".to_owned(),
        };
        // The message of the fault quotes values, so it is kept out of the detail.
        drop(fault);
        OAuthError::invalid_request("the form does not fit its schema").saying(sentence).into()
    })
}

fn first_missing<T: Type>(params: &Params) -> Option<&'static str> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let required = match T::schema_ref() {
        MetaSchemaRef::Inline(schema) => schema.required,
        MetaSchemaRef::Reference(name) => registry.schemas.remove(&name)?.required,
    };
    required.into_iter().find(|name| params.get(name).is_none())
}

#[cfg(test)]
mod tests {
    use poem::http::StatusCode;
    use poem::test::TestClient;
    use poem::{EndpointExt, Route, handler};
    use poem_openapi::payload::PlainText;
    use poem_openapi::{Object, OpenApi, OpenApiService};

    use super::*;

    #[derive(Object)]
    struct Token {
        /// What is traded in.
        grant_type: String,
        scope: Option<String>,
        #[oai(default)]
        resource: Vec<String>,
    }

    struct Api;

    #[OpenApi]
    impl Api {
        #[oai(path = "/token", method = "post")]
        async fn token(&self, form: StrictForm<Token>) -> PlainText<String> {
            PlainText(format!("{} {:?} {:?} {:?}", form.grant_type, form.scope, form.resource, form.params.get("x")))
        }

        #[oai(path = "/auth", method = "get")]
        async fn auth(&self, query: StrictQuery<Token>) -> PlainText<String> {
            PlainText(format!("{} {:?} {:?} {}", query.grant_type, query.scope, query.resource, query.params.len()))
        }
    }

    #[handler]
    fn raw(FormParams(form): FormParams, QueryParams(query): QueryParams) -> String {
        format!("{:?} {:?}", form.get("a"), query.get("b"))
    }

    fn client() -> TestClient<impl poem::Endpoint> {
        TestClient::new(Route::new().at("/raw", raw).nest("/", OpenApiService::new(Api, "t", "1")).map_to_response())
    }

    #[tokio::test]
    async fn a_form_is_read_and_unknown_parameters_pass() {
        let body = "grant_type=x&scope=&resource=a&resource=b&x=1";
        for content_type in [FORM, "application/x-www-form-urlencoded; charset=UTF-8", "APPLICATION/X-WWW-FORM-URLENCODED"] {
            let answer = client().post("/token").header("content-type", content_type).body(body).send().await;
            answer.assert_text("x None [\"a\", \"b\"] Some(\"1\")").await;
        }
    }

    #[tokio::test]
    async fn another_media_type_is_415() {
        for content_type in ["application/json", "multipart/form-data; boundary=x", "text/plain", ""] {
            let answer = client().post("/token").header("content-type", content_type).body("grant_type=x").send().await;
            answer.assert_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        client().post("/token").body("grant_type=x").send().await.assert_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let client = client();
        let twice = client.post("/token").header("content-type", FORM).header("content-type", "text/plain").body("grant_type=x");
        twice.send().await.assert_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[tokio::test]
    async fn rfc6749_3_2_a_repeated_or_missing_parameter_is_400_by_name() {
        for (body, sentence) in
            [("grant_type=a&grant_type=b", "The parameter grant_type is repeated."), ("scope=a", "The parameter grant_type is missing.")]
        {
            let answer = client().post("/token").header("content-type", FORM).body(body).send().await;
            answer.assert_status(StatusCode::BAD_REQUEST);
            assert!(answer.0.into_body().into_string().await.unwrap().contains(sentence));
        }
    }

    #[tokio::test]
    async fn rfc6749_3_1_a_query_has_the_same_rules() {
        client().get("/auth?grant_type=x&resource=a&y=1").send().await.assert_text("x None [\"a\"] 3").await;
        client().get("/auth?grant_type=x&y=1&y=2").send().await.assert_status(StatusCode::BAD_REQUEST);
        client().get("/auth?grant_type=%ff").send().await.assert_status(StatusCode::BAD_REQUEST);
        client().get("/auth").send().await.assert_status(StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_large_form_is_413() {
        let body = format!("grant_type={}", "a".repeat(limits::BODY));
        client().post("/token").header("content-type", FORM).body(body).send().await.assert_status(StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn the_raw_extractors_read_both_places() {
        client().post("/raw?b=2").header("content-type", FORM).body("a=1").send().await.assert_text("Some(\"1\") Some(\"2\")").await;
    }

    #[test]
    fn the_document_names_form_and_query() {
        let spec: serde_json::Value = serde_json::from_str(&OpenApiService::new(Api, "t", "1").spec()).unwrap();
        assert!(spec["paths"]["/token"]["post"]["requestBody"]["content"][FORM]["schema"]["$ref"].is_string());
        let query = &spec["paths"]["/auth"]["get"]["parameters"][0];
        assert_eq!((query["in"].as_str(), query["explode"].as_bool()), (Some("query"), Some(true)));
    }
}
