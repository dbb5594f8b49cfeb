//! The parameters of a request on the back channel, one by one.
//!
//! | Rule | Source |
//! |---|---|
//! | exactly one hint says who is asked | CIBA Core §7.1 |
//! | the binding message is short and plain | CIBA Core §7.1 |
//! | a client that is told brings a token for that, with the syntax of a bearer token and 128 bits | CIBA Core §7.1 |
//! | the request context is a JSON object; whether it has to be there, and what is in it, the operator says | FAPI-CIBA §5.2.2, §5.3 |

use alloc::string::{String, ToString};

use serde_json::{Map, Value};

use crate::details::schema::Schema;
use crate::details::words::is_plain;
use crate::error::OAuthError;

/// Characters of a binding message.
pub const LONGEST_MESSAGE: usize = 128;
/// Characters of a `client_notification_token`: the most of CIBA Core §7.1, and the fewest that can hold its 128 bits.
const TOKEN_LENGTH: core::ops::RangeInclusive<usize> = 22..=1024;

/// The one hint that says who is asked (CIBA Core §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint<'a> {
    Login(&'a str),
    IdToken(&'a str),
    /// A JWT of an issuer whom the operator trusts with accounts.
    Token(&'a str),
}

/// Reads the hint.
///
/// # Errors
/// `invalid_request`.
pub fn hint<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Hint<'a>, OAuthError> {
    match (get("login_hint"), get("id_token_hint"), get("login_hint_token")) {
        (Some(text), None, None) => Ok(Hint::Login(text)),
        (None, Some(token), None) => Ok(Hint::IdToken(token)),
        (None, None, Some(token)) => Ok(Hint::Token(token)),
        _ => Err(OAuthError::invalid_request("not one hint").saying("Send exactly one of login_hint, id_token_hint and login_hint_token.")),
    }
}

/// Is it a message that can be shown on two screens? CIBA Core §7.1, §13.
///
/// # Errors
/// `invalid_binding_message`.
pub fn check_message(text: &str) -> Result<(), OAuthError> {
    if text.chars().count() > LONGEST_MESSAGE || !text.chars().all(is_plain) {
        return Err(OAuthError::invalid_binding_message("too long or not plain"));
    }
    Ok(())
}

/// Is it a token that a client may be told with? CIBA Core §7.1, RFC 6750 §2.1.
///
/// # Errors
/// `invalid_request`.
pub(super) fn check_token(text: &str) -> Result<(), OAuthError> {
    let bare = text.trim_end_matches('=');
    let is_of_token68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if TOKEN_LENGTH.contains(&text.len()) && !bare.is_empty() && bare.bytes().all(is_of_token68) {
        return Ok(());
    }
    Err(OAuthError::invalid_request("client_notification_token").saying(
        "client_notification_token is a bearer token of 22 to 1024 characters, with at least 128 bits of entropy (RFC 6750 section 2.1).",
    ))
}

/// Bytes of a request context.
pub const LONGEST_CONTEXT: usize = 4096;

/// What the operator wants to know of how a client came to ask: for decisions about fraud (FAPI-CIBA §5.3).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContextRule {
    /// No request without one.
    pub required: bool,
    /// What has to be in it: as the operator wrote it, and as it is read.
    pub schema: Option<(String, Schema)>,
}

impl ContextRule {
    /// Reads the parameter. Gives the one text of it.
    ///
    /// # Errors
    /// `invalid_request`, with what is wrong.
    pub fn check(&self, text: Option<&str>) -> Result<Option<String>, OAuthError> {
        let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_request(why).saying(sentence));
        let Some(text) = text else {
            if self.required {
                return refuse("no request_context", "request_context is missing: what this request comes from, as a JSON object.");
            }
            return Ok(None);
        };
        if text.len() > LONGEST_CONTEXT {
            return refuse("request_context", "request_context is longer than 4096 bytes.");
        }
        let Ok(object) = serde_json::from_str::<Map<String, Value>>(text) else {
            return refuse("request_context", "request_context is not a JSON object.");
        };
        if let Some(Err(wrong)) = self.schema.as_ref().map(|(_, schema)| schema.check(&object, &[])) {
            return Err(OAuthError::invalid_request("request_context").saying(alloc::format!("request_context: {wrong}")));
        }
        Ok(Some(Value::Object(object).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn fapi_ciba_5_3_a_request_context_is_an_object_as_the_operator_wants_it() {
        let free = ContextRule::default();
        assert_eq!(free.check(None), Ok(None));
        let kept = free.check(Some(r#"{ "lat": 51.5, "ip": "192.0.2.7" }"#)).unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), json!({ "lat": 51.5, "ip": "192.0.2.7" }));
        for bad in ["", "[]", "null", "\"text\"", "{", "{} {}"] {
            assert_eq!(free.check(Some(bad)).unwrap_err().code(), "invalid_request", "{bad}");
        }
        assert!(free.check(Some(&alloc::format!(r#"{{"a":"{}"}}"#, "x".repeat(LONGEST_CONTEXT)))).is_err());
        let schema = Schema::parse(&json!({ "properties": { "ip": { "type": "string" } }, "required": ["ip"] })).unwrap();
        let strict = ContextRule { required: true, schema: Some((String::new(), schema)) };
        assert!(strict.check(Some(r#"{"ip":"192.0.2.7"}"#)).is_ok());
        for bad in [None, Some("{}"), Some(r#"{"ip":1}"#)] {
            assert_eq!(strict.check(bad).unwrap_err().code(), "invalid_request", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\PC\\[\\]{}:\",0-9.e-]{0,80}") {
            let _ = ContextRule::default().check(Some(&text));
        }
    }
}
