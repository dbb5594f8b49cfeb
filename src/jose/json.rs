//! JSON whose objects name each member once.
//!
//! | Rule | Source |
//! |---|---|
//! | header parameter names are unique | RFC 7515 §4 |
//! | claim names are unique | RFC 7519 §4 |
//! | member names of a JWK and of a JWK Set are unique | RFC 7517 §4, §5 |
//!
//! Two readers that pick different copies of a repeated member disagree about what was signed, so a repeat is an error
//! at any depth. `serde_json` alone keeps the last one. Depth is bounded by `serde_json` (128).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are not a JSON object fit for JOSE. Says nothing of their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("not valid JSON, or an object names a member twice")]
    Invalid,
    #[error("not a JSON object")]
    NotAnObject,
}

/// Reads one JSON object and nothing after it. The caller bounds the bytes.
///
/// # Errors
/// Which of the two it is not.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Unique.deserialize(&mut deserializer).map_err(|_| JsonError::Invalid)?;
    deserializer.end().map_err(|_| JsonError::Invalid)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::NotAnObject),
    }
}

struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Unique)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Unique)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("repeated member"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7515_4_a_repeated_member_is_refused_at_any_depth_and_spelling() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":[{"b":1,"b":2}]}"#, "{\"a\":1,\"\\u0061\":2}"] {
            assert_eq!(object(text.as_bytes()), Err(JsonError::Invalid), "{text}");
        }
    }

    #[test]
    fn only_one_whole_object_passes() {
        for text in ["", "{", "{} {}", "{}x", "{\"a\":1e999}", "\u{feff}{}"] {
            assert_eq!(object(text.as_bytes()), Err(JsonError::Invalid), "{text}");
        }
        assert_eq!(object(b"[]"), Err(JsonError::NotAnObject));
        assert_eq!(object(&[b'{', b'"', 0xff, b'"', b':', b'1', b'}']), Err(JsonError::Invalid));
        assert_eq!(object("[".repeat(100_000).as_bytes()), Err(JsonError::Invalid));
        assert_eq!(object(b" {\"a\":[1,-2,0.5,null,true,\"x\"]} ").unwrap().len(), 1);
    }
}
