//! JSON bodies, parsed strictly.
//!
//! | Rule | Source |
//! |---|---|
//! | `application/json` or 415 | RFC 7591 §3.1 |
//! | UTF-8, one value, no member twice: two parsers must not read two requests | RFC 8259 §4 and §8.1, RFC 7493 §2.3 |
//! | at most 16 levels and [`limits::BODY`] bytes, or what the type says | - |
//! | a wrong type names the field, and never the value | DESIGN.md §7 |
//!
//! Out of scope: what the members mean (`core`).

use std::fmt;
use std::ops::Deref;

use chancery_core::error::OAuthError;
use poem::{Request, RequestBody, Result};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_path_to_error::{Path, Segment};

use super::error::Refused;
use super::form::expect_media_type;
use super::limits;
use super::params::is_showable;

/// The media type of JSON.
pub const JSON: &str = "application/json";

/// A JSON body of at most `LIMIT` bytes. `T` derives poem-openapi's `Object` for the document, and `Deserialize` for reading.
pub struct StrictJson<T, const LIMIT: usize = { limits::BODY }>(pub T);

impl<T, const LIMIT: usize> Deref for StrictJson<T, LIMIT> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Type + DeserializeOwned, const LIMIT: usize> Payload for StrictJson<T, LIMIT> {
    const CONTENT_TYPE: &'static str = JSON;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + DeserializeOwned, const LIMIT: usize> ParsePayload for StrictJson<T, LIMIT> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        expect_media_type(request, JSON).map_err(Refused::from)?;
        let bytes = limits::read_body(request, body, LIMIT).await?;
        Ok(Self(typed(parse(&bytes).map_err(Refused::from)?).map_err(Refused::from)?))
    }
}

impl<'a, T: Type + DeserializeOwned, const LIMIT: usize> ApiExtractor<'a> for StrictJson<T, LIMIT> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: JSON, schema: <Self as Payload>::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        <Self as ParsePayload>::from_request(request, body).await
    }
}

/// Parses one JSON value by the rules above.
///
/// Errors: `invalid_request`.
pub fn parse(bytes: &[u8]) -> Result<Value, OAuthError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: limits::JSON_DEPTH }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|fault| {
        let sentence = match fault.to_string() {
            text if text.starts_with(TWICE) => "A member of the JSON body is repeated.".to_owned(),
            text if text.starts_with(DEEP) => format!("The JSON body is nested deeper than {} levels.", limits::JSON_DEPTH),
            _ => format!("The body is not valid JSON (line {}, column {}).", fault.line(), fault.column()),
        };
        OAuthError::invalid_request("the body is not strict JSON").saying(sentence)
    })
}

/// Reads a value as `T`.
///
/// Errors: `invalid_request`, naming the field.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, OAuthError> {
    // serde would read an array as the fields in their order.
    if !value.is_object() {
        return Err(OAuthError::invalid_request("no object").saying("The JSON body must be an object."));
    }
    serde_path_to_error::deserialize(value).map_err(|fault| {
        let text = fault.inner().to_string();
        // serde's own sentence quotes the field of our type here, not input.
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let sentence = match (missing, showable(fault.path())) {
            (Some(name), Some(path)) if path.is_empty() => format!("The member {name} is missing."),
            (Some(name), Some(path)) => format!("The member {path}.{name} is missing."),
            (None, Some(path)) if !path.is_empty() => format!("The member {path} has a wrong type or value."),
            _ => "A member of the JSON body has a wrong type or value.".to_owned(),
        };
        OAuthError::invalid_request("the body does not fit its schema").saying(sentence)
    })
}

/// The path to a fault. It holds member names that the caller chose where the type has a map, so those must look harmless.
fn showable(path: &Path) -> Option<String> {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } if is_showable(key) => {
                let dot = if text.is_empty() { "" } else { "." };
                text.extend([dot, key.as_str()]);
            }
            Segment::Unknown => break,
            Segment::Map { .. } | Segment::Enum { .. } => return None,
        }
    }
    Some(text)
}

const TWICE: &str = "member twice";
const DEEP: &str = "too deep";

/// Builds a [`Value`] and refuses repeated members, depth, and NUL, which no store can carry.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inside<E: Error>(self) -> Result<Self, E> {
        self.depth.checked_sub(1).map(|depth| Self { depth }).ok_or_else(|| E::custom(DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        if value.contains('\0') { Err(E::custom("NUL")) } else { Ok(Value::from(value)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if name.contains('\0') {
                return Err(A::Error::custom("NUL"));
            }
            let value = members.next_value_seed(inside)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use poem::http::StatusCode;
    use poem::test::TestClient;
    use poem_openapi::payload::PlainText;
    use poem_openapi::{Object, OpenApi, OpenApiService};
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Object, Deserialize)]
    struct Client {
        client_name: String,
        redirect_uris: Vec<String>,
        #[serde(default)]
        #[oai(default)]
        extra: BTreeMap<String, u32>,
    }

    struct Api;

    #[OpenApi]
    impl Api {
        #[oai(path = "/clients", method = "post")]
        async fn create(&self, body: StrictJson<Client, { limits::REGISTRATION_BODY }>) -> PlainText<String> {
            PlainText(format!("{} {:?} {}", body.client_name, body.redirect_uris, body.extra.len()))
        }
    }

    fn sentence(text: &str) -> String {
        parse(text.as_bytes()).and_then(typed::<Client>).map(|_| ()).unwrap_err().description.into_owned()
    }

    #[test]
    fn rfc7493_2_3_a_repeated_member_is_refused_at_any_level() {
        assert!(sentence(r#"{"a":1,"a":2}"#).contains("repeated"));
        assert!(sentence(r#"{"x":[{"a":1,"\u0061":2}]}"#).contains("repeated"));
    }

    #[test]
    fn rfc8259_broken_json_and_depth_are_refused() {
        for broken in ["", "{", "{}x", "{'a':1}", "[1,]", "\u{feff}{}", r#"{"a":1e999}"#, r#"{"a":"\u0000"}"#, r#"{"a":"\ud800"}"#, "NaN"] {
            assert!(sentence(broken).contains("not valid JSON"), "{broken}: {}", sentence(broken));
        }
        assert!(parse(&[0x22, 0xff, 0x22]).is_err());
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(nested(16).as_bytes()).is_ok());
        assert!(sentence(&nested(17)).contains("deeper than 16"));
        assert!(parse(nested(32_000).as_bytes()).is_err());
    }

    #[test]
    fn a_fault_names_the_field_and_not_the_value() {
        assert_eq!(sentence(r#"{"client_name":"hidden"}"#), "The member redirect_uris is missing.");
        assert_eq!(sentence(r#"{"client_name":7,"redirect_uris":[]}"#), "The member client_name has a wrong type or value.");
        let array = sentence(r#"{"client_name":"x","redirect_uris":["a",{"hidden":1}]}"#);
        assert_eq!(array, "The member redirect_uris[1] has a wrong type or value.");
        let chosen = sentence(r#"{"client_name":"x","redirect_uris":[],"extra":{"<b>":"hidden"}}"#);
        assert_eq!(chosen, "A member of the JSON body has a wrong type or value.");
        assert_eq!(sentence(r#"["x",[],{}]"#), "The JSON body must be an object.");
    }

    #[tokio::test]
    async fn rfc7591_3_1_the_body_is_json_of_bounded_size() {
        let client = TestClient::new(OpenApiService::new(Api, "t", "1"));
        let good = r#"{"client_name":"x","redirect_uris":["a"],"unknown":{}}"#;
        let post = |content_type: &str, body: String| client.post("/clients").header("content-type", content_type).body(body);
        post("application/json; charset=utf-8", good.into()).send().await.assert_text("x [\"a\"] 0").await;
        post("text/plain", good.into()).send().await.assert_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        post(JSON, "[]".into()).send().await.assert_status(StatusCode::BAD_REQUEST);
        post(JSON, format!("{good}{}", " ".repeat(24 * 1024))).send().await.assert_status(StatusCode::PAYLOAD_TOO_LARGE);
    }

    proptest! {
        #[test]
        fn any_text_parses_as_others_parse_it_or_is_refused(text in r#"[\[\]{}:,"a0-9.eE\\ u-]{0,40}"#) {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(Some(value), serde_json::from_str::<Value>(&text).ok());
            }
        }
    }
}
